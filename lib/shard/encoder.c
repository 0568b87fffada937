/* SPDX-License-Identifier: MIT */

/*
 * A stripe is worked on in pieces that stay in the cache of the core: first
 * each data cell is read for its three checksums, then parity is made and
 * summed up across the cells.  MD5, slower than all of it, runs beside.
 */

#include "shard/encoder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/crc.h"
#include "codec/digest.h"
#include "codec/erasure.h"
#include "codec/md5_thread.h"

/* Small enough that three passes over it stay in the first-level cache. */
#define DATA_PIECE 8192u
/* Of each cell; all cells of the piece stay in the second-level cache. */
#define PARITY_PIECE 16384u

struct encoder {
	struct geometry geometry;
	struct reqid id;
	struct erasure *coder;
	bool want_md5, ended;
	struct digest md5; /* until there is a thread */
	struct md5_thread *worker;
	struct blob_totals totals;            /* so far */
	uint64_t first;                       /* number of the first stripe */
	uint32_t cell_crc[STRIPE_SHARDS_MAX]; /* of the stripe at hand */
};

void *
encoder_memory(size_t bytes)
{
	const size_t page = 4096;

	/* Never of no size, for which NULL would be right. */
	if (bytes > SIZE_MAX / 2)
		return NULL;
	return aligned_alloc(page, (bytes / page + 1) * page);
}

int
encoder_new(struct encoder **out, const struct geometry *g, struct reqid id,
    unsigned flags, struct error *err)
{
	struct encoder *enc;
	int rc = geometry_check(g, err);

	if (rc < 0)
		return rc;
	enc = calloc(1, sizeof(*enc));
	if (enc == NULL)
		return error_set(err, ERRC_NOMEM, "encoder: out of memory");
	enc->geometry = *g;
	enc->id = id;
	enc->want_md5 = (flags & ENCODER_MD5) != 0;
	enc->totals.shards = geometry_shards(g);
	rc = erasure_new(&enc->coder, g->data_shards, g->parity_shards, err);
	if (rc == 0 && enc->want_md5)
		rc = digest_init(&enc->md5, DIGEST_MD5, err);
	if (rc < 0) {
		encoder_free(enc);
		return rc;
	}
	*out = enc;
	return 0;
}

void
encoder_free(struct encoder *enc)
{
	if (enc == NULL)
		return;
	md5_thread_free(enc->worker);
	digest_fini(&enc->md5);
	erasure_free(enc->coder);
	free(enc);
}

void
encoder_begin(const struct encoder *enc, uint8_t shard,
    uint8_t out[static FRAME_BEGIN_BYTES])
{
	struct frame_begin begin = {
		.geometry = enc->geometry,
		.id = enc->id,
		.part = 1,
		.parts = 1,
	};

	assert(shard == FRAME_INTERLEAVED ||
	    shard < geometry_shards(&enc->geometry));
	frame_begin_encode(out, &begin, shard);
}

/*
 * An object of less than a stripe is not worth a thread.  Without one, for
 * want of memory, MD5 is done here, too: slower, but right.
 */
static uint64_t
feed_md5(struct encoder *enc, const uint8_t *data, size_t len)
{
	assert(!enc->ended);
	if (!enc->want_md5)
		return 0;
	if (enc->worker == NULL && enc->totals.stripes == 0 &&
	    len == stripe_full_bytes(&enc->geometry) &&
	    md5_thread_new(&enc->worker, NULL) < 0)
		enc->worker = NULL;
	if (enc->worker != NULL)
		return md5_thread_push(enc->worker, data, len);
	digest_update(&enc->md5, data, len);
	return 0;
}

/* Checksums of the data cells and of the contents. */
static void
sum_data(struct encoder *enc, const struct encoded_stripe *s, size_t len)
{
	const uint32_t cell = s->cell_bytes;

	assert(len <= (size_t)enc->geometry.data_shards * cell);
	for (uint32_t j = 0; j < enc->geometry.data_shards; j++) {
		uint32_t crc = 0;

		for (uint32_t at = 0; at < cell; at += DATA_PIECE) {
			const uint32_t n = KOOP_MIN(DATA_PIECE, cell - at);
			const uint8_t *p = s->cell[j] + at;
			const size_t left = len -
			    KOOP_MIN(len, (size_t)j * cell + at);

			crc = crc32c(crc, p, n);
			enc->totals.shard_crc64[j] =
			    crc64_xz(enc->totals.shard_crc64[j], p, n);
			enc->totals
			    .crc64nvme = crc64_nvme(enc->totals.crc64nvme, p,
			    KOOP_MIN((size_t)n, left));
		}
		enc->cell_crc[j] = crc;
	}
}

