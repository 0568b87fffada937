/* SPDX-License-Identifier: MIT */
#include "node/partitionrun.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "apply/apply.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "commit/commitlog.h"
#include "commit/commitlog_reader.h"
#include "commit/record.h"
#include "member/nodecore.h"
#include "store/metaquery.h"
#include "store/shardmeta.h"

static void
set_reason(struct partitionrun *run, const char *reason)
{
	assert(reason[0] != '\0');
	snprintf(run->reason, sizeof(run->reason), "%.120s", reason);
}

/* Loading. */

/* The row of a partition that this disk has not seen, from its genesis. */
static int
load_new(struct partitionrun *run, struct nodecore *core, uint64_t first,
    struct error *err)
{
	struct commitlog_entry entry;
	struct partition_row row;
	struct record *record = NULL;
	struct buf line = buf_make(COMMITLOG_LINE_MAX);
	int rc;

	rc = commitlog_get(core->log, run->partition, first, &entry, &line,
	    nodecore_deadline(core, NODECORE_LOG_MS), err);
	if (rc != 0)
		goto out;
	if (first != entry.base_seq) {
		rc = error_set(err, ERRC_CONFIG,
		    "commit log: partition %" PRIu32 " begins at %" PRIu64
		    ", after its genesis: this node has to take a snapshot "
		    "from a peer",
		    run->partition, first);
		goto out;
	}
	rc = record_parse(&record, entry.line, core->cluster, err);
	if (rc != RECORD_OK || record->type != RECORD_GENESIS) {
		rc = error_set(err, ERRC_CONFIG,
		    "commit log: partition %" PRIu32
		    " does not begin with a genesis record of this cluster",
		    run->partition);
		goto out;
	}
	assert(entry.seq == first);
	apply_genesis(&row, record, run->partition, entry.time_ms);
	rc = shardmeta_begin(core->meta, err);
	if (rc != 0)
		goto out;
	rc = shardmeta_add_partition(core->meta, &row, err);
	if (rc != 0)
		shardmeta_rollback(core->meta);
	else
		rc = shardmeta_commit(core->meta, err);
	run->applied = row.applied;
out:
	record_free(record);
	buf_fini(&line);
	return rc;
}

/* Are the two lines one record?  1 or 0; inline text may be stripped from
 * either. */
static int
same_record(struct bytes a, struct bytes b, struct error *err)
{
	static const uint8_t zero[RECORD_CHAIN_BYTES];
	uint8_t ha[RECORD_CHAIN_BYTES];
	uint8_t hb[RECORD_CHAIN_BYTES];

	if (record_hash(ha, zero, a, err) != 0 ||
	    record_hash(hb, zero, b, err) != 0)
		return -ERRC_NOMEM;
	return memcmp(ha, hb, sizeof(ha)) == 0;
}

/* What the rows say of a partition, copied: the log is asked only when the
 * read has ended, as it may be slow. */
struct last {
	bool found; /* the partition has a row */
	uint64_t applied, t_ms;
	bool has_line; /* of the record at applied: not trimmed, no snapshot */
	struct buf line;
};

static int
read_last(struct last *last, struct nodecore *core, uint32_t partition,
    struct error *err)
{
	struct partition_row row;
	struct oplog_row mine;
	struct metaquery *read = NULL;
	int rc = metaquery_begin(&read, core->meta, err);

	assert(!last->found && last->applied == 0);
	last->line = buf_make(COMMITLOG_LINE_MAX);
	if (rc != 0)
		return rc;
	rc = metaquery_partition(read, partition, &row, err);
	last->found = rc == 0;
	if (rc == 0) {
		last->applied = row.applied;
		last->t_ms = row.t_ms;
		rc = metaquery_oplog_at(read, partition, row.applied, &mine,
		    err);
		last->has_line = rc == 0;
	}
	if (rc == 0)
		buf_add(&last->line, mine.line.p, mine.line.n);
	metaquery_end(read);
	if (rc == 0 && buf_failed(&last->line))
		return error_set(err, ERRC_NOMEM, "oplog: no memory");
	return rc == -ERRC_NOTFOUND ? 0 : rc;
}

/* Is the last record that was applied the one that the log has there? */
static int
compare_last(struct partitionrun *run, struct nodecore *core,
    const struct last *last, struct error *err)
{
	struct commitlog_entry entry;
	struct buf line = buf_make(COMMITLOG_LINE_MAX);
	int rc;

	assert(last->has_line);
	rc = commitlog_get(core->log, run->partition, last->applied, &entry,
	    &line, nodecore_deadline(core, NODECORE_LOG_MS), err);
	if (rc == 0)
		rc = same_record(buf_bytes(&last->line), entry.line, err);
	if (rc == 0)
		partitionrun_disagrees(run,
		    "the log differs from what was applied");
	if (rc == 1)
		rc = 0;
	buf_fini(&line);
	return rc;
}

