/* SPDX-License-Identifier: MIT */
#include "store/shardmeta.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/nowait.h"
#include "base/wait.h"
#include "store/rowcheck.h"
#include "store/rowhash.h"
#include "store/shardmeta_in.h"

/*
 * Partition rows are cached: apply changes them in place, and commit writes
 * those that differ.  So a batch costs one row a partition, not one a record.
 */

#define DEFAULT_READERS 8
#define DEFAULT_OPLOG_BYTES (256ull << 20)

int
shardmeta_fail(struct shardmeta *meta, int rc)
{
	assert(rc <= 0);
	if (rc < 0 && rc != -ERRC_NOTFOUND)
		meta->broken = true;
	return rc;
}

struct shardmeta_partition *
shardmeta_find(struct shardmeta *meta, uint32_t partition)
{
	size_t low = 0;
	size_t high = meta->partition_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		uint32_t here = meta->partition[mid].row.partition;

		if (here == partition)
			return &meta->partition[mid];
		if (here < partition)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static int
keep_partition(struct shardmeta *meta, const struct partition_row *row,
    bool added, struct error *err)
{
	struct shardmeta_partition *grown = reallocarray(meta->partition,
	    meta->partition_count + 1, sizeof(*grown));
	size_t at = meta->partition_count;

	assert(row->slot > 0);
	if (grown == NULL)
		return error_set(err, ERRC_NOMEM, "meta.db: out of memory");
	meta->partition = grown;
	while (at > 0 && grown[at - 1].row.partition > row->partition) {
		grown[at] = grown[at - 1];
		at--;
	}
	/* Searched by halves: in order, and each once. */
	assert(at == 0 || grown[at - 1].row.partition < row->partition);
	grown[at] = (struct shardmeta_partition){ *row, *row, added };
	meta->partition_count++;
	return 0;
}

static int
load_number(struct shardmeta *meta, enum sql_id id, uint64_t *out,
    struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(&meta->sql, id, err);
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	rc = sql_step(&meta->sql, stmt, err);
	*out = rc > 0 ? sql_get_int(stmt, 0) : 0;
	sqlite3_reset(stmt);
	return rc < 0 ? rc : 0;
}

static int
load(struct shardmeta *meta, struct error *err)
{
	struct partition_row row;
	sqlite3_stmt *stmt = sql_stmt(&meta->sql, SQL_PARTITION_ALL, err);
	int rc;

	assert(meta->partition_count == 0);
	if (stmt == NULL)
		return -ERRC_IO;
	while ((rc = sql_step(&meta->sql, stmt, err)) > 0) {
		rc = sql_row_partition(stmt, &row, err);
		if (rc == 0)
			rc = keep_partition(meta, &row, false, err);
		if (rc < 0) {
			sqlite3_reset(stmt);
			return rc;
		}
	}
	if (rc < 0)
		return rc;
	rc = load_number(meta, SQL_OPLOG_TOTAL, &meta->oplog_total, err);
	if (rc == 0)
		rc = load_number(meta, SQL_GARBAGE_COUNT, &meta->counts.garbage,
		    err);
	if (rc == 0)
		rc = load_number(meta, SQL_REPAIR_COUNT, &meta->counts.repairs,
		    err);
	meta->oplog_total_committed = meta->oplog_total;
	meta->counted = meta->counts;
	return rc;
}

static int
note_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct shardmeta *meta = arg;

	(void)db;
	(void)name;
	meta->wal_pages = pages > 0 ? (unsigned)pages : 0;
	return SQLITE_OK;
}

static int
open_readers(struct shardmeta *meta, unsigned count, struct error *err)
{
	int rc = 0;

	assert(count > 0);
	assert(count <= SHARDMETA_READERS_MAX);
	meta->reader = calloc(count, sizeof(*meta->reader));
	if (meta->reader == NULL)
		return error_set(err, ERRC_NOMEM, "meta.db: out of memory");
	for (unsigned i = 0; rc == 0 && i < count; i++) {
		meta->reader[i].meta = meta;
		rc = sql_open(&meta->reader[i].sql, meta->path, false, false,
		    err);
		if (rc == 0)
			meta->reader_count++;
	}
	return rc;
}

