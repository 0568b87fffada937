/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_BLOBINFO_H
#define KOOP_STORE_BLOBINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "codec/stripe.h"

/*
 * How a blob is laid out, as rows keep it:
 *
 *      0  4  data shards       16  4  durable, a bit per shard
 *      4  4  parity shards     20  4  shard count
 *      8  4  cell bytes        24  8  CRC-64/NVME of the content
 *      12 4  erasure set       32  8  per shard, its CRC-64
 */

#define ROW_SHARDS_MAX 32
#define ROW_BLOB_BYTES (6 * 4 + 8 + ROW_SHARDS_MAX * 8)

/* shard_count is 0 when it is kept whole. */
struct blob_info {
	struct geometry geometry;
	uint32_t set;
	uint32_t durable; /* bit j: shard j was durable when it was committed */
	uint32_t shard_count;
	uint64_t crc64nvme;
	uint64_t shard_crc64[ROW_SHARDS_MAX];
};

/* out has room for ROW_BLOB_BYTES; returns the length. */
size_t blobinfo_pack(uint8_t *out, const struct blob_info *blob);
KOOP_MUST bool blobinfo_unpack(struct blob_info *out, struct bytes packed);

#endif
