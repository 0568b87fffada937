/* SPDX-License-Identifier: MIT */
#include "commit/commitlog_sqlite.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "commit/commitlog_lock.h"
#include "commit/commitlog_page.h"

/*
 * One append, or one group of them:
 *
 *      lock file               nobody else appends or checkpoints
 *      BEGIN, INSERT ...       seq = last + 1; a crash: as if never asked
 *      COMMIT                  the WAL is synced; a crash after it: in the log
 *      raise end, ring         a crash before it: the next reader who finds
 *                              the row raises end; sleepers look every second
 *      unlock
 */

#define WRITER_LOCK_MS 5000
#define WRITER_WAL_BYTES (16 << 20)  /* checkpoint above */
#define WRITER_WAL_LIMIT (128 << 20) /* ask readers to let go above */

static const char *const writer_sql[WRITER_STATEMENTS] = {
	[WRITER_BEGIN] = "BEGIN IMMEDIATE",
	[WRITER_COMMIT] = "COMMIT",
	[WRITER_ROLLBACK] = "ROLLBACK",
	[WRITER_LAST] = "SELECT max(seq) FROM record WHERE partition=?",
	[WRITER_TIME] = "SELECT time_ms FROM record ORDER BY row DESC LIMIT 1",
	[WRITER_INSERT] = ("INSERT INTO record(partition, seq, time_ms,"
			   " request_id, line) VALUES(?,?,?,?,?)"),
};

static int
commitlog_writer_failed(struct commitlog_writer *writer, const char *what,
    struct error *err)
{
	return commitlog_schema_error(writer->db, writer->path, what, err);
}

static int
commitlog_writer_run(struct commitlog_writer *writer,
    enum writer_statement which)
{
	sqlite3_stmt *statement = writer->statement[which];
	int rc;

	assert(which < WRITER_STATEMENTS);
	rc = sqlite3_step(statement);
	sqlite3_reset(statement);
	return rc;
}

/* Our connection is to the file that we opened, whatever its name is now. */
static int
check_identity(const struct commitlog_writer *writer, struct error *err)
{
	struct stat now;

	if (stat(writer->path, &now) == 0 &&
	    now.st_ino == writer->identity.st_ino &&
	    now.st_dev == writer->identity.st_dev)
		return 0;
	return error_set(err, ERRC_CONFIG,
	    "commit log %s: was moved or replaced while in use; start this "
	    "program again",
	    writer->path);
}

static int
last_seq(struct commitlog_writer *writer, size_t index, uint64_t *out,
    struct error *err)
{
	sqlite3_stmt *statement = writer->statement[WRITER_LAST];
	int rc = 0;

	assert(index < writer->log->partition_count);
	if (sqlite3_bind_int64(statement, 1, writer->log->partitions[index]) !=
		SQLITE_OK ||
	    sqlite3_step(statement) != SQLITE_ROW)
		rc = commitlog_writer_failed(writer, "read", err);
	else if (sqlite3_column_type(statement, 0) != SQLITE_INTEGER ||
	    sqlite3_column_int64(statement, 0) < 0)
		rc = error_set(err, ERRC_CORRUPT,
		    "commit log %s: partition %u: has no genesis record",
		    writer->path, writer->log->partitions[index]);
	else
		*out = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return rc;
}

/* Make the page anew from the table.  Under both locks. */
static int
make_page_locked(struct commitlog_writer *writer, struct error *err)
{
	size_t count = writer->log->partition_count;
	uint64_t *ends = calloc(count, sizeof(*ends));
	int rc = 0;

	if (ends == NULL)
		return error_set(err, ERRC_NOMEM, "%s: out of memory",
		    writer->path);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = last_seq(writer, i, &ends[i], err);
	if (rc == 0)
		rc = commitlog_page_make(writer->page, ends, err);
	free(ends);
	return rc;
}

static int
ensure_page_locked(struct commitlog_writer *writer, struct error *err)
{
	if (commitlog_page_current(writer->page) ||
	    commitlog_page_attach(writer->page))
		return 0;
	return make_page_locked(writer, err);
}

