/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_SHARDTEST_H
#define KOOP_TESTS_UNIT_SHARDTEST_H

/*
 * Encoded objects in memory for the tests of the shard layer: contents that
 * depend on size and seed only, a stream, and each shard's file.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "shard/encoder.h"

struct shardtest {
	struct geometry g;
	struct reqid id;
	size_t size;
	uint8_t *object;
	struct blob_totals totals;
	struct buf stream;
	struct buf file[STRIPE_SHARDS_MAX];
};

static inline struct reqid
shardtest_id(uint8_t last)
{
	return (struct reqid){ { 0x01, 0x93, 0x4f, 0xb7, 0x1e, 0x2a, 0x70, 0x11,
	    0x8c, 0x4d, 0x12, 0x34, 0x56, 0x78, 0x9a, last } };
}

static inline void
shardtest_add(struct shardtest *t, struct encoder *enc, uint8_t *data,
    size_t len, uint8_t *parity)
{
	struct encoded_stripe s;

	encoder_stripe(enc, data, len, parity, &s);
	for (uint32_t j = 0; j < geometry_shards(&t->g); j++) {
		buf_add(&t->stream, s.header[j], FRAME_HEADER_BYTES);
		buf_add(&t->stream, s.cell[j], s.cell_bytes);
		buf_add(&t->file[j], s.header[j], FRAME_HEADER_BYTES);
		buf_add(&t->file[j], s.cell[j], s.cell_bytes);
	}
}

/* Aborts when memory is out: these are tests. */
static inline void
shardtest_make_as(struct shardtest *t, struct geometry g, size_t size,
    struct reqid id)
{
	const size_t full = stripe_full_bytes(&g);
	uint8_t *data = encoder_memory(full);
	uint8_t *parity = encoder_memory(
	    (size_t)g.parity_shards * g.cell_bytes);
	uint8_t text[FRAME_END_BYTES];
	struct encoder *enc = NULL;

	*t = (struct shardtest){ .g = g,
		.id = id,
		.size = size,
		.object = malloc(size + 1) };
	if (data == NULL || parity == NULL || t->object == NULL ||
	    encoder_new(&enc, &g, t->id, 0, NULL) < 0)
		abort();
	t->stream = buf_make(1 << 28);
	for (size_t i = 0; i < size; i++)
		t->object[i] = (uint8_t)((i + id.b[15]) * 2654435761u >> 13);
	encoder_begin(enc, FRAME_INTERLEAVED, text);
	buf_add(&t->stream, text, FRAME_BEGIN_BYTES);
	for (uint32_t j = 0; j < geometry_shards(&g); j++) {
		t->file[j] = buf_make(1 << 28);
		encoder_begin(enc, (uint8_t)j, text);
		buf_add(&t->file[j], text, FRAME_BEGIN_BYTES);
	}
	for (size_t at = 0; at < size; at += full) {
		const size_t len = full < size - at ? full : size - at;

		memcpy(data, t->object + at, len);
		shardtest_add(t, enc, data, len, parity);
	}
	encoder_totals(enc, &t->totals);
	encoder_end(enc, FRAME_INTERLEAVED, text);
	buf_add(&t->stream, text, FRAME_END_BYTES);
	for (uint32_t j = 0; j < geometry_shards(&g); j++) {
		encoder_end(enc, (uint8_t)j, text);
		buf_add(&t->file[j], text, FRAME_END_BYTES);
	}
	encoder_free(enc);
	free(data);
	free(parity);
}

static inline void
shardtest_make(struct shardtest *t, struct geometry g, size_t size,
    uint8_t last)
{
	shardtest_make_as(t, g, size, shardtest_id(last));
}

static inline void
shardtest_free(struct shardtest *t)
{
	for (uint32_t j = 0; j < geometry_shards(&t->g); j++)
		buf_fini(&t->file[j]);
	buf_fini(&t->stream);
	free(t->object);
}

#endif
