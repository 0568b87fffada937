/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UPKEEP_GC_H
#define KOOP_UPKEEP_GC_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"

/*
 * The collector: one thread that deletes what nothing needs any more, only
 * under the rules of protocol.md 8.
 *
 *   garbage     an ABORT with outcome aborted that is stable; or bytes that
 *               were superseded by a stable record, and an hour (--gc-grace)
 *               of CLOCK_BOOTTIME after their last read or lease; on a disk
 *               that is nearly full, what a lease needs: gc_grace_ms()
 *   tombstones  once stable
 *   orphans     uploads without a record: aborted through the log, a day
 *               (--orphan-age) after they were last heard of, by a node with
 *               a vote, the node of shard j j steps later than that of shard 0
 *
 * A shard that nothing here can name is counted, never deleted.
 */

struct error;
struct gc;
struct nodecore;
struct idstate;

KOOP_MUST int gc_start(struct gc **out, struct nodecore *core,
    struct error *err);
void gc_stop(struct gc *gc); /* core->stopping is set; NULL is fine */

/* The grace now: --gc-grace, and not more than the time between two renewals
 * of a reader's pin (and a minute) while the disk is nearly full. */
uint64_t gc_grace_ms(const struct nodecore *core);

/* A shard of a dead id has arrived: see that it is collected. */
void gc_dead_shard(struct nodecore *core, uint32_t partition, struct reqid id,
    const struct idstate *state);
/* Delete at once what the rules allow; ERRC_MISMATCH with the reason when
 * they do not, ERRC_NOTFOUND when it is no garbage. */
KOOP_MUST int gc_delete(struct nodecore *core, uint32_t partition,
    struct reqid id, struct error *err);

/* One round over the garbage and the tombstones. */
void gc_collect(struct nodecore *core);
/* gc_orphans.c: one round over the uploads, and over the files. */
KOOP_MUST int gc_orphans(struct nodecore *core, struct error *err);
KOOP_MUST int gc_strangers(struct nodecore *core, struct error *err);

#endif
