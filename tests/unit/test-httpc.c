/* SPDX-License-Identifier: MIT */
#include "http/httpc_request.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "httptest.h"
#include "tap.h"

static struct httptest test;
static struct httpc_pool *pool;
static struct httpc_addr server;
static struct error err;

static uint64_t
in_ms(uint64_t ms)
{
	return clock_mono_ms(&clock_system) + ms;
}

static bool
start_with(unsigned max_open)
{
	struct httpc_options options = { .max_open = max_open };
	struct httpd_options none = { .drain_ms = 2000 };

	if (!httptest_start(&test, &none))
		return false;
	server = (struct httpc_addr){ "127.0.0.1", httpd_port(test.httpd) };
	return httpc_pool_new(&pool, &options, &err) == 0;
}

static bool
start(void)
{
	return start_with(0);
}

static void
stop(void)
{
	httpc_pool_free(pool);
	httptest_stop(&test);
	CHECK(test.begun == test.done);
	CHECK(test.streams == 0);
}

static int
get(const char *target, struct httpc_response *out, size_t max)
{
	return httpc_request(pool, &server, "GET", target, NULL, 0, BYTES_NONE,
	    out, max, in_ms(10000), &err);
}

static void
one_exchange_gives_status_headers_and_body(void)
{
	struct httpc_header header = { "X-A", "b c" };
	struct httpc_response r;

	REQUIRE(start());
	REQUIRE(get("/hello", &r, 100) == 0);
	CHECK(r.status == 200);
	CHECK_STR(buf_cstr(&r.body), "hello\n");
	CHECK_STR(httpc_response_get(&r, "content-TYPE"), "text/plain");
	CHECK(httpc_response_get(&r, "X-None") == NULL);
	httpc_response_fini(&r);
	REQUIRE(httpc_request(pool, &server, "GET", "/header/x-a", &header, 1,
		    BYTES_NONE, &r, 100, in_ms(10000), &err) == 0);
	CHECK_STR(buf_cstr(&r.body), "b c");
	httpc_response_fini(&r);
	REQUIRE(get("/echo-target?a=%41+b", &r, 100) == 0);
	CHECK_STR(buf_cstr(&r.body), "/echo-target?a=%41+b");
	httpc_response_fini(&r);
	REQUIRE(get("/silent", &r, 100) == 0);
	CHECK(r.status == 500);
	httpc_response_fini(&r);
	REQUIRE(get("/no-content", &r, 100) == 0);
	CHECK(r.status == 204 && r.body.n == 0);
	httpc_response_fini(&r);
	REQUIRE(httpc_request(pool, &server, "PUT", "/echo", NULL, 0,
		    bytes_str("some text"), &r, 100, in_ms(10000), &err) == 0);
	CHECK_STR(buf_cstr(&r.body), "some text");
	httpc_response_fini(&r);
	REQUIRE(httpc_request(pool, &server, "PUT", "/echo", NULL, 0,
		    BYTES_NONE, &r, 100, in_ms(10000), &err) == 0);
	CHECK(r.status == 200 && r.body.n == 0);
	httpc_response_fini(&r);
	/* All of that went over one connection. */
	CHECK(httpd_connections(test.httpd) == 1);
	stop();
}

static void
head_has_the_length_and_no_body(void)
{
	struct httpc_call *call;
	struct httpc_response r;

	REQUIRE(start());
	REQUIRE(httpc_open(&call, pool, &server, "HEAD", "/bytes?n=12345", NULL,
		    0, HTTPC_NO_BODY, &err) == 0);
	while (httpc_state(call) < HTTPC_DONE)
		REQUIRE(
		    httpc_poll(&call, 1, NULL, in_ms(5000)) == HTTPC_PROGRESS);
	CHECK(httpc_state(call) == HTTPC_DONE);
	CHECK(httpc_status(call) == 200);
	CHECK_STR(httpc_response_header(call, "Content-Length"), "12345");
	CHECK(httpc_body_length(call) == 0);
	httpc_close(call);
	REQUIRE(get("/hello", &r, 100) == 0);
	CHECK_STR(buf_cstr(&r.body), "hello\n");
	httpc_response_fini(&r);
	CHECK(httpd_connections(test.httpd) == 1);
	stop();
}

