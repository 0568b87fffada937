/* SPDX-License-Identifier: MIT */
#include "cluster/placement.h"

#include <assert.h>

#include "base/error.h"
#include "codec/crc.h"

static struct placement
placement_at(const struct topology *topology, size_t index)
{
	struct placement placement;

	assert(index < topology->partition_count);
	placement.partition = topology->partitions[index];
	placement.set_index = topology->partition_set[index];
	assert(placement.set_index < topology->set_count);
	placement.set = &topology->sets[placement.set_index];
	return placement;
}

struct placement
placement_of(const struct topology *topology, struct bytes bucket,
    struct bytes key)
{
	uint32_t crc = crc32_zlib(0, bucket.p, bucket.n);

	assert(topology->partition_count > 0);
	crc = crc32_zlib(crc, "/", 1);
	crc = crc32_zlib(crc, key.p, key.n);
	return placement_at(topology, crc % topology->partition_count);
}

struct placement
placement_home(const struct topology *topology, struct bytes bucket)
{
	uint32_t crc = crc32_zlib(0, bucket.p, bucket.n);

	assert(topology->partition_count > 0);
	return placement_at(topology, crc % topology->partition_count);
}

int
placement_partition(const struct topology *topology, uint32_t partition,
    struct placement *out, struct error *err)
{
	size_t index = topology_search(topology->partitions,
	    topology->partition_count, partition);

	if (index == SIZE_MAX)
		return error_set(err, ERRC_NOTFOUND,
		    "partition %u: not in the topology", partition);
	*out = placement_at(topology, index);
	return 0;
}

uint32_t
placement_machine(const struct placement *placement, uint32_t shard)
{
	uint64_t n = placement->set->n;
	uint32_t machine;

	assert(shard < n);
	machine = (uint32_t)(((uint64_t)shard + placement->partition) % n);
	assert(placement_shard(placement, machine) == shard);
	return machine;
}

uint32_t
placement_shard(const struct placement *placement, uint32_t machine)
{
	uint32_t n = placement->set->n;

	assert(machine < n);
	return (machine + n - placement->partition % n) % n;
}

/* The machine of shard j is (partition + j) mod n, so i is the shard. */
bool
placement_inline_holder(const struct placement *placement, uint32_t machine)
{
	const struct erasure_set *set = placement->set;

	assert(set->data_shards >= 1 && set->data_shards < set->n);
	return placement_shard(placement, machine) <= set->n - set->data_shards;
}

uint32_t
placement_inline_holders(const struct placement *placement)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < placement->set->n; i++)
		mask |= (uint32_t)placement_inline_holder(placement, i) << i;
	/* Of any m machines one keeps them. */
	assert((uint32_t)__builtin_popcount(mask) ==
	    placement->set->n - placement->set->data_shards + 1);
	return mask;
}
