/* SPDX-License-Identifier: MIT */

/* Appending once, and whose word counts for the outcome.  Without streams:
 * nodes are asked directly. */

#include "client/committer.h"

#include "base/clock.h"
#include "base/error.h"
#include "client/buckets.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "commit/commitlog.h"
#include "commit/record.h"

#include "fakenodes.h"
#include "tap.h"

static struct fakenodes f;

static int
commit(struct reqid id, enum outcome *outcome, uint64_t *seq, uint64_t ms)
{
	struct record record = {
		.type = RECORD_DELETE,
		.request_id = id,
		.bucket = bytes_str("bucket"),
		.key = bytes_str("key"),
		.incarnation = 1,
	};
	struct error err;

	return committer_commit(f.nc, 0, &record, outcome, seq,
	    nodeclient_now(f.nc) + ms, &err);
}

static uint64_t
log_end(void)
{
	struct commitlog_span span = { .partition = 0 };

	CHECK(commitlog_stored(nodeclient_log(f.nc), &span, 1, UINT64_MAX,
		  NULL) == 0);
	return span.last;
}

/* All nodes will have applied what is appended next. */
static void
start(void)
{
	fakenodes_start(&f);
	for (uint32_t i = 0; i < FAKE_NODES; i++)
		f.node[i].applied = 1000;
	f.outcome = OUTCOME_DONE;
}

static struct reqid
new_id(void)
{
	return reqid_new(&clock_system, &random_system);
}

static void
the_outcome_that_the_nodes_report_is_returned(void)
{
	enum outcome outcome = OUTCOME_MAX;
	uint64_t seq = 0;

	start();
	CHECK(commit(new_id(), &outcome, &seq, 3000) == 0);
	CHECK(outcome == OUTCOME_DONE && seq == 1);
	f.outcome = OUTCOME_PRECONDITION_FAILED;
	CHECK(commit(new_id(), &outcome, &seq, 3000) == 0);
	CHECK(outcome == OUTCOME_PRECONDITION_FAILED && seq == 2);
	fakenodes_stop(&f);
}

static void
two_silent_nodes_are_not_waited_for_and_three_are_too_many(void)
{
	enum outcome outcome = OUTCOME_MAX;
	uint64_t seq = 0;
	uint64_t began;

	start();
	f.node[0].mode = FAKE_SILENT;
	f.node[1].mode = FAKE_ERROR;
	began = nodeclient_now(f.nc);
	CHECK(commit(new_id(), &outcome, &seq, 5000) == 0);
	CHECK(nodeclient_now(f.nc) - began < 2000);
	f.node[2].mode = FAKE_SILENT;
	CHECK(commit(new_id(), &outcome, &seq, 600) == -ERRC_UNAVAILABLE);
	/* It is in the log all the same, once. */
	CHECK(log_end() == 2);
	fakenodes_stop(&f);
}

static void
nodes_without_a_vote_do_not_count(void)
{
	enum outcome outcome = OUTCOME_MAX;
	uint64_t seq = 0;

	start();
	for (uint32_t i = 0; i < 3; i++)
		f.node[i].voting = false;
	CHECK(commit(new_id(), &outcome, &seq, 600) == -ERRC_UNAVAILABLE);
	f.node[0].voting = true;
	CHECK(commit(new_id(), &outcome, &seq, 3000) == 0);
	fakenodes_stop(&f);
}

static void
nodes_that_have_not_applied_it_do_not_count(void)
{
	enum outcome outcome = OUTCOME_MAX;
	uint64_t seq = 0;

	start();
	for (uint32_t i = 0; i < 3; i++)
		f.node[i].applied = 0;
	CHECK(commit(new_id(), &outcome, &seq, 600) == -ERRC_UNAVAILABLE);
	f.node[2].applied = 1000;
	CHECK(commit(new_id(), &outcome, &seq, 3000) == 0);
	fakenodes_stop(&f);
}

static void
a_second_record_of_an_id_is_told_from_the_first(void)
{
	struct reqid id = new_id();
	struct record record = {
		.type = RECORD_DELETE,
		.request_id = id,
		.bucket = bytes_str("bucket"),
		.key = bytes_str("key"),
		.incarnation = 1,
	};
	struct committer_item item = { .partition = 0, .record = &record };
	struct error err;

	start();
	f.outcome = OUTCOME_NOT_YET_HERE;
	CHECK(committer_commit_all(f.nc, &item, 1, nodeclient_now(f.nc) + 3000,
		  &err) == 0);
	CHECK(item.outcome == OUTCOME_NOT_YET_HERE && item.seq == 1);
	item.after_seq = item.seq;
	f.outcome = OUTCOME_DONE;
	CHECK(committer_commit_all(f.nc, &item, 1, nodeclient_now(f.nc) + 3000,
		  &err) == 0);
	CHECK(item.outcome == OUTCOME_DONE && item.seq == 2);
	/* By its id the first would answer, so that it is never asked for by
	 * that, however long the second takes. */
	for (uint32_t i = 0; i < FAKE_NODES; i++)
		f.node[i].applied = 2;
	item.after_seq = item.seq;
	CHECK(committer_commit_all(f.nc, &item, 1, nodeclient_now(f.nc) + 500,
		  &err) == -ERRC_UNAVAILABLE);
	CHECK(f.by_id == 0);
	fakenodes_stop(&f);
}

static void
an_answer_for_another_record_at_that_seq_does_not_count(void)
{
	enum outcome outcome = OUTCOME_MAX;
	uint64_t seq = 0;

	start();
	/* Their log was cut, and grew again. */
	for (uint32_t i = 0; i < 3; i++)
		f.node[i].mode = FAKE_OTHER_ID;
	CHECK(commit(new_id(), &outcome, &seq, 600) == -ERRC_UNAVAILABLE);
	f.node[1].mode = FAKE_OK;
	CHECK(commit(new_id(), &outcome, &seq, 3000) == 0);
	CHECK(outcome == OUTCOME_DONE);
	fakenodes_stop(&f);
}

