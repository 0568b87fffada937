/* SPDX-License-Identifier: MIT */

/* One machine, called: against a server that says what the test wrote. */

#include "wire/nodecall.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "cluster/health.h"
#include "http/httpc_request.h"
#include "wire/trace.h"

#include "scripted.h"
#include "cluster/topology.h"
#include "tap.h"

#define CLUSTER "0123456789abcdef0123456789abcdef"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
#define SCRIPT(text, stays)                   \
	{                                     \
		text, sizeof(text) - 1, stays \
	}

static struct scripted server;
static struct httpc_pool *pool;
static struct peers *peers;
static struct peer peer;
static struct clock_manual manual;
static struct error err;

/* Machine 3 of set 7. */
static bool
start(const struct script *scripts, size_t count, const struct clock *clock)
{
	struct erasure_set set = { .number = 7, .n = 9 };
	struct httpc_options http = { 0 };
	struct peers_options options = {
		.cluster = CLUSTER,
		.clock = clock,
	};

	if (!scripted_start(&server, scripts, count) ||
	    httpc_pool_new(&pool, &http, &err) < 0)
		return false;
	set.machine[3].port = server.port;
	memcpy(set.machine[3].ip, "127.0.0.1", 10);
	peer = peers_machine(&set, 3);
	options.pool = pool;
	return peers_new(&peers, &options, &err) == 0;
}

static void
stop(void)
{
	peers_free(peers);
	httpc_pool_free(pool);
	scripted_stop(&server);
}

static uint64_t
in_ms(uint64_t ms)
{
	return clock_mono_ms(&clock_system) + ms;
}

/* Poll until the call is over. */
static enum httpc_state
finish(struct nodecall *c, char *body, size_t n)
{
	struct iovec iov = { body, n };
	enum httpc_state state;

	httpc_recv_into(c->http, &iov, 1);
	for (;;) {
		state = nodecall_state(c);
		if (state == HTTPC_DONE || state == HTTPC_FAILED)
			return state;
		if (httpc_poll(&c->http, 1, NULL, in_ms(5000)) !=
		    HTTPC_PROGRESS)
			return state;
	}
}

static int
exchange(const char *method, struct bytes body, int *status)
{
	struct nodecall_request request = {
		.method = method,
		.target = "/x",
		.body = body,
	};
	struct httpc_response response = { 0 };
	int rc = nodecall_exchange(peers, &peer, &request, &response, 100,
	    in_ms(5000), &err);

	*status = response.status;
	if (rc == 0)
		httpc_response_fini(&response);
	return rc;
}

static void
a_request_says_to_whom_it_goes_and_what_it_wants(void)
{
	struct script scripts[] = { SCRIPT(OK, false), SCRIPT(OK, false) };
	struct nodecall_request request = {
		.method = "GET",
		.target = "/store/1/b/k",
		.ranged = true,
		.from = 512,
		.to = 1023,
	};
	struct nodecall c;
	char body[3] = "";

	REQUIRE(start(scripts, 2, &clock_system));
	CHECK(nodecall_open(&c, peers, &peer, &request, &err) == 0);
	CHECK(finish(&c, body, 2) == HTTPC_DONE);
	CHECK_STR(body, "ab");
	CHECK(
	    strstr(server.last, "\r\nX-Koop-To: " CLUSTER "/7/3\r\n") != NULL);
	CHECK(strstr(server.last, "\r\nRange: bytes=512-1023\r\n") != NULL);
	nodecall_close(&c);
	nodecall_close(&c); /* a closed call may be closed */
	request.to = NODECALL_END;
	CHECK(nodecall_open(&c, peers, &peer, &request, &err) == 0);
	CHECK(finish(&c, body, 2) == HTTPC_DONE);
	CHECK(strstr(server.last, "\r\nRange: bytes=512-\r\n") != NULL);
	nodecall_close(&c);
	stop();
}