/* Receive everything, in pieces of odd sizes; returns how much was good. */
static uint64_t
drain(struct httpc_call *call, size_t piece, uint64_t first)
{
	uint8_t *memory = malloc(piece);
	uint64_t total = 0;
	bool given = false;
	bool full;

	for (;;) {
		struct iovec iov[2] = { { memory, piece / 3 },
			{ memory + piece / 3, piece - piece / 3 } };
		enum httpc_state state = httpc_state(call);
		bool ended = state == HTTPC_DONE || state == HTTPC_FAILED;

		full = given && httpc_received(call) == piece;
		if (full || (given && ended)) {
			size_t n = httpc_received(call);

			if (!httptest_check(memory, first + total, n))
				break;
			total += n;
			given = false;
		}
		if (ended)
			break;
		if (!given)
			httpc_recv_into(call, iov, 2);
		given = true;
		if (httpc_poll(&call, 1, NULL, in_ms(5000)) != HTTPC_PROGRESS)
			break;
	}
	free(memory);
	return total;
}

static uint64_t
fetch(const char *target, size_t piece, uint64_t first, enum httpc_state *state)
{
	struct httpc_call *call;
	uint64_t n;

	if (httpc_open(&call, pool, &server, "GET", target, NULL, 0,
		HTTPC_NO_BODY, &err) < 0)
		return UINT64_MAX;
	n = drain(call, piece, first);
	*state = httpc_state(call);
	if (*state == HTTPC_FAILED)
		err = *httpc_error(call);
	httpc_close(call);
	return n;
}

static void
bodies_of_every_kind_arrive_whole(void)
{
	static const size_t pieces[] = { 3, 1000, 65536, 1500000 };
	static const uint64_t sizes[] = { 0, 1, 4096, 8192, 100003 };
	enum httpc_state state;
	char target[100];

	REQUIRE(start());
	for (size_t i = 0; i < 4; i++) {
		for (size_t k = 0; k < 5; k++) {
			unsigned long long n = sizes[k];

			snprintf(target, sizeof(target), "/bytes?n=%llu", n);
			CHECK(fetch(target, pieces[i], 0, &state) == n);
			CHECK(state == HTTPC_DONE);
			snprintf(target, sizeof(target),
			    "/bytes?n=%llu&chunked=1", n);
			CHECK(fetch(target, pieces[i], 0, &state) == n);
			CHECK(state == HTTPC_DONE);
		}
	}
	CHECK(fetch("/bytes?n=20000000", 1500000, 0, &state) == 20000000);
	CHECK(fetch("/bytes?n=20000000&chunked=1", 1500000, 0, &state) ==
	    20000000);
	CHECK(fetch("/bytes?n=9000&block=1", 100, 0, &state) == 9000);
	CHECK(httpd_connections(test.httpd) == 1);
	stop();
}

static void
parts_of_a_file_come_by_sendfile(void)
{
	enum httpc_state state;

	REQUIRE(start());
	CHECK(fetch("/file", 65536, 0, &state) == FILE_BYTES);
	CHECK(state == HTTPC_DONE);
	CHECK(fetch("/file?first=12345&n=54321", 777, 12345, &state) == 54321);
	CHECK(fetch("/file?first=12345&n=0", 777, 12345, &state) == 0);
	CHECK(state == HTTPC_DONE);
	/* Past the end of the file: never a clean end. */
	CHECK(
	    fetch("/file?first=2999000&n=2000", 777, 2999000, &state) <= 1000);
	CHECK(state == HTTPC_FAILED);
	stop();
}

