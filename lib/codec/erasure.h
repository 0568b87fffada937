/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CODEC_ERASURE_H
#define KOOP_CODEC_ERASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * Reed-Solomon over one stripe, in memory.  No I/O, no framing.
 *
 * A stripe is data_shards data cells and parity_shards parity cells of one
 * length, numbered in this order.  Any data_shards of them give back the
 * rest.  The matrix is Cauchy, whose every square submatrix has an inverse;
 * ISA-L's Vandermonde matrix does not promise that for every geometry.
 *
 * A struct erasure is read-only once made: threads may share it.  Cell
 * memory belongs to the caller, always, and is never kept.
 */

#define ERASURE_SHARDS_MAX 32

struct erasure;
struct error;

/* Make a coder.  ERRC_USAGE unless 1 <= data and data + parity <= 32. */
KOOP_MUST int erasure_new(struct erasure **out, unsigned data_shards,
    unsigned parity_shards, struct error *err);
/* NULL is fine. */
void erasure_free(struct erasure *coder);

/* Fill parity[0..parity_shards) from data[0..data_shards).  Cannot fail. */
void erasure_encode(const struct erasure *coder, size_t cell_bytes,
    uint8_t *const data[], uint8_t *const parity[]);

/*
 * How to rebuild one pattern of lost cells: kept by the caller from stripe to
 * stripe, because finding it costs more than using it on a small cell.  All
 * zero is a valid, empty plan.  Belongs to one thread, and to one coder.
 */
struct erasure_plan {
	bool made;
	uint32_t have, want;
	unsigned sources, targets;
	uint8_t source[ERASURE_SHARDS_MAX];
	uint8_t target[ERASURE_SHARDS_MAX];
	uint8_t tables[32 * ERASURE_SHARDS_MAX * ERASURE_SHARDS_MAX];
};

/*
 * Make the plan that fills the cells of want from those of have (bit i is
 * cell i; cells in both are left alone).  Does nothing if it is that already.
 * ERRC_UNAVAILABLE when fewer than data_shards cells are there.
 */
KOOP_MUST int erasure_plan_make(const struct erasure *coder,
    struct erasure_plan *plan, uint32_t have, uint32_t want, struct error *err);
/* Use it.  cell[i] must point at cell_bytes of memory for each i that the
 * plan reads (plan->source) or fills (plan->target). */
void erasure_plan_run(const struct erasure_plan *plan, size_t cell_bytes,
    uint8_t *const cell[]);

#endif
