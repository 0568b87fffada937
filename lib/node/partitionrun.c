/* SPDX-License-Identifier: MIT */
#include "node/partitionrun.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "apply/apply.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "commit/commitlog.h"
#include "commit/record.h"
#include "member/nodecore.h"
#include "store/metaquery.h"
#include "store/shardmeta.h"

static void
set_reason(struct partitionrun *run, const char *reason)
{
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
	    err);
	if (rc != 0)
		goto out;
	rc = record_parse(&record, entry.line, core->cluster, err);
	if (rc != RECORD_OK || record->type != RECORD_GENESIS) {
		rc = error_set(err, ERRC_CONFIG,
		    "commit log: partition %" PRIu32
		    " does not begin with a genesis record of this cluster",
		    run->partition);
		goto out;
	}
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

/* Is the last record that was applied the one that the log has there?  Empty
 * when it was trimmed, or came by a snapshot: nothing to compare with. */
static int
compare_last(struct partitionrun *run, struct nodecore *core, struct bytes mine,
    struct error *err)
{
	struct commitlog_entry entry;
	struct buf line = buf_make(COMMITLOG_LINE_MAX);
	int rc;

	if (mine.n == 0)
		return 0;
	rc = commitlog_get(core->log, run->partition, run->applied, &entry,
	    &line, err);
	if (rc == 0)
		rc = same_record(mine, entry.line, err);
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
    const struct partition_row *row, struct bytes mine, struct error *err)
{
	uint64_t first, last;
	int rc = commitlog_stored(core->log, run->partition, &first, &last,
	    err);

	if (rc != 0)
		return rc;
	if (row->applied > last)
		partitionrun_disagrees(run,
		    "the log is shorter than what was applied");
	else if (row->applied + 1 < first)
		partitionrun_disagrees(run,
		    "the log begins after what was applied");
	else if (row->applied >= first)
		return compare_last(run, core, mine, err);
	return 0;
}

/* The row, and a copy of the line that was applied last: the log is asked
 * once the read is over, since it may take its time. */
static int
read_last(struct nodecore *core, uint32_t partition, struct partition_row *row,
    struct buf *line, struct error *err)
{
	struct metaquery *read = NULL;
	struct oplog_row op;
	int rc = metaquery_begin(&read, core->meta, err);

	if (rc != 0)
		return rc;
	rc = metaquery_partition(read, partition, row, err);
	if (rc == 0) {
		rc = metaquery_oplog_at(read, partition, row->applied, &op,
		    err);
		if (rc == 0)
			buf_add(line, op.line.p, op.line.n);
		else if (rc == -ERRC_NOTFOUND)
			rc = 0;
	}
	metaquery_end(read);
	if (rc == 0 && buf_failed(line))
		rc = error_set(err, ERRC_NOMEM, "oplog: no memory");
	return rc;
}

int
partitionrun_compare(struct partitionrun *run, struct nodecore *core,
    struct error *err)
{
	struct buf line = buf_make(COMMITLOG_LINE_MAX);
	struct partition_row row;
	int rc = read_last(core, run->partition, &row, &line, err);

	if (rc == 0)
		rc = compare_log(run, core, &row, buf_bytes(&line), err);
	buf_fini(&line);
	return rc;
}

int
partitionrun_load(struct partitionrun *run, struct nodecore *core,
    uint32_t partition, struct error *err)
{
	struct buf line = buf_make(COMMITLOG_LINE_MAX);
	struct partition_row row;
	uint64_t first;
	int rc;

	*run = (struct partitionrun){ .partition = partition };
	rc = read_last(core, partition, &row, &line, err);
	if (rc == 0) {
		run->applied = row.applied;
		nodecore_time(core, row.t_ms);
		rc = compare_log(run, core, &row, buf_bytes(&line), err);
	} else if (rc == -ERRC_NOTFOUND) {
		rc = commitlog_stored(core->log, partition, &first, NULL, err);
		if (rc == 0)
			rc = load_new(run, core, first, err);
	}
	buf_fini(&line);
	run->staged = run->applied;
	return rc;
}

/* Running. */

bool
partitionrun_wants(const struct partitionrun *run, uint64_t now_ms)
{
	return !run->halted && run->retry_ms <= now_ms;
}

bool
partitionrun_stopped(const struct partitionrun *run)
{
	return run->halted || run->halting || run->stuck;
}

void
partitionrun_staged(struct partitionrun *run, uint64_t applied)
{
	run->staged = applied;
}

void
partitionrun_poison(struct partitionrun *run, uint64_t seq, const char *reason)
{
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
	run->stuck = true;
	run->retry_ms = mono_ms;
	set_reason(run, reason);
}

void
partitionrun_log_lost(struct partitionrun *run)
{
	vote_reset(&run->vote);
}

bool
partitionrun_settle(struct partitionrun *run, bool committed)
{
	bool stopped = run->stuck || (run->halting && committed);

	if (committed) {
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
	run->retry_ms = 0;
	run->reason[0] = '\0';
	return true;
}

bool
partitionrun_publish(struct partitionrun *run)
{
	bool voting = vote_applied(&run->vote, run->applied);
	bool news = !run->told || voting != run->voting ||
	    run->applied != run->published;

	run->told = true;
	run->voting = voting;
	run->published = run->applied;
	return news;
}