static void
a_cut_stream_is_a_failure(void)
{
	enum httpc_state state;

	REQUIRE(start());
	CHECK(fetch("/bytes?n=1000000&cut=500000", 4096, 0, &state) <= 500000);
	CHECK(state == HTTPC_FAILED);
	CHECK(err.code == ERRC_UNAVAILABLE);
	CHECK(fetch("/bytes?n=1000000&cut=500000&chunked=1", 4096, 0, &state) <=
	    500000);
	CHECK(state == HTTPC_FAILED);
	CHECK(fetch("/bytes?n=1000000&cut=0&chunked=1", 4096, 0, &state) == 0);
	CHECK(state == HTTPC_FAILED);
	stop();
	CHECK(test.incomplete == 3);
}

/* A body of n bytes in batches of several iovecs. */
static enum httpc_state
upload(const char *target, uint64_t n, size_t batch, bool chunked,
    struct httpc_call **out)
{
	uint8_t *memory = malloc(batch + 1);
	struct httpc_call *call = NULL;
	uint64_t sent = 0;

	if (httpc_open(&call, pool, &server, "PUT", target, NULL, 0,
		chunked ? HTTPC_CHUNKED : n, &err) < 0)
		goto out;
	*out = call;
	while (httpc_state(call) < HTTPC_BODY) {
		size_t part = batch < n - sent ? batch : (size_t)(n - sent);

		if (httpc_queued(call) == 0 && part > 0) {
			struct iovec iov[3] = { { memory, part / 4 },
				{ memory + part / 4, 0 },
				{ memory + part / 4, part - part / 4 } };

			httptest_fill(memory, sent, part);
			if (httpc_send(call, iov, 3) < 0)
				break;
			sent += part;
		} else if (httpc_queued(call) == 0) {
			httpc_finish(call);
		}
		if (httpc_poll(&call, 1, NULL, in_ms(5000)) != HTTPC_PROGRESS)
			break;
	}
out:
	free(memory);
	return httpc_state(call);
}

static void
text_of(struct httpc_call *call, char *text, size_t room)
{
	struct iovec iov = { text, room - 1 };

	httpc_recv_into(call, &iov, 1);
	while (httpc_state(call) < HTTPC_DONE &&
	    httpc_poll(&call, 1, NULL, in_ms(5000)) == HTTPC_PROGRESS)
		continue;
	text[httpc_received(call)] = '\0';
}

static void
bodies_of_every_kind_are_sent_whole(void)
{
	static const uint64_t sizes[] = { 0, 1, 4096, 100003, 9000000 };
	struct httpc_call *call;
	char text[100];
	char want[100];

	REQUIRE(start());
	for (int chunked = 0; chunked < 2; chunked++) {
		for (size_t k = 0; k < 5; k++) {
			snprintf(want, sizeof(want), "good %llu\n",
			    (unsigned long long)sizes[k]);
			(void)upload("/sink", sizes[k], 700001, chunked, &call);
			text_of(call, text, sizeof(text));
			CHECK(httpc_state(call) == HTTPC_DONE);
			CHECK_STR(text, want);
			httpc_close(call);
		}
		(void)upload("/sink", 5000, 7, chunked, &call);
		text_of(call, text, sizeof(text));
		CHECK_STR(text, "good 5000\n");
		httpc_close(call);
	}
	CHECK(httpd_connections(test.httpd) == 1);
	stop();
}

