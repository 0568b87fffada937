/* SPDX-License-Identifier: MIT */
#ifndef KOOP_MEMBER_IDSTATE_H
#define KOOP_MEMBER_IDSTATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"

/*
 * What became of a request id in a partition, as this node knows it now: is
 * it decided, and does a row refer to it?  Who may delete a shard, and who
 * must refuse one, asks here.
 */

struct error;
struct metaquery;

/* An id that is not decided is neither dead nor live; one too old to be
 * decided any more is dead. */
struct idstate {
	bool decided, live, dead;
	uint64_t seq; /* of what decided it; dead: at or above what killed it */
};

KOOP_MUST int idstate_read(struct metaquery *read, uint32_t partition,
    struct reqid id, struct idstate *out, struct error *err);

#endif