static void
a_request_says_for_whose_it_is_made(void)
{
	struct script scripts[] = { SCRIPT(OK, false), SCRIPT(OK, false),
		SCRIPT(OK, false) };
	struct trace trace = { .id = "00112233445566778899aabbccddeeff" };
	int status = 0;

	REQUIRE(start(scripts, 3, &clock_system));
	CHECK(exchange("GET", BYTES_NONE, &status) == 0);
	CHECK(strstr(server.last, "X-Koop-Client-Request") == NULL);
	trace_begin(&trace);
	CHECK_STR(trace_id(), trace.id);
	CHECK(exchange("GET", BYTES_NONE, &status) == 0);
	CHECK(strstr(server.last,
		  "\r\nX-Koop-Client-Request: "
		  "00112233445566778899aabbccddeeff\r\n") != NULL);
	trace_fetch(5);
	trace_fetch(7);
	trace_end();
	/* The next request of this thread is another's. */
	trace_fetch(100);
	CHECK(trace.fetches == 2 && trace.queued_us == 12);
	CHECK(trace_id() == NULL);
	CHECK(exchange("GET", BYTES_NONE, &status) == 0);
	CHECK(strstr(server.last, "X-Koop-Client-Request") == NULL);
	stop();
}

/* The server closes when the second request comes, without an answer. */
static void
a_stale_connection_is_replaced_for_every_method(void)
{
	struct script scripts[] = { SCRIPT(OK, true), SCRIPT(OK, true),
		SCRIPT(OK, true), SCRIPT(OK, false) };
	int status;

	REQUIRE(start(scripts, 4, &clock_system));
	CHECK(exchange("GET", BYTES_NONE, &status) == 0 && status == 200);
	CHECK(exchange("POST", BYTES_NONE, &status) == 0 && status == 200);
	CHECK(exchange("POST", bytes_str("body"), &status) == 0);
	CHECK(exchange("PUT", bytes_str("body"), &status) == 0);
	CHECK(server.requests == 4);
	CHECK(peers_usable(peers, &peer));
	stop();
}

static void
a_small_body_that_was_given_whole_goes_out_again(void)
{
	struct script scripts[] = { SCRIPT(OK, true), SCRIPT(OK, false) };
	struct nodecall_request request = {
		.method = "POST",
		.target = "/list",
		.body = BYTES_NONE,
	};
	struct nodecall c;
	char body[3] = "";
	int status;

	request.body = bytes_str("prefix=a");
	REQUIRE(start(scripts, 2, &clock_system));
	CHECK(exchange("GET", BYTES_NONE, &status) == 0);
	CHECK(nodecall_open(&c, peers, &peer, &request, &err) == 0);
	CHECK(finish(&c, body, 2) == HTTPC_DONE);
	CHECK_STR(body, "ab");
	CHECK(server.requests == 2);
	CHECK(strstr(server.last, "\r\nContent-Length: 8\r\n") != NULL);
	nodecall_close(&c);
	stop();
}

/* A body that the caller sends has begun: only the caller can begin anew. */
static void
a_body_that_has_begun_is_begun_anew_by_its_owner_once(void)
{
	struct script scripts[] = { SCRIPT(OK, true), SCRIPT(OK, false) };
	struct nodecall_request request = {
		.method = "PUT",
		.target = "/store/1/b/k",
		.body_bytes = 4,
	};
	char out[] = "body";
	struct iovec iov = { out, 4 };
	struct nodecall c;
	char body[3] = "";
	int status;

	clock_manual_init(&manual, 1000);
	REQUIRE(start(scripts, 2, &manual.clock));
	CHECK(exchange("GET", BYTES_NONE, &status) == 0);
	CHECK(nodecall_open(&c, peers, &peer, &request, &err) == 0);
	CHECK(httpc_send(c.http, &iov, 1) == 0);
	CHECK(finish(&c, body, 2) == HTTPC_FAILED);
	CHECK(nodecall_is_stale(&c));
	CHECK(nodecall_reopen(&c, &request, &err) == 0);
	CHECK(httpc_send(c.http, &iov, 1) == 0);
	CHECK(finish(&c, body, 2) == HTTPC_DONE);
	CHECK(httpc_status(c.http) == 200);
	CHECK(!nodecall_is_stale(&c));
	nodecall_close(&c);
	stop();
}

