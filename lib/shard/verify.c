/* SPDX-License-Identifier: MIT */

#include "shard/verify.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "codec/crc.h"

void
frame_verifier_init(struct frame_verifier *v, struct reqid id, uint8_t shard)
{
	assert(shard < STRIPE_SHARDS_MAX);
	*v = (struct frame_verifier){ .id = id, .shard = shard };
}

/* Does a cell of this length belong here? */
static int
check_cell(const struct frame_verifier *v, struct error *err)
{
	const uint32_t cell = v->begin.geometry.cell_bytes;

	assert(v->has_begin && !v->done);
	if (v->frame.stripe != v->stripes)
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: stripe %llu where %llu had to be", v->shard,
		    (unsigned long long)v->frame.stripe,
		    (unsigned long long)v->stripes);
	if (v->frame.length > cell || (v->stripes > 0 && v->last_cell != cell))
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: stripe %llu: a cell of the wrong length",
		    v->shard, (unsigned long long)v->frame.stripe);
	return 0;
}

/* A header is complete: may this frame come here? */
static int
take_header(struct frame_verifier *v, struct error *err)
{
	int rc = frame_decode(&v->frame, v->head, v->has_begin ? &v->id : NULL,
	    err);

	if (rc < 0) {
		(void)error_wrap(err, "shard %u: after %llu stripes", v->shard,
		    (unsigned long long)v->stripes);
		return rc;
	}
	if ((v->frame.kind == FRAME_BEGIN) == v->has_begin)
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: BEGIN is not first and alone", v->shard);
	if (v->frame.kind == FRAME_HEADERS)
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: headers, which only streams have", v->shard);
	if (v->frame.shard != v->shard)
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: a frame of shard %u", v->shard, v->frame.shard);
	assert(v->at == FRAME_HEADER_BYTES);
	v->crc = 0;
	return v->frame.kind == FRAME_CELL ? check_cell(v, err) : 0;
}

static int
take_begin(struct frame_verifier *v, struct error *err)
{
	int rc = frame_begin_parse(&v->begin, v->text, err);

	if (rc < 0)
		return rc;
	if (!reqid_equal(v->begin.id, v->id))
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: of another object", v->shard);
	if (v->shard >= geometry_shards(&v->begin.geometry))
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: there are only %u", v->shard,
		    geometry_shards(&v->begin.geometry));
	if (v->begin.parts != 1)
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: part %u of %u: a shard has no parts", v->shard,
		    v->begin.part, v->begin.parts);
	if (v->begin.range.size > 0)
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: a range of an object: a shard is whole",
		    v->shard);
	assert(!v->has_begin && v->stripes == 0);
	v->has_begin = true;
	return 0;
}

/* The totals against what came. */
static int
take_end(struct frame_verifier *v, struct error *err)
{
	const struct geometry *g = &v->begin.geometry;
	int rc = frame_end_parse(&v->totals, v->text, err);

	if (rc == 0)
		rc = frame_totals_check(&v->totals, g, err);
	if (rc < 0)
		return rc;
	assert(v->has_begin && v->shard < v->totals.shards);
	if (v->totals.stripes != v->stripes || v->frame.stripe != v->stripes)
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: END after %llu of %llu stripes", v->shard,
		    (unsigned long long)v->stripes,
		    (unsigned long long)v->totals.stripes);
	if (v->stripes > 0 &&
	    v->last_cell !=
		stripe_cell_bytes(g, v->totals.size, v->stripes - 1))
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: the last cell does not fit a size of %llu",
		    v->shard, (unsigned long long)v->totals.size);
	if (v->totals.shard_crc64[v->shard] != v->shard_crc64)
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: CRC-64 of the cells differs from END's",
		    v->shard);
	assert(!v->done);
	v->done = true;
	return 0;
}

/* The last byte of a payload has come. */
static int
take_payload(struct frame_verifier *v, struct error *err)
{
	assert(v->at == 0);
	if (v->crc != v->frame.payload_crc)
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: stripe %llu: bad checksum", v->shard,
		    (unsigned long long)v->frame.stripe);
	switch (v->frame.kind) {
	case FRAME_BEGIN:
		return take_begin(v, err);
	case FRAME_CELL:
		v->last_cell = v->frame.length;
		v->stripes++;
		return 0;
	case FRAME_HEADERS: /* refused with its header */
	case FRAME_END:
		break;
	}
	assert(v->frame.kind == FRAME_END);
	return take_end(v, err);
}

/* Use up some of p; returns how much, or the error. */
static int
feed_some(struct frame_verifier *v, const uint8_t *p, size_t n, size_t *used,
    struct error *err)
{
	const size_t left = v->at < FRAME_HEADER_BYTES ?
	    FRAME_HEADER_BYTES - v->at :
	    FRAME_HEADER_BYTES + v->frame.length - v->at;

	assert(n > 0 && left > 0);
	n = KOOP_MIN(n, left);
	*used = n;
	if (v->done)
		return error_set(err, ERRC_CORRUPT, "shard %u: bytes after END",
		    v->shard);
	if (v->at < FRAME_HEADER_BYTES) {
		memcpy(v->head + v->at, p, n);
	} else {
		assert(v->frame.kind == FRAME_CELL ||
		    v->at - FRAME_HEADER_BYTES + n <= sizeof(v->text));
		v->crc = crc32c(v->crc, p, n);
		if (v->frame.kind == FRAME_CELL)
			v->shard_crc64 = crc64_xz(v->shard_crc64, p, n);
		else
			memcpy(v->text + v->at - FRAME_HEADER_BYTES, p, n);
	}
	v->at += (uint32_t)n;
	v->bytes += n;
	if (n < left)
		return 0;
	if (v->at == FRAME_HEADER_BYTES)
		return take_header(v, err);
	v->at = 0;
	return take_payload(v, err);
}

int
frame_verifier_feed(struct frame_verifier *v, const void *p, size_t n,
    struct error *err)
{
	const uint8_t *at = p;

	if (v->failed)
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: was found bad before", v->shard);
	while (n > 0) {
		size_t used;
		int rc = feed_some(v, at, n, &used, err);

		if (rc < 0) {
			v->failed = true;
			return rc;
		}
		at += used;
		n -= used;
	}
	return 0;
}

int
frame_verifier_finish(struct frame_verifier *v, struct error *err)
{
	if (v->failed)
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: was found bad before", v->shard);
	if (!v->done)
		return error_set(err, ERRC_CORRUPT,
		    "shard %u: ends without END after %llu bytes", v->shard,
		    (unsigned long long)v->bytes);
	return 0;
}