static struct record
delete_record(const char *key)
{
	return (struct record){
		.type = RECORD_DELETE,
		.request_id = new_id(),
		.bucket = bytes_str("bucket"),
		.key = bytes_str(key),
		.incarnation = 1,
	};
}

static void
a_late_record_does_not_take_the_others_answers(void)
{
	struct record records[2] = { delete_record("a"), delete_record("b") };
	struct committer_item items[2] = { { .record = &records[0] },
		{ .record = &records[1] } };
	struct error err = { 0 };

	start();
	for (uint32_t i = 0; i < FAKE_NODES; i++)
		f.node[i].applied = 1;
	CHECK(committer_commit_all(f.nc, items, 2, nodeclient_now(f.nc) + 800,
		  &err) == -ERRC_UNAVAILABLE);
	CHECK(items[0].code == ERRC_OK && items[0].outcome == OUTCOME_DONE);
	CHECK(items[1].code == ERRC_UNAVAILABLE && items[1].seq == 2);
	fakenodes_stop(&f);
}

static void
many_that_are_not_yet_here_are_rolled_forward_in_one_go(void)
{
	struct record records[3] = { delete_record("a"), delete_record("b"),
		delete_record("c") };
	struct committer_item items[3] = { { .record = &records[0] },
		{ .record = &records[1] }, { .record = &records[2] } };
	struct error err = { 0 };

	start();
	fakenodes_at(&f, 20);
	/* The first and the third meet a partition that is behind. */
	f.not_yet_here = 1u << 1 | 1u << 3;
	CHECK(bucket_commit_all(f.nc, items, 3, nodeclient_now(f.nc) + 5000,
		  &err) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(items[i].code == ERRC_OK &&
		    items[i].outcome == OUTCOME_DONE);
	CHECK(items[0].seq == 4 && items[1].seq == 2 && items[2].seq == 5);
	CHECK(log_end() == 5);
	/* One that stays behind is unknown, and the other's answer stands. */
	records[0] = delete_record("a");
	records[1] = delete_record("b");
	f.not_yet_here = 1u << 6 | 1u << 8;
	CHECK(bucket_commit_all(f.nc, items, 2, nodeclient_now(f.nc) + 5000,
		  &err) == -ERRC_UNAVAILABLE);
	CHECK(items[0].code == ERRC_UNAVAILABLE);
	CHECK(items[1].code == ERRC_OK && items[1].outcome == OUTCOME_DONE);
	fakenodes_stop(&f);
}

static int
see(uint64_t revision, uint64_t ms)
{
	struct bytes bucket = bytes_str("bucket");
	struct placement place = placement_of(nodeclient_topology(f.nc), bucket,
	    bytes_str("key"));
	struct bucket_seen seen;
	struct error err;

	return bucket_see(f.nc, &place, bucket, revision, &seen,
	    nodeclient_now(f.nc) + ms, &err);
}

/* Somebody deletes the bucket right now: a writer must not take that back,
 * and waits for nothing. */
static void
a_fresh_attempt_to_delete_a_bucket_is_left_alone(void)
{
	start();
	fakenodes_at(&f, 1000);
	f.sealed_ms = clock_real_ms(&clock_system);
	f.sealed = true;
	CHECK(see(0, 3000) == -ERRC_MISMATCH);
	CHECK(log_end() == 0);
	/* Whoever made that one is gone. */
	f.sealed_ms = clock_real_ms(&clock_system) - 3600000;
	CHECK(see(0, 3000) == -ERRC_UNAVAILABLE);
	CHECK(log_end() > 0);
	f.sealed = false;
	CHECK(see(0, 3000) == 0);
	fakenodes_stop(&f);
}

/* Home decided nothing of the Unseal: its Delete may yet come, so that it is
 * told to nobody, and nothing more is tried. */
static void
an_attempt_that_is_not_taken_back_is_not_over(void)
{
	start();
	fakenodes_at(&f, 1000);
	f.sealed_ms = clock_real_ms(&clock_system) - 3600000;
	f.sealed = true;
	f.outcome = OUTCOME_NOT_YET_HERE;
	CHECK(see(0, 3000) == -ERRC_UNAVAILABLE);
	CHECK(log_end() == 1);
	fakenodes_stop(&f);
}

static void
settings_that_are_older_than_what_was_seen_do_not_do(void)
{
	start();
	fakenodes_at(&f, 1000);
	CHECK(see(0, 3000) == 0);
	CHECK(see(5, 1000) != 0);
	fakenodes_stop(&f);
}

int
main(void)
{
	RUN(the_outcome_that_the_nodes_report_is_returned);
	RUN(two_silent_nodes_are_not_waited_for_and_three_are_too_many);
	RUN(nodes_without_a_vote_do_not_count);
	RUN(nodes_that_have_not_applied_it_do_not_count);
	RUN(a_second_record_of_an_id_is_told_from_the_first);
	RUN(an_answer_for_another_record_at_that_seq_does_not_count);
	RUN(a_late_record_does_not_take_the_others_answers);
	RUN(a_fresh_attempt_to_delete_a_bucket_is_left_alone);
	RUN(an_attempt_that_is_not_taken_back_is_not_over);
	RUN(settings_that_are_older_than_what_was_seen_do_not_do);
	RUN(many_that_are_not_yet_here_are_rolled_forward_in_one_go);
	return tap_done();
}
