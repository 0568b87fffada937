/* SPDX-License-Identifier: MIT */

/*
 * The applier, on a log that is told what to do: what it tells others and
 * when, whom it lets vote, what stops it and what does not.
 */

#include "node/applier.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "commit/commitlog_backend.h"
#include "commit/commitlog_mem.h"
#include "commit/positions.h"
#include "commit/record.h"
#include "member/watermark.h"
#include "nodeworld.h"
#include "store/metaquery.h"
#include "tap.h"

#define LATER (clock_mono_ms(&clock_system) + 60000)

/* For what another thread is about to do. */
#define AWAIT(cond)                                                    \
	do {                                                           \
		for (int tries = 0; !(cond) && tries < 20000; tries++) \
			usleep(1000);                                  \
		CHECK(cond);                                           \
	} while (0)

static struct nodeworld w;
static struct applier *applier;
static uint8_t ids;

/* The log between the applier and the memory log. */
static struct commitlog_backend hooked;
static atomic_bool lost;           /* nothing of it answers */
static _Atomic uint64_t damaged;   /* in partition 2: this seq comes so */
static _Atomic uint64_t end_of[4]; /* who votes has applied that, or more */
static atomic_uint cut_off;        /* so many last records of partition 1 */
static atomic_bool rewritten;      /* and what is there is another's */
static atomic_bool early;          /* told too soon, or voted too soon */

/* What may be heard of while a commit goes on, and how many fail. */
static _Atomic uint64_t watched; /* in partition 0 */
static atomic_int refusals;

static uint64_t
applied(uint32_t partition)
{
	return positions_applied(w.core.positions,
	    (struct positions_member){ 1, 0 }, partition);
}

static bool
voting(uint32_t partition)
{
	return watermark_voting(w.core.wm, partition);
}

static void
look_at_votes(void)
{
	for (uint32_t p = 0; p < WORLD_PARTITIONS; p++)
		if (voting(p) &&
		    watermark_applied(w.core.wm, p) < atomic_load(&end_of[p]))
			atomic_store(&early, true);
}

struct passed {
	commitlog_entry_fn *fn;
	void *arg;
};

static int
pass_entry(void *arg, const struct commitlog_entry *entry)
{
	const struct passed *passed = arg;
	struct commitlog_entry copy = *entry;
	uint8_t *line;
	int rc;

	if (entry->kind != COMMITLOG_RECORD || entry->partition != 2 ||
	    entry->seq != atomic_load(&damaged))
		return passed->fn(passed->arg, entry);
	line = malloc(entry->line.n);
	if (line == NULL)
		abort();
	memcpy(line, entry->line.p, entry->line.n);
	line[entry->line.n / 2] ^= 1;
	copy.line = bytes_of(line, entry->line.n);
	rc = passed->fn(passed->arg, &copy);
	free(line);
	return rc;
}

static int
next_or_lost(struct commitlog_reader *reader, size_t records, size_t bytes,
    commitlog_entry_fn *fn, void *arg, uint64_t deadline, struct error *err)
{
	struct passed passed = { fn, arg };

	look_at_votes();
	if (atomic_load(&lost))
		return error_set(err, ERRC_UNAVAILABLE, "log: no answer");
	return commitlog_mem.reader_next(reader, records, bytes, pass_entry,
	    &passed, deadline, err);
}

static int
stored_or_less(struct commitlog *log, struct commitlog_span *span,
    uint64_t deadline, struct error *err)
{
	int rc = commitlog_mem.stored(log, span, deadline, err);

	if (span->partition == 1)
		span->last -= atomic_load(&cut_off);
	return rc;
}

static int
get_or_other(struct commitlog *log, uint32_t partition, uint64_t seq,
    struct commitlog_entry *entry, struct buf *line, uint64_t deadline,
    struct error *err)
{
	int rc = commitlog_mem.get(log, partition, seq, entry, line, deadline,
	    err);

	if (rc == 0 && partition == 1 && atomic_load(&rewritten))
		line->p[line->n / 2] ^= 1;
	return rc;
}