static void
an_early_refusal_ends_the_sending(void)
{
	static const char *const targets[] = { "/refuse", "/refuse-mid?n=100",
		"/refuse-mid?n=3000000" };
	static const int statuses[] = { 403, 409, 409 };
	static const char *const texts[] = { "no\n", "conflict\n",
		"conflict\n" };
	struct httpc_call *call;
	char text[100];

	REQUIRE(start());
	for (int i = 0; i < 12; i++) {
		int k = i % 3;

		(void)upload(targets[k], 200000000, 400000, i % 2, &call);
		text_of(call, text, sizeof(text));
		CHECK(httpc_state(call) == HTTPC_DONE);
		CHECK(httpc_status(call) == statuses[k]);
		CHECK(httpc_queued(call) == 0);
		CHECK_STR(text, texts[k]);
		CHECK(httpc_response_header(call, "X-Why") != NULL);
		httpc_close(call);
	}
	stop();
	CHECK(test.begun == 12);
}

static void
more_than_was_announced_is_refused(void)
{
	struct iovec many[HTTPC_IOV_MAX + 1];
	struct httpc_call *call;
	uint8_t byte = 0;

	REQUIRE(start());
	for (size_t i = 0; i <= HTTPC_IOV_MAX; i++)
		many[i] = (struct iovec){ &byte, 1 };
	REQUIRE(httpc_open(&call, pool, &server, "PUT", "/sink", NULL, 0, 5,
		    &err) == 0);
	CHECK(httpc_send(call, many, 6) == -ERRC_USAGE);
	CHECK(httpc_send(call, many, 5) == 0);
	CHECK(httpc_send(call, many, 1) == -ERRC_USAGE);
	httpc_close(call);
	REQUIRE(httpc_open(&call, pool, &server, "PUT", "/sink", NULL, 0,
		    HTTPC_CHUNKED, &err) == 0);
	CHECK(httpc_send(call, many, HTTPC_IOV_MAX) == -ERRC_RETRY);
	CHECK(httpc_send(call, many, httpc_send_room(call)) == 0);
	CHECK(httpc_send_room(call) == 0);
	httpc_finish(call);
	httpc_close(call);
	stop();
}

static void
a_deadline_passes_and_closing_cancels(void)
{
	struct httpc_response r;
	struct httpc_call *call;
	int tries = 0;

	REQUIRE(start());
	REQUIRE(httpc_open(&call, pool, &server, "GET", "/wait", NULL, 0,
		    HTTPC_NO_BODY, &err) == 0);
	CHECK(httpc_poll(&call, 1, NULL, in_ms(1000)) == HTTPC_PROGRESS);
	CHECK(httpc_state(call) == HTTPC_WAITING);
	CHECK(httpc_poll(&call, 1, NULL, in_ms(30)) == HTTPC_TIMEOUT);
	while (test.waiting == 0 && tries++ < 500)
		CHECK(httpc_poll(&call, 1, NULL, in_ms(10)) == HTTPC_TIMEOUT);
	httpc_close(call);
	CHECK(httpc_request(pool, &server, "GET", "/wait", NULL, 0, BYTES_NONE,
		  &r, 100, in_ms(50), &err) == -ERRC_UNAVAILABLE);
	CHECK(strstr(err.text, "no answer in time") != NULL);
	stop();
	CHECK(test.gone >= 1);
}

static void
the_loss_of_our_own_client_is_told(void)
{
	struct httpc_wake wake = { -1, -1 };
	struct httpc_call *call;
	int pair[2];
	int event;

	REQUIRE(start());
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	wake.client_fd = pair[0];
	REQUIRE(httpc_open(&call, pool, &server, "GET", "/wait", NULL, 0,
		    HTTPC_NO_BODY, &err) == 0);
	CHECK(httpc_poll(&call, 1, &wake, in_ms(1000)) == HTTPC_PROGRESS);
	CHECK(httpc_poll(&call, 1, &wake, in_ms(20)) == HTTPC_TIMEOUT);
	close(pair[1]);
	event = httpc_poll(&call, 1, &wake, in_ms(1000));
	CHECK(event == HTTPC_CLIENT_GONE);
	close(pair[0]);
	/* With nothing but an event to wait for. */
	REQUIRE(pipe2(pair, O_CLOEXEC) == 0);
	wake = (struct httpc_wake){ -1, pair[0] };
	CHECK(write(pair[1], "x", 1) == 1);
	CHECK(httpc_poll(&call, 1, &wake, in_ms(1000)) == HTTPC_WOKEN);
	close(pair[0]);
	close(pair[1]);
	httpc_close(call);
	stop();
}

