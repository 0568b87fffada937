/* SPDX-License-Identifier: MIT */

/* Writing a blob to nine nodes that do as the test tells them. */

#include "client/blobwrite.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/nodeclient.h"
#include "client/shardsend.h"
#include "cluster/health.h"
#include "cluster/placement.h"
#include "commit/commitlog.h"
#include "shard/verify.h"
#include "wire/peers.h"

#include "fakenodes.h"
#include "tap.h"

#define CELL 4096u
#define STRIPE (6 * CELL)

static struct fakenodes f;
static struct placement place;
static struct reqid id;
static struct error err;
static struct clock_manual manual;
static uint8_t content[40 * STRIPE + 777];

static void
start_clock(const struct clock *clock)
{
	fakenodes_start_clock(&f, clock);
	CHECK(placement_partition(nodeclient_topology(f.nc), 0, &place, NULL) ==
	    0);
	id = reqid_new(&clock_system, &random_system);
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i * 31 + i / 251);
}

static void
start(void)
{
	start_clock(&clock_system);
}

static struct blobwrite *
open_write(uint64_t size, size_t inline_limit, uint32_t cell_bytes)
{
	struct blobwrite_options options = {
		.place = &place,
		.bucket = bytes_str("bucket"),
		.key = bytes_str("key"),
		.id = id,
		.geometry = {
			.data_shards = 6,
			.parity_shards = 3,
			.cell_bytes = cell_bytes,
		},
		.size = size,
		.inline_limit = inline_limit,
		.md5 = true,
		.client_fd = -1,
	};
	struct blobwrite *w = NULL;

	CHECK(blobwrite_open(&w, f.nc, &options, &err) == 0);
	return w;
}

static bool
shard_is_whole(uint32_t j, uint64_t size)
{
	struct frame_verifier v;
	bool whole;

	pthread_mutex_lock(&f.lock);
	frame_verifier_init(&v, id, (uint8_t)j);
	whole = frame_verifier_feed(&v, f.node[j].shard.p, f.node[j].shard.n,
		    NULL) == 0 &&
	    frame_verifier_finish(&v, NULL) == 0 && v.totals.size == size;
	pthread_mutex_unlock(&f.lock);
	return whole;
}

static size_t
shard_bytes(uint32_t j)
{
	size_t n;

	pthread_mutex_lock(&f.lock);
	n = f.node[j].shard.n;
	pthread_mutex_unlock(&f.lock);
	return n;
}

/* What goes on in the background: until it is so, or 5 s. */
static bool
has_at_least(uint32_t j, size_t n)
{
	for (int i = 0; i < 500 && shard_bytes(j) < n; i++)
		(void)poll(NULL, 0, 10);
	return shard_bytes(j) >= n;
}

static bool
becomes_whole(uint32_t j, uint64_t size)
{
	for (int i = 0; i < 500 && !shard_is_whole(j, size); i++)
		(void)poll(NULL, 0, 10);
	return shard_is_whole(j, size);
}

static void
what_is_written_arrives_as_nine_whole_shards(void)
{
	static const size_t sizes[] = { 0, 1, STRIPE - 1, STRIPE, 8 * STRIPE,
		8 * STRIPE + 1, sizeof(content) };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct blobwrite_result result = { 0 };
		struct blobwrite *w;

		start();
		w = open_write(i % 2 == 0 ? sizes[i] : BLOBWRITE_UNKNOWN, 0,
		    CELL);
		for (size_t at = 0; at < sizes[i]; at += 1000)
			CHECK(blobwrite_write(w, content + at,
				  KOOP_MIN(sizes[i] - at, 1000), &err) == 0);
		CHECK(blobwrite_finish(w, &result, &err) == 0);
		CHECK(!result.is_inline && result.totals.size == sizes[i]);
		CHECK(__builtin_popcount(result.durable) >= 7);
		blobwrite_close(w);
		fakenodes_stop(&f);
	}
}

