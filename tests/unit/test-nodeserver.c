/* SPDX-License-Identifier: MIT */

/*
 * The door of a node: who is spoken to, who may come in, what is said without
 * a vote, and what a reader's question keeps.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "http/httpc.h"
#include "http/httpc_request.h"
#include "member/lastread.h"
#include "member/room.h"
#include "member/uploadlist.h"
#include "node/nodeserver.h"
#include "nodeworld.h"
#include "tap.h"
#include "upkeep/gc.h"
#include "wire/nodehealth.h"
#include "wire/nodeproto.h"
#include "wire/nodetime.h"

#define P 1
#define SIZE 60000
#define GRACE_MS (3600ull * 1000)
#define PATIENCE 1000 /* looks, of 10 ms */

static struct nodeworld w;
static struct nodeserver *server;
static struct shardtest blob;
static struct httpc_response answer; /* the last one */
static char target[200];

static void
begin(unsigned connections)
{
	struct nodeserver_options options = {
		.ip = "127.0.0.1",
		.max_connections = connections,
	};

	nodeworld_open(&w);
	nodeworld_blob(&blob, SIZE, 1);
	if (nodeserver_start(&server, &w.core, NULL, &options, NULL) != 0)
		abort();
}

static void
end(void)
{
	nodeserver_stop(server);
	httpc_response_fini(&answer);
	answer = (struct httpc_response){ 0 };
	shardtest_free(&blob);
	nodeworld_close(&w);
}

static struct httpc_addr
address(void)
{
	struct httpc_addr addr = {
		.ip = "127.0.0.1",
		.port = nodeserver_port(server),
	};

	return addr;
}

/* The status; the rest is in `answer`. */
static int
ask_with(const char *method, const char *what,
    const struct httpc_header *headers, size_t count, struct bytes body)
{
	struct httpc_addr addr = address();
	struct error err = { 0 };

	httpc_response_fini(&answer);
	answer = (struct httpc_response){ 0 };
	if (httpc_request(w.core.pool, &addr, method, what, headers, count,
		body, &answer, 1u << 20, clock_mono_ms(&clock_system) + 20000,
		&err) != 0) {
		printf("# %s\n", err.text);
		return -1;
	}
	return answer.status;
}

static int
ask(const char *method, const char *what)
{
	struct httpc_header header = { NODEPROTO_TO, w.core.to };

	return ask_with(method, what, &header, 1, BYTES_NONE);
}

/* The blob's shard, as its own node, or another, would have it. */
static const char *
shard_target(uint32_t partition, uint32_t shard)
{
	char id[REQID_HEX + 1];

	reqid_format(id, blob.id);
	(void)snprintf(target, sizeof(target),
	    "/store/%u/b/k?requestId=%s&shard=%u", partition, id, shard);
	return target;
}

static int
put_as(const char *what)
{
	struct httpc_header header = { NODEPROTO_TO, w.core.to };

	return ask_with("PUT", what, &header, 1,
	    buf_bytes(&blob.file[nodeworld_shard(P)]));
}

static struct bytes
shard_bytes(void)
{
	return buf_bytes(&blob.file[nodeworld_shard(P)]);
}

static int
put(void)
{
	return put_as(shard_target(P, nodeworld_shard(P)));
}

static void
put_row(void)
{
	struct record r = nodeworld_put("k", &blob);

	nodeworld_apply(&w, P, &r);
	nodeworld_vote(&w, P, true);
}

/* A body of which a part is sent, or all. */
static struct httpc_call *
open_put(void)
{
	struct httpc_addr addr = address();
	struct httpc_header header = { NODEPROTO_TO, w.core.to };
	struct httpc_call *call = NULL;

	if (httpc_open_fresh(&call, w.core.pool, &addr, "PUT",
		shard_target(P, nodeworld_shard(P)), &header, 1,
		shard_bytes().n, NULL) < 0)
		abort();
	return call;
}

