/* SPDX-License-Identifier: MIT */

/* apply: objects, decided ids, time, the chain, multipart uploads. */

#include <stdlib.h>
#include <string.h>

#include "applyworld.h"
#include "base/error.h"
#include "tap.h"

#define HOUR (3600ull * 1000)
#define DAY (24 * HOUR)

static void
a_put_makes_a_version_and_the_next_makes_it_garbage(void)
{
	struct world w;
	struct record one, two;

	world_init(&w);
	world_make_bucket(&w);
	one = world_put(&w, "k", "e1");
	two = world_put(&w, "k", "e2");
	CHECK(world_do(&w, &one) == OUTCOME_DONE);
	CHECK_STR(world_etag(&w, "k"), "e1");
	CHECK(w.blobs == 1 && w.garbage == 0);
	CHECK(reqid_equal(w.last_blob.id, one.request_id));
	CHECK(world_do(&w, &two) == OUTCOME_DONE);
	CHECK_STR(world_etag(&w, "k"), "e2");
	CHECK(w.garbage == 1);
	CHECK(reqid_equal(w.last_garbage.id, one.request_id));
	CHECK(w.last_garbage.seq == w.seq);
	CHECK(w.last_garbage.reason == GARBAGE_SUPERSEDED);
	CHECK(world_digest_good(&w));
	world_fini(&w);
}

static void
a_delete_leaves_a_tombstone_outside_of_the_digest(void)
{
	struct world w;
	struct record r;
	uint8_t digest[32];
	uint64_t at;
	struct object_row row;

	world_init(&w);
	world_make_bucket(&w);
	r = world_put(&w, "k", "e1");
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	r = world_record(&w, RECORD_DELETE);
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	at = w.seq;
	CHECK_STR(world_etag(&w, "k"), "");
	CHECK(w.garbage == 1);
	CHECK(w.rows->ops->object_get(w.rows, 0, bytes_str("b"), bytes_str("k"),
		  &row, NULL) == 0);
	CHECK(row.kind == OBJECT_TOMBSTONE && row.seq == at);
	/* A second delete changes nothing, not even the key's seq. */
	r = world_record(&w, RECORD_DELETE);
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(w.rows->ops->object_get(w.rows, 0, bytes_str("b"), bytes_str("k"),
		  &row, NULL) == 0);
	CHECK(row.seq == at && w.garbage == 1);
	memcpy(digest, world_row(&w)->digest, 32);
	CHECK(rowset_mem_drop_tombstones(w.mem) == 1);
	CHECK(world_digest_good(&w));
	CHECK(memcmp(digest, world_row(&w)->digest, 32) == 0);
	world_fini(&w);
}

static void
conditions_are_decided_in_the_order_of_the_log(void)
{
	struct world w;
	struct record r;

	world_init(&w);
	world_make_bucket(&w);
	r = world_put(&w, "k", "e1");
	r.if_match = bytes_str("e0");
	CHECK(world_do(&w, &r) == OUTCOME_NO_SUCH_KEY);
	CHECK(w.garbage == 1 && w.last_garbage.reason == GARBAGE_REFUSED);
	r = world_put(&w, "k", "e1");
	r.if_none_match = true;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	r = world_put(&w, "k", "e2");
	r.if_none_match = true;
	CHECK(world_do(&w, &r) == OUTCOME_PRECONDITION_FAILED);
	CHECK_STR(world_etag(&w, "k"), "e1");
	r = world_put(&w, "k", "e2");
	r.if_match = bytes_str("e9");
	CHECK(world_do(&w, &r) == OUTCOME_PRECONDITION_FAILED);
	r = world_put(&w, "k", "e2");
	r.if_match = bytes_str("e1");
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	r = world_record(&w, RECORD_DELETE);
	r.if_match = bytes_str("e1");
	CHECK(world_do(&w, &r) == OUTCOME_PRECONDITION_FAILED);
	r = world_record(&w, RECORD_DELETE);
	r.if_match = bytes_str("*");
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	r = world_put(&w, "k", "e3");
	r.if_none_match = true;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(world_digest_good(&w));
	world_fini(&w);
}

/* S8, S9, A5: whatever came between, the first record of an id wins. */
static void
a_duplicate_after_anything_changes_nothing(void)
{
	struct world w;
	struct record first, second, del, abort_late;
	uint8_t digest[32];
	unsigned garbage;

	world_init(&w);
	world_make_bucket(&w);
	first = world_put(&w, "k", "e1");
	second = world_put(&w, "k", "e2");
	CHECK(world_do(&w, &first) == OUTCOME_DONE);
	CHECK(world_do(&w, &second) == OUTCOME_DONE);
	del = world_record(&w, RECORD_DELETE);
	CHECK(world_do(&w, &del) == OUTCOME_DONE);
	abort_late = world_put(&w, "k", "e1");
	abort_late.type = RECORD_ABORT;
	abort_late.request_id = second.request_id;
	memcpy(digest, world_row(&w)->digest, 32);
	garbage = w.garbage;
	CHECK(world_do(&w, &first) == OUTCOME_DONE && w.result.duplicate);
	CHECK(world_do(&w, &second) == OUTCOME_DONE && w.result.duplicate);
	CHECK(world_do(&w, &del) == OUTCOME_DONE && w.result.duplicate);
	CHECK(world_do(&w, &abort_late) == OUTCOME_DONE);
	CHECK_STR(world_etag(&w, "k"), "");
	CHECK(w.garbage == garbage && w.aborted == 0);
	CHECK(memcmp(digest, world_row(&w)->digest, 32) == 0);
	world_fini(&w);
}

