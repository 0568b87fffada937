/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_COMMITLOG_BACKEND_H
#define KOOP_COMMIT_COMMITLOG_BACKEND_H

#include "commit/commitlog.h"

/*
 * What commitlog.c asks of a backend.  It has checked the arguments: items
 * name partitions of the log and lines of a good size, positions are of
 * distinct partitions.
 */

#define COMMITLOG_LOOK_MS 1000 /* sleepers look that often */

struct commitlog_genesis_lines {
	const struct commitlog_genesis *genesis;
	struct reqid request_id; /* of all of them */
	struct bytes *line;      /* one a partition */
	uint64_t time_ms;
};

struct commitlog_backend {
	const char *scheme;
	bool shared;
	int (*create)(const char *rest,
	    const struct commitlog_genesis_lines *lines,
	    const struct commitlog_options *options, struct error *err);
	int (*open)(struct commitlog **out, const char *rest,
	    const struct commitlog_options *options, struct error *err);
	void (*close)(struct commitlog *log);
	int (*append)(struct commitlog *log, struct commitlog_item *items,
	    size_t count, uint64_t deadline_mono_ms, struct error *err);
	int (*find)(struct commitlog *log, uint32_t partition, struct reqid id,
	    uint64_t *seq, uint64_t *time_ms, struct error *err);
	int (*get)(struct commitlog *log, uint32_t partition, uint64_t seq,
	    struct commitlog_entry *entry, struct buf *line, struct error *err);
	int (*stored)(struct commitlog *log, uint32_t partition,
	    uint64_t *first, uint64_t *last, struct error *err);
	int (*reader_open)(struct commitlog_reader **out, struct commitlog *log,
	    const struct commitlog_position *positions, size_t count,
	    struct error *err);
	int (*reader_next)(struct commitlog_reader *reader, size_t max_records,
	    size_t max_bytes, commitlog_entry_fn *fn, void *arg,
	    struct error *err);
	void (*reader_close)(struct commitlog_reader *reader);
	/* records: of records only, not of what nodes applied. */
	uint32_t (*bell)(struct commitlog *log, bool records);
	void (*wait)(struct commitlog *log, bool records, uint32_t seen,
	    int timeout_ms);
	int (*end)(struct commitlog *log, size_t partition_index, uint64_t *end,
	    struct error *err);
	void (*publish)(struct commitlog *log, uint32_t set, uint32_t machine,
	    size_t partition_index, uint64_t applied);
	uint64_t (*applied)(struct commitlog *log, uint32_t set,
	    uint32_t machine, size_t partition_index);
	bool (*holder)(const char *rest, int *pid, uint64_t *held_ms);
};

/* How the handles of every backend begin. */
struct commitlog {
	const struct commitlog_backend *backend;
	const struct clock *clock;
	char cluster[33];
	uint32_t *partitions; /* ascending; freed by commitlog.c */
	size_t partition_count;
};

struct commitlog_reader {
	struct commitlog *log;
	/* The next seq wanted of each partition of the log; UINT64_MAX: none.
	 * Freed by commitlog.c. */
	uint64_t *next_seq;
};

extern const struct commitlog_backend commitlog_sqlite;
extern const struct commitlog_backend commitlog_mem;

/* Index of a partition in log->partitions, or -1. */
long commitlog_partition_index(const struct commitlog *log, uint32_t partition);

#endif
