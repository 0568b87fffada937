/* SPDX-License-Identifier: MIT */
#include "commit/commitlog_sqlite.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "commit/commitlog_lock.h"

/* "KOOP" in the database header, so that file(1) can tell. */
#define SCHEMA_APPLICATION_ID 0x4b4f4f50
#define SCHEMA_VERSION 2
#define SCHEMA_BUSY_MS 5000
#define SCHEMA_LOCK_MS 5000

static const char schema_sql[] =
    "CREATE TABLE meta(cluster TEXT NOT NULL, database_id BLOB NOT NULL);"
    "CREATE TABLE partition(number INTEGER PRIMARY KEY,"
    " generation INTEGER NOT NULL, base_seq INTEGER NOT NULL);"
    "CREATE TABLE record(row INTEGER PRIMARY KEY AUTOINCREMENT,"
    " partition INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " time_ms INTEGER NOT NULL, request_id BLOB NOT NULL,"
    " line BLOB NOT NULL);"
    "CREATE UNIQUE INDEX record_seq ON record(partition, seq);"
    "CREATE INDEX record_request ON record(request_id);"
    "PRAGMA application_id=0x4b4f4f50; PRAGMA user_version=2;";

static enum errc
code_of(int sqlite)
{
	switch (sqlite & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
	case SQLITE_FULL: /* cured by whoever makes room, not by a new log */
		return ERRC_UNAVAILABLE;
	case SQLITE_NOMEM:
		return ERRC_NOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_CONSTRAINT:
		return ERRC_CORRUPT;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return ERRC_DENIED;
	case SQLITE_CANTOPEN:
		return ERRC_CONFIG;
	default:
		return ERRC_IO;
	}
}

int
commitlog_schema_error(sqlite3 *db, const char *path, const char *what,
    struct error *err)
{
	return error_set(err, code_of(sqlite3_extended_errcode(db)),
	    "commit log %s: %s: %s", path, what, sqlite3_errmsg(db));
}

bool
commitlog_schema_unshared(const char *rest)
{
	size_t n = strlen(rest);

	return n >= strlen(SCHEMA_UNSHARED) &&
	    strcmp(rest + n - strlen(SCHEMA_UNSHARED), SCHEMA_UNSHARED) == 0;
}

int
commitlog_schema_path(char **out, const char *rest, const char *suffix,
    struct error *err)
{
	size_t n, bytes;

	if (strncmp(rest, "///", 3) == 0)
		rest += 2;
	n = strlen(rest) -
	    (commitlog_schema_unshared(rest) ? strlen(SCHEMA_UNSHARED) : 0);
	if (n == 0 || rest[0] == ':')
		return error_set(err, ERRC_CONFIG,
		    "commit log sqlite:%s: give the path of a file, as in "
		    "sqlite:commit.db",
		    rest);
	bytes = n + strlen(suffix) + 1;
	*out = malloc(bytes);
	if (*out == NULL)
		return error_set(err, ERRC_NOMEM, "%s: out of memory", rest);
	memcpy(*out, rest, n);
	memcpy(*out + n, suffix, strlen(suffix) + 1);
	return 0;
}

/*
 * WAL's index and our page are shared memory, and the lock is this kernel's:
 * programs on two machines would not see each other.
 */
static int
check_file_system(const char *path, struct error *err)
{
	static const long remote[] = { NFS_SUPER_MAGIC, SMB_SUPER_MAGIC,
		0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */, V9FS_MAGIC,
		CEPH_SUPER_MAGIC, AFS_SUPER_MAGIC, AFS_FS_MAGIC,
		CODA_SUPER_MAGIC, 0x0bd00bd0 /* Lustre */,
		0x01161970 /* GFS2 */, OCFS2_SUPER_MAGIC,
		0x19830326 /* BeeGFS */, 0x47504653 /* GPFS */ };
	const char *slash = strrchr(path, '/');
	char *folder;
	struct statfs fs;
	int rc = 0;

	if (slash == NULL)
		folder = strdup(".");
	else
		folder = strndup(path, (size_t)(slash - path) + 1);
	if (folder == NULL)
		return error_set(err, ERRC_NOMEM, "%s: out of memory", path);
	if (statfs(folder, &fs) == -1)
		rc = error_errno(err, ERRC_CONFIG, "commit log %s", path);
	for (size_t i = 0; rc == 0 && i < nitems(remote); i++) {
		if ((uint32_t)fs.f_type == (uint32_t)remote[i])
			rc = error_set(err, ERRC_CONFIG,
			    "commit log %s: is on a network file system, where "
			    "locks and shared memory do not reach the other "
			    "machines; use a local disk",
			    path);
	}
	free(folder);
	return rc;
}

