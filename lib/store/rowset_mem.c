/* SPDX-License-Identifier: MIT */
#include "store/rowset_mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "store/memrow.h"
#include "store/rowcheck.h"
#include "store/rowhash.h"

/*
 * All rows of all kinds are in one array.  What a getter hands out is a copy
 * that is freed at the next call for its kind, so that a caller which keeps
 * strings too long is seen by the address sanitizer, not in production.
 */

static int
number_compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

struct rowset_mem {
	struct rowset rows; /* first: struct rowset * is this */
	struct row **row;
	size_t count, room;
	struct partition_row *partition;
	size_t partition_count;
	struct row *held[KINDS];
	struct buf scratch;
	bool spoiled;
};

static struct rowset_mem *
mem_of(struct rowset *rows)
{
	return container_of(rows, struct rowset_mem, rows);
}

static struct partition_row *
partition_find(struct rowset_mem *mem, uint32_t partition)
{
	for (size_t i = 0; i < mem->partition_count; i++)
		if (mem->partition[i].partition == partition)
			return &mem->partition[i];
	return NULL;
}

/* What a row adds to its partition, or takes away with it. */
static int
account(struct rowset_mem *mem, const struct row *row, bool add,
    struct error *err)
{
	struct partition_row *partition;
	uint8_t hash[32];
	int rc;

	if (row->kind == OBJECT && row->u.object.kind == OBJECT_TOMBSTONE)
		return 0;
	partition = partition_find(mem, memrow_partition(row));
	assert(partition != NULL);
	rc = memrow_hash(hash, row, &mem->scratch, err);
	if (rc < 0)
		return rc;
	if (row->kind == UPLOAD && row->u.upload.dying)
		partition->dying += add ? 1 : UINT64_MAX;
	if (add)
		rowhash_add(partition->digest, hash);
	else
		rowhash_sub(partition->digest, hash);
	return 0;
}

static size_t
find(const struct rowset_mem *mem, const struct row *key)
{
	for (size_t i = 0; i < mem->count; i++)
		if (mem->row[i]->kind == key->kind &&
		    memrow_compare(mem->row[i], key) == 0)
			return i;
	return mem->count;
}

static int
hold(struct rowset_mem *mem, const struct row *row, struct row **out,
    struct error *err)
{
	struct row *copy = memrow_copy(row, err);

	if (copy == NULL)
		return -ERRC_NOMEM;
	memrow_free(mem->held[row->kind]);
	mem->held[row->kind] = copy;
	*out = copy;
	return 0;
}

static int
get(struct rowset *rows, const struct row *key, struct row **out,
    struct error *err)
{
	struct rowset_mem *mem = mem_of(rows);
	size_t at = find(mem, key);

	if (at == mem->count)
		return -ERRC_NOTFOUND;
	return hold(mem, mem->row[at], out, err);
}

/* The first row in order that pick accepts. */
typedef bool pick_fn(const struct row *row, const struct row *arg);

static int
first(struct rowset *rows, const struct row *arg, pick_fn *pick,
    struct row **out, struct error *err)
{
	struct rowset_mem *mem = mem_of(rows);
	const struct row *best = NULL;

	for (size_t i = 0; i < mem->count; i++) {
		const struct row *row = mem->row[i];

		if (row->kind != arg->kind ||
		    memrow_partition(row) != memrow_partition(arg) ||
		    !pick(row, arg))
			continue;
		if (best == NULL || memrow_compare(row, best) < 0)
			best = row;
	}
	return best == NULL ? -ERRC_NOTFOUND : hold(mem, best, out, err);
}

static int
del(struct rowset *rows, const struct row *old, struct error *err)
{
	struct rowset_mem *mem = mem_of(rows);
	size_t at = find(mem, old);
	int rc;

	assert(at < mem->count);
	rc = account(mem, mem->row[at], false, err);
	if (rc < 0)
		return rc;
	memrow_free(mem->row[at]);
	mem->row[at] = mem->row[--mem->count];
	return 0;
}

