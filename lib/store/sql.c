/* SPDX-License-Identifier: MIT */
#include "store/sql.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"

/*
 * Every table of a partition begins with its slot, so that one partition's
 * rows lie together: a snapshot reads a range, and an installed one is
 * switched to by changing a number.  Rows are kept in the primary key's tree
 * (WITHOUT ROWID): a write touches one page of one tree.  The indexes are
 * partial, so that the usual Put touches none of them.
 */
static const char schema[] =
    "CREATE TABLE partition (partition INTEGER PRIMARY KEY, slot INTEGER,"
    " generation INTEGER, base_seq INTEGER, applied INTEGER, t_ms INTEGER,"
    " epoch INTEGER, hash BLOB, digest BLOB, dying INTEGER, halted INTEGER,"
    " ignored INTEGER, level INTEGER);"
    "CREATE TABLE slot (slot INTEGER PRIMARY KEY AUTOINCREMENT,"
    " partition INTEGER);"
    "CREATE TABLE bucket (slot INTEGER, name BLOB, incarnation INTEGER,"
    " state INTEGER, attempt INTEGER, finished INTEGER, sealed_empty INTEGER,"
    " home INTEGER, owner BLOB, created_ms INTEGER, sealed_ms INTEGER,"
    " seq INTEGER, revision INTEGER, ruling INTEGER, versioning INTEGER,"
    " settings BLOB, PRIMARY KEY (slot, name)) WITHOUT ROWID;"
    "CREATE TABLE object (slot INTEGER, bucket BLOB, key BLOB, seq INTEGER,"
    " incarnation INTEGER, kind INTEGER, id BLOB, size INTEGER,"
    " modified_ms INTEGER, etag TEXT, blob BLOB, headers BLOB, meta BLOB,"
    " changed INTEGER, is_null INTEGER,"
    " PRIMARY KEY (slot, bucket, key)) WITHOUT ROWID;"
    "CREATE TABLE version (slot INTEGER, bucket BLOB, key BLOB, seq INTEGER,"
    " incarnation INTEGER, kind INTEGER, id BLOB, size INTEGER,"
    " modified_ms INTEGER, etag TEXT, blob BLOB, headers BLOB, meta BLOB,"
    " changed INTEGER, is_null INTEGER,"
    " PRIMARY KEY (slot, bucket, key, seq DESC)) WITHOUT ROWID;"
    "CREATE INDEX version_null ON version (slot, bucket, key, seq DESC)"
    " WHERE is_null = 1;"
    "CREATE INDEX object_tombstone ON object (slot, seq) WHERE kind = 4;"
    "CREATE TABLE upload (slot INTEGER, id BLOB, bucket BLOB, key BLOB,"
    " incarnation INTEGER, owner BLOB, headers BLOB, meta BLOB,"
    " initiated_ms INTEGER, seq INTEGER, state INTEGER, finished_ms INTEGER,"
    " live INTEGER, dying INTEGER, outcome INTEGER, list_hash BLOB,"
    " PRIMARY KEY (slot, id)) WITHOUT ROWID;"
    "CREATE INDEX upload_open ON upload (slot, bucket, key, id)"
    " WHERE state = 1;"
    "CREATE INDEX upload_dying ON upload (slot, id) WHERE dying = 1;"
    "CREATE INDEX upload_over ON upload (slot, finished_ms, id)"
    " WHERE live = 0 AND dying = 0;"
    "CREATE TABLE part (slot INTEGER, upload BLOB, number INTEGER, id BLOB,"
    " seq INTEGER, size INTEGER, modified_ms INTEGER, etag TEXT, blob BLOB,"
    " PRIMARY KEY (slot, upload, number)) WITHOUT ROWID;"
    "CREATE TABLE decided (slot INTEGER, id BLOB, seq INTEGER,"
    " outcome INTEGER, live INTEGER, PRIMARY KEY (slot, id)) WITHOUT ROWID;"
    "CREATE INDEX decided_dead ON decided (slot, id) WHERE live = 0;"
    "CREATE TABLE oplog (row INTEGER PRIMARY KEY, slot INTEGER, seq INTEGER,"
    " time_ms INTEGER, id BLOB, outcome INTEGER, hash BLOB, line BLOB,"
    " total INTEGER);"
    "CREATE UNIQUE INDEX oplog_seq ON oplog (slot, seq);"
    "CREATE TABLE inline (id BLOB PRIMARY KEY, content BLOB) WITHOUT ROWID;"
    "CREATE TABLE garbage (partition INTEGER, seq INTEGER, id BLOB,"
    " kind INTEGER, reason INTEGER, PRIMARY KEY (partition, seq, id, kind))"
    " WITHOUT ROWID;"
    "CREATE TABLE repair (number INTEGER PRIMARY KEY, id BLOB UNIQUE,"
    " partition INTEGER, seq INTEGER, whole INTEGER, bucket BLOB, key BLOB,"
    " upload BLOB, part INTEGER, attempts INTEGER, queued_ms INTEGER);"
    "CREATE INDEX repair_order ON repair (partition, attempts, number DESC);"
    "PRAGMA user_version = 3;";

