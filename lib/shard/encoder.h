/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_ENCODER_H
#define KOOP_SHARD_ENCODER_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "codec/stripe.h"
#include "shard/frame.h"

/*
 * From contents to frames, in memory: parity, headers, totals.  koop-encode
 * puts them on a descriptor, the gateway on nine sockets.
 *
 *      encoder_begin     for each stream or shard file
 *      encoder_stripe    for each stripe; all but the last are full
 *      encoder_totals    once
 *      encoder_end       for each stream or shard file
 *
 * An encoder belongs to one thread.  It keeps no contents, but with
 * ENCODER_MD5 another thread reads data that encoder_stripe() was given until
 * encoder_wait() of its ticket.
 */

struct encoder;
struct error;

#define ENCODER_MD5 1u

/*
 * Page-aligned memory for cells, for free(); NULL when there is none.  On some
 * processors the kernel's copy to or from memory that stands 1 to 31 bytes
 * after the other side's place in a page, as malloc()'s does, is five to
 * twenty times slower.
 */
KOOP_MUST void *encoder_memory(size_t bytes);

struct encoded_stripe {
	uint32_t cell_bytes; /* of every cell of this stripe */
	uint64_t stripe;
	uint64_t ticket; /* for encoder_wait() */
	uint8_t *cell[STRIPE_SHARDS_MAX];
	uint8_t header[STRIPE_SHARDS_MAX][FRAME_HEADER_BYTES];
};

/* ERRC_USAGE for a bad geometry, ERRC_NOMEM. */
KOOP_MUST int encoder_new(struct encoder **out, const struct geometry *g,
    struct reqid id, unsigned flags, struct error *err);
/* Waits for the MD5 thread.  NULL is fine. */
void encoder_free(struct encoder *enc);

/* BEGIN for one shard, or for FRAME_INTERLEAVED. */
void encoder_begin(const struct encoder *enc, uint8_t shard,
    uint8_t out[static FRAME_BEGIN_BYTES]);

/*
 * Encode the next stripe.  data holds len contents, 1 to a full stripe, and
 * has room for data_shards * stripe_cell_for(len), which is padded with zeros
 * in place; parity has room for parity_shards such cells.  out points into
 * both.  A stripe that is not full must be the last.
 */
void encoder_stripe(struct encoder *enc, uint8_t *data, size_t len,
    uint8_t *parity, struct encoded_stripe *out);

/* Before the first stripe: it has that number, as in a stream of a range. */
void encoder_from(struct encoder *enc, uint64_t stripe);

/* Return once the data of that ticket, and of all before, may change. */
void encoder_wait(struct encoder *enc, uint64_t ticket);

/* The contents are complete.  Waits for MD5. */
void encoder_totals(struct encoder *enc, struct blob_totals *out);
/* END, after encoder_totals(). */
void encoder_end(const struct encoder *enc, uint8_t shard,
    uint8_t out[static FRAME_END_BYTES]);

#endif
