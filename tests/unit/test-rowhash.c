/* SPDX-License-Identifier: MIT */

/* The hash of a row: every field counts, and nothing else. */

#include "store/rowhash.h"

#include "base/buf.h"
#include "base/bytes.h"
#include "base/compiler.h"
#include "tap.h"

static struct buf scratch;

/* A row with no field zero, and how each field may be another. */
static struct bucket_row bucket;
static struct object_row object;
static struct upload_row upload;
static struct part_row part;
static struct decided_row decided;

#define HASHER(kind, type)                                          \
	static void hash_##kind(uint8_t out[32])                    \
	{                                                           \
		if (rowhash_##kind(out, &type, &scratch, NULL) < 0) \
			CHECK(false);                               \
	}
HASHER(bucket, bucket)
HASHER(object, object)
HASHER(version, object)
HASHER(upload, upload)
HASHER(part, part)
HASHER(decided, decided)

struct field {
	const char *name;
	void *at;
	size_t n; /* bytes; 0: a struct bytes */
};
#define F(row, name)                                        \
	{                                                   \
#row "." #name, &row.name, sizeof(row.name) \
	}
#define S(row, name)                         \
	{                                    \
#row "." #name, &row.name, 0 \
	}
#define B(row)                                                  \
	F(row, blob.geometry.data_shards),                      \
	    F(row, blob.geometry.parity_shards),                \
	    F(row, blob.geometry.cell_bytes), F(row, blob.set), \
	    F(row, blob.durable), F(row, blob.crc64nvme),       \
	    F(row, blob.shard_crc64[0]), F(row, blob.shard_crc64[1])

static const struct field bucket_fields[] = { F(bucket, partition),
	S(bucket, name), F(bucket, incarnation), F(bucket, state),
	F(bucket, attempt), F(bucket, finished), F(bucket, sealed_empty),
	F(bucket, home), S(bucket, owner), F(bucket, created_ms),
	F(bucket, sealed_ms), F(bucket, seq), F(bucket, revision),
	F(bucket, ruling), F(bucket, versioning), S(bucket, settings) };
static const struct field object_fields[] = { F(object, partition),
	S(object, bucket), S(object, key), F(object, seq), F(object, changed),
	F(object, is_null), F(object, incarnation), F(object, kind),
	F(object, id), F(object, size), F(object, modified_ms), F(object, etag),
	S(object, headers), S(object, meta), B(object) };
static const struct field upload_fields[] = { F(upload, partition),
	F(upload, id), S(upload, bucket), S(upload, key),
	F(upload, incarnation), S(upload, owner), S(upload, headers),
	S(upload, meta), F(upload, initiated_ms), F(upload, seq),
	F(upload, state), F(upload, finished_ms), F(upload, live),
	F(upload, dying), F(upload, outcome), F(upload, list_hash) };
static const struct field part_fields[] = { F(part, partition), F(part, upload),
	F(part, number), F(part, id), F(part, seq), F(part, size),
	F(part, modified_ms), F(part, etag), B(part) };
static const struct field decided_fields[] = { F(decided, partition),
	F(decided, id), F(decided, seq), F(decided, outcome),
	F(decided, live) };

/* Bytes of the struct that no field covers would be fields forgotten here. */
static size_t
covered(const struct field *field, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += field[i].n == 0 ? sizeof(struct bytes) : field[i].n;
	return n;
}

static void
change(const struct field *field)
{
	if (field->n == 0)
		((struct bytes *)field->at)->n--;
	else
		*(uint8_t *)field->at ^= 1;
}

static void
restore(const struct field *field)
{
	if (field->n == 0)
		((struct bytes *)field->at)->n++;
	else
		*(uint8_t *)field->at ^= 1;
}

static void
check_fields(const struct field *field, size_t count, void (*hash)(uint8_t *))
{
	uint8_t was[32], is[32];

	hash(was);
	for (size_t i = 0; i < count; i++) {
		change(&field[i]);
		hash(is);
		if (memcmp(was, is, 32) == 0) {
			printf("# %s\n", field[i].name);
			CHECK(false);
		}
		restore(&field[i]);
		hash(is);
		CHECK(memcmp(was, is, 32) == 0);
	}
}

static void
fill(void)
{
	struct blob_info blob = {
		.geometry = { 2, 1, 4096 },
		.set = 3,
		.durable = 7,
		.shard_count = 3,
		.crc64nvme = 11,
		.shard_crc64 = { 1, 2, 3 },
	};
	struct bytes text = bytes_str("text");

	scratch = buf_make(ROWHASH_ROW_MAX);
	bucket.name = bucket.owner = bucket.settings = text;
	object.bucket = object.key = object.headers = object.meta = text;
	upload.bucket = upload.key = upload.owner = text;
	upload.headers = upload.meta = text;
	memcpy(object.etag, "e", 2);
	memcpy(part.etag, "e", 2);
	object.kind = OBJECT_INLINE; /* ^ 1: multipart, never a tombstone */
	object.blob = part.blob = blob;
}

static void
changing_any_one_field_of_any_row_changes_its_hash(void)
{
	check_fields(bucket_fields, nitems(bucket_fields), hash_bucket);
	check_fields(object_fields, nitems(object_fields), hash_object);
	check_fields(upload_fields, nitems(upload_fields), hash_upload);
	check_fields(part_fields, nitems(part_fields), hash_part);
	check_fields(decided_fields, nitems(decided_fields), hash_decided);
}

/* A field that is added to a row and forgotten here makes this fail: what is
 * not covered is padding, less than one field's alignment a boundary. */
static void
no_field_of_a_row_is_forgotten(void)
{
	size_t rest = sizeof(struct blob_info);

	CHECK(sizeof(bucket) - covered(bucket_fields, nitems(bucket_fields)) <=
	    20);
	CHECK(sizeof(object) - rest -
		covered(object_fields, nitems(object_fields) - 8) <=
	    16);
	CHECK(sizeof(upload) - covered(upload_fields, nitems(upload_fields)) <=
	    16);
	CHECK(sizeof(part) - rest -
		covered(part_fields, nitems(part_fields) - 8) <=
	    16);
	CHECK(
	    sizeof(decided) - covered(decided_fields, nitems(decided_fields)) <=
	    16);
}

/* The newest of a key and an older one are different rows. */
static void
an_older_version_has_another_hash_than_the_newest(void)
{
	uint8_t newest[32], older[32];

	object.changed = object.seq = 5;
	hash_object(newest);
	hash_version(older);
	CHECK(memcmp(newest, older, 32) != 0);
}

int
main(void)
{
	fill();
	RUN(changing_any_one_field_of_any_row_changes_its_hash);
	RUN(no_field_of_a_row_is_forgotten);
	RUN(an_older_version_has_another_hash_than_the_newest);
	buf_fini(&scratch);
	return tap_done();
}