int
commitlog_writer_page(struct commitlog_writer *writer, struct error *err)
{
	int rc;

	if (commitlog_page_current(writer->page) ||
	    commitlog_page_attach(writer->page))
		return 0;
	pthread_mutex_lock(&writer->lock);
	rc = commitlog_lock_acquire(writer->file_lock, WRITER_LOCK_MS, err);
	if (rc == 0) {
		rc = ensure_page_locked(writer, err);
		commitlog_lock_release(writer->file_lock);
	}
	pthread_mutex_unlock(&writer->lock);
	return rc;
}

/*
 * The seq that the next record of a partition gets.  An end in the page that
 * is above the table's was seen by somebody: those records are gone, and their
 * numbers must not be given to others.
 */
static int
next_seq(struct commitlog_writer *writer, size_t index, uint64_t *out,
    struct error *err)
{
	uint64_t last = 0, end;
	int rc;

	if (writer->next_seq[index] == 0) {
		rc = last_seq(writer, index, &last, err);
		if (rc < 0)
			return rc;
		end = commitlog_page_end(writer->page, index);
		if (end > last)
			return error_set(err, ERRC_CORRUPT,
			    "commit log %s: partition %u: ends at %llu, but "
			    "%llu was there: records were lost; stop all "
			    "programs and see RECOVERY in koop-log(1)",
			    writer->path, writer->log->partitions[index],
			    (unsigned long long)last, (unsigned long long)end);
		assert(writer->touched_count < writer->log->partition_count);
		writer->next_seq[index] = last + 1;
		writer->touched[writer->touched_count++] = (uint32_t)index;
	}
	*out = writer->next_seq[index]++;
	assert(*out > 0);
	return 0;
}

/* Now, but not before the last record: T and the age of ids are judged by it
 * (protocol.md 1), and this clock may be set back. */
static int
append_time(struct commitlog_writer *writer, uint64_t *out, struct error *err)
{
	sqlite3_stmt *statement = writer->statement[WRITER_TIME];
	uint64_t now = clock_real_ms(writer->clock);
	int64_t last;

	if (sqlite3_step(statement) != SQLITE_ROW) {
		int rc = commitlog_writer_failed(writer, "read", err);

		sqlite3_reset(statement);
		return rc;
	}
	last = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	*out = last > 0 && (uint64_t)last > now ? (uint64_t)last : now;
	assert(last <= 0 || *out >= (uint64_t)last);
	return 0;
}