/* Parity and its checksums. */
static void
make_parity(struct encoder *enc, const struct encoded_stripe *s)
{
	const uint32_t k = enc->geometry.data_shards;
	const uint32_t n = geometry_shards(&enc->geometry);
	uint8_t *at_cell[STRIPE_SHARDS_MAX];

	assert(s->cell_bytes >= 1 && n <= STRIPE_SHARDS_MAX);
	for (uint32_t j = k; j < n; j++)
		enc->cell_crc[j] = 0;
	if (k == n)
		return;
	for (uint32_t at = 0; at < s->cell_bytes; at += PARITY_PIECE) {
		const uint32_t len = KOOP_MIN(PARITY_PIECE, s->cell_bytes - at);

		for (uint32_t j = 0; j < n; j++)
			at_cell[j] = s->cell[j] + at;
		erasure_encode(enc->coder, len, at_cell, at_cell + k);
		for (uint32_t j = k; j < n; j++) {
			enc->cell_crc[j] = crc32c(enc->cell_crc[j], at_cell[j],
			    len);
			enc->totals.shard_crc64[j] =
			    crc64_xz(enc->totals.shard_crc64[j], at_cell[j],
				len);
		}
	}
}

void
encoder_from(struct encoder *enc, uint64_t stripe)
{
	assert(enc->totals.stripes == 0);
	assert(stripe <= STRIPE_SIZE_MAX);
	enc->first = stripe;
}

void
encoder_stripe(struct encoder *enc, uint8_t *data, size_t len, uint8_t *parity,
    struct encoded_stripe *out)
{
	const struct geometry *g = &enc->geometry;
	const uint64_t full = stripe_full_bytes(g);

	assert(!enc->ended);
	assert(len >= 1 && len <= full);
	assert(enc->totals.size % full == 0); /* none but the last is short */

	out->cell_bytes = stripe_cell_for(g, len);
	out->stripe = enc->first + enc->totals.stripes;
	for (uint32_t j = 0; j < geometry_shards(g); j++)
		out->cell[j] = j < g->data_shards ?
		    data + (size_t)j * out->cell_bytes :
		    parity + (size_t)(j - g->data_shards) * out->cell_bytes;
	assert((size_t)g->data_shards * out->cell_bytes >= len);
	memset(data + len, 0, (size_t)g->data_shards * out->cell_bytes - len);

	out->ticket = feed_md5(enc, data, len);
	sum_data(enc, out, len);
	make_parity(enc, out);
	for (uint32_t j = 0; j < geometry_shards(g); j++) {
		struct frame frame = {
			.kind = FRAME_CELL,
			.shard = (uint8_t)j,
			.length = out->cell_bytes,
			.payload_crc = enc->cell_crc[j],
			.stripe = out->stripe,
		};

		frame_encode(out->header[j], &frame, &enc->id);
	}
	enc->totals.size += len;
	enc->totals.stripes++;
	assert(enc->totals.stripes == stripe_count(g, enc->totals.size));
}

void
encoder_wait(struct encoder *enc, uint64_t ticket)
{
	if (enc->worker != NULL)
		md5_thread_wait(enc->worker, ticket);
}

void
encoder_totals(struct encoder *enc, struct blob_totals *out)
{
	if (!enc->ended && enc->want_md5) {
		if (enc->worker != NULL)
			md5_thread_final(enc->worker, enc->totals.md5);
		else
			digest_final(&enc->md5, enc->totals.md5);
		enc->totals.has_md5 = true;
	}
	assert(enc->totals.shards == geometry_shards(&enc->geometry));
	enc->ended = true;
	*out = enc->totals;
}

void
encoder_end(const struct encoder *enc, uint8_t shard,
    uint8_t out[static FRAME_END_BYTES])
{
	assert(enc->ended);
	frame_end_encode(out, &enc->totals, &enc->id, shard);
}
