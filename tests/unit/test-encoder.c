/* SPDX-License-Identifier: MIT */

#include <stdint.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"
#include "codec/crc.h"
#include "codec/digest.h"
#include "shard/encoder.h"
#include "tap.h"

static const struct reqid id = { { 0x01, 0x93, 0x4f, 0xb7, 0x1e, 0x2a, 0x70,
    0x11, 0x8c, 0x4d, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc } };
static uint8_t object[300000];

static void
fill(void)
{
	for (size_t i = 0; i < sizeof(object); i++)
		object[i] = (uint8_t)(i * 2654435761u >> 13);
}

/* Encode size bytes of object; the cells' checksums are checked on the way. */
static void
encode(const struct geometry *g, size_t size, unsigned flags,
    struct blob_totals *totals)
{
	const size_t full = stripe_full_bytes(g);
	uint8_t *data = encoder_memory(full * 2);
	uint8_t *parity = encoder_memory(
	    (size_t)g->parity_shards * g->cell_bytes);
	uint64_t shard_crc[STRIPE_SHARDS_MAX] = { 0 };
	uint64_t ticket[2] = { 0 };
	struct encoded_stripe s;
	struct encoder *enc = NULL;
	struct error err;
	unsigned bad = 0;

	REQUIRE(data != NULL && parity != NULL);
	REQUIRE(encoder_new(&enc, g, id, flags, &err) == 0);
	for (size_t at = 0, i = 0; at < size; at += full, i++) {
		const size_t len = KOOP_MIN(full, size - at);
		uint8_t *block = data + i % 2 * full;

		encoder_wait(enc, ticket[i % 2]);
		memset(block, 0xee, full);
		memcpy(block, object + at, len);
		encoder_stripe(enc, block, len, parity, &s);
		ticket[i % 2] = s.ticket;
		bad += s.cell_bytes != stripe_cell_bytes(g, size, i);
		for (size_t p = len; p < g->data_shards * s.cell_bytes; p++)
			bad += block[p] != 0;
		for (uint32_t j = 0; j < geometry_shards(g); j++) {
			struct frame f;

			bad += frame_decode(&f, s.header[j], &id, NULL) != 0;
			bad += f.shard != j || f.stripe != i ||
			    f.kind != FRAME_CELL || f.length != s.cell_bytes;
			bad += !frame_payload_good(&f, s.cell[j]);
			shard_crc[j] = crc64_xz(shard_crc[j], s.cell[j],
			    s.cell_bytes);
		}
	}
	encoder_totals(enc, totals);
	CHECK(bad == 0);
	CHECK(memcmp(shard_crc, totals->shard_crc64,
		  geometry_shards(g) * sizeof(shard_crc[0])) == 0);
	encoder_free(enc);
	free(data);
	free(parity);
}

static void
cells_headers_and_totals_are_right_at_every_size(void)
{
	static const struct geometry all[] = { { 6, 3, 4096 }, { 1, 0, 4096 },
		{ 1, 1, 5000 }, { 29, 3, 4096 }, { 10, 4, 20000 } };

	for (size_t i = 0; i < nitems(all); i++) {
		const size_t full = stripe_full_bytes(&all[i]);
		const size_t sizes[] = { 0, 1, 5, 4095, 4096, 4097, full - 1,
			full, full + 1, 2 * full, sizeof(object) };

		for (size_t j = 0; j < nitems(sizes); j++) {
			struct blob_totals t = { 0 };
			uint8_t md5[16];

			if (sizes[j] > sizeof(object))
				continue;
			encode(&all[i], sizes[j], ENCODER_MD5, &t);
			CHECK(t.size == sizes[j]);
			CHECK(t.stripes == stripe_count(&all[i], sizes[j]));
			CHECK(t.shards == geometry_shards(&all[i]));
			CHECK(t.crc64nvme == crc64_nvme(0, object, sizes[j]));
			REQUIRE(digest_md5(md5, object, sizes[j], NULL) == 0);
			CHECK(t.has_md5);
			CHECK(memcmp(md5, t.md5, sizeof(md5)) == 0);
		}
	}
}

static void
md5_is_left_out_when_not_wanted(void)
{
	struct geometry g = { 6, 3, 4096 };
	struct blob_totals t = { 0 };

	encode(&g, 100000, 0, &t);
	CHECK(!t.has_md5);
	CHECK(t.crc64nvme == crc64_nvme(0, object, 100000));
}

static void
begin_and_end_differ_between_shards_in_the_number_only(void)
{
	struct geometry g = { 2, 1, 4096 };
	uint8_t one[FRAME_END_BYTES], two[FRAME_END_BYTES];
	struct blob_totals totals;
	struct encoder *enc = NULL;
	struct error err;

	REQUIRE(encoder_new(&enc, &g, id, 0, &err) == 0);
	encoder_begin(enc, 0, one);
	encoder_begin(enc, 2, two);
	CHECK(one[5] == 0 && two[5] == 2);
	CHECK(memcmp(one + 32, two + 32, FRAME_BEGIN_BYTES - 32) == 0);
	encoder_totals(enc, &totals);
	encoder_end(enc, 0, one);
	encoder_end(enc, FRAME_INTERLEAVED, two);
	CHECK(one[5] == 0 && two[5] == 255);
	CHECK(memcmp(one + 32, two + 32, FRAME_END_BYTES - 32) == 0);
	encoder_free(enc);
}

static void
an_encoder_can_be_left_at_any_time(void)
{
	struct geometry g = { 6, 3, 4096 };
	uint8_t *data = encoder_memory(stripe_full_bytes(&g));
	uint8_t *parity = encoder_memory(3 * 4096);
	struct encoded_stripe s;
	struct encoder *enc = NULL;
	struct error err;

	REQUIRE(data != NULL && parity != NULL);
	memset(data, 7, stripe_full_bytes(&g));
	REQUIRE(encoder_new(&enc, &g, id, ENCODER_MD5, &err) == 0);
	encoder_stripe(enc, data, stripe_full_bytes(&g), parity, &s);
	encoder_free(enc);
	encoder_free(NULL);
	free(data);
	free(parity);
	g.cell_bytes = 1;
	CHECK(encoder_new(&enc, &g, id, 0, &err) == -ERRC_USAGE);
}

int
main(void)
{
	fill();
	RUN(cells_headers_and_totals_are_right_at_every_size);
	RUN(md5_is_left_out_when_not_wanted);
	RUN(begin_and_end_differ_between_shards_in_the_number_only);
	RUN(an_encoder_can_be_left_at_any_time);
	return tap_done();
}
