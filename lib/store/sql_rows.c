/* SPDX-License-Identifier: MIT */
#include "store/sql.h"

#include <string.h>

#include "base/error.h"

/*
 * Between columns and rows.  What is read is checked: SQLite has no checksum
 * of its pages, and a bit that rotted must not become a wrong length.
 * Bindings cannot fail but for want of memory, which the step then reports.
 */

void
sql_int(sqlite3_stmt *stmt, int at, uint64_t v)
{
	(void)sqlite3_bind_int64(stmt, at, (sqlite3_int64)v);
}

void
sql_blob(sqlite3_stmt *stmt, int at, struct bytes v)
{
	if (v.n == 0)
		(void)sqlite3_bind_zeroblob(stmt, at, 0);
	else
		(void)sqlite3_bind_blob64(stmt, at, v.p, v.n, SQLITE_STATIC);
}

/* Ids are values, often of a function's frame, so they are copied. */
void
sql_id(sqlite3_stmt *stmt, int at, struct reqid id)
{
	(void)sqlite3_bind_blob64(stmt, at, id.b, sizeof(id.b),
	    SQLITE_TRANSIENT);
}

uint64_t
sql_get_int(sqlite3_stmt *stmt, int at)
{
	return (uint64_t)sqlite3_column_int64(stmt, at);
}

struct bytes
sql_get_blob(sqlite3_stmt *stmt, int at)
{
	const void *p = sqlite3_column_blob(stmt, at);
	int n = sqlite3_column_bytes(stmt, at);

	return p == NULL || n <= 0 ? BYTES_NONE : bytes_of(p, (size_t)n);
}

bool
sql_get_id(sqlite3_stmt *stmt, int at, struct reqid *id)
{
	struct bytes v = sql_get_blob(stmt, at);

	if (v.n != sizeof(id->b))
		return false;
	memcpy(id->b, v.p, v.n);
	return true;
}

bool
sql_get_hash(sqlite3_stmt *stmt, int at, uint8_t out[32])
{
	struct bytes v = sql_get_blob(stmt, at);

	if (v.n != 32)
		return false;
	memcpy(out, v.p, 32);
	return true;
}

static bool
get_etag(sqlite3_stmt *stmt, int at, char out[ROW_ETAG_MAX + 1])
{
	struct bytes v = sql_get_blob(stmt, at);

	if (v.n > ROW_ETAG_MAX)
		return false;
	if (v.n > 0)
		memcpy(out, v.p, v.n);
	out[v.n] = '\0';
	return true;
}

int
sql_row_partition(sqlite3_stmt *stmt, struct partition_row *out,
    struct error *err)
{
	struct partition_row row = {
		.partition = (uint32_t)sql_get_int(stmt, 0),
		.slot = sql_get_int(stmt, 1),
		.generation = sql_get_int(stmt, 2),
		.base_seq = sql_get_int(stmt, 3),
		.applied = sql_get_int(stmt, 4),
		.t_ms = sql_get_int(stmt, 5),
		.epoch = sql_get_int(stmt, 6),
		.dying = sql_get_int(stmt, 9),
		.halted = sql_get_int(stmt, 10),
		.ignored = sql_get_int(stmt, 11),
		.level = (uint32_t)sql_get_int(stmt, 12),
	};

	if (!sql_get_hash(stmt, 7, row.hash) ||
	    !sql_get_hash(stmt, 8, row.digest) || row.level < 1)
		return sql_corrupt(err, "partition");
	*out = row;
	return 0;
}

int
sql_row_bucket(sqlite3_stmt *stmt, uint32_t partition, struct bucket_row *out,
    struct error *err)
{
	uint64_t state = sql_get_int(stmt, 2);
	uint64_t versioning = sql_get_int(stmt, 13);

	if (state < BUCKET_OPEN || state > BUCKET_DELETED ||
	    versioning > BUCKET_SUSPENDED)
		return sql_corrupt(err, "bucket");
	*out = (struct bucket_row){
		.partition = partition,
		.name = sql_get_blob(stmt, 0),
		.incarnation = sql_get_int(stmt, 1),
		.state = (enum bucket_state)state,
		.attempt = sql_get_int(stmt, 3),
		.finished = sql_get_int(stmt, 4),
		.sealed_empty = sql_get_int(stmt, 5) != 0,
		.home = sql_get_int(stmt, 6) != 0,
		.owner = sql_get_blob(stmt, 7),
		.created_ms = sql_get_int(stmt, 8),
		.sealed_ms = sql_get_int(stmt, 9),
		.seq = sql_get_int(stmt, 10),
		.revision = sql_get_int(stmt, 11),
		.ruling = sql_get_int(stmt, 12),
		.versioning = (enum bucket_versioning)versioning,
		.settings = sql_get_blob(stmt, 14),
	};
	return 0;
}

