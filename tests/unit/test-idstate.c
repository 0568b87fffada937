/* SPDX-License-Identifier: MIT */

/* What a node knows of a request id, and when a shard of it may go. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apply/apply.h"
#include "base/error.h"
#include "member/idstate.h"
#include "member/nodecore.h"
#include "store/metaquery.h"
#include "store/rowset.h"
#include "store/shardmeta.h"
#include "tap.h"
#include "tempdir.h"

#define P 7
#define APPLIED 20
#define NOW_MS 0x018000000000ull

static char dir[TEMPDIR_BYTES];
static struct shardmeta *meta;

static struct reqid
id_of(uint8_t n, uint64_t ms)
{
	struct reqid id = { .b = { 0, 0, 0, 0, 0, 0, 0x70, 0, 0x80 } };

	for (unsigned i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(ms >> (40 - 8 * i));
	id.b[15] = n;
	return id;
}

static void
decide(struct rowset *rows, struct reqid id, uint64_t seq, bool live)
{
	struct decided_row row = {
		.partition = P,
		.id = id,
		.seq = seq,
		.live = live,
	};

	CHECK(rows->ops->decided_put(rows, &row, NULL, NULL) == 0);
}

static void
fill(void)
{
	struct partition_row row = {
		.partition = P,
		.generation = 1,
		.applied = APPLIED,
		.t_ms = NOW_MS,
	};

	REQUIRE(shardmeta_begin(meta, NULL) == 0);
	CHECK(shardmeta_add_partition(meta, &row, NULL) == 0);
	decide(shardmeta_rowset(meta), id_of(1, NOW_MS), 10, true);
	decide(shardmeta_rowset(meta), id_of(2, NOW_MS), 10, false);
	CHECK(shardmeta_commit(meta, NULL) == 0);
}

static struct idstate
state_of(struct reqid id)
{
	struct idstate state = { 0 };
	struct metaquery *read = NULL;

	if (metaquery_begin(&read, meta, NULL) < 0)
		abort();
	CHECK(idstate_read(read, P, id, &state, NULL) == 0);
	metaquery_end(read);
	return state;
}

static void
a_live_one_is_told_with_the_record_that_made_it(void)
{
	struct idstate state = state_of(id_of(1, NOW_MS));

	CHECK(state.decided && state.live && !state.dead && state.seq == 10);
}

/* Its shard may go once what superseded it is stable.  The row knows only
 * what decided it, which was stable long before. */
static void
a_dead_one_waits_for_all_that_is_applied(void)
{
	struct idstate state = state_of(id_of(2, NOW_MS));

	CHECK(state.decided && !state.live && state.dead);
	CHECK(state.seq == APPLIED);
}

static void
an_unknown_one_is_dead_only_when_it_is_too_old(void)
{
	struct idstate state = state_of(id_of(3, NOW_MS));

	CHECK(!state.decided && !state.live && !state.dead);
	state = state_of(id_of(3, NOW_MS - APPLY_EXPIRE_MS));
	CHECK(!state.decided && !state.live && !state.dead);
	state = state_of(id_of(3, NOW_MS - APPLY_EXPIRE_MS - 1));
	CHECK(!state.decided && !state.live && state.dead);
	CHECK(state.seq == APPLIED);
}

int
main(void)
{
	struct shardmeta_options options = { .no_sync = true, .readers = 1 };
	char path[64];

	tempdir_make(dir);
	(void)snprintf(path, sizeof(path), "%s/meta.db", dir);
	if (shardmeta_open(&meta, path, &options, NULL) < 0)
		return 1;
	fill();
	RUN(a_live_one_is_told_with_the_record_that_made_it);
	RUN(a_dead_one_waits_for_all_that_is_applied);
	RUN(an_unknown_one_is_dead_only_when_it_is_too_old);
	shardmeta_close(meta);
	return tap_done();
}
