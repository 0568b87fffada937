/* SPDX-License-Identifier: MIT */

/*
 * The coding matrix has a row for each cell: the identity for data cells,
 * then Cauchy rows for parity.  A lost cell is its row times the data; the
 * data is the inverse of the rows of any data_shards cells that are there,
 * times those cells.  So one product of matrices says how to make each lost
 * cell from cells that are there, and ISA-L applies it.
 */

#include "codec/erasure.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l/erasure_code.h>

#include "base/error.h"

#define MAX ERASURE_SHARDS_MAX

struct erasure {
	unsigned data, parity;
	uint8_t matrix[MAX * MAX];
	uint8_t tables[32 * MAX * MAX]; /* ISA-L's form of the parity rows */
};

int
erasure_new(struct erasure **out, unsigned data_shards, unsigned parity_shards,
    struct error *err)
{
	struct erasure *coder;

	/* Each is checked alone first, so that the sum cannot wrap. */
	if (data_shards < 1 || data_shards > MAX || parity_shards > MAX ||
	    data_shards + parity_shards > MAX)
		return error_set(err, ERRC_USAGE,
		    "%u data and %u parity shards: want at least 1 data "
		    "shard and at most %d together",
		    data_shards, parity_shards, MAX);
	coder = calloc(1, sizeof(*coder));
	if (coder == NULL)
		return error_set(err, ERRC_NOMEM, "erasure: out of memory");
	coder->data = data_shards;
	coder->parity = parity_shards;
	gf_gen_cauchy1_matrix(coder->matrix, (int)(data_shards + parity_shards),
	    (int)data_shards);
	if (parity_shards > 0)
		ec_init_tables((int)data_shards, (int)parity_shards,
		    &coder->matrix[data_shards * data_shards], coder->tables);
	/* Data cells are the contents themselves: whole reads need no field
	 * arithmetic, and what is on disks would mean nothing otherwise. */
	assert(coder->matrix[0] == 1);
	assert(data_shards == 1 || coder->matrix[1] == 0);
	*out = coder;
	return 0;
}

void
erasure_free(struct erasure *coder)
{
	free(coder);
}

/* ISA-L reads its tables and writes its outputs, but has no const. */
static void
apply(const uint8_t *tables, size_t cell_bytes, unsigned sources,
    unsigned targets, uint8_t **from, uint8_t **to)
{
	assert(cell_bytes <= INT_MAX);
	assert(sources >= 1 && sources + targets <= MAX);
	ec_encode_data((int)cell_bytes, (int)sources, (int)targets,
	    (uint8_t *)tables, from, to);
}

void
erasure_encode(const struct erasure *coder, size_t cell_bytes,
    uint8_t *const data[], uint8_t *const parity[])
{
	uint8_t *from[MAX], *to[MAX];

	if (coder->parity == 0 || cell_bytes == 0)
		return;
	memcpy(from, data, coder->data * sizeof(from[0]));
	memcpy(to, parity, coder->parity * sizeof(to[0]));
	apply(coder->tables, cell_bytes, coder->data, coder->parity, from, to);
}

/* Row r of the coding matrix times inverse, into out. */
static void
plan_row(const struct erasure *coder, const uint8_t *inverse, unsigned r,
    uint8_t *out)
{
	const unsigned k = coder->data;
	const uint8_t *row = &coder->matrix[r * k];

	assert(r < k + coder->parity);
	for (unsigned c = 0; c < k; c++) {
		uint8_t sum = 0;

		for (unsigned i = 0; i < k; i++)
			sum ^= gf_mul(row[i], inverse[i * k + c]);
		out[c] = sum;
	}
}

int
erasure_plan_make(const struct erasure *coder, struct erasure_plan *plan,
    uint32_t have, uint32_t want, struct error *err)
{
	const unsigned k = coder->data;
	const unsigned n = k + coder->parity;
	const uint32_t all = n == 32 ? UINT32_MAX : (UINT32_C(1) << n) - 1;
	uint8_t rows[MAX * MAX], inverse[MAX * MAX], coded[MAX * MAX];
	int rc;

	assert(k >= 1 && n <= MAX);
	have &= all;
	want &= all & ~have;
	if (plan->made && plan->have == have && plan->want == want)
		return 0;
	plan->made = false;
	plan->sources = 0;
	plan->targets = 0;
	if ((unsigned)__builtin_popcount(have) < k)
		return error_set(err, ERRC_UNAVAILABLE,
		    "%d of %u cells are good, %u are needed",
		    __builtin_popcount(have), n, k);

	for (unsigned i = 0; i < n && plan->sources < k; i++)
		if ((have >> i & 1) != 0) {
			memcpy(&rows[plan->sources * k], &coder->matrix[i * k],
			    k);
			plan->source[plan->sources++] = (uint8_t)i;
		}
	assert(plan->sources == k);
	rc = gf_invert_matrix(rows, inverse, (int)k);
	assert(rc == 0); /* Cauchy: there is always an inverse */
	for (unsigned i = 0; i < n; i++)
		if ((want >> i & 1) != 0) {
			plan_row(coder, inverse, i, &coded[plan->targets * k]);
			plan->target[plan->targets++] = (uint8_t)i;
		}
	if (plan->targets > 0)
		ec_init_tables((int)k, (int)plan->targets, coded, plan->tables);
	assert(plan->targets == (unsigned)__builtin_popcount(want));
	plan->have = have;
	plan->want = want;
	plan->made = true;
	return 0;
}

void
erasure_plan_run(const struct erasure_plan *plan, size_t cell_bytes,
    uint8_t *const cell[])
{
	uint8_t *from[MAX], *to[MAX];

	assert(plan->made);
	/* A cell that is there is never written over by one that is made. */
	assert((plan->have & plan->want) == 0);
	if (plan->targets == 0 || cell_bytes == 0)
		return;
	for (unsigned i = 0; i < plan->sources; i++)
		from[i] = cell[plan->source[i]];
	for (unsigned i = 0; i < plan->targets; i++)
		to[i] = cell[plan->target[i]];
	apply(plan->tables, cell_bytes, plan->sources, plan->targets, from, to);
}