static void
send_part(struct httpc_call *call, size_t from, size_t n)
{
	struct iovec iov = {
		.iov_base = blob.file[nodeworld_shard(P)].p + from,
		.iov_len = n,
	};

	CHECK(httpc_send(call, &iov, 1) == 0);
	while (httpc_state(call) == HTTPC_SENDING && httpc_queued(call) > 0)
		CHECK(httpc_poll(&call, 1, NULL,
			  clock_mono_ms(&clock_system) + 5000) >= 0);
}

static int
end_put(struct httpc_call *call)
{
	uint64_t until = clock_mono_ms(&clock_system) + 5000;
	int status;

	while (httpc_status(call) == 0 && httpc_state(call) != HTTPC_FAILED &&
	    clock_mono_ms(&clock_system) < until)
		CHECK(httpc_poll(&call, 1, NULL, until) >= 0);
	status = httpc_status(call);
	httpc_close(call);
	return status;
}

static int
count_one(void *arg, struct uploadlist_entry *entry)
{
	(void)entry;
	++*(unsigned *)arg;
	return 1;
}

/* The node has begun to take it. */
static bool
arrives(void)
{
	unsigned count = 0;

	for (int i = 0; i < PATIENCE && count == 0; i++) {
		if (uploadlist_visit(w.core.uploads, count_one, &count, NULL) !=
		    0)
			abort();
		if (count == 0)
			usleep(10000);
	}
	return count > 0;
}

static void
only_who_was_meant_answers(void)
{
	struct httpc_header other = { NODEPROTO_TO, NULL };
	char name[80];

	begin(0);
	CHECK(put() == 200);
	nodeproto_to_print(name, w.core.cluster, 1, 1);
	other.value = name;
	CHECK(ask_with("GET", shard_target(P, nodeworld_shard(P)), &other, 1,
		  BYTES_NONE) == 421);
	CHECK(ask_with("GET", target, NULL, 0, BYTES_NONE) == 421);
	CHECK(ask("GET", target) == 200);
	/* A partition of another set. */
	CHECK(ask("GET", shard_target(9, 0)) == 421);
	/* Another machine's shard. */
	CHECK(put_as(shard_target(P, nodeworld_shard(P) - 1)) == 400);
	end();
}

static void
half_of_the_places_are_for_bodies(void)
{
	struct shardtest first;
	struct httpc_call *call;
	int status = 503;

	begin(3);
	call = open_put();
	send_part(call, 0, 1000);
	REQUIRE(arrives());
	/* Another one: a second of the same has its own answer. */
	first = blob;
	nodeworld_blob(&blob, SIZE, 2);
	CHECK(put() == 503);
	/* The other places are for readers. */
	CHECK(ask("GET", "/store/1/b/k") == 404);
	shardtest_free(&blob);
	blob = first;
	send_part(call, 1000, shard_bytes().n - 1000);
	CHECK(end_put(call) == 200);
	/* Its place is free as soon as it has ended. */
	for (int i = 0; i < PATIENCE && status == 503; i++) {
		usleep(10000);
		status = put();
	}
	CHECK(status == 200);
	end();
}

static void
a_late_shard_is_garbage_though_that_of_its_abort_is_gone(void)
{
	struct record r;
	struct httpc_call *call;

	begin(0);
	call = open_put();
	send_part(call, 0, 1000);
	REQUIRE(arrives());
	r = nodeworld_record(RECORD_ABORT, "k", blob.id);
	nodeworld_apply(&w, P, &r);
	nodeworld_all_stable(&w);
	gc_collect(&w.core);
	CHECK(nodeworld_garbage(&w) == 0);
	send_part(call, 1000, shard_bytes().n - 1000);
	CHECK(end_put(call) == 410);
	/* The file may be there or not: somebody must look for it. */
	CHECK(nodeworld_garbage(&w) == 1);
	w.clock.now_ms += 2 * GRACE_MS;
	gc_collect(&w.core);
	CHECK(!nodeworld_has(&w, P, blob.id));
	end();
}

