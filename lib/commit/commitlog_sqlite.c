/* SPDX-License-Identifier: MIT */
#include "commit/commitlog_sqlite.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "commit/commitlog_lock.h"
#include "commit/commitlog_page.h"
#include "commit/positiontable.h"

/* How often a page may vanish under our hands before we give up. */
#define SQLITE_PAGE_TRIES 5
#define SQLITE_LINES_MAX (64u << 20)

struct sqlite_log {
	struct commitlog base;
	char *path;
	struct commitlog_page *page;
	struct commitlog_writer writer;
	struct commitlog_scan scan;
};

static const struct commitlog_backend sqlite_unshared;

struct sqlite_reader {
	struct commitlog_reader base;
	int64_t row; /* delivered up to it */
	struct commitlog_row *rows;
	size_t rows_max;
	struct buf lines;
};

static struct sqlite_log *
sqlite_log(struct commitlog *log)
{
	assert(log->backend == &commitlog_sqlite ||
	    log->backend == &sqlite_unshared);
	return container_of(log, struct sqlite_log, base);
}

static int
sqlite_create(const char *rest, const struct commitlog_genesis_lines *lines,
    const struct commitlog_options *options, struct error *err)
{
	char *path = NULL;
	int rc;

	rc = commitlog_schema_path(&path, rest, "", err);
	if (rc == 0)
		rc = commitlog_schema_create(path, lines, options, err);
	free(path);
	return rc;
}

static void
sqlite_close(struct commitlog *base)
{
	struct sqlite_log *log = sqlite_log(base);

	commitlog_scan_close(&log->scan);
	commitlog_writer_close(&log->writer);
	sqlite3_close(log->writer.db);
	commitlog_page_free(log->page);
	free(log->path);
	free(log);
}

static int
open_page(struct sqlite_log *log, const uint8_t database_id[static 16],
    struct error *err)
{
	struct commitlog_page_options options = {
		.partitions = log->base.partitions,
		.count = log->base.partition_count,
	};
	char *path = NULL;
	int rc;

	memcpy(options.database_id, database_id, 16);
	rc = commitlog_schema_path(&path, log->path, ".page", err);
	if (rc < 0)
		return rc;
	options.path = path;
	rc = commitlog_page_new(&log->page, &options, err);
	free(path);
	return rc;
}

/*
 * The writing connection first: it makes the WAL's index that the read-only
 * one needs.  To load is to recover what killed programs left; a commit among
 * it whose sync was never reached must be on disk before anybody applies it.
 */
static int
open_parts(struct sqlite_log *log, const struct commitlog_options *options,
    struct error *err)
{
	uint8_t database_id[16];
	int rc;

	rc = commitlog_schema_open(&log->writer.db, log->path, false, err);
	if (rc == 0)
		rc = commitlog_schema_load(log->writer.db, log->path,
		    &log->base, database_id, err);
	if (rc == 0 && !options->durability_os)
		rc = file_sync_left(sqlite3_db_filename(log->writer.db, "main"),
		    "-wal", err);
	if (rc == 0)
		rc = open_page(log, database_id, err);
	if (rc < 0)
		return rc;
	assert(log->base.partition_count > 0);
	log->writer.log = &log->base;
	log->writer.clock = log->base.clock;
	log->writer.path = log->path;
	log->writer.page = log->page;
	rc = commitlog_writer_open(&log->writer, options->durability_os, err);
	if (rc < 0)
		return rc;
	log->scan.log = &log->base;
	log->scan.path = log->path;
	rc = commitlog_scan_open(&log->scan, err);
	return rc < 0 ? rc : commitlog_writer_page(&log->writer, err);
}

static int
commitlog_sqlite_open(struct commitlog **out, const char *rest,
    const struct commitlog_options *options, struct error *err)
{
	struct sqlite_log *log = calloc(1, sizeof(*log));
	int rc;

	if (log == NULL)
		return error_set(err, ERRC_NOMEM, "commit log: out of memory");
	log->base.backend = commitlog_schema_unshared(rest) ? &sqlite_unshared :
							      &commitlog_sqlite;
	log->base.clock = options->clock != NULL ? options->clock :
						   &clock_system;
	rc = commitlog_schema_path(&log->path, rest, "", err);
	if (rc == 0)
		rc = open_parts(log, options, err);
	if (rc < 0) {
		commitlog_close(&log->base);
		return rc;
	}
	*out = &log->base;
	return 0;
}

