/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_COMMITLOG_SQLITE_H
#define KOOP_COMMIT_COMMITLOG_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "commit/commitlog_backend.h"
#include "commit/commitlog_group.h"

/*
 * The SQLite backend's parts, for its own files only:
 *
 *      commitlog_schema.c   the database: making one, opening connections
 *      commitlog_writer.c   the connection that appends and checkpoints
 *      commitlog_scan.c     the connection that reads
 *      commitlog_sqlite.c   the two and the shared page, as a backend
 *
 * Beside PATH lie PATH.lock (commitlog_lock.h) and PATH.page
 * (commitlog_page.h).  No other connection of ours may write to the database:
 * of SQLite's locks, which are a process's, closing any descriptor of the file
 * drops all.
 */

struct commitlog_lock;
struct commitlog_page;

/* ---- commitlog_schema.c ---- */

/* Connect to an existing log.  Every connection has no automatic checkpoint
 * and none at its close. */
KOOP_MUST int commitlog_schema_open(sqlite3 **out, const char *path,
    bool read_only, struct error *err);
KOOP_MUST int commitlog_schema_create(const char *path,
    const struct commitlog_genesis_lines *lines,
    const struct commitlog_options *options, struct error *err);
/* Read meta and the partitions. */
KOOP_MUST int commitlog_schema_load(sqlite3 *db, const char *path,
    struct commitlog *log, uint8_t database_id[static 16], struct error *err);
/* error_set() from what db says last. */
int commitlog_schema_error(sqlite3 *db, const char *path, const char *what,
    struct error *err);
/* What may stand behind a path: positions and ends are not told by the page. */
#define SCHEMA_UNSHARED "?shared=no"
bool commitlog_schema_unshared(const char *rest);
/* "sqlite:///a", "sqlite:a" without the scheme -> a path, without what may
 * stand behind it; ERRC_CONFIG. */
KOOP_MUST int commitlog_schema_path(char **out, const char *rest,
    const char *suffix, struct error *err);

/* ---- commitlog_writer.c ---- */

enum writer_statement {
	WRITER_BEGIN,
	WRITER_COMMIT,
	WRITER_ROLLBACK,
	WRITER_LAST,
	WRITER_TIME,
	WRITER_INSERT,
	WRITER_STATEMENTS,
};

struct commitlog_writer {
	const struct commitlog *log; /* partitions */
	const struct clock *clock;
	const char *path;
	struct commitlog_page *page;
	struct commitlog_group group;
	pthread_mutex_t lock; /* guards all below */
	struct commitlog_lock *file_lock;
	sqlite3 *db;
	sqlite3_stmt *statement[WRITER_STATEMENTS];
	struct stat identity; /* of the database file */
	uint64_t *next_seq;   /* in this transaction; 0: not looked up */
	uint32_t *touched;    /* indices of those that were */
	size_t touched_count;
	int wal_pages;
	int page_bytes;
};

KOOP_MUST int commitlog_writer_open(struct commitlog_writer *writer,
    bool durability_os, struct error *err);
void commitlog_writer_close(struct commitlog_writer *writer);
/* Make sure that the shared page is everybody's. */
KOOP_MUST int commitlog_writer_page(struct commitlog_writer *writer,
    struct error *err);

/* ---- commitlog_scan.c ---- */

enum scan_statement {
	SCAN_BEGIN,
	SCAN_END,
	SCAN_FIND,
	SCAN_GET,
	SCAN_ENDS,
	SCAN_PLACE,
	SCAN_TOP,
	SCAN_ROWS,
	SCAN_STATEMENTS,
};

struct commitlog_scan {
	const struct commitlog *log;
	const char *path;
	pthread_mutex_t lock; /* guards all below */
	sqlite3 *db;
	sqlite3_stmt *statement[SCAN_STATEMENTS];
};

KOOP_MUST int commitlog_scan_open(struct commitlog_scan *scan,
    struct error *err);
void commitlog_scan_close(struct commitlog_scan *scan);
KOOP_MUST int commitlog_scan_find(struct commitlog_scan *scan,
    uint32_t partition, struct reqid id, uint64_t after_seq, uint64_t *seq,
    uint64_t *time_ms, struct error *err);
KOOP_MUST int commitlog_scan_get(struct commitlog_scan *scan,
    uint32_t partition, uint64_t seq, struct commitlog_entry *entry,
    struct buf *line, struct error *err);
KOOP_MUST int commitlog_scan_stored(struct commitlog_scan *scan,
    uint32_t partition, uint64_t *first, uint64_t *last, struct error *err);

/* A record that was read, its line at [at, at + bytes) of a buffer. */
struct commitlog_row {
	int64_t row;
	struct commitlog_entry entry;
	size_t index; /* of its partition */
	size_t at, bytes;
	bool damaged;
};

/* The row after which a reader with these next_seq begins; trouble of those
 * whose position is not there. */
KOOP_MUST int commitlog_scan_place(struct commitlog_scan *scan,
    struct commitlog_reader *reader, int64_t *row, struct error *err);

struct commitlog_fetch {
	int64_t row; /* in: begin after it; out: seen up to it */
	const uint64_t *next_seq;
	struct commitlog_row *rows;
	size_t max_rows, max_bytes;
	struct buf *lines;
	size_t count; /* out */
	bool more;    /* out: stopped before the end */
};
KOOP_MUST int commitlog_scan_fetch(struct commitlog_scan *scan,
    struct commitlog_fetch *fetch, struct error *err);

#endif