static int
put(struct rowset *rows, const struct row *row, bool old, struct error *err)
{
	struct rowset_mem *mem = mem_of(rows);
	struct row *copy = memrow_copy(row, err);
	int rc = 0;

	if (copy == NULL)
		return -ERRC_NOMEM;
	assert((find(mem, row) < mem->count) == old);
	if (old)
		rc = del(rows, row, err);
	if (rc == 0)
		rc = account(mem, copy, true, err);
	if (rc == 0 && mem->count == mem->room) {
		size_t room = mem->room * 2 + 16;
		struct row **grown = realloc(mem->row,
		    room * sizeof(struct row *));

		if (grown == NULL)
			rc = error_set(err, ERRC_NOMEM, "rows: out of memory");
		else {
			mem->row = grown;
			mem->room = room;
		}
	}
	if (rc < 0) {
		memrow_free(copy);
		return rc;
	}
	mem->row[mem->count++] = copy;
	memrow_free(mem->held[row->kind]);
	mem->held[row->kind] = NULL;
	return 0;
}

static int
mem_partition(struct rowset *rows, uint32_t partition,
    struct partition_row **out, struct error *err)
{
	*out = partition_find(mem_of(rows), partition);
	if (*out == NULL)
		return error_set(err, ERRC_NOTFOUND, "partition %u: not here",
		    partition);
	return 0;
}

/* A part's check needs no old row. */
static void
check_part(const struct part_row *row, const struct part_row *old)
{
	(void)old;
	rowcheck_part(row);
}

/* Put and delete are the same for every kind. */
#define MEM_PUT(kind_, KIND, check)                                       \
	static int mem_##kind_##_put(struct rowset *rows,                 \
	    const struct kind_##_row *row, const struct kind_##_row *old, \
	    struct error *err)                                            \
	{                                                                 \
		struct row r = { .kind = KIND, .u.kind_ = *row };         \
                                                                          \
		if (!mem_of(rows)->spoiled)                               \
			check(row, old);                                  \
		return put(rows, &r, old != NULL, err);                   \
	}
#define MEM_DEL(kind_, KIND)                                      \
	static int mem_##kind_##_del(struct rowset *rows,         \
	    const struct kind_##_row *old, struct error *err)     \
	{                                                         \
		struct row r = { .kind = KIND, .u.kind_ = *old }; \
                                                                  \
		return del(rows, &r, err);                        \
	}
MEM_PUT(bucket, BUCKET, rowcheck_bucket)
MEM_PUT(object, OBJECT, rowcheck_object)
MEM_PUT(upload, UPLOAD, rowcheck_upload)
MEM_PUT(part, PART, check_part)
MEM_PUT(decided, DECIDED, rowcheck_decided)
MEM_DEL(upload, UPLOAD)
MEM_DEL(part, PART)
MEM_DEL(decided, DECIDED)

static int
mem_bucket_get(struct rowset *rows, uint32_t partition, struct bytes name,
    struct bucket_row *out, struct error *err)
{
	struct row key = { .kind = BUCKET };
	struct row *found;
	int rc;

	key.u.bucket.partition = partition;
	key.u.bucket.name = name;
	rc = get(rows, &key, &found, err);
	if (rc == 0)
		*out = found->u.bucket;
	return rc;
}

static int
mem_object_get(struct rowset *rows, uint32_t partition, struct bytes bucket,
    struct bytes name, struct object_row *out, struct error *err)
{
	struct row key = { .kind = OBJECT };
	struct row *found;
	int rc;

	key.u.object.partition = partition;
	key.u.object.bucket = bucket;
	key.u.object.key = name;
	rc = get(rows, &key, &found, err);
	if (rc == 0)
		*out = found->u.object;
	return rc;
}

static bool
pick_below(const struct row *row, const struct row *arg)
{
	return bytes_equal(row->u.object.bucket, arg->u.object.bucket) &&
	    bytes_equal(row->u.object.key, arg->u.object.key) &&
	    row->u.object.seq < arg->u.object.seq;
}