static int
sqlite_append(struct commitlog *log, struct commitlog_item *items, size_t count,
    uint64_t deadline_mono_ms, struct error *err)
{
	return commitlog_group_append(&sqlite_log(log)->writer.group, items,
	    count, deadline_mono_ms, err);
}

/* Reads of a WAL database wait for nobody: the deadline is not looked at. */
static int
sqlite_find(struct commitlog *log, uint32_t partition, struct reqid id,
    uint64_t after_seq, uint64_t *seq, uint64_t *time_ms,
    uint64_t deadline_mono_ms, struct error *err)
{
	(void)deadline_mono_ms;
	return commitlog_scan_find(&sqlite_log(log)->scan, partition, id,
	    after_seq, seq, time_ms, err);
}

static int
commitlog_sqlite_get(struct commitlog *log, uint32_t partition, uint64_t seq,
    struct commitlog_entry *entry, struct buf *line, uint64_t deadline_mono_ms,
    struct error *err)
{
	(void)deadline_mono_ms;
	return commitlog_scan_get(&sqlite_log(log)->scan, partition, seq, entry,
	    line, err);
}

static int
sqlite_stored(struct commitlog *log, struct commitlog_span *span,
    uint64_t deadline_mono_ms, struct error *err)
{
	(void)deadline_mono_ms;
	return commitlog_scan_stored(&sqlite_log(log)->scan, span->partition,
	    &span->first, &span->last, err);
}

static int
sqlite_reader_new(struct commitlog_reader **out, struct commitlog *log,
    struct error *err)
{
	struct sqlite_reader *reader = calloc(1, sizeof(*reader));

	(void)log;
	if (reader == NULL)
		return error_set(err, ERRC_NOMEM, "commit log: out of memory");
	reader->lines = buf_make(SQLITE_LINES_MAX);
	*out = &reader->base;
	return 0;
}

static int
sqlite_reader_seek(struct commitlog_reader *base,
    const struct commitlog_position *positions, size_t count,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct sqlite_reader *reader = container_of(base, struct sqlite_reader,
	    base);

	(void)positions;
	(void)count;
	(void)deadline_mono_ms;
	return commitlog_scan_place(&sqlite_log(base->log)->scan, base,
	    &reader->row, err);
}

static void
sqlite_reader_free(struct commitlog_reader *base)
{
	struct sqlite_reader *reader = container_of(base, struct sqlite_reader,
	    base);

	buf_fini(&reader->lines);
	free(reader->rows);
	free(reader);
}

/*
 * What the page's invariant asks of who finds rows: raise end, look that the
 * page is still the one that the others read, and only then tell of them.
 */
static int
raise_ends(struct sqlite_log *log, const struct commitlog_row *rows,
    size_t count, struct error *err)
{
	for (int tries = 0; tries < SQLITE_PAGE_TRIES; tries++) {
		int rc;

		for (size_t i = 0; i < count; i++) {
			assert(rows[i].index < log->base.partition_count);
			if (!rows[i].damaged)
				commitlog_page_raise(log->page, rows[i].index,
				    rows[i].entry.seq);
		}
		if (commitlog_page_current(log->page))
			return 0;
		rc = commitlog_writer_page(&log->writer, err);
		if (rc < 0)
			return rc;
	}
	return error_set(err, ERRC_IO, "%s.page: somebody keeps removing it",
	    log->path);
}

/* A gap, or a row that cannot be read: that partition goes no further. */
static int
stop_at_damage(struct sqlite_reader *reader, const struct commitlog_row *row,
    struct error *err)
{
	char text[256];

