/* SPDX-License-Identifier: MIT */
#ifndef KOOP_MEMBER_PENDING_H
#define KOOP_MEMBER_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "store/shardmeta.h"

/*
 * Shards whose record was applied while their upload was still open here:
 * usually the upload ends well a moment later and nothing needs repair, so
 * these wait in memory instead of in the durable queue.  When the upload ends
 * without the shard, or goes silent, they are queued.  A crash loses them;
 * the search for missing shards at start finds what matters.
 */

#define PENDING_MAX 4096

struct error;
struct pending;

KOOP_MUST int pending_new(struct pending **out, struct error *err);
void pending_free(struct pending *pending);
/* False when there is no room or no memory: then queue it at once. */
KOOP_MUST bool pending_add(struct pending *pending,
    const struct repair_row *row);
size_t pending_count(struct pending *pending);
/*
 * Take out one for which fn says so.  Its strings live until
 * pending_release().  NULL: none.
 */
struct pending_item;
typedef bool pending_ready_fn(void *arg, const struct repair_row *row);
struct pending_item *pending_take(struct pending *pending, pending_ready_fn *fn,
    void *arg);
const struct repair_row *pending_row(const struct pending_item *item);
void pending_release(struct pending_item *item);

#endif
