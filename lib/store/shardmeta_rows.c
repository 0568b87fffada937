/* SPDX-License-Identifier: MIT */
#include "store/shardmeta.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "store/rowcheck.h"
#include "store/rowhash.h"
#include "store/shardmeta_in.h"

/*
 * The rows of apply in SQLite.  A getter's statement is reset at once, so
 * that no cursor is open when the row is changed; its strings are kept.
 */

#define HOLD_MAX (256u << 10)

static struct shardmeta_rows *
rows_of(struct rowset *rows)
{
	return container_of(rows, struct shardmeta_rows, rows);
}

static struct sql *
sql_of(struct rowset *rows)
{
	return &rows_of(rows)->meta->sql;
}

static int
fail(struct rowset *rows, int rc)
{
	return shardmeta_fail(rows_of(rows)->meta, rc);
}

static struct partition_row *
row_of(struct rowset *rows, uint32_t partition)
{
	struct shardmeta_rows *r = rows_of(rows);
	struct shardmeta_partition *found = r->staged ?
	    &r->meta->staged :
	    shardmeta_find(r->meta, partition);

	assert(found != NULL && found->row.partition == partition);
	return &found->row;
}

/* A statement whose first parameter is the partition's slot. */
static sqlite3_stmt *
stmt_for(struct rowset *rows, uint32_t partition, enum sql_id id,
    struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(sql_of(rows), id, err);

	if (stmt == NULL)
		fail(rows, -ERRC_IO);
	else
		sql_int(stmt, 1, row_of(rows, partition)->slot);
	return stmt;
}

static int
run(struct rowset *rows, sqlite3_stmt *stmt, struct error *err)
{
	return fail(rows, sql_run(sql_of(rows), stmt, err));
}

static int
step_one(struct rowset *rows, sqlite3_stmt *stmt, struct error *err)
{
	int rc = sql_step(sql_of(rows), stmt, err);

	if (rc == 0)
		return -ERRC_NOTFOUND;
	return rc > 0 ? 0 : fail(rows, rc);
}

/* Copy strings into hold and point them there.  Room first: the memory must
 * not move once the first of them points into it. */
static int
keep(struct buf *hold, struct bytes *string[], unsigned count,
    struct error *err)
{
	size_t total = 1;

	for (unsigned i = 0; i < count; i++)
		total += string[i]->n;
	buf_clear(hold);
	if (buf_reserve(hold, total) == NULL)
		return error_set(err, ERRC_NOMEM, "meta.db: out of memory");
	for (unsigned i = 0; i < count; i++) {
		const char *at = hold->p + hold->n;

		buf_add(hold, string[i]->p, string[i]->n);
		string[i]->p = (const uint8_t *)at;
	}
	return 0;
}

static int
account(struct rowset *rows, uint32_t partition, const uint8_t hash[32],
    bool add)
{
	struct partition_row *row = row_of(rows, partition);

	if (add)
		rowhash_add(row->digest, hash);
	else
		rowhash_sub(row->digest, hash);
	return 0;
}

/* digest += hash of a row, or -=, for each kind of row. */
#define ACCOUNT(kind) ACCOUNT_OF(kind, kind)
#define ACCOUNT_OF(kind, type)                                         \
	static int account_##kind(struct rowset *rows,                 \
	    const struct type##_row *row, bool add, struct error *err) \
	{                                                              \
		uint8_t hash[32];                                      \
		int rc = rowhash_##kind(hash, row,                     \
		    &rows_of(rows)->meta->scratch, err);               \
                                                                       \
		if (rc < 0)                                            \
			return fail(rows, rc);                         \
		return account(rows, row->partition, hash, add);       \
	}
ACCOUNT(bucket)
ACCOUNT(object)
ACCOUNT_OF(version, object)
ACCOUNT(upload)
ACCOUNT(part)
ACCOUNT(decided)

static int
meta_partition(struct rowset *rows, uint32_t partition,
    struct partition_row **out, struct error *err)
{
	struct shardmeta_rows *r = rows_of(rows);

	if (r->staged ? r->meta->staged.row.slot == 0 ||
		    r->meta->staged.row.partition != partition :
			shardmeta_find(r->meta, partition) == NULL)
		return error_set(err, ERRC_NOTFOUND, "partition %u: not here",
		    partition);
	*out = row_of(rows, partition);
	return 0;
}

