/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_DECODER_H
#define KOOP_SHARD_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "codec/stripe.h"
#include "shard/frame.h"

/*
 * From cells to contents, in memory.  Whoever fetched the cells checks each
 * with decoder_check_cell(), has the missing ones rebuilt, and, when he reads
 * the whole object, runs the contents through decoder_content() and
 * decoder_finish().
 *
 * A decoder belongs to one thread.  Cell memory is the caller's.
 */

struct decoder;
struct error;

/* ERRC_USAGE for a bad geometry, ERRC_NOMEM. */
KOOP_MUST int decoder_new(struct decoder **out, const struct geometry *g,
    struct reqid id, struct error *err);
void decoder_free(struct decoder *dec);

/* Is this frame that cell of that object, whole?  Reads cell_bytes of
 * payload. */
bool decoder_check_cell(const struct reqid *id, uint8_t shard, uint64_t stripe,
    uint32_t cell_bytes, const uint8_t header[static FRAME_HEADER_BYTES],
    const void *payload);

/*
 * Fill the cells of want that are not in have; bit i is cell i.  Wanting none
 * that is missing costs nothing.  cell[i] has cell_bytes of memory for each i
 * of have and want.  ERRC_CORRUPT, naming the stripe and how many cells are
 * good, when there are fewer than data_shards.
 */
KOOP_MUST int decoder_stripe(struct decoder *dec, uint64_t stripe,
    uint32_t cell_bytes, uint8_t *const cell[], uint32_t have, uint32_t want,
    struct error *err);

/* Contents of a whole object, in order; not the padding. */
void decoder_content(struct decoder *dec, const void *p, size_t n);
/* ERRC_CORRUPT unless size and CRC-64 of what came agree with the totals. */
KOOP_MUST int decoder_finish(const struct decoder *dec,
    const struct blob_totals *totals, struct error *err);

/* Are these bytes, past the end of the object, all zero? */
bool decoder_padding_good(const void *p, size_t n);

#endif
