/* SPDX-License-Identifier: MIT */
#ifndef KOOP_NODE_NODESERVER_H
#define KOOP_NODE_NODESERVER_H

#include <stdint.h>

#include "base/compiler.h"

/*
 * The shard API of a node over HTTP (protocol.md 4): who is spoken to, which
 * request it is, and the answer.  The parts are nodeserver_shard.c (shards),
 * nodeserver_meta.c (rows), nodeserver_page.c (lists), nodeserver_applied.c
 * (positions and outcomes) and nodeserver_admin.c (the rest).
 */

struct applier;
struct error;
struct nodecore;
struct nodeserver;

struct nodeserver_options {
	const char *ip;
	uint16_t port; /* 0: a free one */
	unsigned max_connections;
	const char *tcp_congestion;
	/* A shard's body may be silent so long; 0: as long as a gateway needs
	 * to fill the largest stripe at NODESERVER_CLIENT_RATE. */
	uint64_t body_timeout_ms;
};

/* What koop-gw promises the slowest of its clients, bytes a second. */
#define NODESERVER_CLIENT_RATE 1024

KOOP_MUST int nodeserver_start(struct nodeserver **out, struct nodecore *core,
    struct applier *applier, const struct nodeserver_options *options,
    struct error *err);
uint16_t nodeserver_port(const struct nodeserver *server);
unsigned nodeserver_connections(struct nodeserver *server);
/* Drains.  NULL is fine. */
void nodeserver_stop(struct nodeserver *server);

#endif
