/* SPDX-License-Identifier: MIT */
#ifndef KOOP_MEMBER_INVENTORY_H
#define KOOP_MEMBER_INVENTORY_H

#include <stdbool.h>

#include "base/compiler.h"

/*
 * Does this node hold what it must of a blob that a row refers to?  If not,
 * its repair is queued, durably, within the write transaction that is open.
 * Called for each record that is applied, and for each row when the node
 * starts.  A look at a shard's file within that transaction is the price of
 * knowing, with the record, what is missing: one open and one small read.
 */

struct apply_blob;
struct error;
struct garbage_row;
struct nodecore;

/* Keeps the inline bytes that come along. */
KOOP_MUST int inventory_take(struct nodecore *core,
    const struct apply_blob *blob, struct error *err);
/* Look only: true when something is missing that should be queued. */
bool inventory_lacks(struct nodecore *core, const struct apply_blob *blob);
/* Queue what is missing. */
KOOP_MUST int inventory_queue(struct nodecore *core,
    const struct apply_blob *blob, struct error *err);

/* No row refers to it any more: it is garbage from now on. */
KOOP_MUST int inventory_drop(struct nodecore *core,
    const struct garbage_row *row, struct error *err);

#endif
