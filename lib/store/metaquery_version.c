/* SPDX-License-Identifier: MIT */
#include "store/metaquery_version.h"

#include <assert.h>

#include "base/error.h"
#include "store/shardmeta_in.h"

static int
version_stmt(struct metaquery *read, uint32_t partition, enum sql_id id,
    sqlite3_stmt **out, struct error *err)
{
	struct partition_row row;
	int rc = metaquery_partition(read, partition, &row, err);

	if (rc < 0)
		return rc;
	*out = sql_stmt(&read->sql, id, err);
	if (*out == NULL)
		return -ERRC_IO;
	sql_int(*out, 1, row.slot);
	return 0;
}

/* Of one key; the parameters after it are bound. */
static int
get_version(struct metaquery *read, uint32_t partition, sqlite3_stmt *stmt,
    struct bytes bucket, struct bytes key, struct object_row *out,
    struct error *err)
{
	int rc;

	sql_blob(stmt, 2, bucket);
	sql_blob(stmt, 3, key);
	rc = sql_step(&read->sql, stmt, err);
	if (rc <= 0)
		return rc == 0 ? -ERRC_NOTFOUND : rc;
	return sql_row_object(stmt, partition, out, err);
}

/* Newest first: it is what is nearly always asked for, in a page that the
 * look at the key has read already. */
int
metaquery_version(struct metaquery *read, uint32_t partition,
    struct bytes bucket, struct bytes key, uint64_t seq, struct object_row *out,
    struct error *err)
{
	sqlite3_stmt *stmt;
	int rc = metaquery_object(read, partition, bucket, key, out, err);

	if (rc < 0 || (out->seq == seq && object_is_version(out)))
		return rc;
	rc = version_stmt(read, partition, SQL_VERSION_NEXT, &stmt, err);
	if (rc < 0)
		return rc;
	sql_int(stmt, 4, seq + 1);
	rc = get_version(read, partition, stmt, bucket, key, out, err);
	if (rc == 0 && out->seq != seq)
		return -ERRC_NOTFOUND;
	assert(rc != 0 || out->seq == seq);
	return rc;
}

int
metaquery_version_null(struct metaquery *read, uint32_t partition,
    struct bytes bucket, struct bytes key, struct object_row *out,
    struct error *err)
{
	sqlite3_stmt *stmt;
	int rc = metaquery_object(read, partition, bucket, key, out, err);

	if (rc < 0 || (out->is_null && object_is_version(out)))
		return rc;
	rc = version_stmt(read, partition, SQL_VERSION_NULL, &stmt, err);
	if (rc < 0)
		return rc;
	rc = get_version(read, partition, stmt, bucket, key, out, err);
	assert(rc != 0 || out->is_null);
	return rc;
}
