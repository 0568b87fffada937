/* SPDX-License-Identifier: MIT */
#ifndef KOOP_NODE_LISTENER_H
#define KOOP_NODE_LISTENER_H

#include "base/compiler.h"

/*
 * Hears from the other machines of the set how far they have applied, where
 * the log shares no positions: without it nothing would ever be stable here,
 * and garbage stay for ever.  One thread, a question a second to each
 * (GET /applied): what they tell is for the collector, which has hours.
 */

struct error;
struct listener;
struct nodecore;

/* *out stays NULL where positions are shared. */
KOOP_MUST int listener_start(struct listener **out, struct nodecore *core,
    struct error *err);
void listener_stop(struct listener *listener); /* NULL is fine */
/* One round, as the thread does it. */
void listener_round(struct nodecore *core);

#endif