/* Nobody needs to sleep for long here. */
static void
wait_a_little(struct commitlog *log, uint32_t seen, int timeout_ms)
{
	look_at_votes();
	commitlog_mem.wait(log, seen, KOOP_MIN(timeout_ms, 10));
}

static int
on_commit(void *arg)
{
	uint64_t seq = atomic_load(&watched);

	(void)arg;
	if (seq == 0)
		return 0;
	if (applied(0) >= seq || watermark_applied(w.core.wm, 0) >= seq)
		atomic_store(&early, true);
	if (atomic_load(&refusals) == 0)
		return 0;
	atomic_fetch_sub(&refusals, 1);
	return 1;
}

static int
on_open(sqlite3 *db, const char **message, const void *api)
{
	(void)message;
	(void)api;
	(void)sqlite3_commit_hook(db, on_commit, NULL);
	return SQLITE_OK;
}

static void
open_world(const char *log)
{
	nodeworld_log = log;
	nodeworld_open_new(&w);
	hooked = *w.core.log->backend;
	hooked.reader_next = next_or_lost;
	hooked.stored = stored_or_less;
	hooked.get = get_or_other;
	hooked.wait = wait_a_little;
	w.core.log->backend = &hooked;
	atomic_store(&lost, false);
	atomic_store(&damaged, 0);
	atomic_store(&cut_off, 0);
	atomic_store(&rewritten, false);
	atomic_store(&early, false);
	atomic_store(&watched, 0);
	for (uint32_t p = 0; p < WORLD_PARTITIONS; p++)
		atomic_store(&end_of[p], 0);
}

static void
start(void)
{
	struct error err = { 0 };

	if (applier_start(&applier, &w.core, &err) != 0) {
		printf("# %s\n", err.text);
		abort();
	}
}

static void
begin(void)
{
	open_world("");
	start();
}

static void
end(void)
{
	CHECK(!atomic_load(&early));
	atomic_store(&w.core.stopping, true);
	applier_stop(applier);
	nodeworld_close(&w);
	nodeworld_log = "";
}

static uint64_t
append(uint32_t partition, const struct record *record)
{
	struct buf line = buf_make(RECORD_BYTES_MAX);
	struct commitlog_item item = {
		.partition = partition,
		.request_id = record->request_id,
	};

	CHECK(record_build(&line, record, NULL) == 0);
	item.line = buf_bytes(&line);
	CHECK(commitlog_append(w.core.log, &item, 1, LATER, NULL) == 0);
	buf_fini(&line);
	return item.seq;
}

static uint64_t
append_noop(uint32_t partition)
{
	struct record noop = {
		.type = RECORD_NOOP,
		.cluster = WORLD_CLUSTER,
		.epoch = 1,
		.request_id = nodeworld_id(++ids),
		.sender = bytes_str("test"),
	};

	return append(partition, &noop);
}

static struct applier_state
state(uint32_t partition)
{
	struct applier_state out;

	applier_state(applier, partition, &out);
	return out;
}

static void
all_vote(void)
{
	for (uint32_t p = 0; p < WORLD_PARTITIONS; p++)
		AWAIT(voting(p));
}

static uint64_t
row_applied(uint32_t partition)
{
	struct metaquery *read = NULL;
	struct partition_row row = { 0 };

	CHECK(metaquery_begin(&read, w.core.meta, NULL) == 0);
	CHECK(metaquery_partition(read, partition, &row, NULL) == 0);
	metaquery_end(read);
	return row.applied;
}

static void
what_is_appended_is_applied_and_told(void)
{
	struct record bucket = nodeworld_record(RECORD_CREATE_BUCKET, NULL,
	    nodeworld_id(200));
	struct watermark_event event;
	uint64_t cursor = 0, seq;

	begin();
	all_vote();
	bucket.owner = bytes_str("me");
	seq = append(1, &bucket);
	AWAIT(applied(1) == seq);
	/* Events come after positions, before the sleep. */
	AWAIT(watermark_cursor(w.core.wm) == 1);
	REQUIRE(watermark_next(w.core.wm, &cursor, watermark_sender("test", 4),
		    &event) == WATERMARK_EVENT);
	CHECK(event.partition == 1 && event.seq == seq);
	CHECK(event.outcome == OUTCOME_DONE);
	CHECK(reqid_equal(event.id, bucket.request_id));
	CHECK(row_applied(1) == seq);
	CHECK(watermark_applied(w.core.wm, 1) == seq);
	CHECK(w.core.counters.records == 1);
	end();
}