static bool
nothing_is_taken(void)
{
	struct room_state state = { .taken_bytes = 1 };

	for (int i = 0; i < PATIENCE && state.taken_bytes > 0; i++) {
		room_look(w.core.room, &state);
		if (state.taken_bytes > 0)
			usleep(10000);
	}
	return state.taken_bytes == 0;
}

static void
a_full_disk_takes_no_shard_but_those_that_are_here(void)
{
	uint64_t much;

	begin(0);
	much = w.free_bytes;
	w.free_bytes = WORLD_RESERVE;
	CHECK(put() == 507);
	CHECK(httpc_response_get(&answer, NODEHEALTH_FREE) != NULL);
	CHECK(!nodeworld_has(&w, P, blob.id));
	w.free_bytes = much;
	CHECK(put() == 200);
	CHECK(nothing_is_taken());
	w.free_bytes = WORLD_RESERVE;
	CHECK(put() == 200);
	CHECK(nothing_is_taken());
	end();
}

static void
without_a_vote_it_says_nothing_of_rows(void)
{
	static const char *const rows[] = {
		"/store/1/b/k",
		"/bucket/1/b",
		"/list?bucket=b",
		"/versions?bucket=b",
		"/buckets",
	};

	begin(0);
	CHECK(put() == 200);
	put_row();
	for (size_t i = 0; i < nitems(rows); i++) {
		nodeworld_vote(&w, P, true);
		if (ask("GET", rows[i]) != 200)
			printf("# %s: %d\n", rows[i], answer.status);
		CHECK(answer.status == 200);
		nodeworld_vote(&w, P, false);
		CHECK(ask("GET", rows[i]) == 503);
		CHECK_STR(httpc_response_get(&answer, NODEPROTO_VOTING), "0");
	}
	/* A shard is what its id says it is. */
	CHECK(ask("GET", shard_target(P, nodeworld_shard(P))) == 200);
	end();
}

static void
a_list_waits_for_the_positions_it_is_asked_at(void)
{
	char what[100];

	begin(0);
	put_row();
	(void)snprintf(what, sizeof(what), "/list?bucket=b&timeout=0&at=%d:%u",
	    P, (unsigned)w.seq[P]);
	CHECK(ask("GET", what) == 200);
	(void)snprintf(what, sizeof(what), "/list?bucket=b&timeout=0&at=%d:%u",
	    P, (unsigned)w.seq[P] + 1);
	CHECK(ask("GET", what) >= 500);
	CHECK(ask("GET", "/list?bucket=b&timeout=0&at=9:1") == 400);
	end();
}

/* Asking for the row, by a reader that has yet to fetch its shards, keeps
 * them, too. */
static void
a_question_for_the_version_keeps_its_shard(void)
{
	begin(0);
	CHECK(put() == 200);
	put_row();
	w.clock.now_ms += 2 * GRACE_MS;
	CHECK(ask("HEAD", "/store/1/b/k") == 200);
	CHECK(lastread_of(w.core.lastread, blob.id) >= w.clock.now_ms);
	end();
}

/* The reader holds its answer for that, so that what it saw, or saw gone, is
 * seen by whoever comes later (protocol.md 7.2). */
static void
an_answer_tells_what_changed_its_key_last(void)
{
	struct record r;
	char want[24];

	begin(0);
	CHECK(put() == 200);
	put_row();
	for (int i = 0; i < 2; i++) {
		(void)snprintf(want, sizeof(want), "%u", (unsigned)w.seq[P]);
		CHECK(ask("HEAD", "/store/1/b/k") == (i == 0 ? 200 : 404));
		CHECK_STR(httpc_response_get(&answer, NODEPROTO_ROW_SEQ), want);
		r = nodeworld_record(RECORD_DELETE, "k", nodeworld_id(50));
		nodeworld_apply(&w, P, &r);
	}
	end();
}

