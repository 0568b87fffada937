/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_BLOBPLAN_H
#define KOOP_CLIENT_BLOBPLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "codec/stripe.h"

/*
 * Which cells a window of a blob needs, and whom to ask next; pure.
 *
 * A stripe is complete when the data cells that the range touches are good,
 * or any data_shards of its cells are.  blobplan_next() names fetches (one
 * shard, consecutive stripes) until every stripe would be complete if all
 * that are under way came, late ones not counted; so it is called at the
 * start and after each failure, bad cell or late shard, and hedging and
 * rebuilding need no rules of their own.
 */

#define BLOBPLAN_STRIPES_MAX 32

struct blobplan {
	struct geometry geometry;
	uint64_t size;           /* of the blob */
	uint64_t offset, length; /* of the window, in the blob */
	uint64_t first;          /* stripe */
	uint32_t stripes;
	/* By stripe of the window; bit j is shard j. */
	uint32_t want[BLOBPLAN_STRIPES_MAX];    /* data cells touched */
	uint32_t good[BLOBPLAN_STRIPES_MAX];    /* verified */
	uint32_t pending[BLOBPLAN_STRIPES_MAX]; /* asked for */
	uint32_t tried[BLOBPLAN_STRIPES_MAX];   /* asked for, ever */
};

struct blobplan_fetch {
	uint32_t shard;
	uint32_t first; /* in the window */
	uint32_t count;
};

/* The range must lie in the blob and in BLOBPLAN_STRIPES_MAX stripes. */
void blobplan_init(struct blobplan *plan, const struct geometry *g,
    uint64_t size, uint64_t offset, uint64_t length);

/* Another fetch that is needed; it is pending afterwards.  usable: shards
 * whose nodes answer, as far as is known; late: shards not to count on. */
KOOP_MUST bool blobplan_next(struct blobplan *plan, uint32_t usable,
    uint32_t late, struct blobplan_fetch *out);

/* A verified cell; a bad one; and the end of a fetch without the rest. */
void blobplan_good(struct blobplan *plan, uint32_t shard, uint32_t stripe);
void blobplan_bad(struct blobplan *plan, uint32_t shard, uint32_t stripe);
void blobplan_failed(struct blobplan *plan, const struct blobplan_fetch *fetch);

bool blobplan_stripe_complete(const struct blobplan *plan, uint32_t stripe);
bool blobplan_complete(const struct blobplan *plan);
/* The first stripe that is not, for the message; and its good cells. */
uint64_t blobplan_lacking(const struct blobplan *plan, uint32_t *good);

#endif