/* Others count a position as a copy of the row (protocol.md 5); after a crash
 * it would be one too many. */
static void
nothing_is_told_before_its_commit(void)
{
	uint64_t seq;

	begin();
	all_vote();
	atomic_store(&refusals, 2);
	atomic_store(&watched, 1);
	seq = append_noop(0);
	CHECK(seq == 1);
	/* Two commits fail: it is applied again, and nothing is skipped. */
	AWAIT(applied(0) == seq);
	CHECK(atomic_load(&refusals) == 0);
	CHECK(w.core.counters.apply_failures == 2);
	CHECK(row_applied(0) == seq);
	CHECK(w.core.counters.records == 1);
	atomic_store(&watched, 0);
	end();
}

static void
who_is_behind_votes_only_at_the_end(void)
{
	open_world("");
	for (unsigned i = 0; i < 600; i++)
		atomic_store(&end_of[0], append_noop(0));
	start();
	AWAIT(voting(0));
	CHECK(applied(0) == atomic_load(&end_of[0]));
	/* The same id again and again: one decides, the others find it. */
	CHECK(w.core.counters.records == 600);
	CHECK(w.core.counters.batches > 2);
	end();
}

static void
a_log_out_of_reach_takes_all_votes_until_its_end_is_reached_again(void)
{
	begin();
	all_vote();
	atomic_store(&lost, true);
	for (uint32_t p = 0; p < WORLD_PARTITIONS; p++)
		AWAIT(!voting(p));
	CHECK(!w.core.log_reachable);
	CHECK(state(2).reason[0] != '\0');
	/* It comes back, and its end was read, but nothing can be read. */
	w.clock.now_ms += 1000;
	for (unsigned i = 0; i < 300; i++)
		atomic_store(&end_of[2], append_noop(2));
	AWAIT(w.core.counters.apply_failures > 3);
	CHECK(!voting(2));
	atomic_store(&lost, false);
	w.clock.now_ms += 1000;
	all_vote();
	CHECK(applied(2) == atomic_load(&end_of[2]));
	CHECK(w.core.log_reachable);
	CHECK_STR(state(2).reason, "");
	end();
}

static void
one_partition_out_of_reach_leaves_the_others_their_votes(void)
{
	uint64_t seq;

	begin();
	all_vote();
	commitlog_mem_outage(w.core.log, 1, true);
	seq = append_noop(0);
	AWAIT(!voting(1));
	AWAIT(applied(0) == seq);
	CHECK(voting(0) && voting(2) && voting(3));
	CHECK(w.core.log_reachable);
	CHECK(!state(1).halted);
	commitlog_mem_outage(w.core.log, 1, false);
	atomic_store(&end_of[1], append_noop(1));
	w.clock.now_ms += 1000;
	AWAIT(voting(1));
	CHECK(applied(1) == atomic_load(&end_of[1]));
	end();
}

/* While it was out of reach it lost its last records, or they were written
 * anew. */
static void
come_back_older(unsigned lost_records, bool anew)
{
	begin();
	for (unsigned i = 0; i < 3; i++)
		(void)append_noop(1);
	AWAIT(applied(1) == 3 && voting(1));
	commitlog_mem_outage(w.core.log, 1, true);
	(void)append_noop(0);
	AWAIT(!voting(1));
	atomic_store(&cut_off, lost_records);
	atomic_store(&rewritten, anew);
	commitlog_mem_outage(w.core.log, 1, false);
	w.clock.now_ms += 1000;
	AWAIT(state(1).halted);
	CHECK(!voting(1));
	CHECK(applied(1) == 3);
	CHECK(voting(0));
}

/* What it applied, others will not have: it would show it for ever. */
static void
a_log_that_lost_its_tail_bars_its_partition(void)
{
	come_back_older(1, false);
	CHECK_STR(state(1).reason, "the log is shorter than what was applied");
	end();
	come_back_older(0, true);
	CHECK_STR(state(1).reason, "the log differs from what was applied");
	end();
}

