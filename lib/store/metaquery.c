/* SPDX-License-Identifier: MIT */
#include "store/metaquery.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/nowait.h"
#include "base/wait.h"
#include "store/shardmeta_in.h"

/*
 * The pool of reading connections, and the getters.  A getter's statement is
 * left on its row, so that the row's strings live until it runs again; the
 * end of the transaction resets them all.
 */

#define WAIT_SECONDS 5

/* A read that lasts so long is a defect: something waits in it, or walks over
 * everything.  Only builds for tests end there. */
#ifdef KOOP_FAULTS
#define AGE_MAX_MS 10000
#else
#define AGE_MAX_MS INT64_MAX
#endif

static struct metaquery *
find_idle(struct shardmeta *meta)
{
	assert(meta->reader_count > 0);
	assert(meta->reader_count <= SHARDMETA_READERS_MAX);
	for (unsigned i = 0; i < meta->reader_count; i++)
		if (!meta->reader[i].busy)
			return &meta->reader[i];
	return NULL;
}

/* Wait for a connection that nobody reads with, and take it. */
static struct metaquery *
take_idle(struct shardmeta *meta)
{
	struct metaquery *read;
	uint64_t until = clock_mono_ms(&clock_system) + WAIT_SECONDS * 1000;
	bool in_time = true;

	pthread_mutex_lock(&meta->lock);
	while ((read = find_idle(meta)) == NULL && in_time) {
		/* Who has one and waits for another may wait for itself. */
		nowait_touch("another read of meta.db");
		in_time = wait_mono_until(&meta->idle, &meta->lock, until);
	}
	if (read != NULL) {
		assert(!read->dump);
		read->busy = true;
		read->since_ms = clock_mono_ms(meta->clock);
	}
	pthread_mutex_unlock(&meta->lock);
	return read;
}

int
metaquery_begin(struct metaquery **out, struct shardmeta *meta,
    struct error *err)
{
	struct metaquery *read = take_idle(meta);
	int rc;

	if (read == NULL)
		return error_set(err, ERRC_RETRY,
		    "meta.db: all %u readers are at work", meta->reader_count);
	nowait_enter();
	rc = sql_simple(&read->sql, SQL_BEGIN_READ, err);
	if (rc < 0) {
		metaquery_end(read);
		return rc;
	}
	assert(!sqlite3_get_autocommit(read->sql.db));
	*out = read;
	return 0;
}

static void
reset(struct metaquery *read)
{
	for (unsigned i = 0; i < SQL_MAX; i++)
		sqlite3_reset(read->sql.stmt[i]);
	for (size_t i = 0; i < read->list_count; i++)
		sqlite3_reset(read->list[i]);
	/* A read-only transaction has nothing to lose: if its end fails, the
	 * next begin says so. */
	if (!sqlite3_get_autocommit(read->sql.db))
		(void)sqlite3_exec(read->sql.db, "ROLLBACK", NULL, NULL, NULL);
}

void
metaquery_end(struct metaquery *read)
{
	struct shardmeta *meta;
	uint64_t age;

	if (read == NULL)
		return;
	meta = read->meta;
	reset(read);
	if (!read->dump)
		nowait_leave();
	pthread_mutex_lock(&meta->lock);
	assert(read->busy);
	age = clock_mono_ms(meta->clock) - read->since_ms;
	meta->stats.ended++;
	meta->stats.lasted_long += age >= SHARDMETA_LONG_MS;
	meta->stats.longest_ms = KOOP_MAX(meta->stats.longest_ms, age);
	read->busy = false;
	pthread_cond_signal(&meta->idle);
	pthread_mutex_unlock(&meta->lock);
	assert(age <= AGE_MAX_MS || read->dump);
}

void
shardmeta_reads(struct shardmeta *meta, struct shardmeta_reads *out)
{
	pthread_mutex_lock(&meta->lock);
	*out = meta->stats;
	pthread_mutex_unlock(&meta->lock);
}

