/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_RECEIPT_H
#define KOOP_SHARD_RECEIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "codec/stripe.h"
#include "shard/frame.h"
#include "shard/headertext.h"

/*
 * Receipts, koop-receipt(5): what koop-shard-put says it stored, one line a
 * shard, one or more for each header of the object, and one "end" line,
 * shorter than PIPE_BUF each.
 *
 *      shard v=2 object=ID index=3 set=1 machine=5 bytes=11191819 crc64=HEX
 *      header v=2 object=ID name=Content-Type at=0 value=video/mp4
 *      end v=2 cluster=ID partition=29 epoch=1 set=1 incarnation=41
 *          name=videos/film.mp4 object=ID data_shards=6 parity_shards=3
 *          cell_size=65536 size=67108864 stripes=171 md5=HEX crc64nvme=HEX
 *          shard_crc64=HEX,... shards=9 headers=1 written=MS  (on one line)
 *
 * Plain values in and out; no I/O.
 */

struct error;

#define RECEIPT_LINE_MAX 4096 /* PIPE_BUF: a line, LF and NUL fit */
#define RECEIPT_BUCKET_MAX 63
#define RECEIPT_KEY_MAX 1024
#define RECEIPT_VALUE_MAX 900 /* of a header, in one line */

enum receipt_kind {
	RECEIPT_SHARD = 1,
	RECEIPT_END = 2,
	RECEIPT_HEADER = 3,
};

struct receipt_shard {
	struct reqid object;
	uint32_t index;   /* shard number */
	uint32_t set;     /* erasure set */
	uint32_t machine; /* in the set */
	uint64_t bytes;   /* of the shard file */
	uint64_t crc64;   /* of its cells: CRC-64/XZ */
};

/* A header of the object, or a piece of one that is too long for a line. */
struct receipt_header {
	struct reqid object;
	uint32_t at; /* where in the value the piece begins */
	size_t name_bytes, value_bytes;
	char name[HEADERTEXT_NAME_MAX];
	char value[RECEIPT_VALUE_MAX];
};

struct receipt_end {
	char cluster[33]; /* 32 hex digits */
	uint32_t partition;
	uint64_t epoch;
	uint32_t set;
	uint64_t incarnation;
	char bucket[RECEIPT_BUCKET_MAX + 1];
	char key[RECEIPT_KEY_MAX + 1];
	size_t key_bytes;
	struct reqid object;
	struct geometry geometry;
	struct blob_totals totals;
	uint32_t shards;     /* "shard" lines before this one */
	uint32_t headers;    /* "header" lines before this one */
	uint64_t written_ms; /* since 1970 */
};

struct receipt {
	enum receipt_kind kind;
	union {
		struct receipt_shard shard;
		struct receipt_header header;
		struct receipt_end end;
	};
};

/* Write the line with its LF and a NUL; returns its length without the NUL.
 * Cannot fail for values within the limits above. */
size_t receipt_print_shard(char out[static RECEIPT_LINE_MAX],
    const struct receipt_shard *shard);
size_t receipt_print_header(char out[static RECEIPT_LINE_MAX],
    const struct receipt_header *header);
size_t receipt_print_end(char out[static RECEIPT_LINE_MAX],
    const struct receipt_end *end);

/* Parse one line without its LF.  ERRC_CORRUPT for an unknown word or
 * version, a key that is missing, twice or wrong; unknown keys are ignored. */
KOOP_MUST int receipt_parse(struct receipt *out, struct bytes line,
    struct error *err);

#endif