static int
compare_log(struct partitionrun *run, struct nodecore *core,
    const struct last *last, struct error *err)
{
	struct commitlog_span span = { .partition = run->partition };
	int rc = commitlog_stored(core->log, &span, 1,
	    nodecore_deadline(core, NODECORE_LOG_MS), err);

	if (rc != 0)
		return rc;
	assert(last->found);
	if (last->applied > span.last)
		partitionrun_disagrees(run,
		    "the log is shorter than what was applied");
	else if (last->applied + 1 < span.first)
		partitionrun_disagrees(run,
		    "the log begins after what was applied");
	else if (last->applied >= span.first && last->has_line)
		return compare_last(run, core, last, err);
	return 0;
}

int
partitionrun_compare(struct partitionrun *run, struct nodecore *core,
    struct error *err)
{
	struct last last = { 0 };
	int rc = read_last(&last, core, run->partition, err);

	if (rc == 0 && !last.found)
		rc = error_set(err, ERRC_NOTFOUND,
		    "partition %" PRIu32 ": has no row", run->partition);
	if (rc == 0)
		rc = compare_log(run, core, &last, err);
	buf_fini(&last.line);
	return rc;
}

int
partitionrun_load(struct partitionrun *run, struct nodecore *core,
    uint32_t partition, struct error *err)
{
	struct commitlog_span span = { .partition = partition };
	struct last last = { 0 };
	int rc;

	*run = (struct partitionrun){ .partition = partition, .mine = true };
	rc = read_last(&last, core, partition, err);
	if (rc == 0 && last.found) {
		run->applied = last.applied;
		nodecore_time(core, last.t_ms);
		rc = compare_log(run, core, &last, err);
	} else if (rc == 0) {
		rc = commitlog_stored(core->log, &span, 1,
		    nodecore_deadline(core, NODECORE_LOG_MS), err);
		if (rc == 0)
			rc = load_new(run, core, span.first, err);
	}
	buf_fini(&last.line);
	assert(rc != 0 || run->mine);
	run->staged = run->applied;
	return rc;
}

/* Running. */

void
partitionrun_drop(struct partitionrun *run)
{
	/* What is staged and not committed would be lost without a trace. */
	assert(run->staged == run->applied);
	*run = (struct partitionrun){ .partition = run->partition };
}

bool
partitionrun_wants(const struct partitionrun *run, uint64_t now_ms)
{
	return run->mine && !run->halted && run->retry_ms <= now_ms;
}

bool
partitionrun_stopped(const struct partitionrun *run)
{
	return !run->mine || run->halted || run->halting || run->stuck;
}

void
partitionrun_staged(struct partitionrun *run, uint64_t applied)
{
	/* Each record once and in order: seq is dense (protocol.md 5). */
	assert(applied > run->staged && run->staged >= run->applied);
	run->staged = applied;
}

void
partitionrun_poison(struct partitionrun *run, uint64_t seq, const char *reason)
{
	assert(run->mine && seq > run->staged);
	run->halting = true;
	vote_poison(&run->vote, seq);
	set_reason(run, reason);
}

void
partitionrun_disagrees(struct partitionrun *run, const char *reason)
{
	run->halted = true;
	vote_bar(&run->vote);
	set_reason(run, reason);
	log_error("node",
	    "partition halts partition=%" PRIu32 " applied=%" PRIu64 ": %s",
	    run->partition, run->applied, reason);
}

void
partitionrun_retry_at(struct partitionrun *run, uint64_t mono_ms,
    const char *reason)
{
	assert(run->mine && mono_ms > 0);
	run->stuck = true;
	run->retry_ms = mono_ms;
	set_reason(run, reason);
}

void
partitionrun_log_lost(struct partitionrun *run, uint64_t mono_ms,
    const char *reason)
{
	/* It does not know what it missed (protocol.md 5, votes); the other
	 * partitions keep theirs. */
	vote_reset(&run->vote);
	assert(!run->vote.has_goal);
	run->out = true;
	run->retry_ms = mono_ms;
	if (!run->halted)
		set_reason(run, reason);
}

bool
partitionrun_settle(struct partitionrun *run, bool committed)
{
	bool stopped = run->stuck || (run->halting && committed);

	if (committed) {
		assert(run->staged >= run->applied);
		run->applied = run->staged;
		if (run->halting)
			run->halted = true;
	}
	run->staged = run->applied;
	run->halting = false;
	run->stuck = false;
	return stopped;
}

bool
partitionrun_revive(struct partitionrun *run, uint64_t now_ms)
{
	if (run->retry_ms == 0 || run->retry_ms > now_ms)
		return false;
	assert(!run->halting);
	run->retry_ms = 0;
	run->out = false;
	if (!run->halted)
		run->reason[0] = '\0';
	return true;
}

bool
partitionrun_publish(struct partitionrun *run)
{
	/* What is staged is not durable: nobody may count on it. */
	bool voting = vote_applied(&run->vote, run->applied);
	bool news = !run->told || voting != run->voting ||
	    run->applied != run->published;

	/* Positions never go back: others have counted the one before. */
	assert(run->applied >= run->published);
	run->told = true;
	run->voting = voting;
	run->published = run->applied;
	return news;
}