static void
of_commit_and_abort_the_first_wins(void)
{
	struct world w;
	struct record put, gone;

	world_init(&w);
	world_make_bucket(&w);
	put = world_put(&w, "k", "e1");
	gone = world_record(&w, RECORD_ABORT);
	gone.request_id = put.request_id;
	CHECK(world_do(&w, &put) == OUTCOME_DONE);
	CHECK(world_do(&w, &gone) == OUTCOME_DONE);
	CHECK(w.garbage == 0 && w.aborted == 0);
	CHECK_STR(world_etag(&w, "k"), "e1");

	put = world_put(&w, "k2", "e2");
	gone = world_record(&w, RECORD_ABORT);
	gone.request_id = put.request_id;
	CHECK(world_do(&w, &gone) == OUTCOME_ABORTED);
	CHECK(w.garbage == 1 && w.aborted == 1);
	CHECK(w.last_garbage.reason == GARBAGE_ABORTED);
	CHECK(world_do(&w, &put) == OUTCOME_ABORTED);
	CHECK_STR(world_etag(&w, "k2"), "");
	CHECK(w.blobs == 1);
	world_fini(&w);
}

static void
an_id_of_more_than_two_days_is_expired(void)
{
	struct world w;
	struct record r;

	world_init(&w);
	world_make_bucket(&w);
	r = world_put(&w, "k", "e1");
	r.request_id = world_old_id(&w, APPLY_EXPIRE_MS);
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	r = world_put(&w, "k", "e2");
	r.request_id = world_old_id(&w, APPLY_EXPIRE_MS + 1);
	CHECK(world_do(&w, &r) == OUTCOME_EXPIRED);
	CHECK_STR(world_etag(&w, "k"), "e1");
	CHECK(w.garbage == 1);
	world_fini(&w);
}

static void
time_never_goes_back_and_moves_an_hour_at_most(void)
{
	struct world w;
	struct record r;

	world_init(&w);
	r = world_record(&w, RECORD_NOOP);
	w.time_ms = WORLD_T0 + 1000 * DAY;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(world_row(&w)->t_ms == WORLD_T0 + HOUR);
	w.time_ms = 5;
	r.request_id = world_old_id(&w, 5);
	r.request_id.b[0] = 0x7f;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(world_row(&w)->t_ms == WORLD_T0 + HOUR);
	world_fini(&w);
}

/* Let the hours pass, one a record. */
static void
pass(struct world *w, uint64_t ms)
{
	uint64_t end = w->time_ms + ms;

	while (w->time_ms < end) {
		struct record r;

		w->time_ms += HOUR;
		r = world_record(w, RECORD_NOOP);
		CHECK(world_do(w, &r) == OUTCOME_DONE);
	}
}

/* S9: what is forgotten is expired by then, and what lives is kept. */
static void
decided_ids_are_kept_for_a_week_and_while_they_live(void)
{
	struct world w;
	struct record live, dead;
	struct decided_row row;

	world_init(&w);
	world_make_bucket(&w);
	dead = world_put(&w, "k", "e1");
	live = world_put(&w, "k", "e2");
	CHECK(world_do(&w, &dead) == OUTCOME_DONE);
	CHECK(world_do(&w, &live) == OUTCOME_DONE);
	pass(&w, 6 * DAY);
	CHECK(w.rows->ops->decided_get(w.rows, 0, dead.request_id, &row,
		  NULL) == 0);
	pass(&w, 2 * DAY);
	CHECK(w.rows->ops->decided_get(w.rows, 0, dead.request_id, &row,
		  NULL) == -ERRC_NOTFOUND);
	CHECK(w.rows->ops->decided_get(w.rows, 0, live.request_id, &row,
		  NULL) == 0 &&
	    row.live);
	CHECK(world_do(&w, &dead) == OUTCOME_EXPIRED);
	CHECK(world_do(&w, &live) == OUTCOME_DONE && w.result.duplicate);
	CHECK_STR(world_etag(&w, "k"), "e2");
	/* S8: a late abort of a live blob does nothing. */
	live.type = RECORD_ABORT;
	CHECK(world_do(&w, &live) == OUTCOME_DONE && w.aborted == 0);
	CHECK(world_digest_good(&w));
	world_fini(&w);
}

