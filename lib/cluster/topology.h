/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLUSTER_TOPOLOGY_H
#define KOOP_CLUSTER_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "http/address.h"

/*
 * Which machines there are, in which erasure sets, and which set each
 * partition belongs to: a value, parsed from and printed as the JSON of
 * koop-topology(5).  How it arrives and changes is topology_source.h.
 *
 * A struct topology that came out of topology_parse() or topology_make() has
 * been checked and is not changed afterwards, so threads may share it.
 */

#define TOPOLOGY_MACHINES_MAX 32 /* in a set */
#define TOPOLOGY_SETS_MAX 1024
#define TOPOLOGY_PARTITIONS_MAX 4096
#define TOPOLOGY_NUMBER_MAX 0x7fffffff /* of a set, of a partition */
#define TOPOLOGY_BYTES_MAX (4u << 20)  /* of JSON */
#define TOPOLOGY_DEPTH_MAX 32

struct buf;
struct error;

struct machine {
	char ip[ADDRESS_IP_BYTES]; /* as inet_ntop(3) writes it */
	uint16_t port;
};

struct erasure_set {
	uint32_t number;
	uint32_t n; /* machines, = shards of a blob */
	uint32_t data_shards;
	uint32_t write_quorum;
	struct machine machine[TOPOLOGY_MACHINES_MAX];
};

struct topology {
	uint64_t epoch;
	struct erasure_set *sets; /* as in the file */
	size_t set_count;
	uint32_t *partitions;    /* sorted numbers */
	uint32_t *partition_set; /* index into sets, in the same order */
	size_t partition_count;
};

struct topology_options {
	uint32_t nodes; /* a multiple of data + parity */
	uint32_t data_shards, parity_shards;
	uint32_t write_quorum; /* 0: quorum_default_write() */
	uint32_t partitions;
	uint16_t node_port; /* of the first machine; the next has one more */
	const char *host;   /* an IP address */
	uint64_t epoch;     /* 0 means 1 */
};

/* ERRC_CONFIG, with the reason, when it is not a topology that protocol.md 2
 * allows; ERRC_NOMEM. */
KOOP_MUST int topology_parse(struct topology **out, struct bytes text,
    struct error *err);
/* ERRC_USAGE when the options do not make a valid one. */
KOOP_MUST int topology_make(struct topology **out,
    const struct topology_options *options, struct error *err);
void topology_free(struct topology *topology);

/* The JSON, one machine a line, that topology_parse() reads back. */
void topology_print(const struct topology *topology, struct buf *out);
/* What is allowed but unwise, a line each; returns how many. */
size_t topology_warnings(const struct topology *topology, struct buf *out);

/* NULL when there is no such set. */
const struct erasure_set *topology_set(const struct topology *topology,
    uint32_t number);
/* The first set that has the machine, and its index there.  False: none. */
bool topology_find_machine(const struct topology *topology, const char *ip,
    uint16_t port, const struct erasure_set **set, uint32_t *index);

/* Where a partition is among sorted numbers; SIZE_MAX: not there. */
size_t topology_search(const uint32_t *sorted, size_t count,
    uint32_t partition);

/* "1.2.3.4:8001" or "[::1]:8001" into out. */
void machine_address(char out[static ADDRESS_BYTES],
    const struct machine *machine);

#endif