static int
bucket_get(struct rowset *rows, uint32_t partition, struct bytes name,
    struct bucket_row *out, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, partition, SQL_BUCKET_GET, err);
	struct bytes *strings[] = { &out->name, &out->owner, &out->settings };
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	sql_blob(stmt, 2, name);
	rc = step_one(rows, stmt, err);
	if (rc == 0)
		rc = sql_row_bucket(stmt, partition, out, err);
	if (rc == 0)
		rc = keep(&rows_of(rows)->hold_bucket, strings, 3, err);
	sqlite3_reset(stmt);
	return fail(rows, rc);
}

static int
bucket_put(struct rowset *rows, const struct bucket_row *row,
    const struct bucket_row *old, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, row->partition, SQL_BUCKET_PUT,
	    err);
	int rc = 0;

	if (stmt == NULL)
		return -ERRC_IO;
	rowcheck_bucket(row, old);
	if (old != NULL)
		rc = account_bucket(rows, old, false, err);
	if (rc == 0)
		rc = account_bucket(rows, row, true, err);
	if (rc < 0)
		return rc;
	sql_blob(stmt, 2, row->name);
	sql_int(stmt, 3, row->incarnation);
	sql_int(stmt, 4, row->state);
	sql_int(stmt, 5, row->attempt);
	sql_int(stmt, 6, row->finished);
	sql_int(stmt, 7, row->sealed_empty);
	sql_int(stmt, 8, row->home);
	sql_blob(stmt, 9, row->owner);
	sql_int(stmt, 10, row->created_ms);
	sql_int(stmt, 11, row->sealed_ms);
	sql_int(stmt, 12, row->seq);
	sql_int(stmt, 13, row->revision);
	sql_int(stmt, 14, row->ruling);
	sql_int(stmt, 15, row->versioning);
	sql_blob(stmt, 16, row->settings);
	return run(rows, stmt, err);
}

/* An object or version row; the rest of the statement is bound. */
static int
finish_object(struct rowset *rows, uint32_t partition, sqlite3_stmt *stmt,
    struct bytes bucket, struct bytes key, struct buf *hold,
    struct object_row *out, struct error *err)
{
	struct bytes *strings[] = { &out->bucket, &out->key, &out->headers,
		&out->meta };
	int rc;

	sql_blob(stmt, 2, bucket);
	sql_blob(stmt, 3, key);
	rc = step_one(rows, stmt, err);
	if (rc == 0)
		rc = sql_row_object(stmt, partition, out, err);
	if (rc == 0)
		rc = keep(hold, strings, 4, err);
	sqlite3_reset(stmt);
	return fail(rows, rc);
}

static int
object_get(struct rowset *rows, uint32_t partition, struct bytes bucket,
    struct bytes key, struct object_row *out, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, partition, SQL_OBJECT_GET, err);

	if (stmt == NULL)
		return -ERRC_IO;
	return finish_object(rows, partition, stmt, bucket, key,
	    &rows_of(rows)->hold_object, out, err);
}

/* packed has room for ROW_BLOB_BYTES and lives until the statement ran. */
static int
run_object(struct rowset *rows, sqlite3_stmt *stmt,
    const struct object_row *row, uint8_t *packed, struct error *err)
{
	sql_blob(stmt, 2, row->bucket);
	sql_blob(stmt, 3, row->key);
	sql_int(stmt, 4, row->seq);
	sql_int(stmt, 5, row->incarnation);
	sql_int(stmt, 6, row->kind);
	sql_id(stmt, 7, row->id);
	sql_int(stmt, 8, row->size);
	sql_int(stmt, 9, row->modified_ms);
	(void)sqlite3_bind_text(stmt, 10, row->etag, -1, SQLITE_STATIC);
	sql_blob(stmt, 11, bytes_of(packed, blobinfo_pack(packed, &row->blob)));
	sql_blob(stmt, 12, row->headers);
	sql_blob(stmt, 13, row->meta);
	sql_int(stmt, 14, row->changed);
	sql_int(stmt, 15, row->is_null);
	return run(rows, stmt, err);
}

