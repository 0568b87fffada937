/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_COMMITLOG_BACKEND_H
#define KOOP_COMMIT_COMMITLOG_BACKEND_H

#include "commit/commitlog.h"
#include "commit/commitlog_reader.h"

/*
 * What commitlog.c and commitlog_reader.c ask of a backend.  They have checked
 * the arguments: items, spans and ends name partitions of the log, lines are
 * of a good size, positions are of distinct partitions.
 */

#define COMMITLOG_LOOK_MS 1000 /* sleepers look that often */

struct commitlog_genesis_lines {
	const struct commitlog_genesis *genesis;
	struct reqid request_id; /* of all of them */
	struct bytes *line;      /* one a partition */
	uint64_t time_ms;
};

struct positions_backend;

struct commitlog_backend {
	const char *scheme;
	const struct positions_backend *positions; /* NULL: shares none */
	/* What an interrupted create left: 1, and whose it is; 0: nothing, or
	 * a whole log.  NULL: create is all or nothing. */
	int (*begun)(const char *rest, char cluster[static 33],
	    struct reqid *request_id, struct error *err);
	int (*create)(const char *rest,
	    const struct commitlog_genesis_lines *lines,
	    const struct commitlog_options *options, struct error *err);
	int (*open)(struct commitlog **out, const char *rest,
	    const struct commitlog_options *options, struct error *err);
	void (*close)(struct commitlog *log);
	/* Sets fate and code of every item; returns 0 or the first's. */
	int (*append)(struct commitlog *log, struct commitlog_item *items,
	    size_t count, uint64_t deadline_mono_ms, struct error *err);
	int (*find)(struct commitlog *log, uint32_t partition, struct reqid id,
	    uint64_t after_seq, uint64_t *seq, uint64_t *time_ms,
	    uint64_t deadline_mono_ms, struct error *err);
	int (*get)(struct commitlog *log, uint32_t partition, uint64_t seq,
	    struct commitlog_entry *entry, struct buf *line,
	    uint64_t deadline_mono_ms, struct error *err);
	/* Of one partition. */
	int (*stored)(struct commitlog *log, struct commitlog_span *span,
	    uint64_t deadline_mono_ms, struct error *err);
	/* Of one partition; NULL: commitlog_barrier.c asks by append. */
	int (*end)(struct commitlog *log, struct commitlog_end *end,
	    uint64_t deadline_mono_ms, struct error *err);
	/* An empty reader; seek gives it its positions. */
	int (*reader_new)(struct commitlog_reader **out, struct commitlog *log,
	    struct error *err);
	int (*reader_seek)(struct commitlog_reader *reader,
	    const struct commitlog_position *positions, size_t count,
	    uint64_t deadline_mono_ms, struct error *err);
	/* Does not deliver trouble: tells commitlog_reader_trouble(). */
	int (*reader_next)(struct commitlog_reader *reader, size_t max_records,
	    size_t max_bytes, commitlog_entry_fn *fn, void *arg,
	    uint64_t deadline_mono_ms, struct error *err);
	void (*reader_free)(struct commitlog_reader *reader);
	/* Of records. */
	uint32_t (*bell)(struct commitlog *log);
	void (*wait)(struct commitlog *log, uint32_t seen, int timeout_ms);
	bool (*holder)(const char *rest, int *pid, uint64_t *held_ms);
};

struct commitlog_barrier;

/* How the handles of every backend begin.  commitlog.c frees what it points
 * at, and sets what stands after partition_count. */
struct commitlog {
	const struct commitlog_backend *backend;
	const struct clock *clock;
	char cluster[33];
	uint32_t *partitions; /* ascending */
	/* Of each partition. */
	uint64_t *generation, *base_seq;
	size_t partition_count;
	struct commitlog_barrier *barrier;
};

struct commitlog_trouble {
	uint64_t seq;
	bool pending; /* not delivered yet */
	struct error why;
};

/* How those of readers begin; commitlog_reader.c sets and frees it. */
struct commitlog_reader {
	struct commitlog *log;
	/* Of each partition of the log.  The next seq wanted; UINT64_MAX:
	 * none, because nobody asked or because there is trouble. */
	uint64_t *next_seq;
	struct commitlog_trouble **trouble; /* NULL: never had any */
	size_t pending;
};

/* Partition index cannot be read on from next_seq. */
KOOP_MUST int commitlog_reader_trouble(struct commitlog_reader *reader,
    size_t index, enum errc code, const char *text, struct error *err);

/* ---- commitlog_barrier.c: the end by no-op records ---- */

KOOP_MUST int commitlog_barrier_new(struct commitlog_barrier **out,
    const struct commitlog *log, const struct commitlog_options *options,
    struct error *err);
void commitlog_barrier_free(struct commitlog_barrier *barrier);
/* Appends one to each; who comes while one is on its way shares the next. */
KOOP_MUST int commitlog_barrier_ends(struct commitlog *log,
    struct commitlog_end *ends, size_t count, uint64_t deadline_mono_ms,
    struct error *err);

extern const struct commitlog_backend commitlog_sqlite;
extern const struct commitlog_backend commitlog_mem;

/* Index of a partition in log->partitions, or -1. */
long commitlog_partition_index(const struct commitlog *log, uint32_t partition);

#endif