static void
a_lease_keeps_a_shard(void)
{
	struct record r;
	char what[100];
	char id[REQID_HEX + 1];

	begin(0);
	CHECK(put() == 200);
	put_row();
	r = nodeworld_record(RECORD_DELETE, "k", nodeworld_id(50));
	nodeworld_apply(&w, P, &r);
	nodeworld_all_stable(&w);
	w.clock.now_ms += GRACE_MS - 2000;
	reqid_format(id, blob.id);
	(void)snprintf(what, sizeof(what), "/lease/%d?requestId=%s", P, id);
	CHECK(ask("PUT", what) == 200);
	w.clock.now_ms += GRACE_MS - 2000;
	gc_collect(&w.core);
	CHECK(nodeworld_has(&w, P, blob.id));
	w.clock.now_ms += 4000;
	gc_collect(&w.core);
	CHECK(!nodeworld_has(&w, P, blob.id));
	end();
}

static void
a_piece_of_a_shard_is_that_piece(void)
{
	struct httpc_header headers[] = {
		{ NODEPROTO_TO, NULL },
		{ "Range", "bytes=1000-1999" },
	};
	char range[64];

	begin(0);
	headers[0].value = w.core.to;
	CHECK(put() == 200);
	CHECK(ask_with("GET", shard_target(P, nodeworld_shard(P)), headers, 2,
		  BYTES_NONE) == 206);
	CHECK(answer.body.n == 1000);
	CHECK(answer.body.n == 1000 &&
	    memcmp(answer.body.p, shard_bytes().p + 1000, 1000) == 0);
	(void)snprintf(range, sizeof(range), "bytes 1000-1999/%zu",
	    shard_bytes().n);
	CHECK_STR(httpc_response_get(&answer, "Content-Range"), range);
	headers[1].value = "bytes=9999999-";
	CHECK(ask_with("GET", target, headers, 2, BYTES_NONE) == 416);
	end();
}

static void
every_answer_tells_the_time_of_the_log(void)
{
	char want[24];

	begin(0);
	nodecore_time(&w.core, WORLD_T0 + 500);
	(void)snprintf(want, sizeof(want), "%llu",
	    (unsigned long long)WORLD_T0 + 500);
	CHECK(ask("GET", "/nothing") == 404);
	CHECK_STR(httpc_response_get(&answer, NODETIME_HEADER), want);
	CHECK(ask("GET", "/bucket/1/b") == 200);
	CHECK_STR(httpc_response_get(&answer, NODETIME_HEADER), want);
	end();
}

static void
an_outcome_is_told_once_it_is_applied(void)
{
	char what[100];
	char id[REQID_HEX + 1];

	begin(0);
	reqid_format(id, blob.id);
	(void)snprintf(what, sizeof(what), "/applied/%d?requestId=%s&timeout=0",
	    P, id);
	CHECK(ask("GET", what) == 504);
	put_row();
	CHECK(ask("GET", what) == 200);
	(void)snprintf(what, sizeof(what), "/applied/%d?seq=%u&timeout=0", P,
	    (unsigned)w.seq[P]);
	CHECK(ask("GET", what) == 200);
	CHECK(strstr((const char *)answer.body.p, id) != NULL);
	(void)snprintf(what, sizeof(what), "/applied/%d?seq=%u&timeout=0", P,
	    (unsigned)w.seq[P] + 1);
	CHECK(ask("GET", what) == 504);
	end();
}

int
main(void)
{
	RUN(only_who_was_meant_answers);
	RUN(half_of_the_places_are_for_bodies);
	RUN(a_late_shard_is_garbage_though_that_of_its_abort_is_gone);
	RUN(a_full_disk_takes_no_shard_but_those_that_are_here);
	RUN(without_a_vote_it_says_nothing_of_rows);
	RUN(a_list_waits_for_the_positions_it_is_asked_at);
	RUN(a_question_for_the_version_keeps_its_shard);
	RUN(an_answer_tells_what_changed_its_key_last);
	RUN(a_lease_keeps_a_shard);
	RUN(a_piece_of_a_shard_is_that_piece);
	RUN(every_answer_tells_the_time_of_the_log);
	RUN(an_outcome_is_told_once_it_is_applied);
	return tap_done();
}
