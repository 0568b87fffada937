/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_SQL_H
#define KOOP_STORE_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "store/localrows.h"
#include "store/rows.h"

/*
 * Between the files shardmeta*.c and metaquery*.c only: one connection, its
 * statements (all SQL of Koop's store is in sql.c), and the way
 * between columns and rows.
 */

struct error;

#define SQL_WRITER_BUSY_MS 200
#define SQL_READER_BUSY_MS 5000

/* One for each statement in sql.c. */
enum sql_id {
	SQL_BEGIN,
	SQL_BEGIN_READ,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_PARTITION_ALL,
	SQL_PARTITION_GET,
	SQL_PARTITION_PUT,
	SQL_SLOT_NEW,
	SQL_SLOT_DEAD,
	SQL_SLOT_DEL,
	SQL_BUCKET_GET,
	SQL_BUCKET_PUT,
	SQL_BUCKET_ALL,
	SQL_BUCKET_HOME,
	SQL_OBJECT_GET,
	SQL_OBJECT_PUT,
	SQL_OBJECT_ANY,
	SQL_OBJECT_ALL,
	SQL_OBJECT_WALK,
	SQL_VERSION_NEXT,
	SQL_VERSION_NULL,
	SQL_VERSION_PUT,
	SQL_VERSION_DEL,
	SQL_VERSION_ALL,
	SQL_VERSION_WALK,
	SQL_UPLOAD_GET,
	SQL_UPLOAD_PUT,
	SQL_UPLOAD_DEL,
	SQL_UPLOAD_ALL,
	SQL_UPLOAD_FIRST_OPEN,
	SQL_UPLOAD_FIRST_DYING,
	SQL_UPLOAD_FIRST_OVER,
	SQL_PART_GET,
	SQL_PART_NEXT,
	SQL_PART_PUT,
	SQL_PART_DEL,
	SQL_PART_ALL,
	SQL_PART_WALK,
	SQL_PART_LIST,
	SQL_DECIDED_GET,
	SQL_DECIDED_PUT,
	SQL_DECIDED_DEL,
	SQL_DECIDED_FIRST_DEAD,
	SQL_DECIDED_ALL,
	SQL_OPLOG_PUT,
	SQL_OPLOG_TOTAL,
	SQL_OPLOG_FIRST,
	SQL_OPLOG_TRIM,
	SQL_OPLOG_AT,
	SQL_OPLOG_FROM,
	SQL_TOMBSTONE_DEL,
	SQL_INLINE_GET,
	SQL_INLINE_PUT,
	SQL_INLINE_DEL,
	SQL_GARBAGE_PUT,
	SQL_GARBAGE_DEL,
	SQL_GARBAGE_LIST,
	SQL_GARBAGE_COUNT,
	SQL_REPAIR_PUT,
	SQL_REPAIR_DEL,
	SQL_REPAIR_FAILED,
	SQL_REPAIR_NEXT,
	SQL_REPAIR_GET,
	SQL_REPAIR_COUNT,
	SQL_SWEEP_BUCKET,
	SQL_SWEEP_OBJECT,
	SQL_SWEEP_VERSION,
	SQL_SWEEP_UPLOAD,
	SQL_SWEEP_PART,
	SQL_SWEEP_DECIDED,
	SQL_MAX
};

struct sql {
	sqlite3 *db;
	sqlite3_stmt *stmt[SQL_MAX];
};

/* Open a connection; the first one (writer) makes the schema. */
KOOP_MUST int sql_open(struct sql *sql, const char *path, bool writer,
    bool no_sync, struct error *err);
void sql_close(struct sql *sql);

/* A statement, reset and ready for binding; NULL with err set. */
sqlite3_stmt *sql_stmt(struct sql *sql, enum sql_id id, struct error *err);
/* SQLITE_ROW gives 1, SQLITE_DONE 0 (and a reset), else an error (reset). */
KOOP_MUST int sql_step(struct sql *sql, sqlite3_stmt *stmt, struct error *err);
/* For a statement without rows. */
KOOP_MUST int sql_run(struct sql *sql, sqlite3_stmt *stmt, struct error *err);
KOOP_MUST int sql_simple(struct sql *sql, enum sql_id id, struct error *err);
int sql_error(struct sql *sql, int code, struct error *err);
int sql_corrupt(struct error *err, const char *table);

/* Bindings borrow the memory until the statement has run. */
void sql_int(sqlite3_stmt *stmt, int at, uint64_t v);
void sql_blob(sqlite3_stmt *stmt, int at, struct bytes v);
void sql_id(sqlite3_stmt *stmt, int at, struct reqid id);

uint64_t sql_get_int(sqlite3_stmt *stmt, int at);
struct bytes sql_get_blob(sqlite3_stmt *stmt, int at);
KOOP_MUST bool sql_get_id(sqlite3_stmt *stmt, int at, struct reqid *id);
KOOP_MUST bool sql_get_hash(sqlite3_stmt *stmt, int at, uint8_t out[32]);

/* Columns to rows, strings borrowed from the statement; -ERRC_CORRUPT. */
KOOP_MUST int sql_row_partition(sqlite3_stmt *stmt, struct partition_row *out,
    struct error *err);
KOOP_MUST int sql_row_bucket(sqlite3_stmt *stmt, uint32_t partition,
    struct bucket_row *out, struct error *err);
KOOP_MUST int sql_row_object(sqlite3_stmt *stmt, uint32_t partition,
    struct object_row *out, struct error *err);
KOOP_MUST int sql_row_upload(sqlite3_stmt *stmt, uint32_t partition,
    struct upload_row *out, struct error *err);
KOOP_MUST int sql_row_part(sqlite3_stmt *stmt, uint32_t partition,
    struct part_row *out, struct error *err);
KOOP_MUST int sql_row_decided(sqlite3_stmt *stmt, uint32_t partition,
    struct decided_row *out, struct error *err);

#endif