static int
configure(sqlite3 *db, const char *path, struct error *err)
{
	int off = 0;

	/* Checkpoints are made under the lock only: two at once, or one beside
	 * a writer that restarts the WAL, have lost commits in SQLite. */
	if (sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &off) !=
		SQLITE_OK ||
	    sqlite3_wal_autocheckpoint(db, 0) != SQLITE_OK ||
	    sqlite3_busy_timeout(db, SCHEMA_BUSY_MS) != SQLITE_OK ||
	    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) !=
		SQLITE_OK)
		return commitlog_schema_error(db, path, "configure", err);
	return 0;
}

static int
connect(sqlite3 **out, const char *path, int flags, struct error *err)
{
	sqlite3 *db = NULL;
	int rc;

	rc = check_file_system(path, err);
	if (rc < 0)
		return rc;
	if (sqlite3_open_v2(path, &db,
		flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
		NULL) != SQLITE_OK) {
		if (db == NULL)
			rc = error_set(err, ERRC_NOMEM, "%s: out of memory",
			    path);
		else
			rc = commitlog_schema_error(db, path, "open", err);
	} else {
		rc = configure(db, path, err);
	}
	if (rc < 0) {
		sqlite3_close(db);
		return rc;
	}
	*out = db;
	return 0;
}

/* One number that a statement gives; min when it gives none. */
static int
query_number(sqlite3 *db, const char *path, const char *sql, int64_t *out,
    struct error *err)
{
	sqlite3_stmt *statement = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK ||
	    sqlite3_step(statement) != SQLITE_ROW)
		rc = commitlog_schema_error(db, path, "read", err);
	else
		*out = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return rc;
}

static int
check_format(sqlite3 *db, const char *path, struct error *err)
{
	int64_t application = 0;
	int64_t version = 0;
	int rc;

	rc = query_number(db, path, "PRAGMA application_id", &application, err);
	if (rc == 0)
		rc = query_number(db, path, "PRAGMA user_version", &version,
		    err);
	if (rc < 0)
		return rc;
	if (application != SCHEMA_APPLICATION_ID)
		return error_set(err, ERRC_CONFIG,
		    "commit log %s: is not a commit log (make one with "
		    "koop-log create)",
		    path);
	if (version != SCHEMA_VERSION)
		return error_set(err, ERRC_CONFIG,
		    "commit log %s: has format %lld, this program knows %d",
		    path, (long long)version, SCHEMA_VERSION);
	return 0;
}

int
commitlog_schema_open(sqlite3 **out, const char *path, bool read_only,
    struct error *err)
{
	sqlite3 *db = NULL;
	int rc;

	if (access(path, F_OK) == -1)
		return error_errno(err, ERRC_CONFIG,
		    "commit log %s (make one with koop-log create)", path);
	rc = connect(&db, path,
	    read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, err);
	if (rc < 0)
		return rc;
	rc = check_format(db, path, err);
	if (rc < 0) {
		sqlite3_close(db);
		return rc;
	}
	*out = db;
	return 0;
}

static int
execute(sqlite3 *db, const char *path, const char *sql, const char *what,
    struct error *err)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return commitlog_schema_error(db, path, what, err);
	return 0;
}

static int
insert_meta(sqlite3 *db, const char *path, const char *cluster,
    struct error *err)
{
	sqlite3_stmt *statement = NULL;
	uint8_t id[16];
	int rc = 0;

	random_system.fill(&random_system, id, sizeof(id));
	if (sqlite3_prepare_v2(db, "INSERT INTO meta VALUES(?,?)", -1,
		&statement, NULL) != SQLITE_OK ||
	    sqlite3_bind_text(statement, 1, cluster, -1, SQLITE_STATIC) !=
		SQLITE_OK ||
	    sqlite3_bind_blob(statement, 2, id, 16, SQLITE_STATIC) !=
		SQLITE_OK ||
	    sqlite3_step(statement) != SQLITE_DONE)
		rc = commitlog_schema_error(db, path, "write meta", err);
	sqlite3_finalize(statement);
	return rc;
}

