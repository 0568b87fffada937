/* SPDX-License-Identifier: MIT */
#include "store/rowhash.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "codec/digest.h"

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
	size_t n = blobinfo_pack(packed, blob);

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
rowhash_bucket(uint8_t out[static 32], const struct bucket_row *row,
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
	add_u64(scratch, row->revision);
	add_u64(scratch, row->ruling);
	add_u64(scratch, row->versioning);
	add_bytes(scratch, row->settings);
	return finish(out, scratch, err);
}

static int
hash_version(uint8_t out[static 32], char tag, const struct object_row *row,
    struct buf *scratch, struct error *err)
{
	assert(row->kind != OBJECT_TOMBSTONE);
	begin(scratch, tag, row->partition);
	add_bytes(scratch, row->bucket);
	add_bytes(scratch, row->key);
	add_u64(scratch, row->seq);
	add_u64(scratch, row->changed);
	add_u64(scratch, row->is_null);
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
rowhash_object(uint8_t out[static 32], const struct object_row *row,
    struct buf *scratch, struct error *err)
{
	return hash_version(out, 'o', row, scratch, err);
}

int
rowhash_version(uint8_t out[static 32], const struct object_row *row,
    struct buf *scratch, struct error *err)
{
	assert(row->changed == row->seq);
	return hash_version(out, 'v', row, scratch, err);
}

int
rowhash_upload(uint8_t out[static 32], const struct upload_row *row,
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
rowhash_part(uint8_t out[static 32], const struct part_row *row,
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
rowhash_decided(uint8_t out[static 32], const struct decided_row *row,
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
rowhash_add(uint8_t digest[static 32], const uint8_t hash[static 32])
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
rowhash_sub(uint8_t digest[static 32], const uint8_t hash[static 32])
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
