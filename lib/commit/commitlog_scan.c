/* SPDX-License-Identifier: MIT */
#include "commit/commitlog_sqlite.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"

/* A read transaction keeps the WAL from starting over, so none is long. */
#define SCAN_STEPS_MAX 65536

static const char *const scan_sql[SCAN_STATEMENTS] = {
	[SCAN_BEGIN] = ("BEGIN"),
	[SCAN_END] = ("COMMIT"),
	[SCAN_FIND] = ("SELECT seq, time_ms FROM record"
		       " WHERE request_id=?1 AND +partition=?2"
		       " AND seq>?3 ORDER BY row LIMIT 1"),
	[SCAN_GET] = ("SELECT row, partition, seq, time_ms, request_id, line"
		      " FROM record WHERE partition=?1 AND seq=?2"),
	[SCAN_ENDS] = ("SELECT"
		       " (SELECT min(seq) FROM record WHERE partition=?1),"
		       " (SELECT max(seq) FROM record WHERE partition=?1)"),
	[SCAN_PLACE] = ("SELECT row FROM record WHERE partition=?1 AND seq>=?2"
			" ORDER BY seq LIMIT 1"),
	[SCAN_TOP] = ("SELECT max(row) FROM record"),
	[SCAN_ROWS] = ("SELECT row, partition, seq, time_ms, request_id, line"
		       " FROM record WHERE row>?1 ORDER BY row"),
};

static int
commitlog_scan_failed(struct commitlog_scan *scan, struct error *err)
{
	return commitlog_schema_error(scan->db, scan->path, "read", err);
}

int
commitlog_scan_open(struct commitlog_scan *scan, struct error *err)
{
	int rc;

	pthread_mutex_init(&scan->lock, NULL);
	rc = commitlog_schema_open(&scan->db, scan->path, true, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < SCAN_STATEMENTS; i++) {
		if (sqlite3_prepare_v3(scan->db, scan_sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &scan->statement[i],
			NULL) != SQLITE_OK)
			return commitlog_scan_failed(scan, err);
	}
	return 0;
}

void
commitlog_scan_close(struct commitlog_scan *scan)
{
	if (scan->path == NULL)
		return;
	for (int i = 0; i < SCAN_STATEMENTS; i++)
		sqlite3_finalize(scan->statement[i]);
	sqlite3_close(scan->db);
	pthread_mutex_destroy(&scan->lock);
}

/* 1 a row, 0 none, or -ERRC_x.  The statement is reset but for a row. */
static int
commitlog_scan_step(struct commitlog_scan *scan, enum scan_statement which,
    struct error *err)
{
	int rc;

	assert(which < SCAN_STATEMENTS);
	rc = sqlite3_step(scan->statement[which]);
	if (rc == SQLITE_ROW)
		return 1;
	rc = rc == SQLITE_DONE ? 0 : commitlog_scan_failed(scan, err);
	sqlite3_reset(scan->statement[which]);
	return rc;
}

/* Reads the row that a statement stands on; nothing in it is believed. */
static int
take_row(struct commitlog_scan *scan, sqlite3_stmt *statement,
    struct commitlog_row *row, struct error *err)
{
	int64_t partition = sqlite3_column_int64(statement, 1);
	int64_t seq = sqlite3_column_int64(statement, 2);
	int64_t time_ms = sqlite3_column_int64(statement, 3);
	const void *id = sqlite3_column_blob(statement, 4);
	const void *line = sqlite3_column_blob(statement, 5);
	int line_bytes = sqlite3_column_bytes(statement, 5);
	long index = -1;

	row->row = sqlite3_column_int64(statement, 0);
	if (partition >= 0 && partition <= UINT32_MAX)
		index = commitlog_partition_index(scan->log,
		    (uint32_t)partition);
	row->index = index < 0 ? SIZE_MAX : (size_t)index;
	row->entry.partition = (uint32_t)partition;
	if (index < 0 || seq < 0 || time_ms < 0 || id == NULL || line == NULL ||
	    sqlite3_column_bytes(statement, 4) != REQID_BYTES ||
	    line_bytes < 1 || line_bytes > (int)COMMITLOG_LINE_MAX)
		return error_set(err, ERRC_CORRUPT,
		    "commit log %s: row %lld is damaged", scan->path,
		    (long long)row->row);
	assert((size_t)index < scan->log->partition_count);
	row->bytes = (size_t)line_bytes;
	row->entry = (struct commitlog_entry){
		.partition = (uint32_t)partition,
		.seq = (uint64_t)seq,
		.time_ms = (uint64_t)time_ms,
		.generation = scan->log->generation[index],
		.base_seq = scan->log->base_seq[index],
		.line = bytes_of(line, (size_t)line_bytes),
	};
	memcpy(row->entry.request_id.b, id, REQID_BYTES);
	return 0;
}

