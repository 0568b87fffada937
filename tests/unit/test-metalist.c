/* SPDX-License-Identifier: MIT */

/* Pages of a list that come from two erasure sets, and when one may be
 * given.  Each set is three machines (2 + 1, w = 3: r = 2, c = 2). */

#include "client/metaread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "client/nodeclient.h"
#include "cluster/topology_source.h"
#include "commit/commitlog.h"
#include "commit/positions.h"
#include "http/httpd.h"
#include "wire/nodeline.h"

#include "tap.h"

#define CLUSTER "0123456789abcdef0123456789abcdef"
#define SETS 2
#define MACHINES 4

struct machine_of {
	uint32_t set, index;
	struct httpd *httpd;
};

static struct machine_of machines[SETS][MACHINES];
static const char *keys[SETS]; /* one letter each, of a set's page */
static bool more[SETS];
static uint32_t count = 3; /* machines of each set */
static _Atomic uint64_t applied;
static uint64_t row_seq; /* of every key */
/* Who says so: where it is, and whether it votes; else all are at `applied`,
 * with a vote. */
static atomic_bool apart;
static uint64_t apart_at[MACHINES];
static bool apart_votes[MACHINES];
static char asked_at[64]; /* of the first set's last page */
static struct nodeclient *nc;
static unsigned number;

static void
say_page(const struct machine_of *m, struct buf *body)
{
	struct nodeline_key line = { .kind = NODELINE_ITEM, .seq = row_seq };

	for (const char *k = keys[m->set]; *k != '\0'; k++) {
		line.name_bytes = 1;
		line.name[0] = *k;
		line.name[1] = '\0';
		nodeline_list_print(body, &line);
	}
	line.kind = NODELINE_END;
	line.truncated = more[m->set];
	nodeline_list_print(body, &line);
}

static void
on_begin(void *ctx, struct httpd_request *req)
{
	const struct machine_of *m = ctx;
	struct buf body = buf_make(1 << 16);

	if (strcmp(httpd_path(req), "/applied") == 0)
		buf_printf(&body, "voting %u %d\nposition %u %llu\n", m->set,
		    !apart || apart_votes[m->index], m->set,
		    (unsigned long long)(apart ? apart_at[m->index] : applied));
	else
		say_page(m, &body);
	if (strcmp(httpd_path(req), "/list") == 0) {
		const char *at = strstr(httpd_query(req), "&at=");

		if (at != NULL && m->set == 0)
			(void)snprintf(asked_at, sizeof(asked_at), "%s",
			    at + 4);
		apart = false;
	}
	httpd_reply(req, 200, body.p, body.n);
	buf_fini(&body);
}

static int
on_body(void *ctx, struct httpd_request *req, const uint8_t *p, size_t n)
{
	(void)ctx;
	(void)req;
	(void)p;
	(void)n;
	return 0;
}

static void
on_end(void *ctx, struct httpd_request *req)
{
	(void)ctx;
	(void)req;
}

static void
on_done(void *ctx, struct httpd_request *req, bool completed)
{
	(void)ctx;
	(void)req;
	(void)completed;
}

static void
start_machines(struct buf *json)
{
	buf_addstr(json, "{\"erasure_sets\":[");
	for (uint32_t s = 0; s < SETS; s++) {
		buf_printf(json,
		    "%s{\"number\":%u,\"n\":%u,\"m\":2,\"write_quorum\":3,"
		    "\"machines\":[",
		    s > 0 ? "," : "", s + 1, count);
		for (uint32_t i = 0; i < count; i++) {
			struct machine_of *m = &machines[s][i];
			struct httpd_options options = {
				.ip = "127.0.0.1",
				.drain_ms = 2000,
			};
			struct httpd_service service = {
				.ctx = m,
				.begin = on_begin,
				.body = on_body,
				.end = on_end,
				.done = on_done,
			};

			*m = (struct machine_of){ .set = s, .index = i };
			if (httpd_start(&m->httpd, &options, &service, NULL) <
			    0)
				abort();
			buf_printf(json, "%s{\"ip\":\"127.0.0.1\",\"port\":%u}",
			    i > 0 ? "," : "", httpd_port(m->httpd));
		}
		buf_addstr(json, "]}");
	}
	buf_addstr(json,
	    "],\"partition_spread\":[{\"erasure_set\":1,\"partitions\":[0]},"
	    "{\"erasure_set\":2,\"partitions\":[1]}]}");
}