static void
every_shard_verifies(void)
{
	struct blobwrite_result result = { 0 };
	struct blobwrite *w;

	start();
	w = open_write(BLOBWRITE_UNKNOWN, 0, CELL);
	CHECK(blobwrite_write(w, content, sizeof(content), &err) == 0);
	CHECK(blobwrite_finish(w, &result, &err) == 0);
	blobwrite_close(w);
	for (uint32_t j = 0; j < FAKE_NODES; j++) {
		CHECK(becomes_whole(j, sizeof(content)));
	}
	fakenodes_stop(&f);
}

static void
small_content_stays_here_for_the_record(void)
{
	struct blobwrite_result result = { 0 };
	struct blobwrite *w;

	start();
	w = open_write(BLOBWRITE_UNKNOWN, 8192, CELL);
	CHECK(blobwrite_write(w, content, 8192, &err) == 0);
	CHECK(blobwrite_finish(w, &result, &err) == 0);
	CHECK(result.is_inline && result.bytes.n == 8192);
	CHECK(memcmp(result.bytes.p, content, 8192) == 0);
	blobwrite_close(w);
	fakenodes_stop(&f);
	for (uint32_t j = 0; j < FAKE_NODES; j++)
		CHECK(f.node[j].shard.n == 0 && f.node[j].puts == 0);
}

static void
another_size_than_was_told_is_refused(void)
{
	struct blobwrite_result result = { 0 };
	struct blobwrite *w;

	start();
	w = open_write(1000, 0, CELL);
	CHECK(blobwrite_write(w, content, 1001, &err) == -ERRC_USAGE);
	/* And nothing more is done. */
	CHECK(blobwrite_write(w, content, 1, &err) == -ERRC_USAGE);
	blobwrite_close(w);
	w = open_write(1000, 0, CELL);
	CHECK(blobwrite_write(w, content, 999, &err) == 0);
	CHECK(blobwrite_finish(w, &result, &err) == -ERRC_USAGE);
	blobwrite_close(w);
	fakenodes_stop(&f);
}

/* A client that needs minutes for a block: its first stripe is not kept back
 * until the block is full, so that no node waits for longer than a stripe. */
static void
whole_stripes_of_a_slow_client_go_out_by_themselves(void)
{
	struct blobwrite_result result = { 0 };
	struct blobwrite *w;

	clock_manual_init(&manual, clock_mono_ms(&clock_system));
	start_clock(&manual.clock);
	w = open_write(BLOBWRITE_UNKNOWN, 0, CELL);
	CHECK(blobwrite_write(w, content, STRIPE + 10, &err) == 0);
	CHECK(shard_bytes(0) == 0);
	manual.now_ms += SHARDSEND_BLOCK_MS;
	CHECK(
	    blobwrite_write(w, content + STRIPE + 10, STRIPE - 10, &err) == 0);
	for (uint32_t j = 0; j < FAKE_NODES; j++)
		CHECK(has_at_least(j,
		    FRAME_BEGIN_BYTES + 2 * (FRAME_HEADER_BYTES + CELL)));
	/* Hours later: the pause is nobody's fault. */
	manual.now_ms += 3600 * 1000;
	CHECK(blobwrite_write(w, content + 2 * STRIPE,
		  sizeof(content) - 2 * STRIPE, &err) == 0);
	CHECK(blobwrite_finish(w, &result, &err) == 0);
	blobwrite_close(w);
	for (uint32_t j = 0; j < 7; j++)
		CHECK(becomes_whole(j, sizeof(content)));
	fakenodes_stop(&f);
}

struct resume {
	uint32_t first;
	int after_ms;
};

static void *
resume_nodes(void *arg)
{
	struct resume *resume = arg;

	(void)poll(NULL, 0, resume->after_ms);
	for (uint32_t i = resume->first; i < FAKE_NODES; i++)
		f.node[i].mode = FAKE_OK;
	return NULL;
}

