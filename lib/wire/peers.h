/* SPDX-License-Identifier: MIT */
#ifndef KOOP_WIRE_PEERS_H
#define KOOP_WIRE_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "cluster/topology.h"

/*
 * The machines that a program calls, and how each has been answering.
 * wire/nodecall.h tells it what became of every call; who chooses among
 * machines asks here first.  Advice: a machine that is DOWN is skipped while
 * enough others remain, quorums do not shrink.
 *
 * Machines are known by set, index and address: what was learnt of one that
 * moved is not said of its successor.  At most PEERS_MAX are remembered, the
 * others count as healthy.  Any number of threads; nothing blocks.
 */

#define PEERS_MAX 4096
/* A machine is hedged after its p95, within these. */
#define PEERS_HEDGE_MIN_MS 20
#define PEERS_HEDGE_MAX_MS 500
/* The answer came, but its time says nothing about the machine. */
#define PEERS_UNTIMED UINT64_MAX

struct clock;
struct error;
struct httpc_pool;
struct peers;

struct peers_options {
	struct httpc_pool *pool; /* outlives the peers */
	const char *cluster;     /* copied */
	const struct clock *clock;
};

/* One machine; a value that may outlive its topology. */
struct peer {
	uint32_t set; /* number */
	uint32_t index;
	struct machine machine; /* where it listens */
};

KOOP_MUST int peers_new(struct peers **out, const struct peers_options *options,
    struct error *err);
void peers_free(struct peers *peers); /* NULL is fine */

/* Forget those that the topology has no more, or elsewhere. */
void peers_keep(struct peers *peers, const struct topology *topology);

struct peer peers_machine(const struct erasure_set *set, uint32_t index);

/* False: skip it, if others are enough.  For a machine that is DOWN this is
 * true when a probe is due, and whoever asked is that probe. */
bool peers_usable(struct peers *peers, const struct peer *peer);
void peers_good(struct peers *peers, const struct peer *peer, uint64_t took_ms);
void peers_bad(struct peers *peers, const struct peer *peer);
/* How long to wait for it before another is asked, too. */
uint64_t peers_hedge_ms(struct peers *peers, const struct peer *peer);

struct httpc_pool *peers_pool(const struct peers *peers);
const char *peers_cluster(const struct peers *peers);
const struct clock *peers_clock(const struct peers *peers);
uint64_t peers_now(const struct peers *peers); /* monotonic, ms */

#endif