/* With that many machines of each set known to have applied the record. */
static void
start(const char *log_query, uint32_t have)
{
	static const uint32_t partitions[] = { 0, 1 };
	struct commitlog_genesis genesis = {
		.cluster = CLUSTER,
		.partitions = partitions,
		.count = SETS,
	};
	char topology[64];
	char log[64];
	struct nodeclient_options options = {
		.topology_url = topology,
		.commit_log_url = log,
	};
	struct buf json = buf_make(1 << 16);
	struct error err = { 0 };

	number++;
	applied = 0;
	snprintf(topology, sizeof(topology), "mem:list-%u", number);
	snprintf(log, sizeof(log), "mem:list-%u%s", number, log_query);
	start_machines(&json);
	if (topology_mem_set(topology, buf_bytes(&json), &err) < 0 ||
	    commitlog_create(log, &genesis, NULL, &err) < 0 ||
	    nodeclient_open(&nc, &options, &err) < 0) {
		printf("# %s\n", err.text);
		abort();
	}
	buf_fini(&json);
	for (uint32_t s = 0; s < SETS; s++) {
		struct commitlog_item item = {
			.partition = s,
			.request_id = reqid_new(&clock_system, &random_system),
			.line = bytes_str("x"),
		};

		REQUIRE(commitlog_append(nodeclient_log(nc), &item, 1,
			    nodeclient_now(nc) + 5000, &err) == 0);
		for (uint32_t i = 0; i < have; i++)
			positions_publish(nodeclient_positions(nc),
			    (struct positions_member){ s + 1, i }, s, 1);
	}
}

static void
stop(void)
{
	nodeclient_close(nc);
	for (uint32_t s = 0; s < SETS; s++)
		for (uint32_t i = 0; i < count; i++)
			httpd_stop(machines[s][i].httpd);
	topology_mem_clear();
}

static int
take_key(void *arg, const struct list_entry *entry)
{
	buf_add(arg, entry->key.p, entry->key.n);
	return 0;
}

static int
list(struct buf *out, struct list_end *end, uint64_t ms)
{
	struct list_query q = { .bucket = bytes_str("b"), .max = 1000 };
	struct error err;

	buf_clear(out);
	return metaread_list(nc, &q, take_key, out, end,
	    nodeclient_now(nc) + ms, &err);
}

static void
two_sets_are_merged_in_order(void)
{
	struct buf out = buf_make(100);
	struct list_end end = { 0 };

	start("", 3);
	keys[0] = "adg";
	keys[1] = "bcefz";
	more[0] = more[1] = false;
	CHECK(list(&out, &end, 3000) == 0);
	CHECK_STR(buf_cstr(&out), "abcdefgz");
	CHECK(!end.truncated);
	buf_fini(&out);
	stop();
}

/* What stands behind the end of a page that has more is not known: a later key
 * of the other set may not be given yet. */
static void
merging_stops_at_the_end_of_a_page_that_has_more(void)
{
	struct buf out = buf_make(100);
	struct list_end end = { 0 };

	start("", 3);
	keys[0] = "ac";
	more[0] = true;
	keys[1] = "bef";
	more[1] = false;
	CHECK(list(&out, &end, 3000) == 0);
	CHECK_STR(buf_cstr(&out), "abc");
	CHECK(end.truncated);
	buf_fini(&out);
	stop();
}

