/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_COMMITLOG_H
#define KOOP_COMMIT_COMMITLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"

/*
 * The commit log: one totally ordered sequence of records a partition, which
 * begins with a genesis record at seq = base seq (0 in a new cluster).  An
 * object exists when, and only when, its record is in the log.
 *
 *      commitlog_sqlite.c   sqlite:/var/lib/koop/commit.db
 *      commitlog_mem.c      mem:NAME     (tests; shared in one process)
 *
 * Lines are bytes to it.  All functions may be called by any thread, but a
 * reader belongs to one at a time.  Not across fork(2).
 */

#define COMMITLOG_LINE_MAX (512u << 10)
#define COMMITLOG_PARTITIONS_MAX 4096
#define COMMITLOG_ITEMS_MAX 4096 /* of one append */

struct buf;
struct clock;
struct commitlog;
struct commitlog_reader;
struct error;

struct commitlog_options {
	const struct clock *clock; /* NULL: clock_system */
	/* Do not sync commits: a power failure loses acknowledged writes, and
	 * their positions are given again.  For experiments only. */
	bool durability_os;
};

struct commitlog_genesis {
	char cluster[33];           /* 32 lower-case hex digits */
	const uint32_t *partitions; /* count numbers, ascending */
	size_t count;
	uint64_t generation;        /* 0 means 1 */
	const uint64_t *base_seq;   /* NULL: all 0 */
	const uint8_t (*chain)[32]; /* NULL: all zero */
};

struct commitlog_item {
	uint32_t partition;
	struct reqid request_id;
	struct bytes line;
	uint64_t seq, time_ms; /* out */
};

struct commitlog_entry {
	uint32_t partition;
	uint64_t seq;
	uint64_t time_ms; /* of the append; never decreases in a log */
	struct reqid request_id;
	struct bytes line; /* borrowed for the call */
};

struct commitlog_position {
	uint32_t partition;
	uint64_t next_seq; /* the first one wanted */
};

/* ERRC_MISMATCH: there is one already. */
KOOP_MUST int commitlog_create(const char *url,
    const struct commitlog_genesis *genesis,
    const struct commitlog_options *options, struct error *err);
/* ERRC_CONFIG: unknown scheme, no log there, a file system of another
 * machine.  options may be NULL. */
KOOP_MUST int commitlog_open(struct commitlog **out, const char *url,
    const struct commitlog_options *options, struct error *err);
void commitlog_close(struct commitlog *log);

const char *commitlog_cluster(const struct commitlog *log);
/* The partitions, ascending; they never change. */
const uint32_t *commitlog_partitions(const struct commitlog *log,
    size_t *count);

/* Append all items or none; return once they will survive a crash.  Callers
 * at the same time share one transaction.  ERRC_RETRY: not known to be in
 * the log (perhaps it is): ask commitlog_find() until the deadline, never
 * append the same again.  Anything else that fails is surely not in it. */
KOOP_MUST int commitlog_append(struct commitlog *log,
    struct commitlog_item *items, size_t count, uint64_t deadline_mono_ms,
    struct error *err);
/* The first record of that id in the partition.  ERRC_NOTFOUND: not there. */
KOOP_MUST int commitlog_find(struct commitlog *log, uint32_t partition,
    struct reqid request_id, uint64_t *seq, uint64_t *time_ms,
    struct error *err);
/* One record, its line in line (cleared first).  ERRC_NOTFOUND. */
KOOP_MUST int commitlog_get(struct commitlog *log, uint32_t partition,
    uint64_t seq, struct commitlog_entry *entry, struct buf *line,
    struct error *err);
/* First and last seq that the log itself holds (pointers may be NULL): what a
 * node compares itself with before it votes. */
KOOP_MUST int commitlog_stored(struct commitlog *log, uint32_t partition,
    uint64_t *first, uint64_t *last, struct error *err);

/* A nonzero return stops, and that record will be delivered again; a negative
 * one is returned to the caller. */
typedef int commitlog_entry_fn(void *arg, const struct commitlog_entry *entry);

/* A reader of some partitions, each from its own position, in the order of
 * the whole log.  ERRC_NOTFOUND: the log begins after a position.  A position
 * past the end is fine; what comes before it is skipped. */
KOOP_MUST int commitlog_reader_open(struct commitlog_reader **out,
    struct commitlog *log, const struct commitlog_position *positions,
    size_t count, struct error *err);
/* Deliver at most max_records, and about max_bytes of lines.  Returns how
 * many (0: nothing new), or what fn returned, or -ERRC_x; ERRC_CORRUPT when
 * the log has a gap or damage there. */
KOOP_MUST int commitlog_reader_next(struct commitlog_reader *reader,
    size_t max_records, size_t max_bytes, commitlog_entry_fn *fn, void *arg,
    struct error *err);
void commitlog_reader_close(struct commitlog_reader *reader);

/* Sleep until something happened since the bell was read: a record, or a node
 * that applied one.  Wakes at least every second (a writer may have died before
 * it rang), so look again whatever woke you.  The second pair is for who
 * applies records: it does not wake for other nodes' applied. */
uint32_t commitlog_bell(struct commitlog *log);
void commitlog_wait(struct commitlog *log, uint32_t seen, int timeout_ms);
uint32_t commitlog_record_bell(struct commitlog *log);
void commitlog_record_wait(struct commitlog *log, uint32_t seen,
    int timeout_ms);

/* The end for readers: never below any node's applied. */
KOOP_MUST int commitlog_end(struct commitlog *log, uint32_t partition,
    uint64_t *end, struct error *err);

/* Do nodes see each other's applied through the log (embedded backends)? */
bool commitlog_shared(const struct commitlog *log);
/* Tell, and ask, how far a member has durably applied; 0 when not known. */
void commitlog_publish(struct commitlog *log, uint32_t set, uint32_t machine,
    uint32_t partition, uint64_t applied);
uint64_t commitlog_applied(struct commitlog *log, uint32_t set,
    uint32_t machine, uint32_t partition);

/* Who holds the log's lock, and how long; false: nobody, or not known. */
bool commitlog_holder(const char *url, int *pid, uint64_t *held_ms);

#endif