static bool
pick_null(const struct row *row, const struct row *arg)
{
	return bytes_equal(row->u.object.bucket, arg->u.object.bucket) &&
	    bytes_equal(row->u.object.key, arg->u.object.key) &&
	    row->u.object.is_null;
}

static int
first_version(struct rowset *rows, const struct object_row *arg, pick_fn *pick,
    struct object_row *out, struct error *err)
{
	struct row key = { .kind = VERSION, .u.object = *arg };
	struct row *found;
	int rc = first(rows, &key, pick, &found, err);

	if (rc == 0)
		*out = found->u.object;
	return rc;
}

static int
mem_version_next(struct rowset *rows, uint32_t partition, struct bytes bucket,
    struct bytes key, uint64_t seq, struct object_row *out, struct error *err)
{
	struct object_row arg = {
		.partition = partition,
		.bucket = bucket,
		.key = key,
		.seq = seq,
	};

	return first_version(rows, &arg, pick_below, out, err);
}

static int
mem_version_null(struct rowset *rows, uint32_t partition, struct bytes bucket,
    struct bytes key, struct object_row *out, struct error *err)
{
	struct object_row arg = {
		.partition = partition,
		.bucket = bucket,
		.key = key,
	};

	return first_version(rows, &arg, pick_null, out, err);
}

static int
mem_version_put(struct rowset *rows, const struct object_row *row,
    struct error *err)
{
	struct row r = { .kind = VERSION, .u.object = *row };

	if (!mem_of(rows)->spoiled)
		rowcheck_version(row);
	return put(rows, &r, false, err);
}

static int
mem_version_del(struct rowset *rows, const struct object_row *old,
    struct error *err)
{
	struct row r = { .kind = VERSION, .u.object = *old };

	return del(rows, &r, err);
}

static int
mem_object_any(struct rowset *rows, uint32_t partition, struct bytes bucket,
    bool *any, struct error *err)
{
	struct rowset_mem *mem = mem_of(rows);

	(void)err;
	*any = false;
	for (size_t i = 0; i < mem->count; i++) {
		const struct row *row = mem->row[i];

		if (row->kind == OBJECT &&
		    row->u.object.partition == partition &&
		    row->u.object.kind != OBJECT_TOMBSTONE &&
		    bytes_equal(row->u.object.bucket, bucket))
			*any = true;
	}
	return 0;
}

static int
mem_upload_get(struct rowset *rows, uint32_t partition, struct reqid id,
    struct upload_row *out, struct error *err)
{
	struct row key = { .kind = UPLOAD };
	struct row *found;
	int rc;

	key.u.upload.partition = partition;
	key.u.upload.id = id;
	rc = get(rows, &key, &found, err);
	if (rc == 0)
		*out = found->u.upload;
	return rc;
}

static bool
pick_open(const struct row *row, const struct row *arg)
{
	return row->u.upload.state == UPLOAD_OPEN &&
	    bytes_equal(row->u.upload.bucket, arg->u.upload.bucket);
}

static bool
pick_dying(const struct row *row, const struct row *arg)
{
	(void)arg;
	return row->u.upload.dying;
}

static int
first_upload(struct rowset *rows, uint32_t partition, struct bytes bucket,
    pick_fn *pick, struct upload_row *out, struct error *err)
{
	struct row arg = { .kind = UPLOAD };
	struct row *found;
	int rc;

	arg.u.upload.partition = partition;
	arg.u.upload.bucket = bucket;
	rc = first(rows, &arg, pick, &found, err);
	if (rc == 0)
		*out = found->u.upload;
	return rc;
}

/* Any order will do as long as every backend has the same: by id. */
static int
mem_upload_first_open(struct rowset *rows, uint32_t partition,
    struct bytes bucket, struct upload_row *out, struct error *err)
{
	return first_upload(rows, partition, bucket, pick_open, out, err);
}

