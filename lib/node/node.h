/* SPDX-License-Identifier: MIT */
#ifndef KOOP_NODE_NODE_H
#define KOOP_NODE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "cluster/topology.h"
#include "http/address.h"
#include "store/superblock.h"

/*
 * A storage node: opens topology, log and data directory, and runs the
 * applier, repair, the collector and the server.  What koop-node is, without
 * its command line.  One struct node is used by one thread.
 */

struct buf;
struct clock;
struct error;
struct node;

struct node_options {
	const char *topology_url;
	const char *commit_log_url;
	const char *data_dir;
	/* Where to listen; without an ip, as the topology says of set_number
	 * and index. */
	struct machine listen;
	bool has_place; /* set_number and index are given */
	uint32_t set_number, index;
	enum superblock_mode mode;
	bool durability_os;
	const char *tcp_congestion; /* NULL: the system's */
	unsigned max_connections;   /* 0: as nodeserver.h says */
	uint64_t body_timeout_ms;   /* 0: that, too */
	uint64_t upload_timeout_ms, orphan_age_ms, orphan_step_ms;
	uint64_t gc_grace_ms;
	uint64_t reserve; /* bytes kept for records; 0: as room.h says */
	const struct clock *clock; /* NULL: clock_system */
};

/* Open and check everything; nothing is served, no thread runs. */
KOOP_MUST int node_open(struct node **out, const struct node_options *options,
    struct error *err);
/* Catch up and serve. */
KOOP_MUST int node_start(struct node *node, struct error *err);
/* "127.0.0.1:41233" */
void node_address(const struct node *node, char out[static ADDRESS_BYTES]);
/* Read the topology again. */
KOOP_MUST int node_reload(struct node *node, struct error *err);
/* One line for people. */
void node_status(struct node *node, struct buf *out);
/* Drains, stops and frees; NULL is fine. */
void node_close(struct node *node);

#endif
