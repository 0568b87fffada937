/* SPDX-License-Identifier: MIT */
#include "store/shardmeta.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "store/shardmeta_in.h"

/* The rows that are this node's own: queues, inline bytes, oplog. */

static int
run(struct shardmeta *meta, sqlite3_stmt *stmt, struct error *err)
{
	assert(meta->sql.db != NULL);
	return shardmeta_fail(meta, sql_run(&meta->sql, stmt, err));
}

/* The same for a queue, whose length is kept: rows that were there already,
 * or were not, change nothing. */
static int
run_counted(struct shardmeta *meta, sqlite3_stmt *stmt, uint64_t *count, int by,
    struct error *err)
{
	int rc = run(meta, stmt, err);
	uint64_t n;

	assert(by == 1 || by == -1);
	if (rc < 0)
		return rc;
	n = (uint64_t)sqlite3_changes(meta->sql.db);
	assert(by > 0 || *count >= n);
	*count += by > 0 ? n : -n;
	return 0;
}

static sqlite3_stmt *
stmt_of(struct shardmeta *meta, enum sql_id id, struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(&meta->sql, id, err);

	if (stmt == NULL)
		meta->broken = true;
	return stmt;
}

static int
run_by_id(struct shardmeta *meta, enum sql_id sql, struct reqid id,
    struct error *err)
{
	sqlite3_stmt *stmt = stmt_of(meta, sql, err);

	if (stmt == NULL)
		return -ERRC_IO;
	sql_id(stmt, 1, id);
	return run(meta, stmt, err);
}

int
shardmeta_garbage_put(struct shardmeta *meta, const struct garbage_row *row,
    struct error *err)
{
	sqlite3_stmt *stmt = stmt_of(meta, SQL_GARBAGE_PUT, err);

	assert(row->kind == GARBAGE_BLOB || row->kind == GARBAGE_UPLOAD);
	assert(row->reason >= GARBAGE_ABORTED);
	assert(row->reason <= GARBAGE_SUPERSEDED);
	assert(!reqid_is_zero(row->id));
	if (stmt == NULL)
		return -ERRC_IO;
	sql_int(stmt, 1, row->partition);
	sql_int(stmt, 2, row->seq);
	sql_id(stmt, 3, row->id);
	sql_int(stmt, 4, row->kind);
	sql_int(stmt, 5, row->reason);
	return run_counted(meta, stmt, &meta->counts.garbage, 1, err);
}

int
shardmeta_garbage_del(struct shardmeta *meta, const struct garbage_row *row,
    struct error *err)
{
	sqlite3_stmt *stmt = stmt_of(meta, SQL_GARBAGE_DEL, err);

	assert(!reqid_is_zero(row->id));
	if (stmt == NULL)
		return -ERRC_IO;
	sql_int(stmt, 1, row->partition);
	sql_int(stmt, 2, row->seq);
	sql_id(stmt, 3, row->id);
	sql_int(stmt, 4, row->kind);
	return run_counted(meta, stmt, &meta->counts.garbage, -1, err);
}

int
shardmeta_repair_put(struct shardmeta *meta, const struct repair_row *row,
    struct error *err)
{
	sqlite3_stmt *stmt = stmt_of(meta, SQL_REPAIR_PUT, err);

	assert(!reqid_is_zero(row->id));
	assert(row->attempts == 0);
	assert(reqid_is_zero(row->upload) == (row->part == 0));
	if (stmt == NULL)
		return -ERRC_IO;
	sql_id(stmt, 1, row->id);
	sql_int(stmt, 2, row->partition);
	sql_int(stmt, 3, row->seq);
	sql_int(stmt, 4, row->whole);
	sql_blob(stmt, 5, row->bucket);
	sql_blob(stmt, 6, row->key);
	sql_id(stmt, 7, row->upload);
	sql_int(stmt, 8, row->part);
	sql_int(stmt, 9, row->attempts);
	sql_int(stmt, 10, row->queued_ms);
	return run_counted(meta, stmt, &meta->counts.repairs, 1, err);
}

int
shardmeta_repair_del(struct shardmeta *meta, struct reqid id, struct error *err)
{
	sqlite3_stmt *stmt = stmt_of(meta, SQL_REPAIR_DEL, err);

	assert(!reqid_is_zero(id));
	if (stmt == NULL)
		return -ERRC_IO;
	sql_id(stmt, 1, id);
	return run_counted(meta, stmt, &meta->counts.repairs, -1, err);
}

int
shardmeta_repair_failed(struct shardmeta *meta, struct reqid id,
    struct error *err)
{
	assert(!reqid_is_zero(id));
	return run_by_id(meta, SQL_REPAIR_FAILED, id, err);
}

int
shardmeta_inline_put(struct shardmeta *meta, struct reqid id,
    struct bytes content, struct error *err)
{
	sqlite3_stmt *stmt = stmt_of(meta, SQL_INLINE_PUT, err);

	assert(content.n > 0);
	assert(!reqid_is_zero(id));
	if (stmt == NULL)
		return -ERRC_IO;
	sql_id(stmt, 1, id);
	sql_blob(stmt, 2, content);
	return run(meta, stmt, err);
}

int
shardmeta_inline_del(struct shardmeta *meta, struct reqid id, struct error *err)
{
	assert(!reqid_is_zero(id));
	return run_by_id(meta, SQL_INLINE_DEL, id, err);
}

int
shardmeta_tombstones_del(struct shardmeta *meta, uint32_t partition,
    uint64_t seq, unsigned max, struct error *err)
{
	const struct shardmeta_partition *p = shardmeta_find(meta, partition);
	sqlite3_stmt *stmt = stmt_of(meta, SQL_TOMBSTONE_DEL, err);

	assert(max > 0);
	if (stmt == NULL)
		return -ERRC_IO;
	if (p == NULL)
		return 0;
	sql_int(stmt, 1, p->row.slot);
	sql_int(stmt, 2, seq);
	sql_int(stmt, 3, max);
	return run(meta, stmt, err);
}

int
shardmeta_oplog_trim(struct shardmeta *meta, struct error *err)
{
	sqlite3_stmt *stmt = stmt_of(meta, SQL_OPLOG_TRIM, err);

	if (stmt == NULL)
		return -ERRC_IO;
	if (meta->oplog_total <= meta->oplog_max_bytes)
		return 0;
	sql_int(stmt, 1, meta->oplog_total - meta->oplog_max_bytes);
	return run(meta, stmt, err);
}
