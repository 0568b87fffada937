/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_VERIFY_H
#define KOOP_SHARD_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "shard/frame.h"

/*
 * Is this the file of one shard, right from BEGIN to END?  Fed with pieces of
 * any length, in order; keeps no cell, only running CRCs, so it costs about
 * 1.5 KiB whatever the geometry.  For nodes (a shard that arrives, scrub) and
 * for whoever receives a shard.
 *
 * Checked: every header and payload CRC, shard number, request id, stripes in
 * order, cell lengths, END's totals against what came (size, stripes, this
 * shard's CRC-64), and that nothing follows END.
 */

struct error;

struct frame_verifier {
	/* What was asked for. */
	struct reqid id;
	uint8_t shard;
	/* Valid once has_begin, and once done. */
	struct frame_begin begin;
	struct blob_totals totals;
	bool has_begin, done, failed;
	/* The frame that is being read. */
	struct frame frame;
	uint8_t head[FRAME_HEADER_BYTES];
	uint8_t text[FRAME_END_PAYLOAD];
	uint32_t at; /* bytes of the frame seen, header included */
	uint32_t crc;
	/* What came so far. */
	uint64_t stripes, shard_crc64, bytes;
	uint32_t last_cell;
};

void frame_verifier_init(struct frame_verifier *v, struct reqid id,
    uint8_t shard);
/* ERRC_CORRUPT, naming frame and reason, and again at every later call. */
KOOP_MUST int frame_verifier_feed(struct frame_verifier *v, const void *p,
    size_t n, struct error *err);
/* ERRC_CORRUPT unless END came and all was right. */
KOOP_MUST int frame_verifier_finish(struct frame_verifier *v,
    struct error *err);

#endif