#define SCHEMA_VERSION 3

#define PARTITION                                                      \
	"partition, slot, generation, base_seq, applied, t_ms, epoch," \
	" hash, digest, dying, halted, ignored, level"
#define BUCKET                                                              \
	"name, incarnation, state, attempt, finished, sealed_empty, home,"  \
	" owner, created_ms, sealed_ms, seq, revision, ruling, versioning," \
	" settings"
#define OBJECT                                                        \
	"bucket, key, seq, incarnation, kind, id, size, modified_ms," \
	" etag, blob, headers, meta, changed, is_null"
#define UPLOAD                                                          \
	"id, bucket, key, incarnation, owner, headers, meta,"           \
	" initiated_ms, seq, state, finished_ms, live, dying, outcome," \
	" list_hash"
#define PART "upload, number, id, seq, size, modified_ms, etag, blob"
#define DECIDED "id, seq, outcome, live"
#define OPLOG "seq, time_ms, id, outcome, hash, line"
/* Not the last record of its partition: that one is kept, however old, as it
 * tells whether the log is still the one that was applied. */
#define OPLOG_OLD "(slot, seq) NOT IN (SELECT slot, applied FROM partition)"
#define REPAIR                                                          \
	"number, id, partition, seq, whole, bucket, key, upload, part," \
	" attempts, queued_ms"