/* Three failures over a while make a machine DOWN. */
static void
fail_thrice(void)
{
	struct nodecall_request request = { .method = "GET", .target = "/" };
	struct nodecall c;
	char body[3];

	for (int i = 0; i < HEALTH_DOWN_FAILURES; i++) {
		CHECK(nodecall_open(&c, peers, &peer, &request, &err) == 0);
		CHECK(finish(&c, body, 2) == HTTPC_FAILED);
		/* Looking again is no second failure. */
		CHECK(nodecall_state(&c) == HTTPC_FAILED);
		nodecall_close(&c);
		manual.now_ms += HEALTH_DOWN_MS;
	}
}

static void
health_learns_of_every_end_once(void)
{
	struct script scripts[] = { SCRIPT("", false), SCRIPT("", false),
		SCRIPT("", false), SCRIPT(OK, false), SCRIPT(OK, false) };
	int status;

	clock_manual_init(&manual, 1000);
	REQUIRE(start(scripts, 5, &manual.clock));
	fail_thrice();
	/* DOWN since the third: a probe is due, then no more for a while. */
	CHECK(peers_usable(peers, &peer));
	CHECK(!peers_usable(peers, &peer));
	CHECK(exchange("GET", BYTES_NONE, &status) == 0);
	CHECK(peers_usable(peers, &peer));
	CHECK(peers_usable(peers, &peer));
	CHECK(exchange("GET", BYTES_NONE, &status) == 0);
	stop();
}

static void
another_at_that_address_is_as_good_as_nobody(void)
{
	static const char wrong[] =
	    "HTTP/1.1 421 Misdirected\r\nContent-Length: 0\r\n\r\n";
	struct script scripts[] = { SCRIPT(wrong, false), SCRIPT(wrong, false),
		SCRIPT(wrong, false) };
	int status;

	clock_manual_init(&manual, 1000);
	REQUIRE(start(scripts, 3, &manual.clock));
	for (int i = 0; i < 3; i++) {
		CHECK(exchange("GET", BYTES_NONE, &status) == 0);
		CHECK(status == 421);
		manual.now_ms += HEALTH_DOWN_MS;
	}
	CHECK(peers_usable(peers, &peer));
	CHECK(!peers_usable(peers, &peer));
	/* Said of this address only. */
	peer.machine.port++;
	CHECK(peers_usable(peers, &peer));
	CHECK(peers_usable(peers, &peer));
	stop();
}

/* As if the machine had failed so often, and for long enough. */
static void
fail_times(int n)
{
	for (int i = 0; i < n; i++) {
		manual.now_ms += HEALTH_DOWN_MS;
		peers_bad(peers, &peer);
	}
}

static void
an_error_of_a_machine_that_is_there_says_nothing_new(void)
{
	static const char sick[] =
	    "HTTP/1.1 500 Sick\r\nContent-Length: 0\r\n\r\n";
	struct script scripts[] = { SCRIPT(sick, false), SCRIPT(OK, false) };
	int status;

	clock_manual_init(&manual, 1000);
	REQUIRE(start(scripts, 2, &manual.clock));
	fail_times(HEALTH_DOWN_FAILURES);
	CHECK(!peers_usable(peers, &peer));
	CHECK(exchange("GET", BYTES_NONE, &status) == 0 && status == 500);
	CHECK(!peers_usable(peers, &peer));
	CHECK(exchange("GET", BYTES_NONE, &status) == 0 && status == 200);
	CHECK(peers_usable(peers, &peer));
	stop();
}

static void
a_connection_that_was_closed_while_kept_is_no_failure(void)
{
	struct script scripts[] = { SCRIPT(OK, true) };
	struct nodecall_request request = {
		.method = "PUT",
		.target = "/store/1/b/k",
		.body_bytes = 4,
	};
	char out[] = "body";
	struct iovec iov = { out, 4 };
	struct nodecall c;
	char body[3] = "";
	int status;

	clock_manual_init(&manual, 1000);
	REQUIRE(start(scripts, 1, &manual.clock));
	CHECK(exchange("GET", BYTES_NONE, &status) == 0);
	CHECK(nodecall_open(&c, peers, &peer, &request, &err) == 0);
	CHECK(httpc_send(c.http, &iov, 1) == 0);
	CHECK(finish(&c, body, 2) == HTTPC_FAILED);
	CHECK(nodecall_is_stale(&c));
	nodecall_close(&c);
	/* One more than these would make it DOWN. */
	fail_times(HEALTH_DOWN_FAILURES - 1);
	CHECK(peers_usable(peers, &peer) && peers_usable(peers, &peer));
	stop();
}