static int
mem_upload_first_dying(struct rowset *rows, uint32_t partition,
    struct upload_row *out, struct error *err)
{
	return first_upload(rows, partition, BYTES_NONE, pick_dying, out, err);
}

static int
mem_upload_first_over(struct rowset *rows, uint32_t partition,
    struct upload_row *out, struct error *err)
{
	struct rowset_mem *mem = mem_of(rows);
	const struct row *best = NULL;
	struct row *held;
	int rc;

	for (size_t i = 0; i < mem->count; i++) {
		const struct row *row = mem->row[i];
		int c;

		if (row->kind != UPLOAD || memrow_partition(row) != partition ||
		    row->u.upload.live || row->u.upload.dying)
			continue;
		c = best == NULL ? -1 :
				   number_compare(row->u.upload.finished_ms,
				       best->u.upload.finished_ms);
		if (c < 0 || (c == 0 && memrow_compare(row, best) < 0))
			best = row;
	}
	if (best == NULL)
		return -ERRC_NOTFOUND;
	rc = hold(mem, best, &held, err);
	if (rc == 0)
		*out = held->u.upload;
	return rc;
}

static int
mem_part_get(struct rowset *rows, uint32_t partition, struct reqid upload,
    uint32_t number, struct part_row *out, struct error *err)
{
	struct row key = { .kind = PART };
	struct row *found;
	int rc;

	key.u.part.partition = partition;
	key.u.part.upload = upload;
	key.u.part.number = number;
	rc = get(rows, &key, &found, err);
	if (rc == 0)
		*out = found->u.part;
	return rc;
}

static bool
pick_after(const struct row *row, const struct row *arg)
{
	return reqid_equal(row->u.part.upload, arg->u.part.upload) &&
	    row->u.part.number > arg->u.part.number;
}

static int
mem_part_next(struct rowset *rows, uint32_t partition, struct reqid upload,
    uint32_t after, struct part_row *out, struct error *err)
{
	struct row arg = { .kind = PART };
	struct row *found;
	int rc;

	arg.u.part.partition = partition;
	arg.u.part.upload = upload;
	arg.u.part.number = after;
	rc = first(rows, &arg, pick_after, &found, err);
	if (rc == 0)
		*out = found->u.part;
	return rc;
}

static int
mem_decided_get(struct rowset *rows, uint32_t partition, struct reqid id,
    struct decided_row *out, struct error *err)
{
	struct row key = { .kind = DECIDED };
	struct row *found;
	int rc;

	key.u.decided.partition = partition;
	key.u.decided.id = id;
	rc = get(rows, &key, &found, err);
	if (rc == 0)
		*out = found->u.decided;
	return rc;
}

static bool
pick_dead(const struct row *row, const struct row *arg)
{
	(void)arg;
	return !row->u.decided.live;
}

static int
mem_decided_first_dead(struct rowset *rows, uint32_t partition,
    struct decided_row *out, struct error *err)
{
	struct row arg = { .kind = DECIDED };
	struct row *found;
	int rc;

	arg.u.decided.partition = partition;
	rc = first(rows, &arg, pick_dead, &found, err);
	if (rc == 0)
		*out = found->u.decided;
	return rc;
}

static int
mem_oplog_add(struct rowset *rows, const struct oplog_row *row,
    struct error *err)
{
	(void)rows;
	(void)row;
	(void)err;
	return 0;
}

static const struct rowset_ops mem_ops = {
	.partition = mem_partition,
	.bucket_get = mem_bucket_get,
	.bucket_put = mem_bucket_put,
	.object_get = mem_object_get,
	.object_put = mem_object_put,
	.object_any = mem_object_any,
	.version_next = mem_version_next,
	.version_null = mem_version_null,
	.version_put = mem_version_put,
	.version_del = mem_version_del,
	.upload_get = mem_upload_get,
	.upload_put = mem_upload_put,
	.upload_del = mem_upload_del,
	.upload_first_open = mem_upload_first_open,
	.upload_first_dying = mem_upload_first_dying,
	.upload_first_over = mem_upload_first_over,
	.part_get = mem_part_get,
	.part_next = mem_part_next,
	.part_put = mem_part_put,
	.part_del = mem_part_del,
	.decided_get = mem_decided_get,
	.decided_put = mem_decided_put,
	.decided_del = mem_decided_del,
	.decided_first_dead = mem_decided_first_dead,
	.oplog_add = mem_oplog_add,
};