static void
a_record_of_a_later_program_halts_its_partition_alone(void)
{
	struct record later = {
		.type = RECORD_RAISE_LEVEL,
		.cluster = WORLD_CLUSTER,
		.epoch = 1,
		.request_id = nodeworld_id(201),
		.sender = bytes_str("test"),
		.level = record_level() + 1,
	};
	uint64_t before, after;

	begin();
	all_vote();
	before = append_noop(2);
	CHECK(append(2, &later) == before + 1);
	(void)append_noop(2);
	after = append_noop(3);
	AWAIT(state(2).halted);
	AWAIT(applied(3) == after);
	CHECK(applied(2) == before && row_applied(2) == before);
	/* It can show all that nodes of its level can. */
	CHECK(voting(2) && voting(3));
	CHECK(strstr(state(2).reason, "too old") != NULL);
	end();
}

static void
a_damaged_copy_is_read_again_and_never_skipped(void)
{
	uint64_t last, other;

	begin();
	all_vote();
	atomic_store(&damaged, 2);
	for (unsigned i = 0; i < 3; i++)
		last = append_noop(2);
	other = append_noop(0);
	AWAIT(applied(0) == other);
	AWAIT(applied(2) == 1);
	AWAIT(state(2).reason[0] != '\0');
	CHECK(row_applied(2) == 1);
	CHECK(!state(2).halted);
	/* Damaged it stays. */
	w.clock.now_ms += 1000;
	other = append_noop(0);
	AWAIT(applied(0) == other);
	CHECK(applied(2) == 1);
	atomic_store(&damaged, 0);
	w.clock.now_ms += 1000;
	AWAIT(applied(2) == last);
	end();
}

static void
a_partition_that_went_is_left_and_is_taken_up_when_it_comes_back(void)
{
	uint64_t seq, other;

	begin();
	all_vote();
	seq = append_noop(3);
	AWAIT(applied(3) == seq);
	watermark_assign(w.core.wm, 3, false);
	AWAIT(applier_count(applier) == 3);
	for (unsigned i = 0; i < 5; i++)
		atomic_store(&end_of[3], append_noop(3));
	other = append_noop(0);
	AWAIT(applied(0) == other);
	CHECK(!voting(3));
	CHECK(applied(3) == seq && row_applied(3) == seq);
	watermark_assign(w.core.wm, 3, true);
	AWAIT(voting(3));
	CHECK(applied(3) == atomic_load(&end_of[3]));
	CHECK(row_applied(3) == applied(3));
	end();
}

/* To every node alike, so that all count the same. */
static void
what_is_no_record_takes_its_seq(void)
{
	struct commitlog_item item = {
		.partition = 1,
		.request_id = nodeworld_id(202),
		.line = bytes_str("what somebody else wrote"),
	};

	open_world("?gaps=2");
	start();
	all_vote();
	(void)append_noop(1);
	(void)append_noop(1);
	CHECK(commitlog_append(w.core.log, &item, 1, LATER, NULL) == 0);
	AWAIT(applied(1) == item.seq);
	/* A gap and the foreign line. */
	CHECK(w.core.counters.ignored >= 2);
	CHECK(voting(1));
	end();
}

int
main(void)
{
	(void)sqlite3_auto_extension((void (*)(void))on_open);
	RUN(what_is_appended_is_applied_and_told);
	RUN(nothing_is_told_before_its_commit);
	RUN(who_is_behind_votes_only_at_the_end);
	RUN(a_log_out_of_reach_takes_all_votes_until_its_end_is_reached_again);
	RUN(one_partition_out_of_reach_leaves_the_others_their_votes);
	RUN(a_log_that_lost_its_tail_bars_its_partition);
	RUN(a_record_of_a_later_program_halts_its_partition_alone);
	RUN(a_damaged_copy_is_read_again_and_never_skipped);
	RUN(a_partition_that_went_is_left_and_is_taken_up_when_it_comes_back);
	RUN(what_is_no_record_takes_its_seq);
	return tap_done();
}
