/* SPDX-License-Identifier: MIT */

#include "shard/frame.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "codec/crc.h"

static const uint8_t magic[4] = { 'K', 'P', 'F', '1' };

_Static_assert(STRIPE_HEADER_BYTES == FRAME_HEADER_BYTES &&
	STRIPE_BEGIN_BYTES == FRAME_BEGIN_BYTES &&
	STRIPE_END_BYTES == FRAME_END_BYTES,
    "stripe.h computes offsets of these frames");

static uint32_t
header_crc(const uint8_t header[static FRAME_HEADER_BYTES],
    enum frame_kind kind, const struct reqid *id)
{
	static const struct reqid none;

	if (kind == FRAME_BEGIN)
		id = &none;
	assert(id != NULL);
	return crc32c(crc32c(0, header, 28), id->b, sizeof(id->b));
}

void
frame_encode(uint8_t out[static FRAME_HEADER_BYTES], const struct frame *frame,
    const struct reqid *id)
{
	assert(frame->kind == FRAME_BEGIN || id != NULL);
	memcpy(out, magic, sizeof(magic));
	out[4] = (uint8_t)frame->kind;
	out[5] = frame->shard;
	store_le16(out + 6, 0);
	store_le32(out + 8, frame->length);
	store_le32(out + 12, frame->payload_crc);
	store_le64(out + 16, frame->stripe);
	store_le32(out + 24, 0);
	store_le32(out + 28, header_crc(out, frame->kind, id));
}

/* What a kind of frame may say. */
static bool
header_sane(const struct frame *f)
{
	switch (f->kind) {
	case FRAME_BEGIN:
		return f->length == FRAME_BEGIN_PAYLOAD && f->stripe == 0 &&
		    (f->shard < STRIPE_SHARDS_MAX ||
			f->shard == FRAME_INTERLEAVED);
	case FRAME_CELL:
		return f->length >= 1 && f->length <= STRIPE_CELL_MAX &&
		    f->shard < STRIPE_SHARDS_MAX && f->stripe < STRIPE_SIZE_MAX;
	case FRAME_END:
		return f->length == FRAME_END_PAYLOAD &&
		    f->stripe <= STRIPE_SIZE_MAX &&
		    (f->shard < STRIPE_SHARDS_MAX ||
			f->shard == FRAME_INTERLEAVED);
	case FRAME_HEADERS:
		return f->length >= 1 && f->length <= FRAME_HEADERS_MAX &&
		    f->stripe == 0 && f->shard == FRAME_INTERLEAVED;
	}
	return false;
}

int
frame_decode(struct frame *out, const uint8_t in[static FRAME_HEADER_BYTES],
    const struct reqid *id, struct error *err)
{
	struct frame f = {
		.kind = in[4],
		.shard = in[5],
		.length = load_le32(in + 8),
		.payload_crc = load_le32(in + 12),
		.stripe = load_le64(in + 16),
	};

	if (memcmp(in, magic, sizeof(magic)) != 0)
		return error_set(err, ERRC_CORRUPT, "frame: no \"KPF1\"");
	if (f.kind != FRAME_BEGIN && id == NULL)
		return error_set(err, ERRC_CORRUPT, "frame: no BEGIN");
	if (load_le32(in + 28) != header_crc(in, f.kind, id))
		return error_set(err, ERRC_CORRUPT,
		    "frame: bad header checksum, or of another object");
	if (load_le16(in + 6) != 0 || load_le32(in + 24) != 0 ||
	    !header_sane(&f))
		return error_set(err, ERRC_CORRUPT,
		    "frame: kind %u, shard %u, length %u: not of format 2",
		    in[4], in[5], f.length);
	*out = f;
	return 0;
}

bool
frame_payload_good(const struct frame *frame, const void *payload)
{
	return crc32c(0, payload, frame->length) == frame->payload_crc;
}

/* The header of a text frame whose payload stands behind it. */
static void
text_header(uint8_t *out, enum frame_kind kind, uint8_t shard, uint32_t length,
    uint64_t stripe, const struct reqid *id)
{
	struct frame frame = {
		.kind = kind,
		.shard = shard,
		.length = length,
		.payload_crc = crc32c(0, out + FRAME_HEADER_BYTES, length),
		.stripe = stripe,
	};

	frame_encode(out, &frame, id);
}

