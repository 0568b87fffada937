/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_FRAME_H
#define KOOP_SHARD_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "codec/stripe.h"

/*
 * Frames of the shard stream in memory: koop-frame(5), which is complete.
 *
 *      0    4  magic "KPF1"
 *      4    1  kind
 *      5    1  shard; 255 in BEGIN and END of an interleaved stream
 *      6    2  zero
 *      8    4  length of the payload that follows
 *      12   4  crc32c of the payload
 *      16   8  stripe; in END the number of stripes
 *      24   4  zero
 *      28   4  crc32c of bytes 0..28, then of the 16 bytes of the request id
 *
 * Integers are little-endian.  The request id is not sent, but in BEGIN's
 * text; for BEGIN the CRC takes zeros in its place.  So a cell of another
 * object never passes.  A stream or file without END is a failed one.
 *
 * HEADERS may follow the BEGIN of an interleaved stream, once; nodes, whose
 * rows have them, take none.
 *
 * Nothing here does I/O or keeps memory.
 */

struct error;

#define FRAME_HEADER_BYTES 32
#define FRAME_BEGIN_BYTES 512 /* header and payload */
#define FRAME_END_BYTES 1024  /* header and payload */
#define FRAME_BEGIN_PAYLOAD (FRAME_BEGIN_BYTES - FRAME_HEADER_BYTES)
#define FRAME_END_PAYLOAD (FRAME_END_BYTES - FRAME_HEADER_BYTES)
#define FRAME_HEADERS_MAX 16384 /* payload */
#define FRAME_INTERLEAVED 255
#define FRAME_PARTS_MAX 10000

enum frame_kind {
	FRAME_BEGIN = 1,   /* text: format, geometry, request id, part */
	FRAME_CELL = 2,    /* one cell */
	FRAME_END = 3,     /* text: totals */
	FRAME_HEADERS = 4, /* of a stream: what the object is served with */
};

struct frame {
	enum frame_kind kind;
	uint8_t shard;
	uint32_t length;
	uint32_t payload_crc;
	uint64_t stripe;
};

/* Bytes first to last of a blob of `size` bytes; size 0: no range, all. */
struct frame_range {
	uint64_t first, last, size;
};

struct frame_begin {
	struct geometry geometry;
	struct reqid id;
	uint32_t part, parts; /* 1 of 1, unless it is one of several streams */
	struct frame_range range;
	bool stored; /* of an object that exists: another needs another id */
};

struct blob_totals {
	uint64_t size, stripes;
	bool has_md5;
	uint8_t md5[16];
	uint64_t crc64nvme;
	uint32_t shards; /* valid entries of shard_crc64 */
	uint64_t shard_crc64[STRIPE_SHARDS_MAX];
};

/* Headers.  id is ignored for BEGIN, where it may be NULL.  decode fails with
 * ERRC_CORRUPT, and checks magic, kind, zeros, length and header CRC. */
void frame_encode(uint8_t out[static FRAME_HEADER_BYTES],
    const struct frame *frame, const struct reqid *id);
KOOP_MUST int frame_decode(struct frame *out,
    const uint8_t in[static FRAME_HEADER_BYTES], const struct reqid *id,
    struct error *err);
bool frame_payload_good(const struct frame *frame, const void *payload);

/* Whole BEGIN and END frames: the header comes with them. */
void frame_begin_encode(uint8_t out[static FRAME_BEGIN_BYTES],
    const struct frame_begin *begin, uint8_t shard);
KOOP_MUST int frame_begin_decode(struct frame_begin *out, uint8_t *shard,
    const uint8_t in[static FRAME_BEGIN_BYTES], struct error *err);
void frame_end_encode(uint8_t out[static FRAME_END_BYTES],
    const struct blob_totals *totals, const struct reqid *id, uint8_t shard);
KOOP_MUST int frame_end_decode(struct blob_totals *out, uint8_t *shard,
    const uint8_t in[static FRAME_END_BYTES], const struct reqid *id,
    struct error *err);

/* The text alone: print it, and parse that of a payload whose CRC was
 * checked.  The geometry is checked, the
 * totals are checked against themselves only. */
void frame_begin_print(uint8_t out[static FRAME_BEGIN_PAYLOAD],
    const struct frame_begin *begin);
void frame_end_print(uint8_t out[static FRAME_END_PAYLOAD],
    const struct blob_totals *totals);
KOOP_MUST int frame_begin_parse(struct frame_begin *out,
    const uint8_t payload[static FRAME_BEGIN_PAYLOAD], struct error *err);
KOOP_MUST int frame_end_parse(struct blob_totals *out,
    const uint8_t payload[static FRAME_END_PAYLOAD], struct error *err);

/*
 * A stream with a range carries the stripes that it touches, whole, under
 * their own numbers; END's totals are those of what it carries.  The first of
 * them, and the bytes that they hold: 0 for a stream without a range.
 */
uint64_t frame_range_stripe(const struct frame_begin *begin);
uint64_t frame_range_bytes(const struct frame_begin *begin);

/* Do the totals fit the geometry (stripes, number of shards)? */
KOOP_MUST int frame_totals_check(const struct blob_totals *totals,
    const struct geometry *g, struct error *err);
bool frame_totals_equal(const struct blob_totals *a,
    const struct blob_totals *b);

#endif
