/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UPKEEP_REBUILD_H
#define KOOP_UPKEEP_REBUILD_H

#include <stdint.h>

#include "base/compiler.h"
#include "cluster/placement.h"
#include "store/rows.h"

/*
 * Rebuild one shard, or fetch the bytes of one inline object, from peers, and
 * publish it here.  Nothing is published that does not agree with the record:
 * every cell is checked, and so is the CRC-64 of the whole shard.
 */

struct error;
struct nodecore;

struct rebuild_job {
	struct reqid id;
	uint64_t size;
	struct blob_info info;
	struct bytes bucket, key; /* for the peers' targets */
	struct placement place;   /* with addresses of now */
};

/* ERRC_UNAVAILABLE: too few peers have good shards. */
KOOP_MUST int rebuild_shard(struct nodecore *core,
    const struct rebuild_job *job, struct error *err);
/* The bytes go to out, which has room for job->size. */
KOOP_MUST int rebuild_inline(struct nodecore *core,
    const struct rebuild_job *job, uint8_t *out, struct error *err);

#endif