/* More than sockets take: 60 MiB, cells of 1 MiB. */
static int
write_much(struct blobwrite *w)
{
	static uint8_t piece[1 << 20];
	int rc = 0;

	for (int i = 0; i < 60 && rc == 0; i++)
		rc = blobwrite_write(w, piece, sizeof(piece), &err);
	return rc;
}

static void
three_nodes_that_stand_still_for_a_while_are_waited_for(void)
{
	struct resume resume = { 6, 2 * SHARDSEND_BEHIND_MS };
	struct blobwrite_result result = { 0 };
	struct blobwrite *w;
	pthread_t thread;

	start();
	for (uint32_t i = 6; i < FAKE_NODES; i++)
		f.node[i].mode = FAKE_PAUSED;
	w = open_write(BLOBWRITE_UNKNOWN, 0, 1 << 20);
	REQUIRE(pthread_create(&thread, NULL, resume_nodes, &resume) == 0);
	/* Six are no quorum: dropping them would end the write. */
	CHECK(write_much(w) == 0);
	CHECK(blobwrite_finish(w, &result, &err) == 0);
	CHECK(__builtin_popcount(result.durable) >= 7);
	pthread_join(thread, NULL);
	blobwrite_close(w);
	fakenodes_stop(&f);
}

static void
two_nodes_that_stand_still_are_given_up_after_a_second(void)
{
	struct blobwrite_result result = { 0 };
	struct blobwrite *w;
	uint64_t began;

	start();
	f.node[2].mode = FAKE_PAUSED;
	f.node[5].mode = FAKE_PAUSED;
	w = open_write(BLOBWRITE_UNKNOWN, 0, 1 << 20);
	began = nodeclient_now(f.nc);
	CHECK(write_much(w) == 0);
	CHECK(blobwrite_finish(w, &result, &err) == 0);
	CHECK(nodeclient_now(f.nc) - began >= SHARDSEND_BEHIND_MS);
	CHECK(result.durable == (0x1ffu & ~(1u << 2 | 1u << 5)));
	blobwrite_close(w);
	fakenodes_stop(&f);
}

static void
three_nodes_that_are_full_are_too_many(void)
{
	struct blobwrite_result result = { 0 };
	struct blobwrite *w;
	int rc;

	start();
	for (uint32_t i = 0; i < 3; i++)
		f.node[i].mode = FAKE_FULL;
	w = open_write(BLOBWRITE_UNKNOWN, 0, CELL);
	rc = blobwrite_write(w, content, sizeof(content), &err);
	if (rc == 0)
		rc = blobwrite_finish(w, &result, &err);
	/* Which is no matter of trying again, and all three are named. */
	CHECK(rc == -ERRC_FULL);
	for (uint32_t i = 0; i < 3; i++) {
		char name[8];

		snprintf(name, sizeof(name), " 1/%u ", i);
		CHECK(strstr(err.text, name) != NULL);
	}
	blobwrite_close(w);
	fakenodes_stop(&f);
}

/* All of it, or what it came to. */
static int
write_all(struct blobwrite_result *result)
{
	struct blobwrite *w = open_write(BLOBWRITE_UNKNOWN, 0, CELL);
	int rc = blobwrite_write(w, content, sizeof(content), &err);

	if (rc == 0)
		rc = blobwrite_finish(w, result, &err);
	blobwrite_close(w);
	return rc;
}

/* The two could be done without: it is the third that may come back. */
static void
two_that_are_full_and_one_that_fails_are_worth_another_try(void)
{
	struct blobwrite_result result = { 0 };

	start();
	f.node[0].mode = FAKE_FULL;
	f.node[1].mode = FAKE_FULL;
	f.node[2].mode = FAKE_ERROR;
	CHECK(write_all(&result) == -ERRC_UNAVAILABLE);
	fakenodes_stop(&f);
}