static const char *const text[SQL_MAX] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_BEGIN_READ] = "BEGIN",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_PARTITION_ALL] = "SELECT " PARTITION
			      " FROM partition ORDER BY partition",
	[SQL_PARTITION_GET] = "SELECT " PARTITION
			      " FROM partition WHERE partition = ?",
	[SQL_PARTITION_PUT] = "REPLACE INTO partition (" PARTITION
			      ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[SQL_SLOT_NEW] = "INSERT INTO slot (partition) VALUES (?)",
	[SQL_SLOT_DEAD] = "SELECT slot FROM slot WHERE slot <> ? AND slot"
			  " NOT IN (SELECT slot FROM partition) LIMIT 1",
	[SQL_SLOT_DEL] = "DELETE FROM slot WHERE slot = ?",

	[SQL_BUCKET_GET] = "SELECT " BUCKET
			   " FROM bucket WHERE slot = ? AND name = ?",
	[SQL_BUCKET_PUT] = "REPLACE INTO bucket (slot, " BUCKET
			   ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[SQL_BUCKET_ALL] = "SELECT " BUCKET
			   " FROM bucket WHERE slot = ? ORDER BY name",
	[SQL_BUCKET_HOME] = "SELECT " BUCKET
			    " FROM bucket WHERE slot = ? AND home = 1"
			    " AND state <> 3 ORDER BY name",

	[SQL_OBJECT_GET] = "SELECT " OBJECT " FROM object WHERE slot = ?"
			   " AND bucket = ? AND key = ?",
	[SQL_OBJECT_PUT] = "REPLACE INTO object (slot, " OBJECT
			   ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[SQL_OBJECT_ANY] = "SELECT 1 FROM object WHERE slot = ?"
			   " AND bucket = ? AND kind <> 4 LIMIT 1",
	[SQL_OBJECT_ALL] = "SELECT " OBJECT " FROM object WHERE slot = ?"
			   " ORDER BY bucket, key",
	[SQL_OBJECT_WALK] = "SELECT " OBJECT " FROM object WHERE slot = ?"
			    " AND (bucket, key) > (?,?) ORDER BY bucket, key",

	[SQL_VERSION_WALK] = "SELECT " OBJECT " FROM version WHERE slot = ?1"
			     " AND (bucket, key) >= (?2, ?3)"
			     " AND (bucket <> ?2 OR key <> ?3 OR seq < ?4)"
			     " ORDER BY bucket, key, seq DESC",
	[SQL_VERSION_NEXT] = "SELECT " OBJECT " FROM version WHERE slot = ?"
			     " AND bucket = ? AND key = ? AND seq < ?"
			     " ORDER BY seq DESC LIMIT 1",
	[SQL_VERSION_NULL] =
	    "SELECT " OBJECT " FROM version INDEXED BY version_null"
	    " WHERE slot = ? AND bucket = ? AND key = ? AND is_null = 1"
	    " ORDER BY seq DESC LIMIT 1",
	[SQL_VERSION_PUT] = "INSERT INTO version (slot, " OBJECT
			    ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[SQL_VERSION_DEL] = "DELETE FROM version WHERE slot = ? AND bucket = ?"
			    " AND key = ? AND seq = ?",
	[SQL_VERSION_ALL] = "SELECT " OBJECT " FROM version WHERE slot = ?"
			    " ORDER BY bucket, key, seq DESC",

	[SQL_UPLOAD_GET] = "SELECT " UPLOAD
			   " FROM upload WHERE slot = ? AND id = ?",
	[SQL_UPLOAD_PUT] = "REPLACE INTO upload (slot, " UPLOAD
			   ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[SQL_UPLOAD_DEL] = "DELETE FROM upload WHERE slot = ? AND id = ?",
	[SQL_UPLOAD_ALL] = "SELECT " UPLOAD
			   " FROM upload WHERE slot = ? ORDER BY id",
	[SQL_UPLOAD_FIRST_OPEN] = "SELECT " UPLOAD
				  " FROM upload WHERE slot = ? AND bucket = ?"
				  " AND state = 1 ORDER BY key, id LIMIT 1",
	[SQL_UPLOAD_FIRST_DYING] = "SELECT " UPLOAD
				   " FROM upload WHERE slot = ? AND dying = 1"
				   " ORDER BY id LIMIT 1",
	[SQL_UPLOAD_FIRST_OVER] =
	    "SELECT " UPLOAD " FROM upload WHERE slot = ? AND live = 0"
	    " AND dying = 0 ORDER BY finished_ms, id LIMIT 1",

	[SQL_PART_GET] = "SELECT " PART " FROM part WHERE slot = ?"
			 " AND upload = ? AND number = ?",
	[SQL_PART_NEXT] = "SELECT " PART " FROM part WHERE slot = ?"
			  " AND upload = ? AND number > ?"
			  " ORDER BY number LIMIT 1",
	[SQL_PART_PUT] = "REPLACE INTO part (slot, " PART
			 ") VALUES (?,?,?,?,?,?,?,?,?)",
	[SQL_PART_DEL] = "DELETE FROM part WHERE slot = ? AND upload = ?"
			 " AND number = ?",
	[SQL_PART_ALL] = "SELECT " PART " FROM part WHERE slot = ?"
			 " ORDER BY upload, number",
	[SQL_PART_WALK] = "SELECT " PART " FROM part WHERE slot = ?"
			  " AND (upload, number) > (?,?)"
			  " ORDER BY upload, number",
	[SQL_PART_LIST] = "SELECT " PART " FROM part WHERE slot = ?"
			  " AND upload = ? AND number > ? ORDER BY number",

	[SQL_DECIDED_GET] = "SELECT " DECIDED
			    " FROM decided WHERE slot = ? AND id = ?",
	[SQL_DECIDED_PUT] = "REPLACE INTO decided (slot, " DECIDED
			    ") VALUES (?,?,?,?,?)",
	[SQL_DECIDED_DEL] = "DELETE FROM decided WHERE slot = ? AND id = ?",
	[SQL_DECIDED_FIRST_DEAD] = "SELECT " DECIDED
				   " FROM decided WHERE slot = ? AND live = 0"
				   " ORDER BY id LIMIT 1",
	[SQL_DECIDED_ALL] = "SELECT " DECIDED
			    " FROM decided WHERE slot = ? ORDER BY id",

	[SQL_OPLOG_PUT] = "INSERT INTO oplog (slot, " OPLOG
			  ", total) VALUES (?,?,?,?,?,?,?,?)",
	[SQL_OPLOG_TOTAL] = "SELECT total FROM oplog ORDER BY row DESC LIMIT 1",
	[SQL_OPLOG_FIRST] = "SELECT total - length(line) FROM oplog"
			    " WHERE " OPLOG_OLD " ORDER BY row LIMIT 1",
	[SQL_OPLOG_TRIM] =
	    "DELETE FROM oplog WHERE row <= (SELECT max(row) FROM (SELECT row,"
	    " total FROM oplog WHERE " OPLOG_OLD
	    " ORDER BY row LIMIT 1024) WHERE total < ?) AND " OPLOG_OLD,
	[SQL_OPLOG_AT] = "SELECT " OPLOG
			 " FROM oplog WHERE slot = ? AND seq = ?",
	[SQL_OPLOG_FROM] = "SELECT " OPLOG " FROM oplog WHERE slot = ?"
			   " AND seq >= ? ORDER BY seq",

	[SQL_TOMBSTONE_DEL] =
	    "DELETE FROM object WHERE slot = ?1 AND (bucket, key) IN"
	    " (SELECT bucket, key FROM object INDEXED BY object_tombstone"
	    " WHERE slot = ?1 AND seq <= ?2 AND kind = 4 LIMIT ?3)",
	[SQL_INLINE_GET] = "SELECT content FROM inline WHERE id = ?",
	[SQL_INLINE_PUT] = "REPLACE INTO inline (id, content) VALUES (?,?)",
	[SQL_INLINE_DEL] = "DELETE FROM inline WHERE id = ?",
	[SQL_GARBAGE_PUT] = "INSERT OR IGNORE INTO garbage (partition, seq,"
			    " id, kind, reason) VALUES (?,?,?,?,?)",
	[SQL_GARBAGE_DEL] = "DELETE FROM garbage WHERE partition = ?"
			    " AND seq = ? AND id = ? AND kind = ?",
	[SQL_GARBAGE_LIST] =
	    "SELECT seq, id, kind, reason FROM garbage WHERE partition = ?"
	    " AND seq <= ? AND (seq, id, kind) > (?,?,?)"
	    " ORDER BY seq, id, kind",
	[SQL_GARBAGE_COUNT] = "SELECT count(*) FROM garbage",
	[SQL_REPAIR_PUT] = "INSERT OR IGNORE INTO repair (id, partition, seq,"
			   " whole, bucket, key, upload, part, attempts,"
			   " queued_ms) VALUES (?,?,?,?,?,?,?,?,?,?)",
	[SQL_REPAIR_DEL] = "DELETE FROM repair WHERE id = ?",
	[SQL_REPAIR_FAILED] =
	    "UPDATE repair SET attempts = attempts + 1 WHERE id = ?",
	[SQL_REPAIR_NEXT] = "SELECT " REPAIR " FROM repair WHERE partition = ?"
			    " ORDER BY attempts, number DESC LIMIT 1",
	[SQL_REPAIR_GET] = "SELECT " REPAIR " FROM repair WHERE id = ?",
	[SQL_REPAIR_COUNT] = "SELECT count(*) FROM repair",
	[SQL_SWEEP_BUCKET] =
	    "DELETE FROM bucket WHERE slot = ?1 AND name IN"
	    " (SELECT name FROM bucket WHERE slot = ?1 LIMIT ?2)",
	[SQL_SWEEP_OBJECT] =
	    "DELETE FROM object WHERE slot = ?1 AND (bucket, key) IN"
	    " (SELECT bucket, key FROM object WHERE slot = ?1 LIMIT ?2)",
	[SQL_SWEEP_VERSION] =
	    "DELETE FROM version WHERE slot = ?1 AND (bucket, key, seq) IN"
	    " (SELECT bucket, key, seq FROM version WHERE slot = ?1 LIMIT ?2)",
	[SQL_SWEEP_UPLOAD] =
	    "DELETE FROM upload WHERE slot = ?1 AND id IN"
	    " (SELECT id FROM upload WHERE slot = ?1 LIMIT ?2)",
	[SQL_SWEEP_PART] =
	    "DELETE FROM part WHERE slot = ?1 AND (upload, number) IN"
	    " (SELECT upload, number FROM part WHERE slot = ?1 LIMIT ?2)",
	[SQL_SWEEP_DECIDED] =
	    "DELETE FROM decided WHERE slot = ?1 AND id IN"
	    " (SELECT id FROM decided WHERE slot = ?1 LIMIT ?2)",
};

