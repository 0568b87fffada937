/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UPKEEP_BUCKETUSAGE_H
#define KOOP_UPKEEP_BUCKETUSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * How many objects and bytes each bucket has, for /metrics: one thread walks
 * the rows of this node's partitions, by pages and with rests, so that it takes
 * a few thousandths of a processor.  Every node of an erasure set has the same
 * rows, so each of them finds the same numbers once it has applied the same.
 *
 * Nothing is counted as records are applied: what a write costs does not
 * depend on who looks.
 */

/* Buckets that are told by name: those with most bytes. */
#define BUCKETUSAGE_TOLD 100
#define BUCKETUSAGE_NAME_MAX 255

struct bucketusage;
struct error;
struct nodecore;

struct bucketusage_row {
	char name[BUCKETUSAGE_NAME_MAX + 1]; /* "": all others together */
	uint64_t objects; /* newest versions that are no delete markers */
	uint64_t bytes;   /* of all versions; not of uploads that are open */
};

/* Without its thread. */
KOOP_MUST int bucketusage_new(struct bucketusage **out, struct nodecore *core,
    struct error *err);
KOOP_MUST int bucketusage_start(struct bucketusage *usage, struct error *err);
/* core->stopping is set when it was started; NULL is fine. */
void bucketusage_free(struct bucketusage *usage);

/* Count once, whatever changed, and say what it cost; with rests between the
 * pages, which end it when core->stopping is set.  What its thread does. */
KOOP_MUST int bucketusage_round(struct bucketusage *usage, bool rests,
    uint64_t *busy_us, struct error *err);
/* What was counted last, the largest first; and how long ago it was true.
 * False before the first round has ended, and without memory.  Any thread. */
KOOP_MUST bool bucketusage_look(struct bucketusage *usage,
    struct bucketusage_row **rows, size_t *n, uint64_t *age_ms);

#endif
