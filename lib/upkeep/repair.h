/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UPKEEP_REPAIR_H
#define KOOP_UPKEEP_REPAIR_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"

/*
 * Makes this node whole: one thread takes what is missing from the durable
 * queue, rebuilds it from any data_shards verified shards of the peers (or
 * fetches inline bytes), checks it against the record, and publishes it like
 * an upload.  It works only on partitions where this node has a vote, since a
 * node that is behind would rebuild what others have collected.
 *
 * Few attempts first, then newest; a failure slows it down, up to 10 s
 * between attempts, until one succeeds or there is news.  Memory: one stripe.
 *
 * At start, and when asked, it looks at all rows for files that are gone.
 */

struct error;
struct nodecore;
struct repair;

KOOP_MUST int repair_start(struct repair **out, struct nodecore *core,
    struct error *err);
void repair_stop(struct repair *repair); /* core->stopping is set; NULL ok */
/* There may be something to do. */
void repair_wake(struct nodecore *core);

/*
 * A peer or a reader says that the shard is bad, or it was found missing:
 * look, quarantine it if so, and queue its repair.  One look at a shard at a
 * time, which answers all who ask meanwhile.  ERRC_NOTFOUND: no row refers to
 * the id here; ERRC_RETRY: too many are looked at.  out and err may be NULL.
 */
enum repair_verdict {
	REPAIR_QUEUED,    /* bad or gone */
	REPAIR_GOOD,      /* or good again */
	REPAIR_UPLOADING, /* it is still written, and left alone */
	REPAIR_LOOKING,   /* another caller looks, and queues it if need be */
};
KOOP_MUST int repair_check(struct nodecore *core, uint32_t partition,
    struct reqid id, enum repair_verdict *out, struct error *err);
/* What waits: queue, uploads that may end without their shard, and one for a
 * search that has not ended. */
uint64_t repair_count(struct nodecore *core);

/* What the thread does, by steps: see to uploads that ended, or fell silent,
 * without their shard; take one of the queue. */
enum repair_step {
	REPAIR_STEP_NONE, /* nothing that could be done */
	REPAIR_STEP_DONE,
	REPAIR_STEP_FAILED,
};
void repair_tend(struct nodecore *core);
enum repair_step repair_step(struct nodecore *core);

#endif
