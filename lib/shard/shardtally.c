/* SPDX-License-Identifier: MIT */
#include "shard/shardtally.h"

#include <assert.h>
#include <stdio.h>

#include "base/error.h"

bool
shardtally_text(char out[static SHARDTALLY_TEXT], const struct geometry *g,
    uint32_t whole, uint32_t flawed, uint32_t least)
{
	uint32_t n = geometry_shards(g);
	uint32_t damaged = (uint32_t)__builtin_popcount(flawed);
	uint32_t gone = n - damaged - (uint32_t)__builtin_popcount(whole);
	uint32_t spare = least > g->data_shards ? least - g->data_shards : 0;
	char first[64] = "", more[32] = "no more";

	assert((whole & flawed) == 0);
	assert(gone <= n && least <= n);
	if (gone + damaged == 0)
		return false;
	if (gone > 0)
		snprintf(first, sizeof(first), "%u of %u shards %s gone", gone,
		    n, gone == 1 ? "is" : "are");
	if (spare > 0)
		snprintf(more, sizeof(more), "%u more", spare);
	if (damaged == 0)
		snprintf(out, SHARDTALLY_TEXT, "%s: %s may go", first, more);
	else if (gone == 0)
		snprintf(out, SHARDTALLY_TEXT,
		    "%u of %u shards %s damaged: %s may go", damaged, n,
		    damaged == 1 ? "is" : "are", more);
	else
		snprintf(out, SHARDTALLY_TEXT,
		    "%s and %u %s damaged: %s may go", first, damaged,
		    damaged == 1 ? "is" : "are", more);
	return true;
}

void
shardtally_init(struct shardtally *t, const struct geometry *g)
{
	*t = (struct shardtally){ .geometry = *g, .least = geometry_shards(g) };
}

void
shardtally_stripe(struct shardtally *t, uint64_t stripe, uint32_t have)
{
	uint32_t good = (uint32_t)__builtin_popcount(have);

	assert(good <= geometry_shards(&t->geometry));
	t->stripes++;
	for (uint32_t j = 0; j < STRIPE_SHARDS_MAX; j++)
		t->good[j] += have >> j & 1;
	if (good >= t->least)
		return;
	t->least = good;
	t->worst = stripe;
}

uint32_t
shardtally_whole(const struct shardtally *t)
{
	uint32_t whole = 0;

	for (uint32_t j = 0; j < geometry_shards(&t->geometry); j++)
		if (t->stripes > 0 && t->good[j] == t->stripes)
			whole |= UINT32_C(1) << j;
	return whole;
}

uint32_t
shardtally_some(const struct shardtally *t)
{
	uint32_t some = 0;

	for (uint32_t j = 0; j < geometry_shards(&t->geometry); j++)
		if (t->good[j] > 0)
			some |= UINT32_C(1) << j;
	assert((shardtally_whole(t) & ~some) == 0);
	return some;
}

int
shardtally_judge(const struct shardtally *t, uint32_t whole, uint32_t flawed,
    struct error *err)
{
	char text[SHARDTALLY_TEXT];

	if (t->least < t->geometry.data_shards)
		return error_set(err, ERRC_CORRUPT,
		    "stripe %llu: %u of %u cells are good, %u are needed",
		    (unsigned long long)t->worst, t->least,
		    geometry_shards(&t->geometry), t->geometry.data_shards);
	if (shardtally_text(text, &t->geometry, whole, flawed, t->least))
		return error_set(err, ERRC_MISMATCH, "%s", text);
	return 0;
}