static int
insert_genesis(sqlite3 *db, const char *path, sqlite3_stmt *statement[2],
    const struct commitlog_genesis_lines *lines, size_t i, struct error *err)
{
	const struct commitlog_genesis *genesis = lines->genesis;
	uint64_t base = genesis->base_seq != NULL ? genesis->base_seq[i] : 0;

	assert(lines->line[i].n > 0);
	if (sqlite3_reset(statement[0]) != SQLITE_OK ||
	    sqlite3_bind_int64(statement[0], 1, genesis->partitions[i]) !=
		SQLITE_OK ||
	    sqlite3_bind_int64(statement[0], 2,
		genesis->generation != 0 ? (int64_t)genesis->generation : 1) !=
		SQLITE_OK ||
	    sqlite3_bind_int64(statement[0], 3, (int64_t)base) != SQLITE_OK ||
	    sqlite3_step(statement[0]) != SQLITE_DONE)
		return commitlog_schema_error(db, path, "write partition", err);
	if (sqlite3_reset(statement[1]) != SQLITE_OK ||
	    sqlite3_bind_int64(statement[1], 1, genesis->partitions[i]) !=
		SQLITE_OK ||
	    sqlite3_bind_int64(statement[1], 2, (int64_t)base) != SQLITE_OK ||
	    sqlite3_bind_int64(statement[1], 3, (int64_t)lines->time_ms) !=
		SQLITE_OK ||
	    sqlite3_bind_blob(statement[1], 4, lines->request_id.b, REQID_BYTES,
		SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_bind_blob(statement[1], 5, lines->line[i].p,
		(int)lines->line[i].n, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_step(statement[1]) != SQLITE_DONE)
		return commitlog_schema_error(db, path, "write genesis", err);
	return 0;
}

static int
insert_all(sqlite3 *db, const char *path,
    const struct commitlog_genesis_lines *lines, struct error *err)
{
	sqlite3_stmt *statement[2] = { NULL, NULL };
	int rc;

	rc = insert_meta(db, path, lines->genesis->cluster, err);
	if (rc == 0 &&
	    (sqlite3_prepare_v2(db, "INSERT INTO partition VALUES(?,?,?)", -1,
		 &statement[0], NULL) != SQLITE_OK ||
		sqlite3_prepare_v2(db,
		    "INSERT INTO record(partition, seq, time_ms, request_id,"
		    " line) VALUES(?,?,?,?,?)",
		    -1, &statement[1], NULL) != SQLITE_OK))
		rc = commitlog_schema_error(db, path, "prepare", err);
	for (size_t i = 0; i < lines->genesis->count && rc == 0; i++)
		rc = insert_genesis(db, path, statement, lines, i, err);
	sqlite3_finalize(statement[0]);
	sqlite3_finalize(statement[1]);
	return rc;
}

/*
 * All in one transaction, so that a crash leaves either a log, or a database
 * without tables that the next try fills.
 */
static int
create_locked(const char *path, const struct commitlog_genesis_lines *lines,
    struct error *err)
{
	sqlite3 *db = NULL;
	int64_t tables = 0;
	int rc;

	rc = connect(&db, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
	    err);
	if (rc < 0)
		return rc;
	rc = query_number(db, path, "SELECT count(*) FROM sqlite_master",
	    &tables, err);
	if (rc == 0 && tables != 0)
		rc = error_set(err, ERRC_MISMATCH,
		    "commit log %s: exists already", path);
	if (rc == 0)
		rc = execute(db, path,
		    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		    "BEGIN IMMEDIATE;",
		    "begin", err);
	if (rc == 0)
		rc = execute(db, path, schema_sql, "make tables", err);
	if (rc == 0)
		rc = insert_all(db, path, lines, err);
	if (rc == 0)
		rc = execute(db, path, "COMMIT", "commit", err);
	/* Under the lock: so the file alone is a whole log from the start. */
	if (rc == 0 &&
	    sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE,
		NULL, NULL) != SQLITE_OK)
		rc = commitlog_schema_error(db, path, "checkpoint", err);
	sqlite3_close(db);
	return rc;
}

int
commitlog_schema_create(const char *path,
    const struct commitlog_genesis_lines *lines,
    const struct commitlog_options *options, struct error *err)
{
	struct commitlog_lock *lock = NULL;
	char *lock_path = NULL;
	int rc;

	rc = check_file_system(path, err);
	if (rc == 0)
		rc = commitlog_schema_path(&lock_path, path, ".lock", err);
	if (rc == 0)
		rc = commitlog_lock_open(&lock, lock_path,
		    options->clock != NULL ? options->clock : &clock_system,
		    err);
	if (rc == 0)
		rc = commitlog_lock_acquire(lock, SCHEMA_LOCK_MS, err);
	if (rc == 0) {
		rc = create_locked(path, lines, err);
		commitlog_lock_release(lock);
	}
	commitlog_lock_close(lock);
	free(lock_path);
	return rc;
}

static int
load_meta(sqlite3_stmt *statement, const char *path, struct commitlog *log,
    uint8_t database_id[static 16], struct error *err)
{
	const unsigned char *cluster;

	if (sqlite3_step(statement) != SQLITE_ROW)
		return error_set(err, ERRC_CORRUPT,
		    "commit log %s: has no meta row", path);
	cluster = sqlite3_column_text(statement, 0);
	if (cluster == NULL || sqlite3_column_bytes(statement, 0) != 32 ||
	    sqlite3_column_type(statement, 1) != SQLITE_BLOB ||
	    sqlite3_column_bytes(statement, 1) != 16)
		return error_set(err, ERRC_CORRUPT,
		    "commit log %s: its meta row is damaged", path);
	memcpy(log->cluster, cluster, 33);
	memcpy(database_id, sqlite3_column_blob(statement, 1), 16);
	return 0;
}

/* False: the row makes no sense. */
static bool
take_partition(sqlite3_stmt *statement, struct commitlog *log)
{
	size_t at = log->partition_count;
	int64_t number = sqlite3_column_int64(statement, 0);
	int64_t generation = sqlite3_column_int64(statement, 1);
	int64_t base_seq = sqlite3_column_int64(statement, 2);

	if (at == COMMITLOG_PARTITIONS_MAX || number < 0 ||
	    number > INT32_MAX || generation < 1 || base_seq < 0)
		return false;
	log->partitions[at] = (uint32_t)number;
	log->generation[at] = (uint64_t)generation;
	log->base_seq[at] = (uint64_t)base_seq;
	log->partition_count++;
	return true;
}

static int
load_partitions(sqlite3_stmt *statement, const char *path,
    struct commitlog *log, struct error *err)
{
	size_t max = COMMITLOG_PARTITIONS_MAX;
	bool good = true;

	log->partitions = calloc(max, sizeof(*log->partitions));
	log->generation = calloc(max, sizeof(*log->generation));
	log->base_seq = calloc(max, sizeof(*log->base_seq));
	if (log->partitions == NULL || log->generation == NULL ||
	    log->base_seq == NULL)
		return error_set(err, ERRC_NOMEM, "%s: out of memory", path);
	while (good && sqlite3_step(statement) == SQLITE_ROW)
		good = take_partition(statement, log);
	if (!good || log->partition_count == 0)
		return error_set(err, ERRC_CORRUPT,
		    "commit log %s: its list of partitions is damaged", path);
	return 0;
}

int
commitlog_schema_load(sqlite3 *db, const char *path, struct commitlog *log,
    uint8_t database_id[static 16], struct error *err)
{
	sqlite3_stmt *meta = NULL;
	sqlite3_stmt *partitions = NULL;
	int rc;

	if (sqlite3_prepare_v2(db, "SELECT cluster, database_id FROM meta", -1,
		&meta, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db,
		"SELECT number, generation, base_seq FROM partition"
		" ORDER BY number",
		-1, &partitions, NULL) != SQLITE_OK) {
		rc = commitlog_schema_error(db, path, "read", err);
	} else {
		rc = load_meta(meta, path, log, database_id, err);
		if (rc == 0)
			rc = load_partitions(partitions, path, log, err);
	}
	sqlite3_finalize(meta);
	sqlite3_finalize(partitions);
	return rc;
}