int
sql_row_object(sqlite3_stmt *stmt, uint32_t partition, struct object_row *out,
    struct error *err)
{
	uint64_t kind = sql_get_int(stmt, 4);
	struct object_row row = {
		.partition = partition,
		.bucket = sql_get_blob(stmt, 0),
		.key = sql_get_blob(stmt, 1),
		.seq = sql_get_int(stmt, 2),
		.incarnation = sql_get_int(stmt, 3),
		.size = sql_get_int(stmt, 6),
		.modified_ms = sql_get_int(stmt, 7),
		.headers = sql_get_blob(stmt, 10),
		.meta = sql_get_blob(stmt, 11),
		.changed = sql_get_int(stmt, 12),
		.is_null = sql_get_int(stmt, 13) != 0,
	};

	if (kind < OBJECT_BLOB || kind > OBJECT_MARKER ||
	    row.changed < row.seq || !sql_get_id(stmt, 5, &row.id) ||
	    !get_etag(stmt, 8, row.etag) ||
	    !blobinfo_unpack(&row.blob, sql_get_blob(stmt, 9)))
		return sql_corrupt(err, "object");
	row.kind = (enum object_kind)kind;
	*out = row;
	return 0;
}

int
sql_row_upload(sqlite3_stmt *stmt, uint32_t partition, struct upload_row *out,
    struct error *err)
{
	uint64_t state = sql_get_int(stmt, 9);
	struct upload_row row = {
		.partition = partition,
		.bucket = sql_get_blob(stmt, 1),
		.key = sql_get_blob(stmt, 2),
		.incarnation = sql_get_int(stmt, 3),
		.owner = sql_get_blob(stmt, 4),
		.headers = sql_get_blob(stmt, 5),
		.meta = sql_get_blob(stmt, 6),
		.initiated_ms = sql_get_int(stmt, 7),
		.seq = sql_get_int(stmt, 8),
		.finished_ms = sql_get_int(stmt, 10),
		.live = sql_get_int(stmt, 11) != 0,
		.dying = sql_get_int(stmt, 12) != 0,
		.outcome = (uint32_t)sql_get_int(stmt, 13),
	};

	if (state < UPLOAD_OPEN || state > UPLOAD_ABORTED ||
	    !sql_get_id(stmt, 0, &row.id) ||
	    !sql_get_hash(stmt, 14, row.list_hash))
		return sql_corrupt(err, "upload");
	row.state = (enum upload_state)state;
	*out = row;
	return 0;
}

int
sql_row_part(sqlite3_stmt *stmt, uint32_t partition, struct part_row *out,
    struct error *err)
{
	struct part_row row = {
		.partition = partition,
		.number = (uint32_t)sql_get_int(stmt, 1),
		.seq = sql_get_int(stmt, 3),
		.size = sql_get_int(stmt, 4),
		.modified_ms = sql_get_int(stmt, 5),
	};

	if (!sql_get_id(stmt, 0, &row.upload) ||
	    !sql_get_id(stmt, 2, &row.id) || !get_etag(stmt, 6, row.etag) ||
	    row.number < 1 || row.number > ROW_PARTS_MAX ||
	    !blobinfo_unpack(&row.blob, sql_get_blob(stmt, 7)))
		return sql_corrupt(err, "part");
	*out = row;
	return 0;
}

int
sql_row_decided(sqlite3_stmt *stmt, uint32_t partition, struct decided_row *out,
    struct error *err)
{
	struct decided_row row = {
		.partition = partition,
		.seq = sql_get_int(stmt, 1),
		.outcome = (uint32_t)sql_get_int(stmt, 2),
		.live = sql_get_int(stmt, 3) != 0,
	};

	if (!sql_get_id(stmt, 0, &row.id))
		return sql_corrupt(err, "decided");
	*out = row;
	return 0;
}