int
metaquery_partition(struct metaquery *read, uint32_t partition,
    struct partition_row *out, struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(&read->sql, SQL_PARTITION_GET, err);
	int rc;

	assert(read->busy);
	if (stmt == NULL)
		return -ERRC_IO;
	sql_int(stmt, 1, partition);
	rc = sql_step(&read->sql, stmt, err);
	if (rc == 0)
		return error_set(err, ERRC_NOTFOUND, "partition %u: not here",
		    partition);
	if (rc > 0)
		rc = sql_row_partition(stmt, out, err);
	sqlite3_reset(stmt);
	return rc;
}

int
metaquery_partitions(struct metaquery *read, metaquery_partition_fn *fn,
    void *arg, struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(&read->sql, SQL_PARTITION_ALL, err);
	struct partition_row row;
	int rc;

	assert(read->busy);
	if (stmt == NULL)
		return -ERRC_IO;
	while ((rc = sql_step(&read->sql, stmt, err)) > 0) {
		rc = sql_row_partition(stmt, &row, err);
		if (rc < 0 || (rc = fn(arg, &row)) != 0)
			break;
	}
	sqlite3_reset(stmt);
	return rc;
}

/* A statement whose first parameter is the slot that the partition has now. */
static int
stmt_for(struct metaquery *read, uint32_t partition, enum sql_id id,
    sqlite3_stmt **out, struct error *err)
{
	struct partition_row row;
	int rc = metaquery_partition(read, partition, &row, err);

	if (rc < 0)
		return rc;
	*out = sql_stmt(&read->sql, id, err);
	if (*out == NULL)
		return -ERRC_IO;
	assert(row.slot > 0);
	sql_int(*out, 1, row.slot);
	return 0;
}

static int
step_one(struct metaquery *read, sqlite3_stmt *stmt, struct error *err)
{
	int rc = sql_step(&read->sql, stmt, err);

	assert(stmt != NULL);
	return rc > 0 ? 0 : rc == 0 ? -ERRC_NOTFOUND : rc;
}

int
metaquery_bucket(struct metaquery *read, uint32_t partition, struct bytes name,
    struct bucket_row *out, struct error *err)
{
	sqlite3_stmt *stmt;
	int rc = stmt_for(read, partition, SQL_BUCKET_GET, &stmt, err);

	if (rc < 0)
		return rc;
	sql_blob(stmt, 2, name);
	rc = step_one(read, stmt, err);
	return rc < 0 ? rc : sql_row_bucket(stmt, partition, out, err);
}

int
metaquery_buckets(struct metaquery *read, uint32_t partition,
    metaquery_bucket_fn *fn, void *arg, struct error *err)
{
	struct bucket_row row;
	sqlite3_stmt *stmt;
	int rc = stmt_for(read, partition, SQL_BUCKET_HOME, &stmt, err);

	if (rc < 0)
		return rc;
	while ((rc = sql_step(&read->sql, stmt, err)) > 0) {
		rc = sql_row_bucket(stmt, partition, &row, err);
		if (rc < 0 || (rc = fn(arg, &row)) != 0)
			break;
	}
	sqlite3_reset(stmt);
	return rc;
}

int
metaquery_object(struct metaquery *read, uint32_t partition,
    struct bytes bucket, struct bytes key, struct object_row *out,
    struct error *err)
{
	sqlite3_stmt *stmt;
	int rc = stmt_for(read, partition, SQL_OBJECT_GET, &stmt, err);

	if (rc < 0)
		return rc;
	sql_blob(stmt, 2, bucket);
	sql_blob(stmt, 3, key);
	rc = step_one(read, stmt, err);
	return rc < 0 ? rc : sql_row_object(stmt, partition, out, err);
}