void
frame_begin_encode(uint8_t out[static FRAME_BEGIN_BYTES],
    const struct frame_begin *begin, uint8_t shard)
{
	frame_begin_print(out + FRAME_HEADER_BYTES, begin);
	text_header(out, FRAME_BEGIN, shard, FRAME_BEGIN_PAYLOAD, 0, NULL);
}

void
frame_end_encode(uint8_t out[static FRAME_END_BYTES],
    const struct blob_totals *totals, const struct reqid *id, uint8_t shard)
{
	frame_end_print(out + FRAME_HEADER_BYTES, totals);
	text_header(out, FRAME_END, shard, FRAME_END_PAYLOAD, totals->stripes,
	    id);
}

int
frame_begin_decode(struct frame_begin *out, uint8_t *shard,
    const uint8_t in[static FRAME_BEGIN_BYTES], struct error *err)
{
	struct frame f;
	int rc = frame_decode(&f, in, NULL, err);

	if (rc < 0)
		return rc;
	if (f.kind != FRAME_BEGIN ||
	    !frame_payload_good(&f, in + FRAME_HEADER_BYTES))
		return error_set(err, ERRC_CORRUPT,
		    "BEGIN: bad payload checksum");
	rc = frame_begin_parse(out, in + FRAME_HEADER_BYTES, err);
	if (rc == 0)
		*shard = f.shard;
	return rc;
}

int
frame_end_decode(struct blob_totals *out, uint8_t *shard,
    const uint8_t in[static FRAME_END_BYTES], const struct reqid *id,
    struct error *err)
{
	struct blob_totals totals;
	struct frame f;
	int rc = frame_decode(&f, in, id, err);

	if (rc < 0)
		return rc;
	if (f.kind != FRAME_END ||
	    !frame_payload_good(&f, in + FRAME_HEADER_BYTES))
		return error_set(err, ERRC_CORRUPT,
		    "END: bad payload checksum");
	rc = frame_end_parse(&totals, in + FRAME_HEADER_BYTES, err);
	if (rc < 0)
		return rc;
	if (totals.stripes != f.stripe)
		return error_set(err, ERRC_CORRUPT,
		    "END: header and text differ in the number of stripes");
	*out = totals;
	*shard = f.shard;
	return 0;
}

uint64_t
frame_range_stripe(const struct frame_begin *begin)
{
	if (begin->range.size == 0)
		return 0;
	assert(begin->range.first <= begin->range.last);
	return begin->range.first / stripe_full_bytes(&begin->geometry);
}

uint64_t
frame_range_bytes(const struct frame_begin *begin)
{
	const struct frame_range *r = &begin->range;
	uint64_t full = stripe_full_bytes(&begin->geometry);

	if (r->size == 0)
		return 0;
	assert(r->first <= r->last && r->last < r->size);
	return KOOP_MIN((r->last / full + 1) * full, r->size) -
	    r->first / full * full;
}

int
frame_totals_check(const struct blob_totals *totals, const struct geometry *g,
    struct error *err)
{
	if (totals->stripes != stripe_count(g, totals->size))
		return error_set(err, ERRC_CORRUPT,
		    "END: %llu stripes do not make %llu bytes",
		    (unsigned long long)totals->stripes,
		    (unsigned long long)totals->size);
	if (totals->shards != geometry_shards(g))
		return error_set(err, ERRC_CORRUPT,
		    "END: checksums of %u shards, not of %u", totals->shards,
		    geometry_shards(g));
	return 0;
}

bool
frame_totals_equal(const struct blob_totals *a, const struct blob_totals *b)
{
	assert(a->shards <= STRIPE_SHARDS_MAX);
	return a->size == b->size && a->stripes == b->stripes &&
	    a->has_md5 == b->has_md5 &&
	    (!a->has_md5 || memcmp(a->md5, b->md5, sizeof(a->md5)) == 0) &&
	    a->crc64nvme == b->crc64nvme && a->shards == b->shards &&
	    memcmp(a->shard_crc64, b->shard_crc64,
		a->shards * sizeof(a->shard_crc64[0])) == 0;
}
