/* SPDX-License-Identifier: MIT */

/*
 * A topology from outside: whatever parses is within its limits, and is
 * printed so that it parses again and prints the same.
 */

#include <assert.h>

#include "base/buf.h"
#include "cluster/placement.h"
#include "cluster/quorum.h"
#include "cluster/topology.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct topology *topology = NULL;
	struct topology *again = NULL;
	struct buf one = buf_make(TOPOLOGY_BYTES_MAX);
	struct buf two = buf_make(TOPOLOGY_BYTES_MAX);
	struct buf warnings = buf_make(TOPOLOGY_BYTES_MAX);
	struct placement placement;

	if (topology_parse(&topology, bytes_of(data, size), NULL) < 0)
		return 0;
	for (size_t i = 0; i < topology->set_count; i++) {
		const struct erasure_set *set = &topology->sets[i];

		assert(set->n <= TOPOLOGY_MACHINES_MAX);
		assert(
		    quorum_valid(set->n, set->data_shards, set->write_quorum));
	}
	placement = placement_of(topology, bytes_of(data, size / 2),
	    bytes_of(data + size / 2, size - size / 2));
	assert(
	    placement_shard(&placement, placement_machine(&placement, 0)) == 0);
	topology_warnings(topology, &warnings);
	topology_print(topology, &one);
	if (topology_parse(&again, buf_bytes(&one), NULL) < 0)
		assert(false);
	topology_print(again, &two);
	assert(bytes_equal(buf_bytes(&one), buf_bytes(&two)));
	topology_free(topology);
	topology_free(again);
	buf_fini(&one);
	buf_fini(&two);
	buf_fini(&warnings);
	return 0;
}
