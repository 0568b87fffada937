/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_NODECLIENT_H
#define KOOP_CLIENT_NODECLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * What a program needs to talk to a cluster, in one place: topology, commit
 * log, connections to the nodes, their health, its own sender id, and (for a
 * gateway) one acknowledgement stream per node.  metaread, blobread,
 * blobwrite, committer and buckets are the operations over it.
 *
 * One struct nodeclient serves all threads of a program.  The topology is
 * followed while it changes.  One that was handed out stays valid until the
 * request that asked is over: until nodeclient_leave() of the hold that it got
 * from nodeclient_enter() before.  A command is one request and needs neither.
 * The mutex in it guards the idle buffers; nothing blocks on the network while
 * it is held.
 */

/* Reads must have their first byte by then; writes their acknowledgement. */
#define NODECLIENT_READ_MS 4000
#define NODECLIENT_WRITE_MS 15000
/* Readers that may fetch large windows at the same time. */
#define NODECLIENT_FAST_READERS 32
#define NODECLIENT_FETCHES 64

struct acks;
struct bucketcache;
struct clientstats;
struct clock;
struct commitlog;
struct error;
struct finisher;
struct nodeclient;
struct peer;
struct peers;
struct placement;
struct positions;
struct random_source;
struct topology;
struct topology_hold;

struct nodeclient_options {
	const char *topology_url;
	const char *commit_log_url;
	const struct clock *clock;    /* NULL: clock_system */
	struct random_source *random; /* NULL: random_system */
	const char *tcp_congestion;   /* NULL: the system's */
	bool ack_streams;             /* a gateway: many commits at once */
	bool per_request;             /* a gateway: every request enters and
	                                 leaves, the topology is followed */
	bool durability_os;           /* as in commit/commitlog.h */
};

KOOP_MUST int nodeclient_open(struct nodeclient **out,
    const struct nodeclient_options *options, struct error *err);
/* Waits for background sends (bounded); no other thread may be inside. */
void nodeclient_close(struct nodeclient *nc);
/* Read the topology again (SIGHUP; per_request only).  On failure the old one
 * stays. */
KOOP_MUST int nodeclient_reload(struct nodeclient *nc, struct error *err);

/* Around a request, and around what outlives it (cluster/topology_view.h). */
struct topology_hold *nodeclient_enter(struct nodeclient *nc);
void nodeclient_leave(struct nodeclient *nc, struct topology_hold *hold);
const struct topology *nodeclient_topology(struct nodeclient *nc);
/* An answer had a higher epoch: wait for it, bounded.  ERRC_UNAVAILABLE. */
KOOP_MUST int nodeclient_reach(struct nodeclient *nc, uint64_t epoch,
    uint64_t deadline, struct error *err);
struct commitlog *nodeclient_log(struct nodeclient *nc);
struct positions *nodeclient_positions(struct nodeclient *nc);
struct peers *nodeclient_peers(struct nodeclient *nc);
const struct clock *nodeclient_clock(const struct nodeclient *nc);
struct random_source *nodeclient_random(struct nodeclient *nc);
const char *nodeclient_cluster(const struct nodeclient *nc);
const char *nodeclient_sender(const struct nodeclient *nc);
struct acks *nodeclient_acks(struct nodeclient *nc); /* NULL: no streams */
struct finisher *nodeclient_finisher(struct nodeclient *nc);
struct bucketcache *nodeclient_buckets(struct nodeclient *nc);
struct clientstats *nodeclient_stats(struct nodeclient *nc);
/* Connections to nodes that are open, idle ones included. */
unsigned nodeclient_connections(struct nodeclient *nc);
uint64_t nodeclient_now(const struct nodeclient *nc); /* monotonic, ms */

/* Machine `index` of the placement's set, to be called (wire/nodecall.h). */
struct peer nodeclient_peer(const struct placement *place, uint32_t index);
/* peers_usable() of it. */
bool nodeclient_usable(struct nodeclient *nc, const struct placement *place,
    uint32_t index);

/*
 * Transfer buffers, kept for reuse, page-aligned; NULL: no memory.  The
 * number of idle bytes kept is bounded.
 */
KOOP_MUST void *nodeclient_buffer_get(struct nodeclient *nc, size_t bytes);
void nodeclient_buffer_put(struct nodeclient *nc, void *p, size_t bytes);

/*
 * A place among those who fetch a window right now: at most
 * NODECLIENT_FETCHES at once, the others wait in line.  When the machine is
 * busy, more at once would be no faster, each would be late, and all would
 * hold memory.  Held for one fetch only, never while a viewer drains.
 */
void nodeclient_fetch_enter(struct nodeclient *nc);
void nodeclient_fetch_leave(struct nodeclient *nc);

/* A token of the large-window mode; false: all are out. */
KOOP_MUST bool nodeclient_fast_take(struct nodeclient *nc);
void nodeclient_fast_give(struct nodeclient *nc);

#endif
