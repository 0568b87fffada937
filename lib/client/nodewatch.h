/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_NODEWATCH_H
#define KOOP_CLIENT_NODEWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "cluster/topology.h"
#include "wire/nodehealth.h"

/*
 * How the cluster is, as its nodes say themselves: a thread of a gateway asks
 * all of them every second, on connections of its own.  What is learnt here
 * answers /health and the metrics, and refuses a write whose shards would find
 * no room before its body travels.
 *
 * A disk that fills up, and one that has room again, is a line in the log.
 *
 * It only looks: the health that requests learn (wire/peers.h) is neither read
 * nor changed, so that asking how a node is takes no probe away from it.
 */

#define NODEWATCH_EVERY_MS 1000
#define NODEWATCH_ANSWER_MS 1000

struct buf;
struct error;
struct nodeclient;
struct nodewatch;

struct nodewatch_node {
	unsigned reasons; /* enum nodehealth_reason */
	uint64_t free_bytes;
	uint32_t voting, partitions;
	bool told_full; /* its disk was full when it answered last */
};

struct nodewatch_set {
	struct erasure_set set;
	uint32_t reachable; /* machines that answered */
	/* Of the partition that has the fewest: machines with a vote, and
	 * those of them that apply what is appended now. */
	uint32_t voters, appliers;
	uint32_t roomy; /* machines that take a shard */
	struct nodewatch_node node[TOPOLOGY_MACHINES_MAX];
};

/* nc must outlive it. */
KOOP_MUST int nodewatch_open(struct nodewatch **out, struct nodeclient *nc,
    struct error *err);
void nodewatch_close(struct nodewatch *watch); /* NULL is fine */

/* What the last look saw, a copy to be freed; waits for the first one. */
KOOP_MUST int nodewatch_look(struct nodewatch *watch,
    struct nodewatch_set **sets, size_t *count, struct error *err);
/* ERRC_FULL, with nodes and free bytes, when the disks of so many machines of
 * the set are full that no blob can be written. */
KOOP_MUST int nodewatch_room(struct nodewatch *watch, uint32_t set,
    struct error *err);

/* Pure: what reads and writes of this set will meet. */
enum nodehealth_word nodewatch_judge(const struct nodewatch_set *set);
/* The worst of them. */
enum nodehealth_word nodewatch_worst(const struct nodewatch_set *sets,
    size_t count);

#endif
