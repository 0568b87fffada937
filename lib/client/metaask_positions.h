/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_METAASK_POSITIONS_H
#define KOOP_CLIENT_METAASK_POSITIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * Positions over a log that shares none: streams tell them, and who has no
 * stream, or cannot wait for it, asks the machines of a set where they are
 * (GET /applied).
 */

struct error;
struct nodeclient;
struct nodeline_at;
struct placement;

/*
 * Where a list of that set is to be read: for each partition the highest that
 * n - w + 1 voting machines have applied, asked now.  One of them is in every
 * write quorum, so that every write acknowledged before is in it (protocol.md
 * 7.5).  Fills in the seqs of at.  ERRC_UNAVAILABLE.
 */
KOOP_MUST int metaask_read_positions(struct nodeclient *nc,
    const struct placement *place, struct nodeline_at *at, size_t count,
    uint64_t deadline, struct error *err);

/* Wait until c machines of the set are known to have applied each of these;
 * known, when not NULL, is what the caller knows of the machines, for one
 * position.  ERRC_UNAVAILABLE. */
KOOP_MUST int metaask_hold_all(struct nodeclient *nc,
    const struct placement *place, const struct nodeline_at *at, size_t count,
    uint64_t *known, uint64_t deadline, struct error *err);

#endif