/* Three say 200 when they have seen nothing yet. */
static void
what_was_answered_before_its_end_is_not_durable(void)
{
	static uint8_t block[SHARDSEND_BLOCK_BYTES];
	struct blobwrite *w;
	int rc = 0;

	start();
	for (uint32_t i = 0; i < 3; i++)
		f.node[i].mode = FAKE_EAGER;
	w = open_write(BLOBWRITE_UNKNOWN, 0, 32 << 10);
	for (int i = 0; i < 100 && rc == 0; i++) {
		rc = blobwrite_write(w, block, sizeof(block), &err);
		(void)poll(NULL, 0, 10);
	}
	CHECK(rc == -ERRC_UNAVAILABLE);
	blobwrite_close(w);
	fakenodes_stop(&f);
}

/* Enough failures, for long enough. */
static void
take_for_down(uint32_t machine)
{
	struct peer peer = nodeclient_peer(&place, machine);

	for (int i = 0; i < 10; i++) {
		peers_bad(nodeclient_peers(f.nc), &peer);
		manual.now_ms += i < 9 ? HEALTH_DOWN_MS : 0;
	}
	CHECK(!nodeclient_usable(f.nc, &place, machine));
}

static void
who_is_down_is_written_to_only_where_the_quorum_needs_it(void)
{
	struct blobwrite_result result = { 0 };

	clock_manual_init(&manual, clock_mono_ms(&clock_system));
	start_clock(&manual.clock);
	take_for_down(0);
	take_for_down(1);
	take_for_down(0);
	CHECK(write_all(&result) == 0);
	CHECK(result.durable == (0x1ffu & ~3u));
	CHECK(f.node[0].puts == 0 && f.node[1].puts == 0);
	take_for_down(2);
	take_for_down(1);
	take_for_down(0);
	CHECK(write_all(&result) == 0);
	CHECK(__builtin_popcount(result.durable) >= 7);
	CHECK(f.node[0].puts + f.node[1].puts + f.node[2].puts > 0);
	fakenodes_stop(&f);
}

static void
who_is_merely_behind_is_sent_the_rest_in_the_background(void)
{
	struct resume resume = { 8, 0 };
	struct blobwrite_result result = { 0 };
	struct blobwrite *w;

	start();
	f.node[8].mode = FAKE_PAUSED;
	w = open_write(sizeof(content), 0, CELL);
	CHECK(blobwrite_write(w, content, sizeof(content), &err) == 0);
	CHECK(blobwrite_finish(w, &result, &err) == 0);
	CHECK((result.durable >> 8 & 1) == 0);
	blobwrite_close(w);
	(void)resume_nodes(&resume);
	CHECK(becomes_whole(8, sizeof(content)));
	fakenodes_stop(&f);
}

/* A node that is restarted closes the connections that were kept.  With three
 * of those six are left, so that a write ends well only where one of the three
 * began anew; which it may not when all had its first block before that was
 * seen, so that it is tried more than once. */
static void
a_shard_whose_kept_connection_was_closed_begins_anew(void)
{
	struct blobwrite_result result = { 0 };
	int rc = -1;

	start();
	for (int i = 0; i < 50 && rc != 0; i++) {
		id = reqid_new(&clock_system, &random_system);
		CHECK(write_all(&result) == 0);
		id = reqid_new(&clock_system, &random_system);
		for (uint32_t j = 0; j < 3; j++)
			f.node[j].hang_up = true;
		rc = write_all(&result);
	}
	CHECK(rc == 0);
	CHECK(__builtin_popcount(result.durable) >= 7);
	for (uint32_t j = 0; j < 3; j++) {
		CHECK(!f.node[j].hang_up);
		if ((result.durable >> j & 1) != 0)
			CHECK(becomes_whole(j, sizeof(content)));
	}
	fakenodes_stop(&f);
}

