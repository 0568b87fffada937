/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_STREAM_H
#define KOOP_SHARD_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "shard/encoder.h"
#include "shard/frame.h"

/*
 * Shard streams on descriptors: frames in order, payloads straight into the
 * caller's memory.  Damage is skipped: after a bad header the reader looks
 * for the next good one, and counts.  Of an undamaged stream it never reads
 * a byte past END, so a shell can hand the rest on.
 *
 * A reader belongs to one thread; the descriptor stays the caller's.
 */

struct buf;
struct error;
struct stream_reader;

/* ERRC_NOMEM.  Pipes are asked for a 1 MiB buffer. */
KOOP_MUST int stream_reader_new(struct stream_reader **out, int fd,
    struct error *err);
void stream_reader_free(struct stream_reader *r);

/*
 * Read BEGIN.  Returns 1; 0 when the stream is at its end instead; else
 * ERRC_CORRUPT or ERRC_IO.  Later frames must be of the id found here.
 */
KOOP_MUST int stream_reader_begin(struct stream_reader *r,
    struct frame_begin *out, uint8_t *shard, struct error *err);

/*
 * The next CELL, HEADERS or END header that is good.  Returns 1; 0 at the end
 * of the file; else ERRC_IO.  What is left of the frame before is skipped.
 */
KOOP_MUST int stream_reader_next(struct stream_reader *r, struct frame *out,
    struct error *err);

/* Read the CELL's payload, frame.length bytes.  Returns 1 when its CRC is
 * right, 0 when it is not or the stream ends early, else ERRC_IO. */
KOOP_MUST int stream_reader_payload(struct stream_reader *r, void *p,
    struct error *err);
/* Read the payload of HEADERS (shard/headertext.h), replacing what is in text.
 * Returns 1 when it is right, 0 when it is damaged, else ERRC_CORRUPT for a
 * text that is none, ERRC_NOMEM or ERRC_IO. */
KOOP_MUST int stream_reader_headers(struct stream_reader *r, struct buf *text,
    struct error *err);
/* Read END's payload: the totals, checked against the geometry. */
KOOP_MUST int stream_reader_end(struct stream_reader *r,
    struct blob_totals *out, struct error *err);

/* Runs of bytes skipped because no good header was where one had to be, and
 * payloads with a bad CRC.  0 for an undamaged stream. */
uint64_t stream_reader_damage(const struct stream_reader *r);

/* HEADERS, to follow BEGIN; nothing when the text is empty. */
KOOP_MUST int stream_write_headers(int fd, struct bytes text, struct reqid id,
    struct error *err);
/* The frames of some stripes, interleaved in shard order. */
KOOP_MUST int stream_write_stripes(int fd, struct encoded_stripe *stripe,
    size_t count, uint32_t shards, struct error *err);

/* At most so many iovecs are handed to the kernel at once. */
#define STREAM_IOV_MAX 256

#endif