static void
an_answer_is_news_once(void)
{
	struct script scripts[] = { SCRIPT(OK, false) };
	struct nodecall_request request = {
		.method = "GET",
		.target = "/applied/1",
	};
	struct nodecall c;
	char body[3] = "";

	clock_manual_init(&manual, 1000);
	REQUIRE(start(scripts, 1, &manual.clock));
	CHECK(nodecall_open(&c, peers, &peer, &request, &err) == 0);
	CHECK(finish(&c, body, 2) == HTTPC_DONE);
	fail_times(HEALTH_DOWN_FAILURES);
	CHECK(!peers_usable(peers, &peer));
	CHECK(nodecall_state(&c) == HTTPC_DONE);
	nodecall_close(&c);
	CHECK(!peers_usable(peers, &peer));
	stop();
}

/* Twenty calls whose answer takes 100 ms; when the next would be late. */
static uint64_t
lateness_after_calls(bool untimed)
{
	static struct script scripts[20];
	struct nodecall_request request = {
		.method = "GET",
		.target = "/applied/1",
		.untimed = untimed,
	};
	struct nodecall c = { 0 };
	char body[3] = "";
	uint64_t due;

	for (size_t i = 0; i < nitems(scripts); i++)
		scripts[i] = (struct script)SCRIPT(OK, false);
	clock_manual_init(&manual, 1000);
	if (!start(scripts, nitems(scripts), &manual.clock))
		return 0;
	for (size_t i = 0; i < nitems(scripts); i++) {
		CHECK(nodecall_open(&c, peers, &peer, &request, &err) == 0);
		manual.now_ms += 100;
		CHECK(finish(&c, body, 2) == HTTPC_DONE);
		nodecall_close(&c);
	}
	due = nodecall_due(&c, 5000) - 5000;
	stop();
	return due;
}

static void
the_time_of_who_waits_for_something_is_not_the_machine_s(void)
{
	CHECK(lateness_after_calls(false) == 100);
	CHECK(lateness_after_calls(true) == PEERS_HEDGE_MIN_MS);
}

static void
who_was_late_and_silent_to_the_end_has_failed(void)
{
	struct script scripts[] = { SCRIPT(OK, false) };
	struct nodecall_request request = { .method = "GET", .target = "/" };
	struct nodecall c;

	clock_manual_init(&manual, 1000);
	REQUIRE(start(scripts, 1, &manual.clock));
	for (int i = 0; i < HEALTH_DOWN_FAILURES; i++) {
		CHECK(nodecall_open(&c, peers, &peer, &request, &err) == 0);
		c.late = true;
		manual.now_ms += HEALTH_DOWN_MS;
		nodecall_close(&c);
	}
	CHECK(!peers_usable(peers, &peer));
	stop();
}

static void
a_machine_is_late_after_its_p95_within_bounds(void)
{
	struct script scripts[] = { SCRIPT(OK, false) };
	struct nodecall c = { 0 };

	clock_manual_init(&manual, 1000);
	REQUIRE(start(scripts, 1, &manual.clock));
	c.peers = peers;
	c.peer = peer;
	CHECK(nodecall_due(&c, 5000) == 5000 + PEERS_HEDGE_MIN_MS);
	for (int i = 0; i < HEALTH_WINDOW; i++)
		peers_good(peers, &peer, 100);
	CHECK(nodecall_due(&c, 5000) == 5100);
	/* The time of a PUT is its body's. */
	for (int i = 0; i < HEALTH_WINDOW; i++)
		peers_good(peers, &peer, PEERS_UNTIMED);
	CHECK(nodecall_due(&c, 5000) == 5100);
	for (int i = 0; i < HEALTH_WINDOW; i++)
		peers_good(peers, &peer, 60000);
	CHECK(nodecall_due(&c, 5000) == 5000 + PEERS_HEDGE_MAX_MS);
	stop();
}