/* Waits are measured by a clock that nobody sets. */
int
shardmeta_open(struct shardmeta **out, const char *path,
    const struct shardmeta_options *options, struct error *err)
{
	struct shardmeta *meta = calloc(1, sizeof(*meta));
	unsigned readers = options->readers ? options->readers :
					      DEFAULT_READERS;
	int rc = 0;

	if (meta == NULL)
		return error_set(err, ERRC_NOMEM, "meta.db: out of memory");
	readers = KOOP_MIN(readers, SHARDMETA_READERS_MAX);
	pthread_mutex_init(&meta->write_lock, NULL);
	pthread_mutex_init(&meta->lock, NULL);
	wait_mono_init(&meta->idle);
	meta->scratch = buf_make(ROWHASH_ROW_MAX);
	meta->oplog_max_bytes = options->oplog_max_bytes ?
	    options->oplog_max_bytes :
	    DEFAULT_OPLOG_BYTES;
	meta->no_sync = options->no_sync;
	meta->clock = options->clock != NULL ? options->clock : &clock_system;
	meta->wal_some = options->wal_pages != 0 ? options->wal_pages :
						   SHARDMETA_WAL_PAGES;
	meta->wal_much = options->wal_pages_much != 0 ?
	    options->wal_pages_much :
	    SHARDMETA_WAL_PAGES_MUCH;
	shardmeta_rows_init(&meta->live, meta, false);
	shardmeta_rows_init(&meta->stage, meta, true);
	meta->path = strdup(path);
	if (meta->path == NULL)
		rc = error_set(err, ERRC_NOMEM, "meta.db: out of memory");
	if (rc == 0)
		rc = sql_open(&meta->sql, path, true, options->no_sync, err);
	/* A commit that a kill came upon is applied only once it is on disk. */
	if (rc == 0 && !options->no_sync)
		rc = file_sync_left(sqlite3_db_filename(meta->sql.db, "main"),
		    "-wal", err);
	if (rc == 0) {
		sqlite3_wal_hook(meta->sql.db, note_wal, meta);
		rc = load(meta, err);
	}
	if (rc == 0)
		rc = open_readers(meta, readers, err);
	if (rc < 0) {
		shardmeta_close(meta);
		return rc;
	}
	*out = meta;
	return 0;
}

void
shardmeta_close(struct shardmeta *meta)
{
	if (meta == NULL)
		return;
	for (unsigned i = 0; i < meta->reader_count; i++) {
		struct metaquery *read = &meta->reader[i];

		assert(!read->busy);

		for (size_t j = 0; j < read->list_count; j++)
			sqlite3_finalize(read->list[j]);
		free(read->list);
		sql_close(&read->sql);
	}
	free(meta->reader);
	sql_close(&meta->dump.sql);
	sql_close(&meta->sql);
	shardmeta_rows_fini(&meta->live);
	shardmeta_rows_fini(&meta->stage);
	buf_fini(&meta->scratch);
	free(meta->partition);
	free(meta->path);
	pthread_mutex_destroy(&meta->write_lock);
	pthread_mutex_destroy(&meta->lock);
	pthread_cond_destroy(&meta->idle);
	free(meta);
}

static uint64_t
file_bytes(const char *path, const char *suffix)
{
	struct buf name = buf_make(8192);
	struct stat st;
	uint64_t bytes = 0;

	buf_printf(&name, "%s%s", path, suffix);
	if (!buf_failed(&name) && stat(buf_cstr(&name), &st) == 0)
		bytes = (uint64_t)st.st_size;
	buf_fini(&name);
	return bytes;
}

void
shardmeta_counts(struct shardmeta *meta, struct shardmeta_counts *out)
{
	pthread_mutex_lock(&meta->lock);
	*out = meta->counted;
	pthread_mutex_unlock(&meta->lock);
}

void
shardmeta_bytes(const struct shardmeta *meta, uint64_t *database, uint64_t *wal)
{
	nowait_touch("the files of meta.db");
	*database = file_bytes(meta->path, "");
	*wal = file_bytes(meta->path, "-wal");
}

int
shardmeta_begin(struct shardmeta *meta, struct error *err)
{
	int rc;

	/* Others hold the write lock over files and commits. */
	nowait_touch("the write lock of meta.db");
	pthread_mutex_lock(&meta->write_lock);
	meta->broken = false;
	assert(sqlite3_get_autocommit(meta->sql.db));
	rc = sql_simple(&meta->sql, SQL_BEGIN, err);
	if (rc < 0)
		pthread_mutex_unlock(&meta->write_lock);
	return rc;
}

