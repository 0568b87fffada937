/* SPDX-License-Identifier: MIT */
#include "store/metaquery_all.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/nowait.h"
#include "store/rowhash.h"
#include "store/shardmeta_in.h"

/* What looks at everything: snapshots, the digest computed anew. */

/* The WAL grows while a dump lasts: it ends, however slow its reader is. */
#define DUMP_MAX_MS 60000

static int
take_dump(struct shardmeta *meta, struct error *err)
{
	bool busy;

	pthread_mutex_lock(&meta->lock);
	busy = meta->dump.busy;
	meta->dump.busy = true;
	if (!busy)
		meta->dump.since_ms = clock_mono_ms(meta->clock);
	pthread_mutex_unlock(&meta->lock);
	return busy ? error_set(err, ERRC_RETRY,
			  "meta.db: another snapshot is being read") :
		      0;
}

int
metaquery_begin_dump(struct metaquery **out, struct shardmeta *meta,
    struct error *err)
{
	struct metaquery *read = &meta->dump;
	int rc;

	nowait_touch("a file");
	rc = take_dump(meta, err);
	if (rc < 0)
		return rc;
	read->meta = meta;
	read->dump = true;
	if (read->sql.db == NULL)
		rc = sql_open(&read->sql, meta->path, false, false, err);
	if (rc == 0)
		rc = sql_simple(&read->sql, SQL_BEGIN_READ, err);
	if (rc < 0) {
		metaquery_end(read);
		return rc;
	}
	assert(!sqlite3_get_autocommit(read->sql.db));
	*out = read;
	return 0;
}

/* One row is looked at at a time, so the kinds share the room. */
union any_row {
	struct bucket_row bucket;
	struct object_row object;
	struct upload_row upload;
	struct part_row part;
	struct decided_row decided;
};

static int
read_row(struct snapshot_row *row, union any_row *room, sqlite3_stmt *stmt,
    enum sql_id table, uint32_t partition, struct error *err)
{
	*row = (struct snapshot_row){ 0 };
	switch (table) {
	case SQL_BUCKET_ALL:
		row->bucket = &room->bucket;
		return sql_row_bucket(stmt, partition, &room->bucket, err);
	case SQL_OBJECT_ALL:
		row->object = &room->object;
		return sql_row_object(stmt, partition, &room->object, err);
	case SQL_VERSION_ALL:
		row->version = &room->object;
		return sql_row_object(stmt, partition, &room->object, err);
	case SQL_UPLOAD_ALL:
		row->upload = &room->upload;
		return sql_row_upload(stmt, partition, &room->upload, err);
	case SQL_PART_ALL:
		row->part = &room->part;
		return sql_row_part(stmt, partition, &room->part, err);
	default:
		row->decided = &room->decided;
		return sql_row_decided(stmt, partition, &room->decided, err);
	}
}

static int
read_table(struct metaquery *read, const struct partition_row *partition,
    enum sql_id table, metaquery_snapshot_fn *fn, void *arg, struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(&read->sql, table, err);
	struct snapshot_row row;
	union any_row room;
	int rc;

	assert(partition->slot > 0);
	if (stmt == NULL)
		return -ERRC_IO;
	sql_int(stmt, 1, partition->slot);
	while ((rc = sql_step(&read->sql, stmt, err)) > 0) {
		if (read->dump &&
		    clock_mono_ms(read->meta->clock) >
			read->since_ms + DUMP_MAX_MS) {
			rc = error_set(err, ERRC_RETRY,
			    "partition %u: a snapshot takes too long",
			    partition->partition);
			break;
		}
		rc = read_row(&row, &room, stmt, table, partition->partition,
		    err);
		if (rc < 0 || (rc = fn(arg, &row)) != 0)
			break;
	}
	sqlite3_reset(stmt);
	return rc;
}

int
metaquery_snapshot(struct metaquery *read, uint32_t partition,
    metaquery_snapshot_fn *fn, void *arg, struct error *err)
{
	static const enum sql_id tables[] = { SQL_BUCKET_ALL, SQL_OBJECT_ALL,
		SQL_VERSION_ALL, SQL_UPLOAD_ALL, SQL_PART_ALL,
		SQL_DECIDED_ALL };
	struct partition_row row;
	struct snapshot_row first = { .partition = &row };
	int rc = metaquery_partition(read, partition, &row, err);

	assert(read->busy);
	assert(fn != NULL);
	if (rc == 0)
		rc = fn(arg, &first);
	for (size_t i = 0; rc == 0 && i < nitems(tables); i++)
		rc = read_table(read, &row, tables[i], fn, arg, err);
	return rc;
}

struct summing {
	uint8_t digest[32];
	struct buf scratch;
	struct error *err;
};

static int
sum_row(void *arg, const struct snapshot_row *row)
{
	struct summing *sum = arg;
	uint8_t hash[32];
	int rc;

	if (row->partition != NULL ||
	    (row->object != NULL && row->object->kind == OBJECT_TOMBSTONE))
		return 0;
	if (row->bucket != NULL)
		rc = rowhash_bucket(hash, row->bucket, &sum->scratch, sum->err);
	else if (row->object != NULL)
		rc = rowhash_object(hash, row->object, &sum->scratch, sum->err);
	else if (row->version != NULL)
		rc = rowhash_version(hash, row->version, &sum->scratch,
		    sum->err);
	else if (row->upload != NULL)
		rc = rowhash_upload(hash, row->upload, &sum->scratch, sum->err);
	else if (row->part != NULL)
		rc = rowhash_part(hash, row->part, &sum->scratch, sum->err);
	else
		rc = rowhash_decided(hash, row->decided, &sum->scratch,
		    sum->err);
	if (rc == 0)
		rowhash_add(sum->digest, hash);
	return rc;
}

int
metaquery_digest(struct metaquery *read, uint32_t partition,
    uint8_t out[static 32], struct error *err)
{
	struct summing sum = { .err = err };
	int rc;

	sum.scratch = buf_make(ROWHASH_ROW_MAX);
	rc = metaquery_snapshot(read, partition, sum_row, &sum, err);
	buf_fini(&sum.scratch);
	if (rc == 0)
		memcpy(out, sum.digest, sizeof(sum.digest));
	return rc;
}

static int
get_number(struct metaquery *read, enum sql_id id, uint64_t *out,
    struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(&read->sql, id, err);
	int rc;

	assert(read->busy);
	if (stmt == NULL)
		return -ERRC_IO;
	rc = sql_step(&read->sql, stmt, err);
	*out = rc > 0 ? sql_get_int(stmt, 0) : 0;
	sqlite3_reset(stmt);
	return rc < 0 ? rc : 0;
}

int
metaquery_oplog_bytes(struct metaquery *read, uint64_t *out, struct error *err)
{
	uint64_t first = 0;
	uint64_t total = 0;
	int rc;

	if ((rc = get_number(read, SQL_OPLOG_FIRST, &first, err)) < 0 ||
	    (rc = get_number(read, SQL_OPLOG_TOTAL, &total, err)) < 0)
		return rc;
	/* Running totals: the first line kept began at or before the last. */
	assert(first <= total);
	*out = total - first;
	return 0;
}
