/* SPDX-License-Identifier: MIT */
#include "node/lane.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "commit/commitlog.h"
#include "commit/record.h"
#include "node/apply.h"
#include "node/nodecore.h"
#include "store/shardmeta.h"
#include "store/shardread.h"

static void
set_reason(struct lane *lane, const char *reason)
{
	snprintf(lane->reason, sizeof(lane->reason), "%.120s", reason);
}

/* Loading. */

/* The row of a partition that this disk has not seen, from its genesis. */
static int
load_new(struct lane *lane, struct nodecore *core, uint64_t first,
    struct error *err)
{
	struct commitlog_entry entry;
	struct partition_row row;
	struct record *record = NULL;
	struct buf line = buf_make(COMMITLOG_LINE_MAX);
	int rc;

	rc = commitlog_get(core->log, lane->partition, first, &entry, &line,
	    err);
	if (rc != 0)
		goto out;
	rc = record_parse(&record, entry.line, core->cluster, err);
	if (rc != RECORD_OK || record->type != RECORD_GENESIS) {
		rc = error_set(err, ERRC_CONFIG,
		    "commit log: partition %" PRIu32
		    " does not begin with a genesis record of this cluster",
		    lane->partition);
		goto out;
	}
	apply_genesis(&row, record, lane->partition, entry.time_ms);
	rc = shardmeta_begin(core->meta, err);
	if (rc != 0)
		goto out;
	rc = shardmeta_add_partition(core->meta, &row, err);
	if (rc != 0)
		shardmeta_rollback(core->meta);
	else
		rc = shardmeta_commit(core->meta, err);
	lane->applied = row.applied;
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

/* Is the last record that was applied the one that the log has there? */
static int
compare_last(struct lane *lane, struct nodecore *core, struct shardread *read,
    struct error *err)
{
	struct commitlog_entry entry;
	struct oplog_row mine;
	struct buf line = buf_make(COMMITLOG_LINE_MAX);
	int rc;

	rc = shardread_oplog_at(read, lane->partition, lane->applied, &mine,
	    err);
	if (rc == 0)
		rc = commitlog_get(core->log, lane->partition, lane->applied,
		    &entry, &line, err);
	else if (rc == -ERRC_NOTFOUND) {
		/* Trimmed, or a snapshot: nothing to compare with. */
		buf_fini(&line);
		return 0;
	}
	if (rc == 0)
		rc = same_record(mine.line, entry.line, err);
	if (rc == 0)
		lane_disagrees(lane, "the log differs from what was applied");
	if (rc == 1)
		rc = 0;
	buf_fini(&line);
	return rc;
}

static int
compare_log(struct lane *lane, struct nodecore *core, struct shardread *read,
    const struct partition_row *row, struct error *err)
{
	uint64_t first, last;
	int rc = commitlog_stored(core->log, lane->partition, &first, &last,
	    err);

	if (rc != 0)
		return rc;
	if (row->applied > last)
		lane_disagrees(lane,
		    "the log is shorter than what was applied");
	else if (row->applied + 1 < first)
		lane_disagrees(lane, "the log begins after what was applied");
	else if (row->applied >= first)
		return compare_last(lane, core, read, err);
	return 0;
}

int
lane_compare(struct lane *lane, struct nodecore *core, struct error *err)
{
	struct partition_row row;
	struct shardread *read = NULL;
	int rc;

	rc = shardread_begin(&read, core->meta, err);
	if (rc != 0)
		return rc;
	rc = shardread_partition(read, lane->partition, &row, err);
	if (rc == 0)
		rc = compare_log(lane, core, read, &row, err);
	shardread_end(read);
	return rc;
}

int
lane_load(struct lane *lane, struct nodecore *core, uint32_t partition,
    struct error *err)
{
	struct partition_row row;
	struct shardread *read = NULL;
	uint64_t first;
	int rc;

	*lane = (struct lane){ .partition = partition };
	rc = shardread_begin(&read, core->meta, err);
	if (rc != 0)
		return rc;
	rc = shardread_partition(read, partition, &row, err);
	if (rc == 0) {
		lane->applied = row.applied;
		rc = compare_log(lane, core, read, &row, err);
		shardread_end(read);
	} else {
		shardread_end(read);
		if (rc != -ERRC_NOTFOUND)
			return rc;
		rc = commitlog_stored(core->log, partition, &first, NULL, err);
		if (rc == 0)
			rc = load_new(lane, core, first, err);
	}
	lane->staged = lane->applied;
	return rc;
}

/* Running. */

bool
lane_wants(const struct lane *lane, uint64_t now_ms)
{
	return !lane->halted && lane->retry_ms <= now_ms;
}

bool
lane_stopped(const struct lane *lane)
{
	return lane->halted || lane->halting || lane->stuck;
}

void
lane_staged(struct lane *lane, uint64_t applied)
{
	lane->staged = applied;
}

void
lane_poison(struct lane *lane, uint64_t seq, const char *reason)
{
	lane->halting = true;
	vote_poison(&lane->vote, seq);
	set_reason(lane, reason);
}

void
lane_disagrees(struct lane *lane, const char *reason)
{
	lane->halted = true;
	vote_bar(&lane->vote);
	set_reason(lane, reason);
	log_error("node",
	    "partition halts partition=%" PRIu32 " applied=%" PRIu64 ": %s",
	    lane->partition, lane->applied, reason);
}

void
lane_retry_at(struct lane *lane, uint64_t mono_ms, const char *reason)
{
	lane->stuck = true;
	lane->retry_ms = mono_ms;
	set_reason(lane, reason);
}

void
lane_log_lost(struct lane *lane)
{
	vote_reset(&lane->vote);
}

bool
lane_settle(struct lane *lane, bool committed)
{
	bool stopped = lane->stuck || (lane->halting && committed);

	if (committed) {
		lane->applied = lane->staged;
		if (lane->halting)
			lane->halted = true;
	}
	lane->staged = lane->applied;
	lane->halting = false;
	lane->stuck = false;
	return stopped;
}

bool
lane_revive(struct lane *lane, uint64_t now_ms)
{
	if (lane->retry_ms == 0 || lane->retry_ms > now_ms)
		return false;
	lane->retry_ms = 0;
	lane->reason[0] = '\0';
	return true;
}

bool
lane_publish(struct lane *lane)
{
	bool voting = vote_applied(&lane->vote, lane->applied);
	bool news = !lane->told || voting != lane->voting ||
	    lane->applied != lane->published;

	lane->told = true;
	lane->voting = voting;
	lane->published = lane->applied;
	return news;
}