	assert(
	    row->damaged || row->entry.seq > reader->base.next_seq[row->index]);
	if (row->damaged)
		snprintf(text, sizeof(text),
		    "commit log: partition %u: row %lld is damaged",
		    row->entry.partition, (long long)row->row);
	else
		snprintf(text, sizeof(text),
		    "commit log: partition %u: %llu comes where %llu should: "
		    "records are missing",
		    row->entry.partition, (unsigned long long)row->entry.seq,
		    (unsigned long long)reader->base.next_seq[row->index]);
	return commitlog_reader_trouble(&reader->base, row->index, ERRC_CORRUPT,
	    text, err);
}

/* Returns how many, or what fn said.  *whole: all rows were looked at. */
static int
deliver(struct sqlite_reader *reader, size_t count, bool *whole,
    commitlog_entry_fn *fn, void *arg, struct error *err)
{
	int delivered = 0;

	*whole = false;
	for (size_t i = 0; i < count; i++) {
		struct commitlog_row *row = &reader->rows[i];
		uint64_t *next = &reader->base.next_seq[row->index];
		int rc;

		reader->row = row->row - 1;
		if (*next == UINT64_MAX ||
		    (!row->damaged && row->entry.seq < *next))
			continue;
		if (row->damaged || row->entry.seq > *next) {
			rc = stop_at_damage(reader, row, err);
			if (rc < 0)
				return rc;
			continue;
		}
		assert(row->at + row->bytes <= reader->lines.n);
		row->entry.line = bytes_of(reader->lines.p + row->at,
		    row->bytes);
		rc = fn(arg, &row->entry);
		if (rc != 0)
			return rc < 0 ? rc : delivered;
		(*next)++;
		delivered++;
	}
	*whole = true;
	return delivered;
}

static int
room_for(struct sqlite_reader *reader, size_t count, struct error *err)
{
	struct commitlog_row *rows;

	if (reader->rows_max >= count)
		return 0;
	rows = realloc(reader->rows, count * sizeof(*rows));
	if (rows == NULL)
		return error_set(err, ERRC_NOMEM, "commit log: out of memory");
	reader->rows = rows;
	reader->rows_max = count;
	return 0;
}

static int
sqlite_reader_next(struct commitlog_reader *base, size_t max_records,
    size_t max_bytes, commitlog_entry_fn *fn, void *arg,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct sqlite_reader *reader = container_of(base, struct sqlite_reader,
	    base);
	struct sqlite_log *log = sqlite_log(base->log);
	struct commitlog_fetch fetch = {
		.next_seq = base->next_seq,
		.max_rows = max_records,
		.max_bytes = KOOP_MIN(max_bytes,
		    SQLITE_LINES_MAX - COMMITLOG_LINE_MAX),
		.lines = &reader->lines,
	};
	bool whole = false;
	int rc;

	(void)deadline_mono_ms;
	rc = room_for(reader, max_records + 1, err);
	if (rc < 0)
		return rc;
	fetch.rows = reader->rows;
	do {
		fetch.row = reader->row;
		rc = commitlog_scan_fetch(&log->scan, &fetch, err);
		assert(fetch.count <= reader->rows_max);
		if (rc == 0 && fetch.count > 0)
			rc = raise_ends(log, reader->rows, fetch.count, err);
		if (rc == 0)
			rc = deliver(reader, fetch.count, &whole, fn, arg, err);
		if (rc < 0 || !whole)
			return rc;
		/* What came after the last delivered one was not for us. */
		assert(fetch.row >= reader->row);
		reader->row = fetch.row;
	} while (rc == 0 && fetch.more);
	return rc;
}

static uint32_t
sqlite_bell(struct commitlog *log)
{
	return commitlog_page_bell(sqlite_log(log)->page, PAGE_BELL_RECORDS);
}

static void
sqlite_wait(struct commitlog *log, uint32_t seen, int timeout_ms)
{
	commitlog_page_sleep(sqlite_log(log)->page, PAGE_BELL_RECORDS, seen,
	    timeout_ms);
}

/*
 * The end first, then the look whether that page is everybody's: a node that
 * applied something before the look raised the end in this very page.
 */