/* protocol.md 1: the time that any answer tells. */
static void
the_time_of_an_answer_is_heard(void)
{
	static const char told[] =
	    "HTTP/1.1 200 OK\r\nX-Koop-Time: 4000000000000\r\n"
	    "Content-Length: 2\r\n\r\nok";
	static const char nonsense[] =
	    "HTTP/1.1 200 OK\r\nX-Koop-Time: 5e12\r\n"
	    "Content-Length: 2\r\n\r\nok";
	static const char later[] =
	    "HTTP/1.1 404 No\r\nX-Koop-Time: 4000000000001\r\n"
	    "Content-Length: 2\r\n\r\nno";
	struct script scripts[] = { SCRIPT(told, false),
		SCRIPT(nonsense, false), SCRIPT(later, false) };
	struct nodecall_request request = { .method = "GET", .target = "/" };
	struct nodecall c;
	char body[3];
	int status;

	REQUIRE(start(scripts, 3, &clock_system));
	CHECK(exchange("GET", BYTES_NONE, &status) == 0);
	CHECK(reqid_heard_ms() == 4000000000000u);
	CHECK(exchange("GET", BYTES_NONE, &status) == 0);
	CHECK(reqid_heard_ms() == 4000000000000u);
	/* Calls that are polled, and refusals, tell it, too. */
	CHECK(nodecall_open(&c, peers, &peer, &request, &err) == 0);
	CHECK(finish(&c, body, 2) == HTTPC_DONE);
	CHECK(reqid_heard_ms() == 4000000000001u);
	nodecall_close(&c);
	stop();
}

/* Enough failures that both are DOWN, and the probes that are due taken. */
static void
make_bad(const struct peer *a, const struct peer *b)
{
	for (int i = 0; i <= HEALTH_DOWN_FAILURES; i++) {
		manual.now_ms += HEALTH_DOWN_MS;
		peers_bad(peers, a);
		peers_bad(peers, b);
	}
	(void)peers_usable(peers, a);
	(void)peers_usable(peers, b);
}

static void
machines_that_are_no_more_are_forgotten_and_others_are_not(void)
{
	struct script scripts[] = { SCRIPT(OK, false) };
	struct topology_options options = {
		.nodes = 9,
		.data_shards = 6,
		.parity_shards = 3,
		.partitions = 1,
		.node_port = 8001,
		.host = "127.0.0.1",
	};
	struct topology *topology;
	struct peer stays, moves;

	clock_manual_init(&manual, 1000);
	REQUIRE(start(scripts, 1, &manual.clock));
	REQUIRE(topology_make(&topology, &options, &err) == 0);
	stays = peers_machine(&topology->sets[0], 1);
	moves = peers_machine(&topology->sets[0], 2);
	make_bad(&stays, &moves);
	CHECK(!peers_usable(peers, &stays) && !peers_usable(peers, &moves));
	topology->sets[0].machine[2].port = 9999;
	peers_keep(peers, topology);
	/* What was learnt of one that is where it was stays; of the other
	 * nothing is known, should it come back. */
	CHECK(!peers_usable(peers, &stays));
	CHECK(peers_usable(peers, &moves) && peers_usable(peers, &moves));
	topology_free(topology);
	stop();
}

int
main(void)
{
	RUN(the_time_of_an_answer_is_heard);
	RUN(machines_that_are_no_more_are_forgotten_and_others_are_not);
	RUN(a_request_says_to_whom_it_goes_and_what_it_wants);
	RUN(a_request_says_for_whose_it_is_made);
	RUN(a_stale_connection_is_replaced_for_every_method);
	RUN(a_small_body_that_was_given_whole_goes_out_again);
	RUN(a_body_that_has_begun_is_begun_anew_by_its_owner_once);
	RUN(health_learns_of_every_end_once);
	RUN(another_at_that_address_is_as_good_as_nobody);
	RUN(an_error_of_a_machine_that_is_there_says_nothing_new);
	RUN(a_connection_that_was_closed_while_kept_is_no_failure);
	RUN(an_answer_is_news_once);
	RUN(the_time_of_who_waits_for_something_is_not_the_machine_s);
	RUN(who_was_late_and_silent_to_the_end_has_failed);
	RUN(a_machine_is_late_after_its_p95_within_bounds);
	return tap_done();
}