static int
object_put(struct rowset *rows, const struct object_row *row,
    const struct object_row *old, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, row->partition, SQL_OBJECT_PUT,
	    err);
	uint8_t blob[ROW_BLOB_BYTES];
	int rc = 0;

	if (stmt == NULL)
		return -ERRC_IO;
	rowcheck_object(row, old);
	if (old != NULL && old->kind != OBJECT_TOMBSTONE)
		rc = account_object(rows, old, false, err);
	if (rc == 0 && row->kind != OBJECT_TOMBSTONE)
		rc = account_object(rows, row, true, err);
	if (rc < 0)
		return rc;
	return run_object(rows, stmt, row, blob, err);
}

static int
version_next(struct rowset *rows, uint32_t partition, struct bytes bucket,
    struct bytes key, uint64_t seq, struct object_row *out, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, partition, SQL_VERSION_NEXT, err);

	if (stmt == NULL)
		return -ERRC_IO;
	sql_int(stmt, 4, seq);
	return finish_object(rows, partition, stmt, bucket, key,
	    &rows_of(rows)->hold_version, out, err);
}

static int
version_null(struct rowset *rows, uint32_t partition, struct bytes bucket,
    struct bytes key, struct object_row *out, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, partition, SQL_VERSION_NULL, err);

	if (stmt == NULL)
		return -ERRC_IO;
	return finish_object(rows, partition, stmt, bucket, key,
	    &rows_of(rows)->hold_version, out, err);
}

static int
version_put(struct rowset *rows, const struct object_row *row,
    struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, row->partition, SQL_VERSION_PUT,
	    err);
	uint8_t blob[ROW_BLOB_BYTES];
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	rowcheck_version(row);
	rc = account_version(rows, row, true, err);
	return rc < 0 ? rc : run_object(rows, stmt, row, blob, err);
}

static int
version_del(struct rowset *rows, const struct object_row *old,
    struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, old->partition, SQL_VERSION_DEL,
	    err);
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	rc = account_version(rows, old, false, err);
	if (rc < 0)
		return rc;
	sql_blob(stmt, 2, old->bucket);
	sql_blob(stmt, 3, old->key);
	sql_int(stmt, 4, old->seq);
	return run(rows, stmt, err);
}

static int
object_any(struct rowset *rows, uint32_t partition, struct bytes bucket,
    bool *any, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, partition, SQL_OBJECT_ANY, err);
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	sql_blob(stmt, 2, bucket);
	rc = sql_step(sql_of(rows), stmt, err);
	sqlite3_reset(stmt);
	if (rc < 0)
		return fail(rows, rc);
	*any = rc > 0;
	return 0;
}

static int
finish_upload(struct rowset *rows, uint32_t partition, sqlite3_stmt *stmt,
    struct upload_row *out, struct error *err)
{
	struct bytes *strings[] = { &out->bucket, &out->key, &out->owner,
		&out->headers, &out->meta };
	int rc = step_one(rows, stmt, err);

	if (rc == 0)
		rc = sql_row_upload(stmt, partition, out, err);
	if (rc == 0)
		rc = keep(&rows_of(rows)->hold_upload, strings, 5, err);
	sqlite3_reset(stmt);
	return fail(rows, rc);
}

static int
upload_get(struct rowset *rows, uint32_t partition, struct reqid id,
    struct upload_row *out, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, partition, SQL_UPLOAD_GET, err);

	if (stmt == NULL)
		return -ERRC_IO;
	sql_id(stmt, 2, id);
	return finish_upload(rows, partition, stmt, out, err);
}

static int
account_dying(struct rowset *rows, const struct upload_row *row, bool add,
    struct error *err)
{
	if (row->dying)
		row_of(rows, row->partition)->dying += add ? 1 : UINT64_MAX;
	return account_upload(rows, row, add, err);
}

static int
upload_put(struct rowset *rows, const struct upload_row *row,
    const struct upload_row *old, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, row->partition, SQL_UPLOAD_PUT,
	    err);
	int rc = 0;

	if (stmt == NULL)
		return -ERRC_IO;
	rowcheck_upload(row, old);
	if (old != NULL)
		rc = account_dying(rows, old, false, err);
	if (rc == 0)
		rc = account_dying(rows, row, true, err);
	if (rc < 0)
		return rc;
	sql_id(stmt, 2, row->id);
	sql_blob(stmt, 3, row->bucket);
	sql_blob(stmt, 4, row->key);
	sql_int(stmt, 5, row->incarnation);
	sql_blob(stmt, 6, row->owner);
	sql_blob(stmt, 7, row->headers);
	sql_blob(stmt, 8, row->meta);
	sql_int(stmt, 9, row->initiated_ms);
	sql_int(stmt, 10, row->seq);
	sql_int(stmt, 11, row->state);
	sql_int(stmt, 12, row->finished_ms);
	sql_int(stmt, 13, row->live);
	sql_int(stmt, 14, row->dying);
	sql_int(stmt, 15, row->outcome);
	sql_blob(stmt, 16, bytes_of(row->list_hash, sizeof(row->list_hash)));
	return run(rows, stmt, err);
}