/* Its first blocks are gone by then, so that nobody can send them again. */
static void
a_shard_that_is_cut_late_is_not_begun_anew(void)
{
	static uint8_t block[SHARDSEND_BLOCK_BYTES];
	struct blobwrite_result result = { 0 };
	struct blobwrite *w;

	start();
	CHECK(write_all(&result) == 0);
	/* The connections are kept. */
	for (uint32_t i = 0; i < FAKE_NODES; i++)
		CHECK(becomes_whole(i, sizeof(content)));
	id = reqid_new(&clock_system, &random_system);
	f.node[4].mode = FAKE_CUT;
	w = open_write(BLOBWRITE_UNKNOWN, 0, 32 << 10);
	for (int i = 0; i < 3; i++) {
		CHECK(blobwrite_write(w, block, sizeof(block), &err) == 0);
		(void)poll(NULL, 0, 50);
	}
	f.node[4].mode = FAKE_OK;
	(void)poll(NULL, 0, 50);
	CHECK(blobwrite_write(w, block, sizeof(block), &err) == 0);
	CHECK(blobwrite_finish(w, &result, &err) == 0);
	CHECK((result.durable | 1u << 4) == 0x1ff);
	blobwrite_close(w);
	fakenodes_stop(&f);
}

static bool
log_has_abort(void)
{
	for (int i = 0; i < 500; i++) {
		if (commitlog_find(f.log, 0, id, 0, NULL, NULL, UINT64_MAX,
			NULL) == 0)
			return true;
		(void)poll(NULL, 0, 10);
	}
	return false;
}

static void
a_write_that_was_begun_and_failed_says_so_in_the_log(void)
{
	struct blobwrite *w;

	start();
	w = open_write(BLOBWRITE_UNKNOWN, 0, CELL);
	CHECK(blobwrite_write(w, content, sizeof(content), &err) == 0);
	blobwrite_abort(w);
	CHECK(blobwrite_write(w, content, 1, &err) < 0);
	blobwrite_close(w);
	CHECK(log_has_abort());
	fakenodes_stop(&f);
}

static void
a_write_of_which_nothing_went_out_leaves_no_record(void)
{
	struct commitlog_span span = { .partition = 0 };
	struct blobwrite *w;

	start();
	w = open_write(BLOBWRITE_UNKNOWN, 0, CELL);
	CHECK(blobwrite_write(w, content, 100, &err) == 0);
	blobwrite_abort(w);
	blobwrite_close(w);
	/* The finisher has run what it had before this returns. */
	nodeclient_close(f.nc);
	f.nc = NULL;
	CHECK(commitlog_stored(f.log, &span, 1, UINT64_MAX, NULL) == 0);
	CHECK(span.last == 0);
	fakenodes_stop(&f);
}

int
main(void)
{
	RUN(what_is_written_arrives_as_nine_whole_shards);
	RUN(every_shard_verifies);
	RUN(small_content_stays_here_for_the_record);
	RUN(another_size_than_was_told_is_refused);
	RUN(whole_stripes_of_a_slow_client_go_out_by_themselves);
	RUN(three_nodes_that_stand_still_for_a_while_are_waited_for);
	RUN(two_nodes_that_stand_still_are_given_up_after_a_second);
	RUN(three_nodes_that_are_full_are_too_many);
	RUN(two_that_are_full_and_one_that_fails_are_worth_another_try);
	RUN(what_was_answered_before_its_end_is_not_durable);
	RUN(who_is_down_is_written_to_only_where_the_quorum_needs_it);
	RUN(who_is_merely_behind_is_sent_the_rest_in_the_background);
	RUN(a_shard_whose_kept_connection_was_closed_begins_anew);
	RUN(a_shard_that_is_cut_late_is_not_begun_anew);
	RUN(a_write_that_was_begun_and_failed_says_so_in_the_log);
	RUN(a_write_of_which_nothing_went_out_leaves_no_record);
	return tap_done();
}