int
sql_error(struct sql *sql, int code, struct error *err)
{
	enum errc errc = ERRC_IO;

	assert(code != SQLITE_OK);
	assert(code != SQLITE_ROW);
	switch (code & 0xff) {
	case SQLITE_FULL:
		errc = ERRC_FULL;
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		errc = ERRC_CORRUPT;
		break;
	case SQLITE_NOMEM:
		errc = ERRC_NOMEM;
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT:
		errc = ERRC_RETRY;
		break;
	default:
		break;
	}
	return error_set(err, errc, "meta.db: %s (%d)", sqlite3_errmsg(sql->db),
	    code);
}

int
sql_corrupt(struct error *err, const char *table)
{
	return error_set(err, ERRC_CORRUPT,
	    "meta.db: a row of table %s is damaged", table);
}

static int
run_text(struct sql *sql, const char *sql_text_, struct error *err)
{
	int code = sqlite3_exec(sql->db, sql_text_, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : sql_error(sql, code, err);
}

static int
get_version(struct sql *sql, uint64_t *version, struct error *err)
{
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(sql->db, "PRAGMA user_version", -1, &stmt,
	    NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		*version = sql_get_int(stmt, 0);
	sqlite3_finalize(stmt);
	return code == SQLITE_ROW ? 0 : sql_error(sql, code, err);
}

static int
make_schema(struct sql *sql, struct error *err)
{
	uint64_t version = 0;
	int rc = get_version(sql, &version, err);

	if (rc < 0 || version == SCHEMA_VERSION)
		return rc;
	if (version != 0)
		return error_set(err, ERRC_CONFIG,
		    "meta.db: format %llu: this program reads format %d only: "
		    "made by %s version of koop",
		    (unsigned long long)version, SCHEMA_VERSION,
		    version < SCHEMA_VERSION ? "an earlier" : "a later");
	rc = run_text(sql, "BEGIN IMMEDIATE", err);
	if (rc == 0)
		rc = run_text(sql, schema, err);
	if (rc == 0)
		rc = run_text(sql, "COMMIT", err);
	return rc;
}

static int
set_up(struct sql *sql, bool writer, bool no_sync, struct error *err)
{
	int rc;

	sqlite3_extended_result_codes(sql->db, 1);
	sqlite3_busy_timeout(sql->db,
	    writer ? SQL_WRITER_BUSY_MS : SQL_READER_BUSY_MS);
	(void)sqlite3_db_config(sql->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	(void)sqlite3_db_config(sql->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	rc = run_text(sql,
	    "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;", err);
	if (rc < 0 || !writer)
		return rc < 0 ? rc :
				run_text(sql, "PRAGMA cache_size = -2048", err);
	rc = run_text(sql,
	    "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;"
	    "PRAGMA cache_size = -32768;"
	    "PRAGMA journal_size_limit = 67108864;",
	    err);
	if (rc == 0)
		rc = run_text(sql,
		    no_sync ? "PRAGMA synchronous = OFF" :
			      "PRAGMA synchronous = FULL",
		    err);
	return rc == 0 ? make_schema(sql, err) : rc;
}

int
sql_open(struct sql *sql, const char *path, bool writer, bool no_sync,
    struct error *err)
{
	int flags = writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE :
			     SQLITE_OPEN_READONLY;
	int code;
	int rc;

	assert(path != NULL);
	*sql = (struct sql){ 0 };
	code = sqlite3_open_v2(path, &sql->db, flags | SQLITE_OPEN_NOMUTEX,
	    NULL);
	rc = code == SQLITE_OK ? set_up(sql, writer, no_sync, err) :
				 sql_error(sql, code, err);
	if (rc < 0)
		sql_close(sql);
	return rc;
}

void
sql_close(struct sql *sql)
{
	for (unsigned i = 0; i < SQL_MAX; i++)
		sqlite3_finalize(sql->stmt[i]);
	sqlite3_close(sql->db);
	*sql = (struct sql){ 0 };
}

sqlite3_stmt *
sql_stmt(struct sql *sql, enum sql_id id, struct error *err)
{
	int code;

	assert(id < SQL_MAX);
	assert(text[id] != NULL);
	if (sql->stmt[id] != NULL) {
		sqlite3_reset(sql->stmt[id]);
		return sql->stmt[id];
	}
	code = sqlite3_prepare_v3(sql->db, text[id], -1,
	    SQLITE_PREPARE_PERSISTENT, &sql->stmt[id], NULL);
	if (code != SQLITE_OK) {
		sql_error(sql, code, err);
		return NULL;
	}
	return sql->stmt[id];
}

int
sql_step(struct sql *sql, sqlite3_stmt *stmt, struct error *err)
{
	int code = sqlite3_step(stmt);
	int rc;

	assert(stmt != NULL);
	if (code == SQLITE_ROW)
		return 1;
	rc = code == SQLITE_DONE ? 0 : sql_error(sql, code, err);
	sqlite3_reset(stmt);
	return rc;
}

int
sql_run(struct sql *sql, sqlite3_stmt *stmt, struct error *err)
{
	int rc = sql_step(sql, stmt, err);

	assert(stmt != NULL);
	if (rc > 0)
		sqlite3_reset(stmt);
	return rc < 0 ? rc : 0;
}

int
sql_simple(struct sql *sql, enum sql_id id, struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(sql, id, err);

	return stmt == NULL ? -ERRC_IO : sql_run(sql, stmt, err);
}
