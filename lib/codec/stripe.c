/* SPDX-License-Identifier: MIT */

#include "codec/stripe.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"

_Static_assert(STRIPE_SIZE_MAX / STRIPE_CELL_MIN <=
	UINT64_MAX / (STRIPE_HEADER_BYTES + STRIPE_CELL_MAX),
    "offsets in a shard file fit 64 bits");

int
geometry_check(const struct geometry *g, struct error *err)
{
	if (g->data_shards < 1 || g->data_shards > STRIPE_SHARDS_MAX ||
	    g->parity_shards > STRIPE_SHARDS_MAX ||
	    g->data_shards + g->parity_shards > STRIPE_SHARDS_MAX)
		return error_set(err, ERRC_USAGE,
		    "%u data and %u parity shards: want at least 1 data "
		    "shard and at most %u together",
		    g->data_shards, g->parity_shards, STRIPE_SHARDS_MAX);
	if (g->cell_bytes < STRIPE_CELL_MIN || g->cell_bytes > STRIPE_CELL_MAX)
		return error_set(err, ERRC_USAGE,
		    "cell size %u: want %u to %u bytes", g->cell_bytes,
		    STRIPE_CELL_MIN, STRIPE_CELL_MAX);
	return 0;
}

bool
geometry_equal(const struct geometry *a, const struct geometry *b)
{
	return a->data_shards == b->data_shards &&
	    a->parity_shards == b->parity_shards &&
	    a->cell_bytes == b->cell_bytes;
}

uint32_t
geometry_shards(const struct geometry *g)
{
	return g->data_shards + g->parity_shards;
}

void
geometry_format(char out[static 32], const struct geometry *g)
{
	int n = snprintf(out, 32, "%u+%u/%u", g->data_shards, g->parity_shards,
	    g->cell_bytes);

	assert(n > 0 && n < 32);
}

int
geometry_parse(struct geometry *out, const char *text, size_t len,
    struct error *err)
{
	const char *plus = memchr(text, '+', len);
	const char *slash = memchr(text, '/', len);
	uint64_t data, parity, cell;
	struct geometry g;
	int rc;

	if (plus == NULL || slash == NULL || slash < plus ||
	    !number_parse(&data, text, (size_t)(plus - text), 1,
		STRIPE_SHARDS_MAX) ||
	    !number_parse(&parity, plus + 1, (size_t)(slash - plus - 1), 0,
		STRIPE_SHARDS_MAX) ||
	    !number_parse(&cell, slash + 1, len - (size_t)(slash - text) - 1,
		STRIPE_CELL_MIN, STRIPE_CELL_MAX))
		return error_set(err, ERRC_USAGE,
		    "geometry: want DATA+PARITY/CELL, as in 6+3/65536");
	g = (struct geometry){ (uint32_t)data, (uint32_t)parity,
		(uint32_t)cell };
	rc = geometry_check(&g, err);
	if (rc == 0)
		*out = g;
	return rc;
}

uint64_t
stripe_full_bytes(const struct geometry *g)
{
	assert(g->data_shards >= 1 && g->data_shards <= STRIPE_SHARDS_MAX);
	assert(g->cell_bytes >= 1);
	return (uint64_t)g->data_shards * g->cell_bytes;
}

uint64_t
stripe_count(const struct geometry *g, uint64_t size)
{
	uint64_t full = stripe_full_bytes(g);

	assert(size <= STRIPE_SIZE_MAX);
	return (size + full - 1) / full;
}

uint64_t
stripe_content_bytes(const struct geometry *g, uint64_t size, uint64_t stripe)
{
	uint64_t full = stripe_full_bytes(g);
	uint64_t count = stripe_count(g, size);

	if (stripe >= count)
		return 0;
	assert(stripe * full < size);
	return stripe == count - 1 ? size - stripe * full : full;
}

uint32_t
stripe_cell_for(const struct geometry *g, uint64_t content_bytes)
{
	assert(content_bytes <= stripe_full_bytes(g));
	return (
	    uint32_t)((content_bytes + g->data_shards - 1) / g->data_shards);
}

uint32_t
stripe_cell_bytes(const struct geometry *g, uint64_t size, uint64_t stripe)
{
	return stripe_cell_for(g, stripe_content_bytes(g, size, stripe));
}

uint64_t
stripe_shard_bytes(const struct geometry *g, uint64_t size)
{
	uint64_t count = stripe_count(g, size);

	if (count == 0)
		return 0;
	assert(stripe_cell_bytes(g, size, count - 1) <= g->cell_bytes);
	return (count - 1) * g->cell_bytes +
	    stripe_cell_bytes(g, size, count - 1);
}

uint64_t
stripe_cell_offset(const struct geometry *g, uint64_t stripe)
{
	assert(stripe <= STRIPE_SIZE_MAX / STRIPE_CELL_MIN);
	return STRIPE_BEGIN_BYTES +
	    stripe * (STRIPE_HEADER_BYTES + (uint64_t)g->cell_bytes);
}

uint64_t
stripe_end_offset(const struct geometry *g, uint64_t size)
{
	uint64_t count = stripe_count(g, size);
	uint64_t end = STRIPE_BEGIN_BYTES + count * STRIPE_HEADER_BYTES +
	    stripe_shard_bytes(g, size);

	/* Only the last cell is shorter than the others. */
	assert(end <= stripe_cell_offset(g, count));
	assert(count == 0 || end > stripe_cell_offset(g, count - 1));
	return end;
}

uint64_t
stripe_file_bytes(const struct geometry *g, uint64_t size)
{
	return stripe_end_offset(g, size) + STRIPE_END_BYTES;
}

struct stripe_place
stripe_place(const struct geometry *g, uint64_t size, uint64_t offset)
{
	uint64_t stripe = offset / stripe_full_bytes(g);
	uint64_t in = offset % stripe_full_bytes(g);
	uint32_t cell = stripe_cell_bytes(g, size, stripe);

	assert(offset < size);
	assert(cell >= 1 && in / cell < g->data_shards);
	return (struct stripe_place){ .stripe = stripe,
		.shard = (uint32_t)(in / cell),
		.offset = (uint32_t)(in % cell) };
}