static int
upload_del(struct rowset *rows, const struct upload_row *old, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, old->partition, SQL_UPLOAD_DEL,
	    err);
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	rc = account_dying(rows, old, false, err);
	if (rc < 0)
		return rc;
	sql_id(stmt, 2, old->id);
	return run(rows, stmt, err);
}

static int
upload_first_open(struct rowset *rows, uint32_t partition, struct bytes bucket,
    struct upload_row *out, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, partition, SQL_UPLOAD_FIRST_OPEN,
	    err);

	if (stmt == NULL)
		return -ERRC_IO;
	sql_blob(stmt, 2, bucket);
	return finish_upload(rows, partition, stmt, out, err);
}

static int
upload_first_dying(struct rowset *rows, uint32_t partition,
    struct upload_row *out, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, partition, SQL_UPLOAD_FIRST_DYING,
	    err);

	if (stmt == NULL)
		return -ERRC_IO;
	return finish_upload(rows, partition, stmt, out, err);
}

static int
upload_first_over(struct rowset *rows, uint32_t partition,
    struct upload_row *out, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, partition, SQL_UPLOAD_FIRST_OVER,
	    err);

	if (stmt == NULL)
		return -ERRC_IO;
	return finish_upload(rows, partition, stmt, out, err);
}

static int
part_find(struct rowset *rows, enum sql_id sql, const struct part_row *key,
    struct part_row *out, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, key->partition, sql, err);
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	sql_id(stmt, 2, key->upload);
	sql_int(stmt, 3, key->number);
	rc = step_one(rows, stmt, err);
	if (rc == 0)
		rc = sql_row_part(stmt, key->partition, out, err);
	sqlite3_reset(stmt);
	return fail(rows, rc);
}

static int
part_get(struct rowset *rows, uint32_t partition, struct reqid upload,
    uint32_t number, struct part_row *out, struct error *err)
{
	struct part_row key = {
		.partition = partition,
		.upload = upload,
		.number = number,
	};

	return part_find(rows, SQL_PART_GET, &key, out, err);
}

static int
part_next(struct rowset *rows, uint32_t partition, struct reqid upload,
    uint32_t after, struct part_row *out, struct error *err)
{
	struct part_row key = {
		.partition = partition,
		.upload = upload,
		.number = after,
	};

	return part_find(rows, SQL_PART_NEXT, &key, out, err);
}

static int
part_put(struct rowset *rows, const struct part_row *row,
    const struct part_row *old, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, row->partition, SQL_PART_PUT, err);
	uint8_t blob[ROW_BLOB_BYTES];
	int rc = 0;

	if (stmt == NULL)
		return -ERRC_IO;
	rowcheck_part(row);
	if (old != NULL)
		rc = account_part(rows, old, false, err);
	if (rc == 0)
		rc = account_part(rows, row, true, err);
	if (rc < 0)
		return rc;
	sql_id(stmt, 2, row->upload);
	sql_int(stmt, 3, row->number);
	sql_id(stmt, 4, row->id);
	sql_int(stmt, 5, row->seq);
	sql_int(stmt, 6, row->size);
	sql_int(stmt, 7, row->modified_ms);
	(void)sqlite3_bind_text(stmt, 8, row->etag, -1, SQLITE_STATIC);
	sql_blob(stmt, 9, bytes_of(blob, blobinfo_pack(blob, &row->blob)));
	return run(rows, stmt, err);
}

static int
part_del(struct rowset *rows, const struct part_row *old, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, old->partition, SQL_PART_DEL, err);
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	rc = account_part(rows, old, false, err);
	if (rc < 0)
		return rc;
	sql_id(stmt, 2, old->upload);
	sql_int(stmt, 3, old->number);
	return run(rows, stmt, err);
}