int
metaquery_inline(struct metaquery *read, struct reqid id, struct buf *out,
    struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(&read->sql, SQL_INLINE_GET, err);
	struct bytes content;
	int rc;

	assert(read->busy);
	if (stmt == NULL)
		return -ERRC_IO;
	sql_id(stmt, 1, id);
	rc = step_one(read, stmt, err);
	if (rc < 0)
		return rc;
	content = sql_get_blob(stmt, 0);
	buf_add(out, content.p, content.n);
	sqlite3_reset(stmt);
	return buf_failed(out) ? error_set(err, ERRC_NOMEM,
				     "meta.db: inline object: out of memory") :
				 0;
}

int
metaquery_upload(struct metaquery *read, uint32_t partition, struct reqid id,
    struct upload_row *out, struct error *err)
{
	sqlite3_stmt *stmt;
	int rc = stmt_for(read, partition, SQL_UPLOAD_GET, &stmt, err);

	if (rc < 0)
		return rc;
	sql_id(stmt, 2, id);
	rc = step_one(read, stmt, err);
	return rc < 0 ? rc : sql_row_upload(stmt, partition, out, err);
}

int
metaquery_part(struct metaquery *read, uint32_t partition, struct reqid upload,
    uint32_t number, struct part_row *out, struct error *err)
{
	sqlite3_stmt *stmt;
	int rc = stmt_for(read, partition, SQL_PART_GET, &stmt, err);

	assert(number > 0);
	assert(number <= ROW_PARTS_MAX);
	if (rc < 0)
		return rc;
	sql_id(stmt, 2, upload);
	sql_int(stmt, 3, number);
	rc = step_one(read, stmt, err);
	return rc < 0 ? rc : sql_row_part(stmt, partition, out, err);
}

int
metaquery_parts(struct metaquery *read, uint32_t partition, struct reqid upload,
    uint32_t after, metaquery_part_fn *fn, void *arg, struct error *err)
{
	struct part_row row;
	sqlite3_stmt *stmt;
	int rc = stmt_for(read, partition, SQL_PART_LIST, &stmt, err);

	if (rc < 0)
		return rc;
	sql_id(stmt, 2, upload);
	sql_int(stmt, 3, after);
	while ((rc = sql_step(&read->sql, stmt, err)) > 0) {
		rc = sql_row_part(stmt, partition, &row, err);
		if (rc < 0 || (rc = fn(arg, &row)) != 0)
			break;
	}
	sqlite3_reset(stmt);
	return rc;
}

int
metaquery_decided(struct metaquery *read, uint32_t partition, struct reqid id,
    struct decided_row *out, struct error *err)
{
	sqlite3_stmt *stmt;
	int rc = stmt_for(read, partition, SQL_DECIDED_GET, &stmt, err);

	if (rc < 0)
		return rc;
	sql_id(stmt, 2, id);
	rc = step_one(read, stmt, err);
	return rc < 0 ? rc : sql_row_decided(stmt, partition, out, err);
}

static int
row_oplog(sqlite3_stmt *stmt, uint32_t partition, struct oplog_row *out,
    struct error *err)
{
	struct oplog_row row = {
		.partition = partition,
		.seq = sql_get_int(stmt, 0),
		.time_ms = sql_get_int(stmt, 1),
		.outcome = (uint32_t)sql_get_int(stmt, 3),
		.line = sql_get_blob(stmt, 5),
	};

	assert(out != NULL);
	if (!sql_get_id(stmt, 2, &row.id) || !sql_get_hash(stmt, 4, row.hash))
		return sql_corrupt(err, "oplog");
	*out = row;
	return 0;
}

int
metaquery_oplog_at(struct metaquery *read, uint32_t partition, uint64_t seq,
    struct oplog_row *out, struct error *err)
{
	sqlite3_stmt *stmt;
	int rc = stmt_for(read, partition, SQL_OPLOG_AT, &stmt, err);

	if (rc < 0)
		return rc;
	sql_int(stmt, 2, seq);
	rc = step_one(read, stmt, err);
	return rc < 0 ? rc : row_oplog(stmt, partition, out, err);
}

