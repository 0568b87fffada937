/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_LEVELS_H
#define KOOP_CLIENT_LEVELS_H

#include <stdint.h>

#include "base/compiler.h"

/*
 * The level of a cluster (koop-record(5), "Levels"): what each member knows,
 * and raising what writers may use once all of them know it.  Threads: any.
 */

struct error;
struct nodeclient;
struct peer;

/* One member: knows is 0, with the reason, when it did not answer. */
typedef int levels_member_fn(void *arg, const struct peer *peer, unsigned knows,
    const char *reason);
/* Ask every member of every set, each call of fn in order.  A nonzero return
 * ends it. */
KOOP_MUST int levels_members(struct nodeclient *nc, levels_member_fn *fn,
    void *arg, uint64_t deadline, struct error *err);

/* The lowest level of all partitions: what writers may use everywhere. */
KOOP_MUST int levels_now(struct nodeclient *nc, unsigned *level,
    uint64_t deadline, struct error *err);

/*
 * Append a LevelMessage to each partition, after every member has answered
 * that it knows the level: an old one would halt.  ERRC_MISMATCH: one does
 * not; ERRC_UNAVAILABLE: one does not answer (named in both), or not all
 * partitions took it: the same again is safe.
 */
KOOP_MUST int levels_raise(struct nodeclient *nc, unsigned level,
    uint64_t deadline, struct error *err);
/* An EpochMessage in each partition: records of older epochs are stale. */
KOOP_MUST int levels_raise_epoch(struct nodeclient *nc, uint64_t epoch,
    uint64_t deadline, struct error *err);

#endif