static int
decided_get(struct rowset *rows, uint32_t partition, struct reqid id,
    struct decided_row *out, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, partition, SQL_DECIDED_GET, err);
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	sql_id(stmt, 2, id);
	rc = step_one(rows, stmt, err);
	if (rc == 0)
		rc = sql_row_decided(stmt, partition, out, err);
	sqlite3_reset(stmt);
	return fail(rows, rc);
}

static int
decided_put(struct rowset *rows, const struct decided_row *row,
    const struct decided_row *old, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, row->partition, SQL_DECIDED_PUT,
	    err);
	int rc = 0;

	if (stmt == NULL)
		return -ERRC_IO;
	rowcheck_decided(row, old);
	if (old != NULL)
		rc = account_decided(rows, old, false, err);
	if (rc == 0)
		rc = account_decided(rows, row, true, err);
	if (rc < 0)
		return rc;
	sql_id(stmt, 2, row->id);
	sql_int(stmt, 3, row->seq);
	sql_int(stmt, 4, row->outcome);
	sql_int(stmt, 5, row->live);
	return run(rows, stmt, err);
}

static int
decided_del(struct rowset *rows, const struct decided_row *old,
    struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, old->partition, SQL_DECIDED_DEL,
	    err);
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	rc = account_decided(rows, old, false, err);
	if (rc < 0)
		return rc;
	sql_id(stmt, 2, old->id);
	return run(rows, stmt, err);
}

static int
decided_first_dead(struct rowset *rows, uint32_t partition,
    struct decided_row *out, struct error *err)
{
	sqlite3_stmt *stmt = stmt_for(rows, partition, SQL_DECIDED_FIRST_DEAD,
	    err);
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	rc = step_one(rows, stmt, err);
	if (rc == 0)
		rc = sql_row_decided(stmt, partition, out, err);
	sqlite3_reset(stmt);
	return fail(rows, rc);
}

/* total counts all bytes of lines ever kept: the difference of the last and
 * the first is what is kept now, without counting. */
static int
oplog_add(struct rowset *rows, const struct oplog_row *row, struct error *err)
{
	struct shardmeta *meta = rows_of(rows)->meta;
	sqlite3_stmt *stmt = stmt_for(rows, row->partition, SQL_OPLOG_PUT, err);

	if (stmt == NULL)
		return -ERRC_IO;
	meta->oplog_total += row->line.n;
	sql_int(stmt, 2, row->seq);
	sql_int(stmt, 3, row->time_ms);
	sql_id(stmt, 4, row->id);
	sql_int(stmt, 5, row->outcome);
	sql_blob(stmt, 6, bytes_of(row->hash, sizeof(row->hash)));
	sql_blob(stmt, 7, row->line);
	sql_int(stmt, 8, meta->oplog_total);
	return run(rows, stmt, err);
}

static const struct rowset_ops meta_ops = {
	.partition = meta_partition,
	.bucket_get = bucket_get,
	.bucket_put = bucket_put,
	.object_get = object_get,
	.object_put = object_put,
	.object_any = object_any,
	.version_next = version_next,
	.version_null = version_null,
	.version_put = version_put,
	.version_del = version_del,
	.upload_get = upload_get,
	.upload_put = upload_put,
	.upload_del = upload_del,
	.upload_first_open = upload_first_open,
	.upload_first_dying = upload_first_dying,
	.upload_first_over = upload_first_over,
	.part_get = part_get,
	.part_next = part_next,
	.part_put = part_put,
	.part_del = part_del,
	.decided_get = decided_get,
	.decided_put = decided_put,
	.decided_del = decided_del,
	.decided_first_dead = decided_first_dead,
	.oplog_add = oplog_add,
};

void
shardmeta_rows_init(struct shardmeta_rows *rows, struct shardmeta *meta,
    bool staged)
{
	*rows = (struct shardmeta_rows){
		.rows = { &meta_ops },
		.meta = meta,
		.staged = staged,
		.hold_bucket = buf_make(HOLD_MAX),
		.hold_object = buf_make(HOLD_MAX),
		.hold_version = buf_make(HOLD_MAX),
		.hold_upload = buf_make(HOLD_MAX),
	};
}

void
shardmeta_rows_fini(struct shardmeta_rows *rows)
{
	buf_fini(&rows->hold_bucket);
	buf_fini(&rows->hold_object);
	buf_fini(&rows->hold_version);
	buf_fini(&rows->hold_upload);
}
