/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CODEC_STRIPE_H
#define KOOP_CODEC_STRIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * The arithmetic between an object, its stripes, its cells and its shard
 * files.  Every rounding lives here.
 *
 *      object   |---- stripe 0 ----|---- stripe 1 ----|- last -|
 *      stripe   | cell 0 | cell 1 | ... | cell m-1 |    contents, in order
 *      shard    BEGIN | header, cell | header, cell | ... | END
 *
 * In the last stripe all cells are ceil(rest / data_shards) long, so only
 * there do cells hold padding.  Nothing here can overflow for a geometry that
 * geometry_check() passed and a size of at most STRIPE_SIZE_MAX.
 */

struct error;

#define STRIPE_CELL_MIN 4096u
#define STRIPE_CELL_MAX (1024u * 1024u)
#define STRIPE_SHARDS_MAX 32u
/* Integers in records fit 53 bits. */
#define STRIPE_SIZE_MAX (UINT64_C(1) << 53)

/* What frames a shard file has, in bytes; frame.h says what is in them. */
#define STRIPE_BEGIN_BYTES 512u
#define STRIPE_HEADER_BYTES 32u
#define STRIPE_END_BYTES 1024u

struct geometry {
	uint32_t data_shards, parity_shards, cell_bytes;
};

/* 6 + 3, 64 KiB. */
#define GEOMETRY_DEFAULT ((struct geometry){ 6, 3, 65536 })

/* ERRC_USAGE unless data >= 1, together <= 32, and the cell in range. */
KOOP_MUST int geometry_check(const struct geometry *g, struct error *err);
bool geometry_equal(const struct geometry *a, const struct geometry *b);
uint32_t geometry_shards(const struct geometry *g);
/* "6+3/65536": out[32]; and back (ERRC_USAGE). */
void geometry_format(char out[static 32], const struct geometry *g);
KOOP_MUST int geometry_parse(struct geometry *out, const char *text, size_t len,
    struct error *err);

/* Content bytes of a full stripe. */
uint64_t stripe_full_bytes(const struct geometry *g);
/* Stripes of an object; 0 for an empty one. */
uint64_t stripe_count(const struct geometry *g, uint64_t size);
/* Content bytes of one stripe; 0 past the end. */
uint64_t stripe_content_bytes(const struct geometry *g, uint64_t size,
    uint64_t stripe);
/* Length of every cell of that stripe; 0 past the end. */
uint32_t stripe_cell_bytes(const struct geometry *g, uint64_t size,
    uint64_t stripe);
/* Length of the cells of a stripe with that many content bytes. */
uint32_t stripe_cell_for(const struct geometry *g, uint64_t content_bytes);
/* Payload bytes of all cells of one shard. */
uint64_t stripe_shard_bytes(const struct geometry *g, uint64_t size);
/* The whole shard file: BEGIN, frames, END. */
uint64_t stripe_file_bytes(const struct geometry *g, uint64_t size);
/* Where a cell's frame begins in the shard file; for stripe ==
 * stripe_count() not END (use stripe_end_offset). */
uint64_t stripe_cell_offset(const struct geometry *g, uint64_t stripe);
uint64_t stripe_end_offset(const struct geometry *g, uint64_t size);

/* Where a byte of the object is. */
struct stripe_place {
	uint64_t stripe;
	uint32_t shard;  /* data shard */
	uint32_t offset; /* in its cell */
};
struct stripe_place stripe_place(const struct geometry *g, uint64_t size,
    uint64_t offset);

#endif