int
metaquery_oplog(struct metaquery *read, uint32_t partition, uint64_t from,
    metaquery_oplog_fn *fn, void *arg, struct error *err)
{
	struct oplog_row row;
	sqlite3_stmt *stmt;
	int rc = stmt_for(read, partition, SQL_OPLOG_FROM, &stmt, err);

	if (rc < 0)
		return rc;
	sql_int(stmt, 2, from);
	while ((rc = sql_step(&read->sql, stmt, err)) > 0) {
		rc = row_oplog(stmt, partition, &row, err);
		if (rc < 0 || (rc = fn(arg, &row)) != 0)
			break;
	}
	sqlite3_reset(stmt);
	return rc;
}

int
metaquery_garbage(struct metaquery *read, uint32_t partition, uint64_t max_seq,
    const struct garbage_row *after, metaquery_garbage_fn *fn, void *arg,
    struct error *err)
{
	struct garbage_row row = { .partition = partition };
	sqlite3_stmt *stmt = sql_stmt(&read->sql, SQL_GARBAGE_LIST, err);
	int rc;

	assert(read->busy);
	assert(max_seq <= INT64_MAX);
	if (stmt == NULL)
		return -ERRC_IO;
	sql_int(stmt, 1, partition);
	sql_int(stmt, 2, max_seq);
	sql_int(stmt, 3, after != NULL ? after->seq : 0);
	sql_id(stmt, 4, after != NULL ? after->id : row.id);
	sql_int(stmt, 5, after != NULL ? after->kind : 0);
	while ((rc = sql_step(&read->sql, stmt, err)) > 0) {
		row.seq = sql_get_int(stmt, 0);
		row.kind = (enum garbage_kind)sql_get_int(stmt, 2);
		row.reason = (enum garbage_reason)sql_get_int(stmt, 3);
		rc = sql_get_id(stmt, 1, &row.id) ? 0 :
						    sql_corrupt(err, "garbage");
		if (rc < 0 || (rc = fn(arg, &row)) != 0)
			break;
	}
	sqlite3_reset(stmt);
	return rc;
}

static int
row_repair(sqlite3_stmt *stmt, struct repair_row *out, struct error *err)
{
	struct repair_row row = {
		.number = sql_get_int(stmt, 0),
		.partition = (uint32_t)sql_get_int(stmt, 2),
		.seq = sql_get_int(stmt, 3),
		.whole = sql_get_int(stmt, 4) != 0,
		.bucket = sql_get_blob(stmt, 5),
		.key = sql_get_blob(stmt, 6),
		.part = (uint32_t)sql_get_int(stmt, 8),
		.attempts = (uint32_t)sql_get_int(stmt, 9),
		.queued_ms = sql_get_int(stmt, 10),
	};

	assert(out != NULL);
	if (!sql_get_id(stmt, 1, &row.id) || !sql_get_id(stmt, 7, &row.upload))
		return sql_corrupt(err, "repair");
	*out = row;
	return 0;
}

int
metaquery_repair_next(struct metaquery *read, uint32_t partition,
    struct repair_row *out, struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(&read->sql, SQL_REPAIR_NEXT, err);
	int rc;

	assert(read->busy);
	if (stmt == NULL)
		return -ERRC_IO;
	sql_int(stmt, 1, partition);
	rc = step_one(read, stmt, err);
	return rc < 0 ? rc : row_repair(stmt, out, err);
}

int
metaquery_repair(struct metaquery *read, struct reqid id,
    struct repair_row *out, struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(&read->sql, SQL_REPAIR_GET, err);
	int rc;

	assert(read->busy);
	if (stmt == NULL)
		return -ERRC_IO;
	sql_id(stmt, 1, id);
	rc = step_one(read, stmt, err);
	return rc < 0 ? rc : row_repair(stmt, out, err);
}
