/* SPDX-License-Identifier: MIT */
#ifndef KOOP_NODE_APPLIER_H
#define KOOP_NODE_APPLIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * The thread that brings this node's metadata to where the log is: reads
 * what is new of all partitions, applies it in one transaction, and publishes
 * the new positions only after that is durable.  It alone changes replicated
 * rows.
 *
 * What can be cured (no space, a read error, a damaged copy of a record) is
 * tried again until it is cured; nothing is ever skipped.  A record that this
 * version does not understand, and a log that disagrees with what was applied
 * here, halt their partition, loudly, while the others go on.
 */

struct applier;
struct buf;
struct error;
struct nodecore;

/* Compares what is on disk with the log and starts the thread. */
KOOP_MUST int applier_start(struct applier **out, struct nodecore *core,
    struct error *err);
void applier_stop(struct applier *applier); /* NULL is fine */

/* The partitions that are this node's now, in order, for /health.  One that
 * went since they were counted is all zero. */
struct applier_state {
	uint32_t partition;
	uint64_t applied;
	bool voting, halted;
	char reason[128]; /* why it halted or waits; "" otherwise */
};
size_t applier_count(struct applier *applier);
void applier_state(struct applier *applier, size_t index,
    struct applier_state *out);

#endif
