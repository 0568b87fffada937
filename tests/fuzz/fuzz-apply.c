/* SPDX-License-Identifier: MIT */

/*
 * A log of records, eight bytes each, over the memory twin.  Apply must take
 * every one, keep the digest right, and come to the same outcomes, H and D a
 * second time, whenever tombstones are forgotten.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"
#include "commit/record.h"
#include "store/rowset_mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORD 8
#define RECORDS_MAX 200
#define T0 1700000000000ull

static const char *const keys[] = { "a", "b", "b/c", "d" };
static const char *const etags[] = { "00000000000000000000000000000000",
	"01000000000000000000000000000000", "e", "*" };
static struct record_part parts[4];

static struct reqid
id_of(uint8_t n)
{
	struct reqid id = { { 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0, 0x70, 0,
	    0x80 } };

	/* Some are old, some of the future. */
	id.b[3] = (uint8_t)(0xe5 + (n & 3) - 1);
	id.b[15] = n;
	return id;
}

static void
make_record(struct record *r, const uint8_t in[RECORD])
{
	*r = (struct record){
		.type = (enum record_type)(in[0] % RECORD_TYPE_MAX),
		.epoch = in[1] >> 7 ? 0 : 1,
		.request_id = id_of(in[2]),
		.bucket = bytes_str("b"),
		.key = bytes_str(keys[in[3] % 4]),
		.incarnation = in[1] % 4,
		.attempt = in[4] % 16,
		.home = (in[3] & 0x80) != 0,
		.owner = bytes_str(in[3] & 0x40 ? "me" : "you"),
		.etag = bytes_str(etags[in[5] % 3]),
		.upload_id = id_of(in[6]),
		.has_upload = (in[3] & 0x20) != 0,
		.part_number = in[4] % 6,
		.parts = parts,
		.part_count = in[5] % 5,
		.if_none_match = (in[3] & 0x10) != 0,
		.versioning = (enum record_versioning)(in[4] % 3),
		.if_revision = in[5],
		.new_epoch = in[6] % 2,
		.level = 1 + in[6] % 3,
	};
	if (r->type == RECORD_BUCKET_CONFIG && !r->home) {
		r->revision = 1 + in[6];
		r->ruling = in[6] / 2;
	} else if (r->type != RECORD_BUCKET_CONFIG && (in[3] & 4)) {
		r->revision = in[6];
	}
	r->has_version = r->type == RECORD_DELETE && (in[5] & 0x10);
	r->version.is_null = (in[5] & 0x20) != 0;
	if (!r->version.is_null)
		r->version = versionid_of(1 + in[6], id_of(in[7]));
	if (in[3] & 8 && !r->has_version)
		r->if_match = bytes_str(etags[in[5] % 4]);
	r->blob.size = in[7];
	r->blob.shard_count = in[5] % 4;
	r->blob.is_inline = r->blob.shard_count == 0;
}

static struct rowset_mem *
make_rows(void)
{
	struct partition_row row = {
		.t_ms = T0,
		.epoch = 1,
		.applied = 1,
		.level = 1,
	};
	struct rowset_mem *mem;

	if (rowset_mem_new(&mem, NULL) < 0 ||
	    rowset_mem_add_partition(mem, &row, NULL) < 0)
		abort();
	return mem;
}

static const struct partition_row *
partition(struct rowset_mem *mem)
{
	struct rowset *rows = rowset_mem_rows(mem);
	struct partition_row *row;

	if (rows->ops->partition(rows, 0, &row, NULL) < 0)
		abort();
	return row;
}

/* Apply the log, with the log's time standing still or going on. */
static void
play(struct rowset_mem *mem, const uint8_t *data, size_t count, bool moves,
    enum outcome outcome[])
{
	const struct apply_effects none = { 0 };

	for (size_t i = 0; i < count; i++) {
		const uint8_t *at = data + i * RECORD;
		struct apply_result result;
		struct record record;
		struct apply_input in = {
			.seq = partition(mem)->applied + 1,
			.time_ms = moves ?
			    partition(mem)->t_ms + at[7] * 60000 :
			    0,
			.line = bytes_of(at, RECORD),
			.verdict = RECORD_OK,
			.record = &record,
		};

		make_record(&record, at);
		if (apply_entry(rowset_mem_rows(mem), &none, &in, &result,
			NULL) < 0)
			abort();
		outcome[i] = result.outcome;
	}
}

static void
check_digest(struct rowset_mem *mem)
{
	uint8_t digest[32];

	if (rowset_mem_digest(digest, mem, 0, NULL) < 0)
		abort();
	assert(memcmp(digest, partition(mem)->digest, 32) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t count = KOOP_MIN(size / RECORD, RECORDS_MAX);
	enum outcome first[RECORDS_MAX], second[RECORDS_MAX];
	struct rowset_mem *one = make_rows();
	struct rowset_mem *two = make_rows();

	for (unsigned i = 0; i < 4; i++) {
		parts[i].number = i + 1;
		parts[i].md5[0] = (uint8_t)(i & 1);
	}
	play(one, data, count, true, first);
	check_digest(one);
	/* Tombstones may go at any time. */
	play(two, data, count / 2, true, second);
	rowset_mem_drop_tombstones(two);
	play(two, data + count / 2 * RECORD, count - count / 2, true,
	    second + count / 2);
	assert(memcmp(first, second, count * sizeof(first[0])) == 0);
	assert(memcmp(partition(one)->digest, partition(two)->digest, 32) == 0);
	assert(memcmp(partition(one)->hash, partition(two)->hash, 32) == 0);
	rowset_mem_free(one);
	rowset_mem_free(two);
	return 0;
}