/* S10: what decides nothing can be sent again. */
static void
stale_epoch_and_not_yet_here_decide_nothing(void)
{
	struct world w;
	struct record r, create;

	world_init(&w);
	r = world_put(&w, "k", "e1");
	r.epoch = 0;
	if (world_apply(&w, &r))
		CHECK(w.result.outcome == OUTCOME_STALE_EPOCH);
	r.epoch = 1;
	CHECK(world_do(&w, &r) == OUTCOME_NOT_YET_HERE);
	CHECK(w.garbage == 0);
	create = world_bucket(&w, RECORD_CREATE_BUCKET, 1, 0, false);
	CHECK(world_do(&w, &create) == OUTCOME_DONE);
	CHECK(world_do(&w, &r) == OUTCOME_DONE && !w.result.duplicate);
	CHECK_STR(world_etag(&w, "k"), "e1");
	world_fini(&w);
}

static void
foreign_lines_are_ignored_and_counted_and_chained(void)
{
	struct world w;
	struct record r;
	struct buf line = buf_make(4096);
	uint8_t before[32], digest[32];

	world_init(&w);
	memcpy(before, world_row(&w)->hash, 32);
	memcpy(digest, world_row(&w)->digest, 32);
	buf_addstr(&line, "hello, world");
	CHECK(world_apply_line(&w, &line, RECORD_IGNORED));
	CHECK(w.result.outcome == OUTCOME_IGNORED);
	CHECK(world_row(&w)->ignored == 1 && world_row(&w)->applied == 2);
	CHECK(memcmp(before, world_row(&w)->hash, 32) != 0);
	CHECK(memcmp(digest, world_row(&w)->digest, 32) == 0);
	r = world_record(&w, RECORD_NOOP);
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	buf_fini(&line);
	world_fini(&w);
}

static void
records_come_in_order_or_not_at_all(void)
{
	struct world w;
	struct apply_input in = { .verdict = RECORD_IGNORED };
	struct apply_result result;

	world_init(&w);
	/* One that was applied is not applied again. */
	for (in.seq = 0; in.seq < 8; in.seq++)
		if (in.seq != world_row(&w)->applied + 1)
			CHECK(apply_entry(w.rows, &w.effects, &in, &result,
				  NULL) == -ERRC_USAGE);
	CHECK(apply_halt(w.rows, 0, 2, NULL) == 0);
	CHECK(world_row(&w)->halted == 2 && world_row(&w)->applied == 1);
	world_fini(&w);
}

static void
a_new_generation_begins_where_the_node_stands_or_not_at_all(void)
{
	struct world w;
	struct record r = { .type = RECORD_GENESIS, .generation = 2 };

	world_init(&w);
	world_make_bucket(&w);
	r.base_seq = w.seq;
	CHECK(apply_regenesis(w.rows, 0, &r, NULL) == -ERRC_MISMATCH);
	memcpy(r.chain, world_row(&w)->hash, 32);
	r.base_seq = w.seq + 1;
	CHECK(apply_regenesis(w.rows, 0, &r, NULL) == -ERRC_MISMATCH);
	r.base_seq = w.seq;
	CHECK(apply_regenesis(w.rows, 0, &r, NULL) == 0);
	CHECK(world_row(&w)->generation == 2);
	r.generation = 1;
	CHECK(apply_regenesis(w.rows, 0, &r, NULL) == -ERRC_CORRUPT);
	world_fini(&w);
}

static void
inline_bytes_go_to_the_effect_and_not_into_the_chain(void)
{
	struct world w;
	struct record r;
	struct buf line = buf_make(RECORD_BYTES_MAX);
	struct buf stripped = buf_make(RECORD_BYTES_MAX);
	uint8_t hash[32];
	uint8_t again[32];

	world_init(&w);
	world_make_bucket(&w);
	r = world_put(&w, "k", "e1");
	r.blob.size = 2;
	r.blob.is_inline = true;
	r.blob.inline_base64 = bytes_str("aGk=");
	r.blob.shard_count = 0;
	r.blob.durable = 0;
	memcpy(hash, world_row(&w)->hash, 32);
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(w.last_inline == 4 && w.last_blob.size == 2);
	CHECK(record_build(&line, &r, NULL) == 0);
	record_strip(&stripped, buf_bytes(&line));
	CHECK(record_hash(again, hash, buf_bytes(&stripped), NULL) == 0);
	CHECK(memcmp(again, world_row(&w)->hash, 32) == 0);
	buf_fini(&line);
	buf_fini(&stripped);
	world_fini(&w);
}

int
main(void)
{
	RUN(a_put_makes_a_version_and_the_next_makes_it_garbage);
	RUN(a_delete_leaves_a_tombstone_outside_of_the_digest);
	RUN(conditions_are_decided_in_the_order_of_the_log);
	RUN(a_duplicate_after_anything_changes_nothing);
	RUN(of_commit_and_abort_the_first_wins);
	RUN(an_id_of_more_than_two_days_is_expired);
	RUN(time_never_goes_back_and_moves_an_hour_at_most);
	RUN(decided_ids_are_kept_for_a_week_and_while_they_live);
	RUN(stale_epoch_and_not_yet_here_decide_nothing);
	RUN(foreign_lines_are_ignored_and_counted_and_chained);
	RUN(records_come_in_order_or_not_at_all);
	RUN(a_new_generation_begins_where_the_node_stands_or_not_at_all);
	RUN(inline_bytes_go_to_the_effect_and_not_into_the_chain);
	return tap_done();
}
