/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLUSTER_TOPOLOGY_VIEW_H
#define KOOP_CLUSTER_TOPOLOGY_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "cluster/topology.h"

/*
 * The topology as a running program sees it: what is newest, and what older
 * ones somebody still looks at.
 *
 * Placements borrow the topology, and a request asks for it in many places.
 * So a request does not count each look: it enters once and leaves once, and
 * every topology that it may have seen in between, those that came while it
 * ran included, stays until it has left.  That is all that stays: a program
 * that lives through a thousand changes keeps as many as its oldest request
 * has seen.
 *
 * Threads: any.  The lock guards a short list; nothing blocks under it.
 */

struct error;
struct topology_hold;
struct topology_source;
struct topology_view;

/* With the newest of the source, which must outlive the view. */
KOOP_MUST int topology_view_new(struct topology_view **out,
    struct topology_source *source, struct error *err);
/* Nobody may be inside. */
void topology_view_free(struct topology_view *view);

/* Take the source's newest.  True when it is another than before. */
bool topology_view_adopt(struct topology_view *view);

/* Whoever calls topology_view_newest() is inside. */
struct topology_hold *topology_view_enter(struct topology_view *view);
void topology_view_leave(struct topology_view *view,
    struct topology_hold *hold); /* NULL is fine */
const struct topology *topology_view_newest(struct topology_view *view);

/* How many are kept, the newest included. */
size_t topology_view_kept(struct topology_view *view);

#endif
