/* SPDX-License-Identifier: MIT */
#include "client/blobplan.h"

#include <assert.h>
#include <string.h>

static uint32_t
low_bits(uint32_t count)
{
	return count >= 32 ? UINT32_MAX : (1u << count) - 1;
}

static uint32_t
count_bits(uint32_t mask)
{
	return (uint32_t)__builtin_popcount(mask);
}

void
blobplan_init(struct blobplan *plan, const struct geometry *g, uint64_t size,
    uint64_t offset, uint64_t length)
{
	struct stripe_place from = stripe_place(g, size, offset);
	struct stripe_place to = stripe_place(g, size, offset + length - 1);

	assert(length > 0);
	assert(length <= size && offset <= size - length);
	assert(to.stripe - from.stripe < BLOBPLAN_STRIPES_MAX);
	memset(plan, 0, sizeof(*plan));
	plan->geometry = *g;
	plan->size = size;
	plan->offset = offset;
	plan->length = length;
	plan->first = from.stripe;
	plan->stripes = (uint32_t)(to.stripe - from.stripe) + 1;
	for (uint32_t i = 0; i < plan->stripes; i++) {
		uint32_t want = low_bits(g->data_shards);

		if (i == 0)
			want &= ~low_bits(from.shard);
		if (i == plan->stripes - 1)
			want &= low_bits(to.shard + 1);
		plan->want[i] = want;
	}
}

bool
blobplan_stripe_complete(const struct blobplan *plan, uint32_t stripe)
{
	uint32_t good;

	assert(stripe < plan->stripes);
	good = plan->good[stripe];
	return (plan->want[stripe] & ~good) == 0 ||
	    count_bits(good) >= plan->geometry.data_shards;
}

bool
blobplan_complete(const struct blobplan *plan)
{
	for (uint32_t i = 0; i < plan->stripes; i++) {
		if (!blobplan_stripe_complete(plan, i))
			return false;
	}
	return true;
}

uint64_t
blobplan_lacking(const struct blobplan *plan, uint32_t *good)
{
	uint32_t i = 0;

	assert(plan->stripes > 0);
	while (i < plan->stripes - 1 && blobplan_stripe_complete(plan, i))
		i++;
	*good = count_bits(plan->good[i]);
	return plan->first + i;
}

/* Would the stripe be complete with what is under way?  Otherwise the shards
 * that may still be asked for it, 0 if there are none. */
static bool
is_covered(const struct blobplan *plan, uint32_t i, uint32_t late,
    uint32_t *untried)
{
	uint32_t coming = plan->good[i] | (plan->pending[i] & ~late);
	uint32_t all = low_bits(geometry_shards(&plan->geometry));

	assert(i < plan->stripes && (plan->good[i] & ~all) == 0);
	*untried = all & ~plan->tried[i] & ~plan->good[i];
	return (plan->want[i] & ~coming) == 0 ||
	    count_bits(coming) >= plan->geometry.data_shards;
}

static uint32_t
blobplan_lowest(uint32_t mask)
{
	assert(mask != 0);
	return (uint32_t)__builtin_ctz(mask);
}

/* Wanted data first (no decoding), then other data, then parity; those of
 * nodes in trouble last. */
static uint32_t
best_shard(const struct blobplan *plan, uint32_t i, uint32_t untried,
    uint32_t usable)
{
	uint32_t data = low_bits(plan->geometry.data_shards);
	uint32_t good = untried & usable;

	if ((good & plan->want[i]) != 0)
		return blobplan_lowest(good & plan->want[i]);
	if ((good & data) != 0)
		return blobplan_lowest(good & data);
	if (good != 0)
		return blobplan_lowest(good);
	if ((untried & plan->want[i]) != 0)
		return blobplan_lowest(untried & plan->want[i]);
	return blobplan_lowest(untried);
}

bool
blobplan_next(struct blobplan *plan, uint32_t usable, uint32_t late,
    struct blobplan_fetch *out)
{
	uint32_t untried = 0;
	uint32_t i = 0;
	uint32_t bit;

	while (i < plan->stripes &&
	    (is_covered(plan, i, late, &untried) || untried == 0))
		i++;
	if (i == plan->stripes)
		return false;
	out->shard = best_shard(plan, i, untried, usable);
	out->first = i;
	out->count = 0;
	bit = 1u << out->shard;
	/* The stripes after it that lack something take it along. */
	while (i < plan->stripes && !is_covered(plan, i, late, &untried) &&
	    (untried & bit) != 0) {
		/* At the edges of a range: not yet, if others are wanted. */
		if (i > out->first && (plan->want[i] & bit) == 0 &&
		    (plan->want[i] & untried & usable) != 0)
			break;
		plan->pending[i] |= bit;
		plan->tried[i] |= bit;
		out->count++;
		i++;
	}
	assert(out->count > 0);
	assert(out->first + out->count <= plan->stripes);
	return true;
}

void
blobplan_good(struct blobplan *plan, uint32_t shard, uint32_t stripe)
{
	assert(stripe < plan->stripes);
	assert(shard < geometry_shards(&plan->geometry));
	plan->good[stripe] |= 1u << shard;
	plan->pending[stripe] &= ~(1u << shard);
}

void
blobplan_bad(struct blobplan *plan, uint32_t shard, uint32_t stripe)
{
	assert(stripe < plan->stripes);
	assert((plan->good[stripe] >> shard & 1) == 0);
	plan->pending[stripe] &= ~(1u << shard);
}

void
blobplan_failed(struct blobplan *plan, const struct blobplan_fetch *fetch)
{
	assert(fetch->first + fetch->count <= plan->stripes);
	for (uint32_t i = 0; i < fetch->count; i++)
		plan->pending[fetch->first + i] &= ~(1u << fetch->shard);
}