int
commitlog_scan_find(struct commitlog_scan *scan, uint32_t partition,
    struct reqid id, uint64_t after_seq, uint64_t *seq, uint64_t *time_ms,
    struct error *err)
{
	sqlite3_stmt *statement = scan->statement[SCAN_FIND];
	int rc;

	pthread_mutex_lock(&scan->lock);
	if (sqlite3_bind_blob(statement, 1, id.b, REQID_BYTES, SQLITE_STATIC) !=
		SQLITE_OK ||
	    sqlite3_bind_int64(statement, 2, partition) != SQLITE_OK ||
	    sqlite3_bind_int64(statement, 3, (int64_t)after_seq) != SQLITE_OK)
		rc = commitlog_scan_failed(scan, err);
	else
		rc = commitlog_scan_step(scan, SCAN_FIND, err);
	if (rc == 1) {
		*seq = (uint64_t)sqlite3_column_int64(statement, 0);
		*time_ms = (uint64_t)sqlite3_column_int64(statement, 1);
		sqlite3_reset(statement);
	}
	pthread_mutex_unlock(&scan->lock);
	if (rc < 0)
		return rc;
	return rc == 1 ?
	    0 :
	    error_set(err, ERRC_NOTFOUND,
		"commit log: partition %u: no record of that request id",
		partition);
}

int
commitlog_scan_get(struct commitlog_scan *scan, uint32_t partition,
    uint64_t seq, struct commitlog_entry *entry, struct buf *line,
    struct error *err)
{
	sqlite3_stmt *statement = scan->statement[SCAN_GET];
	struct commitlog_row row;
	int rc;

	pthread_mutex_lock(&scan->lock);
	if (sqlite3_bind_int64(statement, 1, partition) != SQLITE_OK ||
	    sqlite3_bind_int64(statement, 2, (int64_t)seq) != SQLITE_OK)
		rc = commitlog_scan_failed(scan, err);
	else
		rc = commitlog_scan_step(scan, SCAN_GET, err);
	if (rc == 0)
		rc = error_set(err, ERRC_NOTFOUND,
		    "commit log: partition %u: no record %llu", partition,
		    (unsigned long long)seq);
	if (rc == 1) {
		rc = take_row(scan, statement, &row, err);
		if (rc == 0) {
			buf_add(line, row.entry.line.p, row.entry.line.n);
			if (buf_failed(line))
				rc = error_set(err, ERRC_NOMEM,
				    "commit log: no room for a record of %zu "
				    "bytes",
				    row.bytes);
		}
		sqlite3_reset(statement);
	}
	pthread_mutex_unlock(&scan->lock);
	if (rc == 0) {
		*entry = row.entry;
		entry->line = buf_bytes(line);
	}
	return rc;
}

static int
stored_locked(struct commitlog_scan *scan, uint32_t partition, uint64_t *first,
    uint64_t *last, struct error *err)
{
	sqlite3_stmt *statement = scan->statement[SCAN_ENDS];
	int rc;

	if (sqlite3_bind_int64(statement, 1, partition) != SQLITE_OK)
		return commitlog_scan_failed(scan, err);
	rc = commitlog_scan_step(scan, SCAN_ENDS, err);
	if (rc != 1)
		return rc < 0 ? rc : commitlog_scan_failed(scan, err);
	rc = 0;
	if (sqlite3_column_type(statement, 0) != SQLITE_INTEGER ||
	    sqlite3_column_int64(statement, 0) < 0)
		rc = error_set(err, ERRC_CORRUPT,
		    "commit log %s: partition %u: has no genesis record, or a "
		    "damaged row",
		    scan->path, partition);
	*first = (uint64_t)sqlite3_column_int64(statement, 0);
	*last = (uint64_t)sqlite3_column_int64(statement, 1);
	sqlite3_reset(statement);
	return rc;
}

int
commitlog_scan_stored(struct commitlog_scan *scan, uint32_t partition,
    uint64_t *first, uint64_t *last, struct error *err)
{
	int rc;

	pthread_mutex_lock(&scan->lock);
	rc = stored_locked(scan, partition, first, last, err);
	pthread_mutex_unlock(&scan->lock);
	return rc;
}

