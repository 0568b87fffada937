/* SPDX-License-Identifier: MIT */

#include "shard/decoder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/crc.h"
#include "codec/erasure.h"

struct decoder {
	struct geometry geometry;
	struct reqid id;
	struct erasure *coder;
	struct erasure_plan plan; /* of the last loss: it often stays */
	uint64_t size, crc64nvme; /* of the contents so far */
};

int
decoder_new(struct decoder **out, const struct geometry *g, struct reqid id,
    struct error *err)
{
	struct decoder *dec;
	int rc = geometry_check(g, err);

	if (rc < 0)
		return rc;
	dec = calloc(1, sizeof(*dec));
	if (dec == NULL)
		return error_set(err, ERRC_NOMEM, "decoder: out of memory");
	assert(geometry_shards(g) <= ERASURE_SHARDS_MAX);
	dec->geometry = *g;
	dec->id = id;
	rc = erasure_new(&dec->coder, g->data_shards, g->parity_shards, err);
	if (rc < 0) {
		free(dec);
		return rc;
	}
	*out = dec;
	return 0;
}

void
decoder_free(struct decoder *dec)
{
	if (dec == NULL)
		return;
	erasure_free(dec->coder);
	free(dec);
}

bool
decoder_check_cell(const struct reqid *id, uint8_t shard, uint64_t stripe,
    uint32_t cell_bytes, const uint8_t header[static FRAME_HEADER_BYTES],
    const void *payload)
{
	struct frame f;

	return frame_decode(&f, header, id, NULL) == 0 &&
	    f.kind == FRAME_CELL && f.shard == shard && f.stripe == stripe &&
	    f.length == cell_bytes && frame_payload_good(&f, payload);
}

int
decoder_stripe(struct decoder *dec, uint64_t stripe, uint32_t cell_bytes,
    uint8_t *const cell[], uint32_t have, uint32_t want, struct error *err)
{
	if ((want & ~have) == 0)
		return 0;
	if (erasure_plan_make(dec->coder, &dec->plan, have, want, err) < 0) {
		if (err != NULL)
			err->code = ERRC_CORRUPT;
		(void)error_wrap(err, "stripe %llu",
		    (unsigned long long)stripe);
		return -ERRC_CORRUPT;
	}
	assert(cell_bytes <= dec->geometry.cell_bytes);
	assert(dec->plan.sources == dec->geometry.data_shards);
	erasure_plan_run(&dec->plan, cell_bytes, cell);
	return 0;
}

void
decoder_content(struct decoder *dec, const void *p, size_t n)
{
	dec->crc64nvme = crc64_nvme(dec->crc64nvme, p, n);
	dec->size += n;
}

int
decoder_finish(const struct decoder *dec, const struct blob_totals *totals,
    struct error *err)
{
	if (dec->size != totals->size)
		return error_set(err, ERRC_CORRUPT,
		    "object: %llu bytes instead of %llu",
		    (unsigned long long)dec->size,
		    (unsigned long long)totals->size);
	if (dec->crc64nvme != totals->crc64nvme)
		return error_set(err, ERRC_CORRUPT,
		    "object: CRC-64 of the contents differs from END's");
	return 0;
}

bool
decoder_padding_good(const void *p, size_t n)
{
	const uint8_t *at = p;

	return n == 0 || (at[0] == 0 && memcmp(at, at + 1, n - 1) == 0);
}
