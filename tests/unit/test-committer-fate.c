/* SPDX-License-Identifier: MIT */

/* What became of an append whose answer never came. */

#include "client/committer.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/nodeclient.h"
#include "client/recordfate.h"
#include "commit/commitlog.h"
#include "commit/commitlog_mem.h"
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

static void *
land_soon(void *arg)
{
	usleep(100000);
	commitlog_mem_land(arg);
	return NULL;
}

/* Nobody knows at first; it is looked for, and never appended again. */
static void
an_append_of_unknown_fate_is_looked_for(void)
{
	enum outcome outcome = OUTCOME_MAX;
	uint64_t seq = 0;
	pthread_t thread;

	start();
	commitlog_mem_hold(nodeclient_log(f.nc));
	CHECK(commit(new_id(), &outcome, &seq, 300) == -ERRC_UNAVAILABLE);
	CHECK(log_end() == 0);
	commitlog_mem_land(nodeclient_log(f.nc));
	commitlog_mem_hold(nodeclient_log(f.nc));
	pthread_create(&thread, NULL, land_soon, nodeclient_log(f.nc));
	CHECK(commit(new_id(), &outcome, &seq, 3000) == 0);
	pthread_join(thread, NULL);
	CHECK(outcome == OUTCOME_DONE && seq == 2 && log_end() == 2);
	fakenodes_stop(&f);
}

/* After not_yet_here the first record of the id is in the log, too: it must
 * not be taken for the second, and must not hide it. */
static void
a_second_append_of_unknown_fate_is_found_behind_the_first(void)
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
	pthread_t thread;

	start();
	f.outcome = OUTCOME_NOT_YET_HERE;
	CHECK(committer_commit_all(f.nc, &item, 1, nodeclient_now(f.nc) + 3000,
		  &err) == 0);
	item.after_seq = item.seq;
	f.outcome = OUTCOME_DONE;
	commitlog_mem_hold(nodeclient_log(f.nc));
	CHECK(committer_commit_all(f.nc, &item, 1, nodeclient_now(f.nc) + 300,
		  &err) == -ERRC_UNAVAILABLE);
	commitlog_mem_hold(nodeclient_log(f.nc));
	pthread_create(&thread, NULL, land_soon, nodeclient_log(f.nc));
	CHECK(committer_commit_all(f.nc, &item, 1, nodeclient_now(f.nc) + 3000,
		  &err) == 0);
	pthread_join(thread, NULL);
	CHECK(item.outcome == OUTCOME_DONE && item.seq == 2);
	fakenodes_stop(&f);
}

/* The same receipts again: what is in the log is waited for, not appended. */
static void
a_record_that_is_in_has_the_fate_that_it_had(void)
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
	uint64_t soon;
	struct error err;

	start();
	soon = nodeclient_now(f.nc) + 3000;
	CHECK(recordfate_find(f.nc, &item, soon, &err) == 0);
	CHECK(item.after_seq == 0 && log_end() == 0);
	f.outcome = OUTCOME_PRECONDITION_FAILED;
	CHECK(committer_commit_all(f.nc, &item, 1, soon, &err) == 0);
	item = (struct committer_item){ .partition = 0, .record = &record };
	CHECK(recordfate_find(f.nc, &item, soon, &err) == 1);
	CHECK(item.outcome == OUTCOME_PRECONDITION_FAILED && item.seq == 1);
	CHECK(log_end() == 1);
	fakenodes_stop(&f);
}

static void
what_decided_nothing_does_not_count(void)
{
	struct record record = {
		.type = RECORD_DELETE,
		.request_id = new_id(),
		.bucket = bytes_str("bucket"),
		.key = bytes_str("key"),
		.incarnation = 1,
	};
	struct committer_item item = { .partition = 0, .record = &record };
	uint64_t soon;
	struct error err;

	start();
	soon = nodeclient_now(f.nc) + 3000;
	f.outcome = OUTCOME_NOT_YET_HERE;
	CHECK(committer_commit_all(f.nc, &item, 1, soon, &err) == 0);
	item = (struct committer_item){ .partition = 0, .record = &record };
	CHECK(recordfate_find(f.nc, &item, soon, &err) == 0);
	CHECK(item.after_seq == 1);
	/* Of another key it is a mistake, decided or not. */
	record.key = bytes_str("other");
	item = (struct committer_item){ .partition = 0, .record = &record };
	CHECK(recordfate_find(f.nc, &item, soon, &err) == -ERRC_MISMATCH);
	CHECK(strstr(err.text, "that of \"bucket/key\" already") != NULL);
	fakenodes_stop(&f);
}

/* What is surely not in is said at once, and why. */
static void
a_log_out_of_reach_is_told_as_nothing_written(void)
{
	struct record record = {
		.type = RECORD_DELETE,
		.request_id = new_id(),
		.bucket = bytes_str("bucket"),
		.key = bytes_str("key"),
		.incarnation = 1,
	};
	struct committer_item item = { .partition = 0, .record = &record };
	struct error err;
	uint64_t began;

	start();
	commitlog_mem_outage(nodeclient_log(f.nc), 0, true);
	began = nodeclient_now(f.nc);
	CHECK(committer_commit_all(f.nc, &item, 1, began + 5000, &err) ==
	    -ERRC_UNAVAILABLE);
	CHECK(nodeclient_now(f.nc) - began < 3000);
	CHECK(item.code == ERRC_UNAVAILABLE);
	CHECK(strstr(err.text, "nothing was written") != NULL);
	CHECK(strstr(err.text, "out of reach") != NULL);
	fakenodes_stop(&f);
}

int
main(void)
{
	RUN(an_append_of_unknown_fate_is_looked_for);
	RUN(a_record_that_is_in_has_the_fate_that_it_had);
	RUN(what_decided_nothing_does_not_count);
	RUN(a_second_append_of_unknown_fate_is_found_behind_the_first);
	RUN(a_log_out_of_reach_is_told_as_nothing_written);
	return tap_done();
}
