/* SPDX-License-Identifier: MIT */
#ifndef KOOP_NODE_NODESERVER_HEALTH_H
#define KOOP_NODE_NODESERVER_HEALTH_H

#include <stdint.h>

#include "base/compiler.h"

/* What /health and /metrics of a node have in common (nodeserver_admin.c). */

struct commitlog_span;
struct error;
struct nodehealth;
struct nodeserver_call;
struct shardfile_counts;
struct shardmeta_counts;

/* What this node says of itself; the caller calls nodehealth_fini(). */
KOOP_MUST int nodeserver_look(struct nodeserver_call *call,
    struct nodehealth *h, struct error *err);
/* What costs more than a look: rows counted, folders listed. */
KOOP_MUST int nodeserver_counts(struct nodeserver_call *call,
    struct shardmeta_counts *rows, uint64_t *quarantine,
    struct shardfile_counts *files, struct error *err);
/* What the log holds, in one call and without an append: who is asked for
 * health every second must not write to the log.  One for each partition of
 * the applier, in its order; what is not known stays 0. */
void nodeserver_spans(struct nodeserver_call *call,
    struct commitlog_span *spans);

#endif