static int
insert(struct commitlog_writer *writer, struct commitlog_item *item,
    uint64_t time_ms, struct error *err)
{
	sqlite3_stmt *statement = writer->statement[WRITER_INSERT];
	long index = commitlog_partition_index(writer->log, item->partition);
	int rc;

	assert(index >= 0);
	rc = next_seq(writer, (size_t)index, &item->seq, err);
	if (rc < 0)
		return rc;
	assert(item->seq > writer->log->base_seq[index]);
	assert(item->line.n >= 1 && item->line.n <= COMMITLOG_LINE_MAX);
	item->time_ms = time_ms;
	if (sqlite3_bind_int64(statement, 1, item->partition) != SQLITE_OK ||
	    sqlite3_bind_int64(statement, 2, (int64_t)item->seq) != SQLITE_OK ||
	    sqlite3_bind_int64(statement, 3, (int64_t)time_ms) != SQLITE_OK ||
	    sqlite3_bind_blob(statement, 4, item->request_id.b, REQID_BYTES,
		SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_bind_blob(statement, 5, item->line.p, (int)item->line.n,
		SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_step(statement) != SQLITE_DONE)
		rc = commitlog_writer_failed(writer, "append", err);
	sqlite3_reset(statement);
	return rc;
}

static KOOP_NORETURN void
sync_failed(struct commitlog_writer *writer)
{
	int error = sqlite3_system_errno(writer->db);

	errno = error != 0 ? error : EIO;
	file_sync_failed(writer->path);
}

/*
 * Is it in, or not?  A full disk: no, the frame that makes a commit is the
 * last one written, and was not (nothing is padded after it: SQLite's
 * "powersafe overwrite" is on).  A failed sync: nobody can tell, and the
 * kernel may say "success" next time.  Anything else: the caller looks.
 */
static int
commit_locked(struct commitlog_writer *writer, enum commitlog_fate *fate,
    struct error *err)
{
	int rc;

	assert(*fate == COMMITLOG_NOT_IN);
	assert(sqlite3_get_autocommit(writer->db) == 0);
	rc = FAULT(LOG_COMMIT) != 0 ?
	    SQLITE_IOERR_FSYNC :
	    commitlog_writer_run(writer, WRITER_COMMIT);

	if (rc == SQLITE_DONE) {
		*fate = COMMITLOG_IN;
		return 0;
	}
	if ((rc & 0xff) == SQLITE_IOERR)
		sync_failed(writer);
	if ((rc & 0xff) != SQLITE_FULL)
		*fate = COMMITLOG_UNKNOWN;
	return commitlog_writer_failed(writer, "commit", err);
}

static int
append_locked(struct commitlog_writer *writer, struct commitlog_batch *batches,
    enum commitlog_fate *fate, struct error *err)
{
	uint64_t time_ms = 0;
	int rc;

	assert(writer->touched_count == 0);

	if (commitlog_writer_run(writer, WRITER_BEGIN) != SQLITE_DONE)
		return commitlog_writer_failed(writer, "begin", err);
	rc = append_time(writer, &time_ms, err);
	for (; batches != NULL && rc == 0; batches = batches->next) {
		for (size_t i = 0; i < batches->count && rc == 0; i++)
			rc = insert(writer, &batches->items[i], time_ms, err);
	}
	if (rc == 0)
		rc = commit_locked(writer, fate, err);
	/* Some errors have rolled back already. */
	if (rc < 0 && sqlite3_get_autocommit(writer->db) == 0)
		(void)commitlog_writer_run(writer, WRITER_ROLLBACK);
	assert((rc == 0) == (*fate == COMMITLOG_IN));
	assert(rc < 0 || sqlite3_get_autocommit(writer->db) != 0);
	return rc;
}

static int
group_locked(struct commitlog_writer *writer, struct commitlog_batch *batches,
    enum commitlog_fate *fate, struct error *err)
{
	int rc;

	if (FAULT(LOG_LOCKED) != 0)
		return error_set(err, ERRC_IO, "commit log %s: fault",
		    writer->path);
	rc = check_identity(writer, err);
	if (rc == 0)
		rc = ensure_page_locked(writer, err);
	if (rc == 0)
		rc = append_locked(writer, batches, fate, err);
	if (rc == 0 && FAULT(LOG_COMMITTED) != 0) {
		*fate = COMMITLOG_UNKNOWN;
		rc = error_set(err, ERRC_UNAVAILABLE,
		    "commit log %s: fault: committed, and not said so",
		    writer->path);
	}
	for (size_t i = 0; i < writer->touched_count; i++) {
		uint32_t index = writer->touched[i];

		if (rc == 0)
			commitlog_page_raise(writer->page, index,
			    writer->next_seq[index] - 1);
		writer->next_seq[index] = 0;
	}
	writer->touched_count = 0;
	if (rc == 0)
		commitlog_page_ring(writer->page, PAGE_BELL_RECORDS);
	return rc;
}

static void
commit_group(void *arg, struct commitlog_batch *batches)
{
	struct commitlog_writer *writer = arg;
	enum commitlog_fate fate = COMMITLOG_NOT_IN;
	struct error err = { 0 };
	int rc;

	pthread_mutex_lock(&writer->lock);
	rc = commitlog_lock_acquire(writer->file_lock, WRITER_LOCK_MS, &err);
	if (rc == 0) {
		rc = group_locked(writer, batches, &fate, &err);
		commitlog_lock_release(writer->file_lock);
	}
	pthread_mutex_unlock(&writer->lock);
	assert((rc == 0) == (fate == COMMITLOG_IN));
	for (; batches != NULL; batches = batches->next) {
		batches->fate = fate;
		if (rc < 0)
			batches->err = err;
	}
}

/*
 * Whoever sees the WAL grown large moves it into the database.  Not being able
 * to is no failure of an append: the next one tries again.
 */
static void
commitlog_writer_checkpoint(void *arg, struct commitlog_batch *none)
{
	struct commitlog_writer *writer = arg;
	int64_t bytes;
	int mode, rc;

	(void)none;
	pthread_mutex_lock(&writer->lock);
	bytes = (int64_t)writer->wal_pages * writer->page_bytes;
	if (bytes > WRITER_WAL_BYTES &&
	    commitlog_lock_acquire(writer->file_lock, WRITER_LOCK_MS, NULL) ==
		0) {
		mode = bytes > WRITER_WAL_LIMIT ? SQLITE_CHECKPOINT_RESTART :
						  SQLITE_CHECKPOINT_PASSIVE;
		rc = sqlite3_wal_checkpoint_v2(writer->db, NULL, mode, NULL,
		    NULL);
		if (rc == SQLITE_IOERR_FSYNC)
			sync_failed(writer);
		commitlog_lock_release(writer->file_lock);
		writer->wal_pages = 0;
	}
	pthread_mutex_unlock(&writer->lock);
}

/* Called inside COMMIT, by SQLite. */
static int
see_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct commitlog_writer *writer = arg;

	(void)db;
	(void)name;
	assert(pages >= 0);
	writer->wal_pages = pages;
	return SQLITE_OK;
}

static int
commitlog_writer_prepare(struct commitlog_writer *writer, bool durability_os,
    struct error *err)
{
	sqlite3_stmt *size = NULL;
	const char *sync = durability_os ? "PRAGMA synchronous=NORMAL" :
					   "PRAGMA synchronous=FULL";

	if (sqlite3_exec(writer->db, sync, NULL, NULL, NULL) != SQLITE_OK)
		return commitlog_writer_failed(writer, "configure", err);
	for (int i = 0; i < WRITER_STATEMENTS; i++) {
		if (sqlite3_prepare_v3(writer->db, writer_sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &writer->statement[i],
			NULL) != SQLITE_OK)
			return commitlog_writer_failed(writer, "prepare", err);
	}
	if (sqlite3_prepare_v2(writer->db, "PRAGMA page_size", -1, &size,
		NULL) == SQLITE_OK &&
	    sqlite3_step(size) == SQLITE_ROW)
		writer->page_bytes = sqlite3_column_int(size, 0);
	sqlite3_finalize(size);
	sqlite3_wal_hook(writer->db, see_wal, writer);
	return 0;
}

int
commitlog_writer_open(struct commitlog_writer *writer, bool durability_os,
    struct error *err)
{
	size_t count = writer->log->partition_count;
	char *lock_path = NULL;
	int rc;

	pthread_mutex_init(&writer->lock, NULL);
	commitlog_group_init(&writer->group, writer->clock, commit_group,
	    commitlog_writer_checkpoint, writer);
	writer->next_seq = calloc(count, sizeof(*writer->next_seq));
	writer->touched = calloc(count, sizeof(*writer->touched));
	if (writer->next_seq == NULL || writer->touched == NULL)
		return error_set(err, ERRC_NOMEM, "%s: out of memory",
		    writer->path);
	rc = commitlog_schema_path(&lock_path, writer->path, ".lock", err);
	if (rc == 0)
		rc = commitlog_lock_open(&writer->file_lock, lock_path,
		    writer->clock, err);
	free(lock_path);
	if (rc == 0 && stat(writer->path, &writer->identity) == -1)
		rc = error_errno(err, ERRC_CONFIG, "commit log %s",
		    writer->path);
	if (rc == 0)
		rc = commitlog_writer_prepare(writer, durability_os, err);
	return rc;
}

void
commitlog_writer_close(struct commitlog_writer *writer)
{
	if (writer->group.commit == NULL)
		return;
	assert(writer->touched_count == 0);
	for (int i = 0; i < WRITER_STATEMENTS; i++)
		sqlite3_finalize(writer->statement[i]);
	commitlog_lock_close(writer->file_lock);
	free(writer->next_seq);
	free(writer->touched);
	commitlog_group_fini(&writer->group);
	pthread_mutex_destroy(&writer->lock);
}
