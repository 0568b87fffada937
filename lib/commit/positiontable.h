/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_POSITIONTABLE_H
#define KOOP_COMMIT_POSITIONTABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * What stands behind positions.h: a log that shares positions between all who
 * open it (struct positions_backend), and the table that is used where none
 * does.  Partitions are indices of the log's.
 */

struct commitlog;
struct error;
struct positiontable;

/* A machine of an erasure set. */
struct positions_member {
	uint32_t set, machine;
};

struct positions_backend {
	void (*publish)(struct commitlog *log, struct positions_member member,
	    size_t index, uint64_t applied);
	uint64_t (*applied)(struct commitlog *log,
	    struct positions_member member, size_t index);
	uint32_t (*bell)(struct commitlog *log);
	void (*wait)(struct commitlog *log, uint32_t seen, int timeout_ms);
};

/* Of that many partitions. */
KOOP_MUST int positiontable_new(struct positiontable **out, size_t count,
    struct error *err);
void positiontable_free(struct positiontable *table);
/* No memory for a new member: it stays unknown. */
void positiontable_set(struct positiontable *table,
    struct positions_member member, size_t index, uint64_t applied);
void positiontable_forget(struct positiontable *table,
    struct positions_member member);
uint64_t positiontable_get(struct positiontable *table,
    struct positions_member member, size_t index);
uint32_t positiontable_bell(struct positiontable *table);
void positiontable_wait(struct positiontable *table, uint32_t seen,
    int timeout_ms);

#endif
