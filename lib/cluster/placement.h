/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLUSTER_PLACEMENT_H
#define KOOP_CLUSTER_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "cluster/topology.h"

/*
 * Bucket and key -> partition -> erasure set -> machines; pure.
 *
 *      index     = crc32("bucket/key") mod partitions   (zlib's CRC-32)
 *      partition = the index'th of the sorted partition numbers
 *      machine   = (shard + partition) mod n
 *
 * A placement borrows the topology: it lives as long as the snapshot.
 */

struct error;

struct placement {
	uint32_t partition; /* its number */
	const struct erasure_set *set;
	size_t set_index; /* in topology->sets */
};

/* Of an object. */
struct placement placement_of(const struct topology *topology,
    struct bytes bucket, struct bytes key);
/* Of a bucket: its home partition. */
struct placement placement_home(const struct topology *topology,
    struct bytes bucket);
/* Of a partition by number.  ERRC_NOTFOUND: the topology has no such one. */
KOOP_MUST int placement_partition(const struct topology *topology,
    uint32_t partition, struct placement *out, struct error *err);

/* Which machine holds a shard, and which shard a machine holds. */
uint32_t placement_machine(const struct placement *placement, uint32_t shard);
uint32_t placement_shard(const struct placement *placement, uint32_t machine);

/*
 * Does this machine keep the bytes of inline objects: is it
 * (partition + i) mod n for an i in 0 .. n - m?  Of any m machines one does.
 */
bool placement_inline_holder(const struct placement *placement,
    uint32_t machine);
uint32_t placement_inline_holders(const struct placement *placement); /* bits */

#endif