static int
write_partition(struct shardmeta *meta, const struct partition_row *row,
    struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(&meta->sql, SQL_PARTITION_PUT, err);

	assert(row->slot > 0);
	assert(row->applied + 1 >= row->base_seq);
	assert(row->applied <= INT64_MAX);
	if (stmt == NULL)
		return -ERRC_IO;
	sql_int(stmt, 1, row->partition);
	sql_int(stmt, 2, row->slot);
	sql_int(stmt, 3, row->generation);
	sql_int(stmt, 4, row->base_seq);
	sql_int(stmt, 5, row->applied);
	sql_int(stmt, 6, row->t_ms);
	sql_int(stmt, 7, row->epoch);
	sql_blob(stmt, 8, bytes_of(row->hash, sizeof(row->hash)));
	sql_blob(stmt, 9, bytes_of(row->digest, sizeof(row->digest)));
	sql_int(stmt, 10, row->dying);
	sql_int(stmt, 11, row->halted);
	sql_int(stmt, 12, row->ignored);
	sql_int(stmt, 13, row->level);
	return sql_run(&meta->sql, stmt, err);
}

static bool
is_same(const struct partition_row *a, const struct partition_row *b)
{
	return a->slot == b->slot && a->generation == b->generation &&
	    a->base_seq == b->base_seq && a->applied == b->applied &&
	    a->t_ms == b->t_ms && a->epoch == b->epoch &&
	    a->dying == b->dying && a->halted == b->halted &&
	    a->ignored == b->ignored && a->level == b->level &&
	    memcmp(a->hash, b->hash, sizeof(a->hash)) == 0 &&
	    memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

static int
write_partitions(struct shardmeta *meta, struct error *err)
{
	for (size_t i = 0; i < meta->partition_count; i++) {
		struct shardmeta_partition *p = &meta->partition[i];
		int rc;

		if (!p->added && is_same(&p->row, &p->committed))
			continue;
		if (!p->added)
			rowcheck_partition(&p->row, &p->committed);
		rc = write_partition(meta, &p->row, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Whether a COMMIT that met an I/O error took place is not known. */
static int
commit(struct shardmeta *meta, struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(&meta->sql, SQL_COMMIT, err);
	int code;
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	assert(!sqlite3_get_autocommit(meta->sql.db));
	code = sqlite3_step(stmt);
	rc = code == SQLITE_DONE ? 0 : sql_error(&meta->sql, code, err);
	sqlite3_reset(stmt);
	if ((code & 0xff) == SQLITE_IOERR)
		file_sync_failed("meta.db");
	return rc;
}

/* Waiting for readers, under write_lock: every commit waits with us.  So in
 * all a few milliseconds, which is what short reads last. */
static int
wait_for_readers(void *arg, int count)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct shardmeta *meta = arg;

	assert(meta->checkpoints.restarts > 0);
	if (count >= SHARDMETA_RESTART_WAITS)
		return 0;
	meta->checkpoints.waits++;
	nanosleep(&pause, NULL);
	return 1;
}

/* Is a read open that is no short one?  Who waits for it waits in vain. */
static bool
has_long_read(struct shardmeta *meta, uint64_t now)
{
	bool found;

	pthread_mutex_lock(&meta->lock);
	found = meta->dump.busy;
	for (unsigned i = 0; i < meta->reader_count; i++)
		found |= meta->reader[i].busy &&
		    now >= meta->reader[i].since_ms + SHARDMETA_LONG_MS;
	pthread_mutex_unlock(&meta->lock);
	return found;
}

/*
 * A WAL that was copied whole begins anew with the next commit that meets no
 * reader; under steady reads that commit may never come, and RESTART waits
 * for it.  Rarely, and not while an old read pins the WAL: it would delay
 * each commit for as long as that read lasts, and gain nothing.
 */
static int
choose_checkpoint(struct shardmeta *meta)
{
	uint64_t now = clock_mono_ms(meta->clock);

	assert(meta->wal_some <= meta->wal_much);
	if (meta->wal_pages <= meta->wal_much ||
	    (meta->restart_ms != 0 &&
		now < meta->restart_ms + SHARDMETA_RESTART_MS) ||
	    has_long_read(meta, now))
		return SQLITE_CHECKPOINT_PASSIVE;
	meta->restart_ms = KOOP_MAX(now, (uint64_t)1);
	return SQLITE_CHECKPOINT_RESTART;
}

/* Not an error if it cannot: readers are at work, a later commit tries. */
static void
checkpoint(struct shardmeta *meta)
{
	sqlite3 *db = meta->sql.db;
	int mode;
	int code;

	assert(sqlite3_get_autocommit(db));
	if (meta->wal_pages < meta->wal_done)
		meta->wal_done = 0; /* it was begun anew */
	if (meta->wal_pages < meta->wal_some ||
	    meta->wal_pages - meta->wal_done < meta->wal_some / 8)
		return;
	mode = choose_checkpoint(meta);
	if (mode == SQLITE_CHECKPOINT_RESTART) {
		meta->checkpoints.restarts++;
		sqlite3_busy_handler(db, wait_for_readers, meta);
	} else {
		meta->checkpoints.passive++;
	}
	code = sqlite3_wal_checkpoint_v2(db, NULL, mode, NULL, NULL);
	if (mode == SQLITE_CHECKPOINT_RESTART)
		sqlite3_busy_timeout(db, SQL_WRITER_BUSY_MS);
	if (code == SQLITE_IOERR_FSYNC)
		file_sync_failed("meta.db");
	meta->wal_done = meta->wal_pages;
}

void
shardmeta_checkpoints(struct shardmeta *meta, struct shardmeta_checkpoints *out)
{
	pthread_mutex_lock(&meta->write_lock);
	*out = meta->checkpoints;
	out->wal_pages = meta->wal_pages;
	pthread_mutex_unlock(&meta->write_lock);
}

int
shardmeta_commit(struct shardmeta *meta, struct error *err)
{
	int rc;

	rc = meta->broken ? error_set(err, ERRC_IO,
				"meta.db: commit after a failed statement") :
			    write_partitions(meta, err);
	if (rc == 0)
		rc = commit(meta, err);
	if (rc < 0) {
		shardmeta_rollback(meta);
		return rc;
	}
	assert(meta->oplog_total >= meta->oplog_total_committed);
	for (size_t i = 0; i < meta->partition_count; i++) {
		meta->partition[i].committed = meta->partition[i].row;
		meta->partition[i].added = false;
	}
	meta->staged.committed = meta->staged.row;
	meta->oplog_total_committed = meta->oplog_total;
	pthread_mutex_lock(&meta->lock);
	meta->counted = meta->counts;
	pthread_mutex_unlock(&meta->lock);
	checkpoint(meta);
	pthread_mutex_unlock(&meta->write_lock);
	return 0;
}

void
shardmeta_rollback(struct shardmeta *meta)
{
	size_t kept = 0;

	/* SQLite may have rolled back by itself: then this fails, rightly. */
	if (!sqlite3_get_autocommit(meta->sql.db) &&
	    sql_simple(&meta->sql, SQL_ROLLBACK, NULL) < 0)
		meta->broken = true;
	for (size_t i = 0; i < meta->partition_count; i++) {
		if (meta->partition[i].added)
			continue;
		meta->partition[kept] = meta->partition[i];
		meta->partition[kept].row = meta->partition[kept].committed;
		kept++;
	}
	assert(kept <= meta->partition_count);
	meta->partition_count = kept;
	meta->staged.row = meta->staged.committed;
	meta->oplog_total = meta->oplog_total_committed;
	meta->counts = meta->counted; /* only a commit changes it */
	pthread_mutex_unlock(&meta->write_lock);
}

struct rowset *
shardmeta_rowset(struct shardmeta *meta)
{
	return &meta->live.rows;
}

static int
new_slot(struct shardmeta *meta, uint32_t partition, uint64_t *slot,
    struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(&meta->sql, SQL_SLOT_NEW, err);
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	sql_int(stmt, 1, partition);
	rc = sql_run(&meta->sql, stmt, err);
	if (rc < 0)
		return shardmeta_fail(meta, rc);
	*slot = (uint64_t)sqlite3_last_insert_rowid(meta->sql.db);
	assert(*slot > 0);
	return 0;
}

int
shardmeta_add_partition(struct shardmeta *meta, const struct partition_row *row,
    struct error *err)
{
	struct partition_row made = *row;
	int rc;

	assert(row->generation > 0);
	if (shardmeta_find(meta, row->partition) != NULL)
		return 0;
	rc = new_slot(meta, row->partition, &made.slot, err);
	if (rc < 0)
		return rc;
	memset(made.digest, 0, sizeof(made.digest));
	made.dying = 0;
	made.level = KOOP_MAX(row->level, 1u);
	return keep_partition(meta, &made, true, err);
}

int
shardmeta_stage_begin(struct shardmeta *meta, uint32_t partition,
    uint64_t *slot, struct error *err)
{
	int rc = new_slot(meta, partition, slot, err);

	if (rc < 0)
		return rc;
	meta->staged.row = (struct partition_row){
		.partition = partition,
		.slot = *slot,
	};
	return 0;
}

int
shardmeta_stage_select(struct shardmeta *meta, uint64_t slot,
    uint32_t partition, struct error *err)
{
	if (meta->staged.row.slot != slot ||
	    meta->staged.row.partition != partition)
		return error_set(err, ERRC_RETRY,
		    "partition %u: another snapshot is being installed",
		    partition);
	return 0;
}

struct rowset *
shardmeta_stage_rowset(struct shardmeta *meta)
{
	return &meta->stage.rows;
}

static int
check_stage(struct shardmeta *meta, const struct partition_row *row,
    const struct shardmeta_partition *now, struct error *err)
{
	assert(meta->staged.row.slot > 0);
	if (memcmp(meta->staged.row.digest, row->digest, 32) != 0)
		return error_set(err, ERRC_CORRUPT,
		    "partition %u: the snapshot's rows do not give its digest",
		    row->partition);
	if (now != NULL &&
	    (row->generation < now->row.generation ||
		(row->generation == now->row.generation &&
		    row->applied <= now->row.applied)))
		return error_set(err, ERRC_MISMATCH,
		    "partition %u: the snapshot at %llu is not above %llu",
		    row->partition, (unsigned long long)row->applied,
		    (unsigned long long)now->row.applied);
	return 0;
}

int
shardmeta_stage_switch(struct shardmeta *meta, uint64_t slot,
    const struct partition_row *row, struct error *err)
{
	struct shardmeta_partition *now = shardmeta_find(meta, row->partition);
	struct partition_row made = *row;
	int rc;

	rc = shardmeta_stage_select(meta, slot, row->partition, err);
	if (rc == 0)
		rc = check_stage(meta, row, now, err);
	if (rc < 0)
		return rc;
	made.slot = slot;
	made.dying = meta->staged.row.dying;
	made.halted = 0;
	made.ignored = 0;
	assert(made.slot > 0);
	meta->staged.row = (struct partition_row){ 0 };
	if (now == NULL)
		return keep_partition(meta, &made, true, err);
	now->row = made;
	return 0;
}

/* Delete rows of one slot; *done when there were fewer than max. */
static int
sweep_slot(struct shardmeta *meta, uint64_t slot, unsigned max, bool *done,
    struct error *err)
{
	static const enum sql_id tables[] = { SQL_SWEEP_BUCKET,
		SQL_SWEEP_OBJECT, SQL_SWEEP_VERSION, SQL_SWEEP_UPLOAD,
		SQL_SWEEP_PART, SQL_SWEEP_DECIDED };
	unsigned left = max;

	assert(max > 0);
	assert(slot != meta->staged.row.slot);
	for (size_t i = 0; i < nitems(tables) && left > 0; i++) {
		sqlite3_stmt *stmt = sql_stmt(&meta->sql, tables[i], err);
		int rc;

		if (stmt == NULL)
			return -ERRC_IO;
		sql_int(stmt, 1, slot);
		sql_int(stmt, 2, left);
		rc = sql_run(&meta->sql, stmt, err);
		if (rc < 0)
			return rc;
		left -= KOOP_MIN(left, (unsigned)sqlite3_changes(meta->sql.db));
	}
	*done = left > 0;
	return 0;
}

int
shardmeta_sweep_slots(struct shardmeta *meta, unsigned max, bool *more,
    struct error *err)
{
	sqlite3_stmt *stmt = sql_stmt(&meta->sql, SQL_SLOT_DEAD, err);
	uint64_t slot = 0;
	bool done = false;
	int rc;

	assert(max > 0);
	*more = false;
	if (stmt == NULL)
		return shardmeta_fail(meta, -ERRC_IO);
	sql_int(stmt, 1, meta->staged.row.slot);
	rc = sql_step(&meta->sql, stmt, err);
	if (rc <= 0)
		return shardmeta_fail(meta, rc);
	slot = sql_get_int(stmt, 0);
	sqlite3_reset(stmt);
	/* The switch to another slot may be in this very transaction. */
	for (size_t i = 0; i < meta->partition_count; i++)
		if (meta->partition[i].row.slot == slot)
			return 0;
	*more = true;
	rc = sweep_slot(meta, slot, max, &done, err);
	if (rc < 0 || !done)
		return shardmeta_fail(meta, rc);
	stmt = sql_stmt(&meta->sql, SQL_SLOT_DEL, err);
	if (stmt == NULL)
		return shardmeta_fail(meta, -ERRC_IO);
	sql_int(stmt, 1, slot);
	return shardmeta_fail(meta, sql_run(&meta->sql, stmt, err));
}