static void
a_list_is_not_given_before_c_machines_have_it(void)
{
	struct buf out = buf_make(100);
	struct list_end end = { 0 };

	start("", 1);
	keys[0] = "a";
	keys[1] = "b";
	more[0] = more[1] = false;
	CHECK(list(&out, &end, 300) == -ERRC_UNAVAILABLE);
	CHECK(out.n == 0);
	/* One more of the first set only, then of both. */
	positions_publish(nodeclient_positions(nc),
	    (struct positions_member){ 1, 2 }, 0, 1);
	CHECK(list(&out, &end, 300) == -ERRC_UNAVAILABLE);
	positions_publish(nodeclient_positions(nc),
	    (struct positions_member){ 2, 1 }, 1, 1);
	CHECK(list(&out, &end, 3000) == 0);
	CHECK_STR(buf_cstr(&out), "ab");
	buf_fini(&out);
	stop();
}

/* Nothing is known but what the machines say when they are asked; the log gets
 * no record by it. */
static void
a_list_over_a_log_that_shares_nothing_asks_the_machines(void)
{
	struct commitlog_span span = { .partition = 0 };
	struct buf out = buf_make(100);
	struct list_end end = { 0 };

	start("?shared=no", 0);
	applied = 1;
	keys[0] = "a";
	keys[1] = "b";
	more[0] = more[1] = false;
	CHECK(list(&out, &end, 3000) == 0);
	CHECK_STR(buf_cstr(&out), "ab");
	CHECK(commitlog_stored(nodeclient_log(nc), &span, 1, UINT64_MAX,
		  NULL) == 0);
	CHECK(span.last == 1);
	CHECK(positions_applied(nodeclient_positions(nc),
		  (struct positions_member){ 2, 0 }, 1) <= 1);
	buf_fini(&out);
	stop();
}

/* The key was seen at a record behind the log's end as the page has it: until
 * enough have that, a later read could miss it. */
static void
a_list_is_held_for_what_it_shows(void)
{
	struct buf out = buf_make(100);
	struct list_end end = { 0 };

	start("", 3);
	row_seq = 5;
	keys[0] = keys[1] = "abcdefgh";
	more[0] = more[1] = false;
	CHECK(list(&out, &end, 300) == -ERRC_UNAVAILABLE);
	for (uint32_t s = 0; s < SETS; s++)
		for (uint32_t i = 0; i < 2; i++)
			positions_publish(nodeclient_positions(nc),
			    (struct positions_member){ s + 1, i }, s, 5);
	CHECK(list(&out, &end, 3000) == 0);
	CHECK(out.n == 16);
	row_seq = 0;
	buf_fini(&out);
	stop();
}

/* Four machines, and a write is with three of them: two with a vote tell where
 * it is, and the higher of them. */
static void
where_to_read_is_asked_of_so_many_that_one_knows(void)
{
	struct buf out = buf_make(100);
	struct list_end end = { 0 };

	count = 4;
	start("?shared=no", 0);
	applied = 7;
	keys[0] = "a";
	keys[1] = "b";
	more[0] = more[1] = false;
	for (int i = 0; i < 20; i++) {
		memcpy(apart_at, (uint64_t[]){ 7, 5, 3, 3 }, sizeof(apart_at));
		memcpy(apart_votes, (bool[]){ true, true, false, false },
		    sizeof(apart_votes));
		apart = true;
		asked_at[0] = '\0';
		CHECK(list(&out, &end, 3000) == 0);
		CHECK_STR(asked_at, "0:7");
	}
	buf_fini(&out);
	stop();
	count = 3;
}

int
main(void)
{
	RUN(two_sets_are_merged_in_order);
	RUN(merging_stops_at_the_end_of_a_page_that_has_more);
	RUN(a_list_is_not_given_before_c_machines_have_it);
	RUN(a_list_is_held_for_what_it_shows);
	RUN(where_to_read_is_asked_of_so_many_that_one_knows);
	RUN(a_list_over_a_log_that_shares_nothing_asks_the_machines);
	return tap_done();
}
