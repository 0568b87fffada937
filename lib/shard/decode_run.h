/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_DECODE_RUN_H
#define KOOP_SHARD_DECODE_RUN_H

#include <stdint.h>

#include "base/compiler.h"
#include "shard/decode.h"
#include "shard/decoder.h"
#include "shard/frame.h"

/*
 * What decode.c (a stream) and decode_files.c share: the memory of a stripe,
 * and its way from cells to the output.
 */

struct decode_run {
	const struct decode_options *options;
	int out;
	struct frame_begin begin;
	uint64_t first; /* stripe that the stream begins with */
	/* Of a range: contents still to be left out, then to be written. */
	uint64_t skip, left;
	struct decoder *decoder;
	uint8_t *memory;
	uint8_t *cell[STRIPE_SHARDS_MAX]; /* data cells are contiguous */
};

KOOP_MUST int decode_run_init(struct decode_run *run,
    const struct frame_begin *begin, int out,
    const struct decode_options *options, struct error *err);
void decode_run_fini(struct decode_run *run);

/* Lay out the cells of a stripe: run->cell. */
void decode_run_layout(struct decode_run *run, uint32_t cell_bytes);

/* Are they of what the range in BEGIN says, if there is one? */
KOOP_MUST int decode_run_totals(const struct decode_run *run,
    const struct blob_totals *totals, struct error *err);

/* A stripe, but the last, is here as far as have says: write it. */
KOOP_MUST int decode_run_stripe(struct decode_run *run, uint64_t stripe,
    uint32_t cell_bytes, uint32_t have, struct error *err);

/* The last one; totals are checked before it is written.  Also for an object
 * without stripes. */
KOOP_MUST int decode_run_last(struct decode_run *run, uint32_t cell_bytes,
    uint32_t have, const struct blob_totals *totals, struct error *err);

void decode_warn(const struct decode_options *options, const char *fmt, ...)
    KOOP_PRINTF(2, 3);

#endif