static int
sqlite_end(struct commitlog *base, struct commitlog_end *end,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct sqlite_log *log = sqlite_log(base);
	long index = commitlog_partition_index(base, end->partition);

	(void)deadline_mono_ms; /* of a lock that is waited for 5 s at most */
	assert(index >= 0);
	for (int tries = 0; tries < SQLITE_PAGE_TRIES; tries++) {
		uint64_t seen = commitlog_page_end(log->page, (size_t)index);
		int rc;

		if (commitlog_page_current(log->page)) {
			end->seq = seen;
			return 0;
		}
		rc = commitlog_writer_page(&log->writer, err);
		if (rc < 0)
			return rc;
	}
	return error_set(err, ERRC_IO, "%s.page: somebody keeps removing it",
	    log->path);
}

/* Positions.  Cannot fail for its caller: what is not told is only not known.
 */
static void
sqlite_publish(struct commitlog *base, struct positions_member member,
    size_t index, uint64_t applied)
{
	struct sqlite_log *log = sqlite_log(base);

	assert(index < base->partition_count);
	for (int tries = 0; tries < SQLITE_PAGE_TRIES; tries++) {
		commitlog_page_publish(log->page, index, member.set,
		    member.machine, applied);
		if (commitlog_page_current(log->page) ||
		    commitlog_writer_page(&log->writer, NULL) < 0)
			return;
	}
}

static uint64_t
sqlite_applied(struct commitlog *log, struct positions_member member,
    size_t index)
{
	return commitlog_page_applied(sqlite_log(log)->page, index, member.set,
	    member.machine);
}

static uint32_t
sqlite_positions_bell(struct commitlog *log)
{
	return commitlog_page_bell(sqlite_log(log)->page, PAGE_BELL_POSITIONS);
}

static void
sqlite_positions_wait(struct commitlog *log, uint32_t seen, int timeout_ms)
{
	commitlog_page_sleep(sqlite_log(log)->page, PAGE_BELL_POSITIONS, seen,
	    timeout_ms);
}

static const struct positions_backend positions_page = {
	.publish = sqlite_publish,
	.applied = sqlite_applied,
	.bell = sqlite_positions_bell,
	.wait = sqlite_positions_wait,
};

static bool
sqlite_holder(const char *rest, int *pid, uint64_t *held_ms)
{
	char *path = NULL;
	bool known;

	if (commitlog_schema_path(&path, rest, ".lock", NULL) < 0)
		return false;
	known = commitlog_lock_holder(path, pid, held_ms);
	free(path);
	return known;
}

const struct commitlog_backend commitlog_sqlite = {
	.scheme = "sqlite:",
	.positions = &positions_page,
	.create = sqlite_create,
	.open = commitlog_sqlite_open,
	.close = sqlite_close,
	.append = sqlite_append,
	.find = sqlite_find,
	.get = commitlog_sqlite_get,
	.stored = sqlite_stored,
	.reader_new = sqlite_reader_new,
	.reader_seek = sqlite_reader_seek,
	.reader_next = sqlite_reader_next,
	.reader_free = sqlite_reader_free,
	.bell = sqlite_bell,
	.wait = sqlite_wait,
	.end = sqlite_end,
	.holder = sqlite_holder,
};

/*
 * The same log as an engine on other machines would be (protocol.md 2): nobody
 * learns positions or ends from the page, they travel between programs, and
 * an end costs a no-op record.  The page stays this backend's own: it rings
 * for records.
 */
static const struct commitlog_backend sqlite_unshared = {
	.scheme = "sqlite:",
	.create = sqlite_create,
	.open = commitlog_sqlite_open,
	.close = sqlite_close,
	.append = sqlite_append,
	.find = sqlite_find,
	.get = commitlog_sqlite_get,
	.stored = sqlite_stored,
	.reader_new = sqlite_reader_new,
	.reader_seek = sqlite_reader_seek,
	.reader_next = sqlite_reader_next,
	.reader_free = sqlite_reader_free,
	.bell = sqlite_bell,
	.wait = sqlite_wait,
	.holder = sqlite_holder,
};
