/* SPDX-License-Identifier: MIT */
#include "store/blobinfo.h"

#include <assert.h>

size_t
blobinfo_pack(uint8_t *out, const struct blob_info *blob)
{
	assert(blob->shard_count <= ROW_SHARDS_MAX);
	store_le32(out, blob->geometry.data_shards);
	store_le32(out + 4, blob->geometry.parity_shards);
	store_le32(out + 8, blob->geometry.cell_bytes);
	store_le32(out + 12, blob->set);
	store_le32(out + 16, blob->durable);
	store_le32(out + 20, blob->shard_count);
	store_le64(out + 24, blob->crc64nvme);
	for (unsigned i = 0; i < blob->shard_count; i++)
		store_le64(out + 32 + 8 * i, blob->shard_crc64[i]);
	return 32 + 8 * (size_t)blob->shard_count;
}

bool
blobinfo_unpack(struct blob_info *out, struct bytes packed)
{
	struct blob_info blob = { 0 };

	if (packed.n < 32 || packed.n > ROW_BLOB_BYTES)
		return false;
	blob.geometry.data_shards = load_le32(packed.p);
	blob.geometry.parity_shards = load_le32(packed.p + 4);
	blob.geometry.cell_bytes = load_le32(packed.p + 8);
	blob.set = load_le32(packed.p + 12);
	blob.durable = load_le32(packed.p + 16);
	blob.shard_count = load_le32(packed.p + 20);
	blob.crc64nvme = load_le64(packed.p + 24);
	if (blob.shard_count > ROW_SHARDS_MAX ||
	    packed.n != 32 + 8 * (size_t)blob.shard_count)
		return false;
	for (unsigned i = 0; i < blob.shard_count; i++)
		blob.shard_crc64[i] = load_le64(packed.p + 32 + 8 * i);
	*out = blob;
	return true;
}
