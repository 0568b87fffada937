/* SPDX-License-Identifier: MIT */
#include "store/rows.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "codec/digest.h"

/*
 * Canonical bytes: a tag, then every replicated field in the order of the
 * struct: integers little-endian, 64 bits wide whatever they are in memory,
 * strings after their length.  Two different rows never have the same bytes.
 */

static void
add_u64(struct buf *b, uint64_t v)
{
	uint8_t raw[8];

	store_le64(raw, v);
	buf_add(b, raw, sizeof(raw));
}

static void
add_bytes(struct buf *b, struct bytes v)
{
	add_u64(b, v.n);
	buf_add(b, v.p, v.n);
}

static void
add_id(struct buf *b, struct reqid id)
{
	buf_add(b, id.b, sizeof(id.b));
}

static void
add_blob(struct buf *b, const struct blob_info *blob)
{
	uint8_t packed[ROW_BLOB_BYTES];
	size_t n = rows_blob_pack(packed, blob);

	add_bytes(b, bytes_of(packed, n));
}

static void
begin(struct buf *b, char tag, uint32_t partition)
{
	buf_clear(b);
	buf_addch(b, tag);
	add_u64(b, partition);
}

static int
finish(uint8_t out[static 32], struct buf *b, struct error *err)
{
	if (buf_failed(b))
		return error_set(err, ERRC_NOMEM, "hash a row: out of memory");
	return digest_sha256(out, b->p, b->n, err);
}

int
rows_hash_bucket(uint8_t out[static 32], const struct bucket_row *row,
    struct buf *scratch, struct error *err)
{
	begin(scratch, 'b', row->partition);
	add_bytes(scratch, row->name);
	add_u64(scratch, row->incarnation);
	add_u64(scratch, row->state);
	add_u64(scratch, row->attempt);
	add_u64(scratch, row->finished);
	add_u64(scratch, row->sealed_empty);
	add_u64(scratch, row->home);
	add_bytes(scratch, row->owner);
	add_u64(scratch, row->created_ms);
	add_u64(scratch, row->sealed_ms);
	add_u64(scratch, row->seq);
	return finish(out, scratch, err);
}

int
rows_hash_object(uint8_t out[static 32], const struct object_row *row,
    struct buf *scratch, struct error *err)
{
	assert(row->kind != OBJECT_TOMBSTONE);
	begin(scratch, 'o', row->partition);
	add_bytes(scratch, row->bucket);
	add_bytes(scratch, row->key);
	add_u64(scratch, row->seq);
	add_u64(scratch, row->incarnation);
	add_u64(scratch, row->kind);
	add_id(scratch, row->id);
	add_u64(scratch, row->size);
	add_u64(scratch, row->modified_ms);
	add_bytes(scratch, bytes_str(row->etag));
	add_blob(scratch, &row->blob);
	add_bytes(scratch, row->headers);
	add_bytes(scratch, row->meta);
	return finish(out, scratch, err);
}

int
rows_hash_upload(uint8_t out[static 32], const struct upload_row *row,
    struct buf *scratch, struct error *err)
{
	begin(scratch, 'u', row->partition);
	add_id(scratch, row->id);
	add_bytes(scratch, row->bucket);
	add_bytes(scratch, row->key);
	add_u64(scratch, row->incarnation);
	add_bytes(scratch, row->owner);
	add_bytes(scratch, row->headers);
	add_bytes(scratch, row->meta);
	add_u64(scratch, row->initiated_ms);
	add_u64(scratch, row->seq);
	add_u64(scratch, row->state);
	add_u64(scratch, row->finished_ms);
	add_u64(scratch, row->live);
	add_u64(scratch, row->dying);
	add_u64(scratch, row->outcome);
	buf_add(scratch, row->list_hash, sizeof(row->list_hash));
	return finish(out, scratch, err);
}

int
rows_hash_part(uint8_t out[static 32], const struct part_row *row,
    struct buf *scratch, struct error *err)
{
	begin(scratch, 'p', row->partition);
	add_id(scratch, row->upload);
	add_u64(scratch, row->number);
	add_id(scratch, row->id);
	add_u64(scratch, row->seq);
	add_u64(scratch, row->size);
	add_u64(scratch, row->modified_ms);
	add_bytes(scratch, bytes_str(row->etag));
	add_blob(scratch, &row->blob);
	return finish(out, scratch, err);
}

int
rows_hash_decided(uint8_t out[static 32], const struct decided_row *row,
    struct buf *scratch, struct error *err)
{
	begin(scratch, 'd', row->partition);
	add_id(scratch, row->id);
	add_u64(scratch, row->seq);
	add_u64(scratch, row->outcome);
	add_u64(scratch, row->live);
	return finish(out, scratch, err);
}

void
rows_digest_add(uint8_t digest[static 32], const uint8_t hash[static 32])
{
	uint64_t carry = 0;

	for (unsigned i = 0; i < 32; i += 8) {
		uint64_t a = load_le64(digest + i);
		uint64_t b = load_le64(hash + i);
		uint64_t sum = a + b;
		uint64_t over = sum < a;

		sum += carry;
		carry = over | (sum < carry);
		store_le64(digest + i, sum);
	}
}

void
rows_digest_sub(uint8_t digest[static 32], const uint8_t hash[static 32])
{
	uint64_t borrow = 0;

	for (unsigned i = 0; i < 32; i += 8) {
		uint64_t a = load_le64(digest + i);
		uint64_t b = load_le64(hash + i);
		uint64_t rest = a - b;
		uint64_t under = a < b;

		under |= rest < borrow;
		store_le64(digest + i, rest - borrow);
		borrow = under;
	}
}

/*
 *      0  4  data shards       16  4  durable, a bit per shard
 *      4  4  parity shards     20  4  shard count
 *      8  4  cell bytes        24  8  CRC-64/NVME of the content
 *      12 4  erasure set       32  8  per shard, its CRC-64
 */
size_t
rows_blob_pack(uint8_t *out, const struct blob_info *blob)
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
rows_blob_unpack(struct blob_info *out, struct bytes packed)
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