/* Lower *row to just before the first record wanted, if it is there. */
static int
place_locked(struct commitlog_scan *scan, struct commitlog_reader *reader,
    size_t index, int64_t *row, struct error *err)
{
	sqlite3_stmt *statement = scan->statement[SCAN_PLACE];
	uint32_t partition = scan->log->partitions[index];
	uint64_t wanted = reader->next_seq[index];
	uint64_t first = 0, last = 0;
	struct error why = { 0 };
	char text[256];
	int rc;

	assert(wanted != UINT64_MAX);
	rc = stored_locked(scan, partition, &first, &last, &why);
	if (rc == -ERRC_CORRUPT)
		return commitlog_reader_trouble(reader, index, ERRC_CORRUPT,
		    why.text, err);
	if (rc < 0)
		return error_set(err, why.code, "%s", why.text);
	if (wanted < first || wanted > last + 1) {
		snprintf(text, sizeof(text),
		    "commit log %.100s: partition %u: %s at %llu, %s the %llu "
		    "wanted",
		    scan->path, partition, wanted < first ? "begins" : "ends",
		    (unsigned long long)(wanted < first ? first : last),
		    wanted < first ? "after" : "before",
		    (unsigned long long)wanted);
		return commitlog_reader_trouble(reader, index,
		    wanted < first ? ERRC_NOTFOUND : ERRC_MISMATCH, text, err);
	}
	if (sqlite3_bind_int64(statement, 1, partition) != SQLITE_OK ||
	    sqlite3_bind_int64(statement, 2, (int64_t)wanted) != SQLITE_OK)
		return commitlog_scan_failed(scan, err);
	rc = commitlog_scan_step(scan, SCAN_PLACE, err);
	if (rc == 1) {
		int64_t found = sqlite3_column_int64(statement, 0);

		*row = KOOP_MIN(*row, found - 1);
		sqlite3_reset(statement);
		rc = 0;
	}
	return rc;
}

int
commitlog_scan_place(struct commitlog_scan *scan,
    struct commitlog_reader *reader, int64_t *row, struct error *err)
{
	int64_t top = 0;
	int rc;

	pthread_mutex_lock(&scan->lock);
	/* One view: a record appended between two looks would be missed. */
	rc = commitlog_scan_step(scan, SCAN_BEGIN, err);
	if (rc == 0) {
		rc = commitlog_scan_step(scan, SCAN_TOP, err);
		if (rc == 1) {
			top = sqlite3_column_int64(scan->statement[SCAN_TOP],
			    0);
			sqlite3_reset(scan->statement[SCAN_TOP]);
			rc = 0;
		}
		for (size_t i = 0; i < scan->log->partition_count && rc == 0;
		     i++) {
			if (reader->next_seq[i] != UINT64_MAX)
				rc = place_locked(scan, reader, i, &top, err);
		}
		if (commitlog_scan_step(scan, SCAN_END, NULL) < 0 && rc == 0)
			rc = commitlog_scan_failed(scan, err);
	}
	pthread_mutex_unlock(&scan->lock);
	assert(rc < 0 || sqlite3_get_autocommit(scan->db) != 0);
	if (rc == 0)
		*row = top;
	return rc;
}

/*
 * Copies what is wanted, so that the callbacks run without the lock and
 * without a read transaction.
 */
static int
fetch_locked(struct commitlog_scan *scan, struct commitlog_fetch *fetch,
    struct error *err)
{
	sqlite3_stmt *statement = scan->statement[SCAN_ROWS];
	int rc;

	assert(fetch->count == 0 && fetch->max_rows > 0);
	if (sqlite3_bind_int64(statement, 1, fetch->row) != SQLITE_OK)
		return commitlog_scan_failed(scan, err);
	for (size_t steps = 0;; steps++) {
		struct commitlog_row *row = &fetch->rows[fetch->count];

		fetch->more = true;
		if (fetch->count == fetch->max_rows ||
		    (fetch->count > 0 && fetch->lines->n >= fetch->max_bytes) ||
		    steps == SCAN_STEPS_MAX)
			break;
		rc = commitlog_scan_step(scan, SCAN_ROWS, err);
		if (rc <= 0) {
			fetch->more = false;
			return rc;
		}
		row->damaged = take_row(scan, statement, row, NULL) < 0;
		fetch->row = row->row;
		/* Of no partition that can be told: the one that misses it
		 * will find a gap there. */
		if (row->index == SIZE_MAX ||
		    fetch->next_seq[row->index] == UINT64_MAX)
			continue;
		if (row->damaged) {
			fetch->count++;
			continue;
		}
		if (row->entry.seq < fetch->next_seq[row->index])
			continue;
		row->at = fetch->lines->n;
		buf_add(fetch->lines, row->entry.line.p, row->bytes);
		if (buf_failed(fetch->lines)) {
			sqlite3_reset(statement);
			return error_set(err, ERRC_NOMEM,
			    "commit log: no room for records");
		}
		fetch->count++;
	}
	sqlite3_reset(statement);
	return 0;
}

int
commitlog_scan_fetch(struct commitlog_scan *scan, struct commitlog_fetch *fetch,
    struct error *err)
{
	int rc;

	fetch->count = 0;
	buf_clear(fetch->lines);
	pthread_mutex_lock(&scan->lock);
	rc = fetch_locked(scan, fetch, err);
	assert(fetch->count <= fetch->max_rows);
	pthread_mutex_unlock(&scan->lock);
	return rc;
}
