/* SPDX-License-Identifier: MIT */
#ifndef KOOP_NODE_PARTITIONRUN_H
#define KOOP_NODE_PARTITIONRUN_H

#include <stdbool.h>
#include <stdint.h>

#include "apply/vote.h"
#include "base/compiler.h"

/*
 * One partition as its applier sees it: how far it is, whether it goes on,
 * and whether it votes.  The applier's thread changes it; others look under
 * the applier's lock.
 */

struct error;
struct nodecore;

struct partitionrun {
	uint32_t partition;
	uint64_t applied;   /* durable */
	uint64_t staged;    /* in the open transaction */
	uint64_t published; /* told to others */
	struct vote vote;
	bool mine;         /* of this node; what follows says nothing else */
	bool voting;       /* told to others */
	bool told;         /* something was told once */
	bool halted;       /* until an operator, or a later program, comes */
	bool halting;      /* halted once the open transaction is durable */
	uint64_t retry_ms; /* not before then (monotonic); 0: goes on */
	bool stuck;        /* stopped within this batch */
	bool out;          /* its log is out of reach, until retry_ms */
	char reason[128];
};

/*
 * From the disk and the log: makes the partition's row from the genesis
 * record if it is new, and compares the last record that was applied with
 * what the log has there.  A log that is shorter or different halts the run,
 * which is no error here.
 */
KOOP_MUST int partitionrun_load(struct partitionrun *run, struct nodecore *core,
    uint32_t partition, struct error *err);

/* None of this node's any more: no reading, no vote. */
void partitionrun_drop(struct partitionrun *run);

/* The comparison alone, before a node votes again: the log that came back may
 * be an older one. */
KOOP_MUST int partitionrun_compare(struct partitionrun *run,
    struct nodecore *core, struct error *err);

bool partitionrun_wants(const struct partitionrun *run,
    uint64_t now_ms); /* to be read? */
bool partitionrun_stopped(
    const struct partitionrun *run); /* no more in this batch */
void partitionrun_staged(struct partitionrun *run, uint64_t applied);
void partitionrun_poison(struct partitionrun *run, uint64_t seq,
    const char *reason);
void partitionrun_disagrees(struct partitionrun *run, const char *reason);
void partitionrun_retry_at(struct partitionrun *run, uint64_t mono_ms,
    const char *reason);
/* The log does not answer for this partition, or not as it should: no vote
 * until its end was read and reached again, after mono_ms. */
void partitionrun_log_lost(struct partitionrun *run, uint64_t mono_ms,
    const char *reason);
/* After the batch: what was staged is durable, or is gone.  True when the
 * run stopped, so that the log has to be read anew. */
bool partitionrun_settle(struct partitionrun *run, bool committed);
/* Its time to try again has come. */
bool partitionrun_revive(struct partitionrun *run, uint64_t now_ms);
/* Work out the vote; true when there is something to tell. */
bool partitionrun_publish(struct partitionrun *run);

#endif
