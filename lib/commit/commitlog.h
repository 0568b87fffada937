/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_COMMITLOG_H
#define KOOP_COMMIT_COMMITLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/random.h"

/*
 * The commit log: for each partition a sequence of records, which begins with
 * a genesis record at seq = base seq (0 in a new cluster).  An object exists
 * when, and only when, its record is in the log.
 *
 *      commitlog_sqlite.c   sqlite:/var/lib/koop/commit.db, and with ?shared=no
 *                           behind it as if its users were on many machines
 *      commitlog_mem.c      mem:NAME     (tests; shared in one process)
 *
 * Partitions are independent: nothing is promised across them, neither one
 * order, nor that what is appended together gets in together, nor that they
 * fail together (protocol.md 2).  Lines are bytes to it.
 *
 * Every call has a deadline.  ERRC_UNAVAILABLE: the log, or that partition,
 * is out of reach; try again.  ERRC_CONFIG: trying again will not help.
 * All functions may be called by any thread, but a reader belongs to one at a
 * time.  Not across fork(2).
 */

#define COMMITLOG_LINE_MAX (512u << 10)
#define COMMITLOG_PARTITIONS_MAX 4096
#define COMMITLOG_ITEMS_MAX 4096 /* of one append */
#define COMMITLOG_OPEN_MS 5000

struct clock;
struct commitlog;

struct commitlog_options {
	const struct clock *clock; /* NULL: clock_system */
	/* Do not sync commits: a power failure loses acknowledged writes, and
	 * their positions are given again.  For experiments only. */
	bool durability_os;
	uint64_t timeout_ms; /* of open and create; 0: COMMITLOG_OPEN_MS */
	/* Of the no-op records that a log needs which cannot tell its end
	 * (commitlog_ends); NULL, 0: "koop-log", 1. */
	const char *sender;
	uint64_t epoch;
};

struct commitlog_genesis {
	char cluster[33];           /* 32 lower-case hex digits */
	const uint32_t *partitions; /* count numbers, ascending */
	size_t count;
	uint64_t generation;        /* 0 means 1 */
	const uint64_t *base_seq;   /* NULL: all 0 */
	const uint8_t (*chain)[32]; /* NULL: all zero */
};

enum commitlog_fate {
	COMMITLOG_NOT_IN,  /* surely not, and never will be */
	COMMITLOG_IN,      /* durable */
	COMMITLOG_UNKNOWN, /* perhaps: now, or later, or never */
};

struct commitlog_item {
	uint32_t partition;
	struct reqid request_id;
	struct bytes line;
	/* out */
	enum commitlog_fate fate;
	enum errc code;        /* why, unless it is in */
	uint64_t seq, time_ms; /* when it is in */
};

/* First and last seq that the log itself holds. */
struct commitlog_span {
	uint32_t partition;
	enum errc code; /* out, like the rest; 0: they are known */
	uint64_t first, last;
};

struct commitlog_end {
	uint32_t partition;
	enum errc code; /* out, like the rest; 0: it is known */
	uint64_t seq;
};

/* 0 also when it finished what an interrupted one had begun.  ERRC_MISMATCH:
 * there is a whole one already. */
KOOP_MUST int commitlog_create(const char *url,
    const struct commitlog_genesis *genesis,
    const struct commitlog_options *options, struct error *err);
/* ERRC_CONFIG: unknown scheme, no log there, a file system of another
 * machine; ERRC_UNAVAILABLE: there may be one.  options may be NULL. */
KOOP_MUST int commitlog_open(struct commitlog **out, const char *url,
    const struct commitlog_options *options, struct error *err);
void commitlog_close(struct commitlog *log);

const char *commitlog_cluster(const struct commitlog *log);
/* The partitions, ascending; they never change. */
const uint32_t *commitlog_partitions(const struct commitlog *log,
    size_t *count);

/* Append; return once what is in will survive a crash.  Each item has a fate
 * of its own.  0: all are in; else the code, and in err the reason, of the
 * first that is not.  COMMITLOG_UNKNOWN: look with commitlog_find() until the
 * deadline, never append the same again. */
KOOP_MUST int commitlog_append(struct commitlog *log,
    struct commitlog_item *items, size_t count, uint64_t deadline_mono_ms,
    struct error *err);
/* The first record of that id after after_seq.  seq and time_ms may be NULL.
 * ERRC_NOTFOUND: not there, so far. */
KOOP_MUST int commitlog_find(struct commitlog *log, uint32_t partition,
    struct reqid request_id, uint64_t after_seq, uint64_t *seq,
    uint64_t *time_ms, uint64_t deadline_mono_ms, struct error *err);
/* What the log holds: for a node to compare itself with, and for reports; it
 * may lag.  0: all are known; else the first one's code. */
KOOP_MUST int commitlog_stored(struct commitlog *log,
    struct commitlog_span *spans, size_t count, uint64_t deadline_mono_ms,
    struct error *err);
/* The end, not below what any node has applied when the call begins.  A log
 * may have to append a no-op record to each partition for that: who only
 * reports asks commitlog_stored().  0: all are known; else the first's code. */
KOOP_MUST int commitlog_ends(struct commitlog *log, struct commitlog_end *ends,
    size_t count, uint64_t deadline_mono_ms, struct error *err);

/* Sleep until a record came since the bell was read.  Wakes at least every
 * second (a writer may have died before it rang), so look again whatever woke
 * you. */
uint32_t commitlog_bell(struct commitlog *log);
void commitlog_wait(struct commitlog *log, uint32_t seen, int timeout_ms);

/* Who holds the log's lock, and how long; false: nobody, or not known. */
bool commitlog_holder(const char *url, int *pid, uint64_t *held_ms);

#endif