int
rowset_mem_new(struct rowset_mem **out, struct error *err)
{
	struct rowset_mem *mem = calloc(1, sizeof(*mem));

	if (mem == NULL)
		return error_set(err, ERRC_NOMEM, "rows: out of memory");
	mem->rows.ops = &mem_ops;
	mem->scratch = buf_make(ROWHASH_ROW_MAX);
	*out = mem;
	return 0;
}

void
rowset_mem_free(struct rowset_mem *mem)
{
	if (mem == NULL)
		return;
	for (size_t i = 0; i < mem->count; i++)
		memrow_free(mem->row[i]);
	for (unsigned i = 0; i < KINDS; i++)
		memrow_free(mem->held[i]);
	free(mem->row);
	free(mem->partition);
	buf_fini(&mem->scratch);
	free(mem);
}

int
rowset_mem_copy(struct rowset_mem **out, const struct rowset_mem *from,
    struct error *err)
{
	struct rowset_mem *mem = NULL;
	int rc = rowset_mem_new(&mem, err);

	for (size_t i = 0; rc == 0 && i < from->partition_count; i++)
		rc = rowset_mem_add_partition(mem, &from->partition[i], err);
	if (rc == 0) {
		mem->row = calloc(from->count + 1, sizeof(struct row *));
		if (mem->row == NULL)
			rc = error_set(err, ERRC_NOMEM, "rows: out of memory");
	}
	for (size_t i = 0; rc == 0 && i < from->count; i++) {
		mem->row[i] = memrow_copy(from->row[i], err);
		if (mem->row[i] == NULL)
			rc = -ERRC_NOMEM;
		else
			mem->count++;
	}
	if (rc < 0) {
		rowset_mem_free(mem);
		return rc;
	}
	mem->room = from->count + 1;
	*out = mem;
	return 0;
}

struct rowset *
rowset_mem_rows(struct rowset_mem *mem)
{
	return &mem->rows;
}

int
rowset_mem_add_partition(struct rowset_mem *mem,
    const struct partition_row *row, struct error *err)
{
	struct partition_row *grown;

	if (partition_find(mem, row->partition) != NULL)
		return 0;
	grown = realloc(mem->partition,
	    (mem->partition_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return error_set(err, ERRC_NOMEM, "rows: out of memory");
	mem->partition = grown;
	mem->partition[mem->partition_count++] = *row;
	return 0;
}

void
rowset_mem_spoil(struct rowset_mem *mem, bool on)
{
	mem->spoiled = on;
}

int
rowset_mem_digest(uint8_t out[static 32], struct rowset_mem *mem,
    uint32_t partition, struct error *err)
{
	uint8_t hash[32];
	int rc;

	memset(out, 0, 32);
	for (size_t i = 0; i < mem->count; i++) {
		const struct row *row = mem->row[i];

		if (memrow_partition(row) != partition ||
		    (row->kind == OBJECT &&
			row->u.object.kind == OBJECT_TOMBSTONE))
			continue;
		if ((rc = memrow_hash(hash, row, &mem->scratch, err)) < 0)
			return rc;
		rowhash_add(out, hash);
	}
	return 0;
}

size_t
rowset_mem_drop_tombstones(struct rowset_mem *mem)
{
	size_t dropped = 0;

	for (size_t i = 0; i < mem->count;) {
		if (mem->row[i]->kind != OBJECT ||
		    mem->row[i]->u.object.kind != OBJECT_TOMBSTONE) {
			i++;
			continue;
		}
		memrow_free(mem->row[i]);
		mem->row[i] = mem->row[--mem->count];
		dropped++;
	}
	return dropped;
}
