/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_COMMITLOG_MEM_PARTS_H
#define KOOP_COMMIT_COMMITLOG_MEM_PARTS_H

#include <pthread.h>

#include "commit/commitlog_backend.h"
#include "commit/positiontable.h"

/*
 * The memory log's parts, for its own files only:
 *
 *      commitlog_mem_data.c   the logs of this process, making one
 *      commitlog_mem.c        the backend
 */

#define MEM_LATE_OPS 3 /* calls until what is late lands */

struct mem_record {
	struct commitlog_entry entry;
	uint8_t *line;
	bool gone; /* cut */
};

/* What was told "unknown" and is not in yet. */
struct mem_late {
	struct mem_late *next;
	size_t index;
	struct reqid id;
	uint64_t due; /* lands at that call; UINT64_MAX: when told to */
	size_t bytes;
	uint8_t line[];
};

struct mem_hostile {
	bool unshared;
	uint64_t gaps, back, late, outage, begun;
};

struct mem_data {
	char *name;
	unsigned handles;
	char cluster[33];
	uint32_t *partitions;
	size_t count;
	uint64_t generation;
	struct mem_hostile hostile;
	struct positiontable *positions; /* of all handles */
	pthread_mutex_t lock;            /* guards all below */
	pthread_cond_t rung;
	uint32_t bell;
	struct mem_record *records;
	size_t record_count, record_room;
	struct reqid genesis_id;
	size_t begun;            /* partitions that have their genesis */
	uint64_t *first, *next;  /* seq, of each partition */
	uint64_t *visits;        /* of each, for outages */
	bool *out;               /* of each: out of reach */
	uint64_t appends, calls; /* for what is hostile every so often */
	bool hold;
	struct mem_late *late;
};

struct mem_log {
	struct commitlog base;
	struct mem_data *data;
};

struct mem_reader {
	struct commitlog_reader base;
	size_t at; /* index of the next record to look at */
};

/* ERRC_MISMATCH, and what an interrupted one left: as a backend's. */
KOOP_MUST int commitlog_mem_create(const char *rest,
    const struct commitlog_genesis_lines *lines,
    const struct commitlog_options *options, struct error *err);
KOOP_MUST int commitlog_mem_begun(const char *rest, char cluster[static 33],
    struct reqid *request_id, struct error *err);

/* The log of that name, once whole, for one more handle; NULL: none. */
struct mem_data *commitlog_mem_take(const char *rest);
void commitlog_mem_drop(struct mem_data *data);
/* Fill a handle; false: no memory. */
KOOP_MUST bool commitlog_mem_fill(struct commitlog *log,
    const struct mem_data *data);

size_t commitlog_mem_index(const struct mem_data *data, uint32_t partition);
/* NULL: no memory.  A line of 0 bytes: a seq without a record. */
const struct commitlog_entry *commitlog_mem_add(struct mem_data *data,
    size_t index, struct reqid id, struct bytes line, uint64_t time_ms);
int commitlog_mem_told_out(uint32_t partition, struct error *err);

#endif