static void
many_calls_are_polled_at_once(void)
{
	enum { N = 32, BYTES = 300000 };
	static uint8_t memory[N][BYTES];
	struct httpc_call *calls[N + 2] = { NULL };
	unsigned left = N;

	REQUIRE(start());
	for (int i = 0; i < N; i++) {
		struct iovec iov = { memory[i], BYTES };

		REQUIRE(
		    httpc_open(&calls[i], pool, &server, "GET",
			"/bytes?n=300000", NULL, 0, HTTPC_NO_BODY, &err) == 0);
		httpc_recv_into(calls[i], &iov, 1);
	}
	while (left > 0) {
		REQUIRE(httpc_poll(calls, N + 2, NULL, in_ms(5000)) ==
		    HTTPC_PROGRESS);
		left = 0;
		for (int i = 0; i < N; i++)
			left += httpc_state(calls[i]) < HTTPC_DONE;
	}
	for (int i = 0; i < N; i++) {
		CHECK(httpc_state(calls[i]) == HTTPC_DONE);
		CHECK(httpc_received(calls[i]) == BYTES);
		CHECK(httptest_check(memory[i], 0, BYTES));
		httpc_close(calls[i]);
	}
	CHECK(httpd_connections(test.httpd) == N);
	stop();
}

static void *
close_later(void *arg)
{
	(void)poll(NULL, 0, 50);
	httpc_close(arg);
	return NULL;
}

static void
an_address_has_a_cap_of_connections(void)
{
	struct httpc_call *calls[3];
	struct httpc_response r;
	pthread_t thread;

	REQUIRE(start_with(2));
	for (int i = 0; i < 2; i++)
		REQUIRE(httpc_open(&calls[i], pool, &server, "GET", "/hello",
			    NULL, 0, HTTPC_NO_BODY, &err) == 0);
	CHECK(httpc_open(&calls[2], pool, &server, "GET", "/hello", NULL, 0,
		  HTTPC_NO_BODY, &err) == -ERRC_RETRY);
	CHECK(strstr(err.text, "all 2 connections are busy") != NULL);
	CHECK(httpc_pool_wait(pool, &server, in_ms(20), &err) ==
	    -ERRC_UNAVAILABLE);
	REQUIRE(pthread_create(&thread, NULL, close_later, calls[0]) == 0);
	CHECK(get("/hello", &r, 100) == 0);
	httpc_response_fini(&r);
	pthread_join(thread, NULL);
	httpc_close(calls[1]);
	stop();
}

static void
a_refused_connect_names_the_address(void)
{
	struct httpc_addr nobody = { "127.0.0.1", 1 };
	struct httpc_response r;

	REQUIRE(start());
	CHECK(httpc_request(pool, &nobody, "GET", "/", NULL, 0, BYTES_NONE, &r,
		  100, in_ms(1000), &err) == -ERRC_UNAVAILABLE);
	CHECK_STR(err.text, "127.0.0.1:1: connect: Connection refused");
	nobody = (struct httpc_addr){ "not-an-ip", 1 };
	CHECK(httpc_request(pool, &nobody, "GET", "/", NULL, 0, BYTES_NONE, &r,
		  100, in_ms(1000), &err) == -ERRC_CONFIG);
	stop();
}

