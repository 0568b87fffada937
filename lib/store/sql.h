/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_SQL_H
#define KOOP_STORE_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "store/rows.h"
#include "store/shardmeta.h"

/*
 * Between the files shardmeta*.c and shardread*.c only: one connection, its
 * statements (all SQL of Koop's store is in sql.c), and the way
 * between columns and rows.
 */

struct error;

/*      name              what it is for */
#define SQL_MAP(X)                                                             \
	X(BEGIN)                                                               \
	X(BEGIN_READ)                                                          \
	X(COMMIT) X(ROLLBACK) X(PARTITION_ALL) X(PARTITION_GET) X(             \
	    PARTITION_PUT) X(SLOT_NEW) X(SLOT_DEAD) X(SLOT_DEL) X(BUCKET_GET)  \
	    X(BUCKET_PUT) X(BUCKET_ALL) X(BUCKET_HOME) X(OBJECT_GET) X(        \
		OBJECT_PUT) X(OBJECT_ANY) X(OBJECT_ALL) X(UPLOAD_GET)          \
		X(UPLOAD_PUT) X(UPLOAD_DEL) X(UPLOAD_ALL) X(UPLOAD_FIRST_OPEN) \
		    X(UPLOAD_FIRST_DYING) X(UPLOAD_FIRST_OVER) X(PART_GET) X(  \
			PART_NEXT) X(PART_PUT) X(PART_DEL) X(PART_ALL)         \
			X(PART_LIST) X(DECIDED_GET) X(DECIDED_PUT) X(          \
			    DECIDED_DEL) X(DECIDED_FIRST_DEAD) X(DECIDED_ALL)  \
			    X(OPLOG_PUT) X(OPLOG_TOTAL) X(OPLOG_FIRST)         \
				X(OPLOG_TRIM) X(OPLOG_AT) X(OPLOG_FROM) X(     \
				    TOMBSTONE_DEL) X(INLINE_GET) X(INLINE_PUT) \
				    X(INLINE_DEL) X(GARBAGE_PUT)               \
					X(GARBAGE_DEL) X(GARBAGE_LIST) X(      \
					    GARBAGE_COUNT) X(REPAIR_PUT)       \
					    X(REPAIR_DEL) X(REPAIR_FAILED) X(  \
						REPAIR_LIST) X(REPAIR_GET)     \
						X(REPAIR_COUNT) X(NOTE_GET)    \
						    X(NOTE_PUT) X(NOTE_DEL) X( \
							SWEEP_BUCKET)          \
							X(SWEEP_OBJECT) X(     \
							    SWEEP_UPLOAD)      \
							    X(SWEEP_PART) X(   \
								SWEEP_DECIDED)

enum sql_id {
#define X(name) SQL_##name,
	SQL_MAP(X)
#undef X
	    SQL_MAX,
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
const char *sql_text(enum sql_id id);
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
