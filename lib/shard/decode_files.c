/* SPDX-License-Identifier: MIT */

/*
 * Each stripe is put together from any good cells, data shards first.  A
 * cell's header, bound to the request id, says what it is, so a file with a
 * damaged BEGIN still serves.
 */

#include "shard/decode.h"

#include <assert.h>

#include "base/error.h"
#include "shard/decode_gather.h"
#include "shard/shardtally.h"

/* As many good cells of a stripe as are needed, if there are. */
static uint32_t
gather_stripe(struct gather *g, struct decode_run *run, uint64_t stripe,
    uint32_t cell_bytes)
{
	const uint32_t k = g->begin.geometry.data_shards;
	uint32_t have = 0;

	decode_run_layout(run, cell_bytes);
	for (size_t i = 0;
	     i < g->count && (uint32_t)__builtin_popcount(have) < k; i++) {
		struct source *s = &g->source[i];

		if (!s->usable ||
		    (s->shard < STRIPE_SHARDS_MAX &&
			(have >> s->shard & 1) != 0) ||
		    gather_cell(s, run, stripe, cell_bytes, &have))
			continue;
		if (s->bad++ == 0)
			decode_warn(g->options, "%s: stripe %llu: bad cell",
			    s->path, (unsigned long long)stripe);
	}
	assert((uint32_t)__builtin_popcount(have) <= k);
	return have;
}

static int
gather_all(struct gather *g, struct decode_run *run, struct error *err)
{
	const uint64_t stripes = g->totals.stripes;
	uint32_t have = 0, cell = 0;

	for (uint64_t stripe = 0; stripe < stripes; stripe++) {
		cell = stripe_cell_bytes(&g->begin.geometry, g->totals.size,
		    stripe);
		have = gather_stripe(g, run, stripe, cell);
		if (stripe + 1 < stripes) {
			int rc = decode_run_stripe(run, stripe, cell, have,
			    err);

			if (rc < 0)
				return rc;
		}
	}
	assert((stripes == 0) == (cell == 0));
	return decode_run_last(run, cell, have, &g->totals, err);
}

static void
tell_bad(const struct gather *g)
{
	for (size_t i = 0; i < g->count; i++) {
		const struct source *s = &g->source[i];

		assert(s->bad <= g->totals.stripes);
		if (s->bad > 0)
			decode_warn(g->options, "%s: %llu bad cell%s", s->path,
			    (unsigned long long)s->bad, s->bad == 1 ? "" : "s");
	}
}

/* What is not whole as far as was seen.  Of shards that were not needed only
 * the ends were read: decode_check() reads all. */
static void
tell_losses(const struct gather *g)
{
	const struct geometry *geometry = &g->begin.geometry;
	uint32_t whole = 0, flawed = 0;
	char text[SHARDTALLY_TEXT];

	for (size_t i = 0; i < g->count; i++) {
		const struct source *s = &g->source[i];

		if (!s->usable || s->shard >= geometry_shards(geometry))
			continue;
		if (s->state == SOURCE_WHOLE && s->bad == 0)
			whole |= UINT32_C(1) << s->shard;
		else
			flawed |= UINT32_C(1) << s->shard;
	}
	if (shardtally_text(text, geometry, whole, flawed & ~whole,
		(uint32_t)__builtin_popcount(whole)))
		decode_warn(g->options, "%s", text);
}

static int
decode_gathered(struct gather *g, int out, struct error *err)
{
	struct decode_run run;
	int rc = decode_run_init(&run, &g->begin, out, g->options, err);

	assert(g->begin.parts == 1);
	if (rc < 0)
		return rc;
	rc = gather_all(g, &run, err);
	decode_run_fini(&run);
	tell_bad(g);
	if (rc == 0)
		tell_losses(g);
	return rc;
}

int
decode_files(char *const path[], size_t count, int out,
    const struct decode_options *options, struct error *err)
{
	struct gather g;
	int rc = gather_open(&g, path, count, options, err);

	if (rc == 0 && gather_is_stream(&g)) {
		rc = decode_stream(g.source[0].fd, out, options, err);
	} else if (rc == 0) {
		rc = gather_prepare(&g, err);
		if (rc == 0)
			rc = decode_gathered(&g, out, err);
	}
	gather_close(&g);
	return rc;
}