static void
what_would_break_a_request_is_not_sent(void)
{
	static const struct httpc_header bad[] = { { "a b", "c" },
		{ "a", "b\r\nc: d" }, { "", "x" } };
	struct httpc_call *call;

	REQUIRE(start());
	for (size_t i = 0; i < 3; i++)
		CHECK(httpc_open(&call, pool, &server, "GET", "/", &bad[i], 1,
			  HTTPC_NO_BODY, &err) == -ERRC_USAGE);
	CHECK(httpc_open(&call, pool, &server, "GET", "/a b", NULL, 0,
		  HTTPC_NO_BODY, &err) == -ERRC_USAGE);
	CHECK(httpc_open(&call, pool, &server, "GET", "/a\r\nb", NULL, 0,
		  HTTPC_NO_BODY, &err) == -ERRC_USAGE);
	CHECK(httpc_open(&call, pool, &server, "GE T", "/", NULL, 0,
		  HTTPC_NO_BODY, &err) == -ERRC_USAGE);
	stop();
}

static void
a_body_beyond_the_maximum_is_an_error(void)
{
	struct httpc_response r;

	REQUIRE(start());
	CHECK(get("/bytes?n=100", &r, 99) == -ERRC_PROTOCOL);
	CHECK(get("/bytes?n=100&chunked=1", &r, 99) == -ERRC_PROTOCOL);
	CHECK(get("/bytes?n=100000&chunked=1", &r, 99999) == -ERRC_PROTOCOL);
	CHECK(get("/bytes?n=100000&chunked=1", &r, 100000) == 0);
	CHECK(r.body.n == 100000);
	CHECK(httptest_check((const uint8_t *)r.body.p, 0, r.body.n));
	httpc_response_fini(&r);
	CHECK(get("/bytes?n=100", &r, 100) == 0);
	CHECK(r.body.n == 100);
	httpc_response_fini(&r);
	stop();
}

static bool
keep_none(void *arg, const struct httpc_addr *addr)
{
	(void)addr;
	(*(int *)arg)++;
	return false;
}

static bool
keep_all(void *arg, const struct httpc_addr *addr)
{
	(void)addr;
	(*(int *)arg)++;
	return true;
}

static void
addresses_that_are_no_more_are_forgotten(void)
{
	struct httpc_response r;
	struct httpc_call *call;
	int asked = 0;

	REQUIRE(start());
	CHECK(get("/hello", &r, 100) == 0);
	httpc_response_fini(&r);
	httpc_pool_keep(pool, keep_all, &asked);
	CHECK(asked == 1);
	CHECK(httpc_open(&call, pool, &server, "GET", "/hello", NULL, 0,
		  HTTPC_NO_BODY, &err) == 0);
	/* One that is in use stays until it is not. */
	httpc_pool_keep(pool, keep_none, &asked);
	CHECK(asked == 2);
	httpc_close(call);
	httpc_pool_keep(pool, keep_none, &asked);
	CHECK(asked == 3);
	httpc_pool_keep(pool, keep_none, &asked);
	CHECK(asked == 3);
	/* And one that comes back is an address like any other. */
	CHECK(get("/hello", &r, 100) == 0);
	httpc_response_fini(&r);
	httpc_pool_keep(pool, keep_none, &asked);
	CHECK(asked == 4);
	stop();
}

int
main(void)
{
	RUN(addresses_that_are_no_more_are_forgotten);
	RUN(one_exchange_gives_status_headers_and_body);
	RUN(head_has_the_length_and_no_body);
	RUN(bodies_of_every_kind_arrive_whole);
	RUN(parts_of_a_file_come_by_sendfile);
	RUN(a_cut_stream_is_a_failure);
	RUN(bodies_of_every_kind_are_sent_whole);
	RUN(an_early_refusal_ends_the_sending);
	RUN(more_than_was_announced_is_refused);
	RUN(a_deadline_passes_and_closing_cancels);
	RUN(the_loss_of_our_own_client_is_told);
	RUN(many_calls_are_polled_at_once);
	RUN(an_address_has_a_cap_of_connections);
	RUN(a_refused_connect_names_the_address);
	RUN(what_would_break_a_request_is_not_sent);
	RUN(a_body_beyond_the_maximum_is_an_error);
	return tap_done();
}
