/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_NODENOTICE_H
#define KOOP_CLIENT_NODENOTICE_H

#include <stdint.h>

#include "base/random.h"

/*
 * Small requests that nobody waits for, sent by the finisher: best effort,
 * dropped when it is full.
 */

struct nodeclient;
struct placement;

/* Tell a node that its shard was found bad; it checks and repairs. */
void nodenotice_repair(struct nodeclient *nc, const struct placement *place,
    struct reqid id, uint32_t shard);
/* Renew the reader's pin on all machines of the set. */
void nodenotice_lease(struct nodeclient *nc, const struct placement *place,
    struct reqid id);

#endif
