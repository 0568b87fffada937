/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"

#define VALUES 1000

static void
must(int rc, const struct error *err, const char *what)
{
	if (rc >= 0)
		return;
	printf("Bail out! %s: %s\n", what, err->text);
	exit(99);
}

void
model_init(struct model *model, uint32_t partition)
{
	struct record genesis = {
		.type = RECORD_GENESIS,
		.partition = partition,
		.generation = 1,
		.partition_count = 2,
	};
	struct partition_row row;
	struct error err;

	*model = (struct model){
		.partition = partition,
		.time_ms = MODEL_T0,
	};
	apply_genesis(&row, &genesis, partition, MODEL_T0);
	must(rowset_mem_new(&model->mem, &err), &err, "rows");
	must(rowset_mem_add_partition(model->mem, &row, &err), &err, "rows");
}

void
model_copy(struct model *out, const struct model *from)
{
	struct error err;

	*out = *from;
	must(rowset_mem_copy(&out->mem, from->mem, &err), &err, "copy");
}

void
model_fini(struct model *model)
{
	rowset_mem_free(model->mem);
	model->mem = NULL;
}

static int
see_garbage(void *ctx, const struct garbage_row *row, struct error *err)
{
	struct model_result *result = ctx;

	(void)err;
	if (result->garbage_count < MODEL_GARBAGE_MAX)
		result->garbage[result->garbage_count++] = *row;
	return 0;
}

static int
see_blob(void *ctx, const struct apply_blob *blob, struct error *err)
{
	struct model_result *result = ctx;

	(void)blob;
	(void)err;
	result->blob_count++;
	return 0;
}

struct model_result
model_apply_line(struct model *model, uint64_t time_ms, struct bytes line)
{
	struct model_result result = { 0 };
	struct apply_effects effects = {
		.ctx = &result,
		.blob = see_blob,
		.garbage = see_garbage,
	};
	struct apply_input input = {
		.partition = model->partition,
		.seq = model->applied + 1,
		.time_ms = time_ms,
		.line = line,
	};
	struct apply_result applied;
	struct record *record = NULL;
	struct error err = { 0 };
	int rc = record_parse(&record, line, NULL, &err);

	must(rc == RECORD_OK || rc == RECORD_IGNORED ? 0 : -1, &err, "parse");
	input.verdict = (enum record_verdict)rc;
	input.record = record;
	rc = apply_entry(rowset_mem_rows(model->mem), &effects, &input,
	    &applied, &err);
	record_free(record);
	if (rc == -ERRC_CORRUPT) {
		result.broken = true;
		return result;
	}
	must(rc, &err, "apply");
	model->applied = applied.applied;
	result.outcome = applied.outcome;
	result.duplicate = applied.duplicate;
	return result;
}

struct buf
model_line(const struct record *record)
{
	struct buf line = buf_make(RECORD_BYTES_MAX);
	struct error err;

	must(record_build(&line, record, &err), &err, "build");
	return line;
}

struct model_result
model_apply(struct model *model, const struct record *record)
{
	struct buf line = model_line(record);
	struct model_result result;

	result = model_apply_line(model, model->time_ms, buf_bytes(&line));
	buf_fini(&line);
	return result;
}

struct partition_row *
model_partition(struct model *model)
{
	struct rowset *rows = rowset_mem_rows(model->mem);
	struct partition_row *row;
	struct error err;

	must(rows->ops->partition(rows, model->partition, &row, &err), &err,
	    "partition");
	return row;
}

bool
model_digest_good(struct model *model)
{
	uint8_t digest[ROW_HASH_BYTES];
	struct error err;

	must(rowset_mem_digest(digest, model->mem, model->partition, &err),
	    &err, "digest");
	return memcmp(digest, model_partition(model)->digest, sizeof(digest)) ==
	    0;
}

bool
model_equal(struct model *a, struct model *b)
{
	const struct partition_row *x = model_partition(a);
	const struct partition_row *y = model_partition(b);

	return x->applied == y->applied && x->t_ms == y->t_ms &&
	    memcmp(x->hash, y->hash, sizeof(x->hash)) == 0 &&
	    memcmp(x->digest, y->digest, sizeof(x->digest)) == 0;
}

struct reqid
model_id(uint64_t time_ms, uint32_t number)
{
	struct reqid id = { { 0 } };

	for (unsigned i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(time_ms >> (40 - 8 * i));
	id.b[6] = 0x70;
	id.b[8] = 0x80;
	for (unsigned i = 0; i < 4; i++)
		id.b[12 + i] = (uint8_t)(number >> (24 - 8 * i));
	return id;
}

struct bytes
model_etag(uint32_t value)
{
	static char etag[VALUES][33];

	if (value >= VALUES) {
		printf("Bail out! more than %d values\n", VALUES);
		exit(99);
	}
	snprintf(etag[value], sizeof(etag[value]), "%032x", value);
	return bytes_of(etag[value], 32);
}

struct record
model_record(enum record_type type, struct reqid id, uint32_t value)
{
	struct record record = {
		.type = type,
		.epoch = 0,
		.request_id = id,
		.sender = bytes_str("model"),
		.bucket = bytes_str("b"),
		.key = bytes_str("k"),
		.owner = bytes_str("me"),
		.incarnation = 1,
		.blob = {
			.size = value,
			.data_shards = 2,
			.parity_shards = 1,
			.cell_bytes = 4096,
			.set = 1,
			.durable = 7,
			.shard_count = 3,
		},
		.etag = model_etag(value),
	};

	memset(record.cluster, 'c', RECORD_CLUSTER_HEX);
	return record;
}

struct model_bucket
model_bucket(struct model *model, const char *name)
{
	struct rowset *rows = rowset_mem_rows(model->mem);
	struct model_bucket out = { 0 };
	struct bucket_row row;
	struct error err;
	int rc;

	rc = rows->ops->bucket_get(rows, model->partition, bytes_str(name),
	    &row, &err);
	if (rc == -ERRC_NOTFOUND)
		return out;
	must(rc, &err, "bucket");
	out.found = true;
	out.empty = row.sealed_empty;
	out.state = row.state;
	out.incarnation = row.incarnation;
	out.attempt = row.attempt;
	out.finished = row.finished;
	return out;
}

static bool
get_object(struct model *model, const char *key, struct object_row *out)
{
	struct rowset *rows = rowset_mem_rows(model->mem);
	struct error err;
	int rc;

	rc = rows->ops->object_get(rows, model->partition, bytes_str("b"),
	    bytes_str(key), out, &err);
	if (rc == -ERRC_NOTFOUND)
		return false;
	must(rc, &err, "object");
	return true;
}

uint32_t
model_object(struct model *model, const char *key, uint64_t *seq)
{
	struct object_row row;

	*seq = 0;
	if (!get_object(model, key, &row))
		return 0;
	*seq = row.seq;
	if (row.kind == OBJECT_TOMBSTONE)
		return 0;
	return (uint32_t)strtoul(row.etag, NULL, 16);
}

static bool
part_refers(struct model *model, struct reqid upload, struct reqid id)
{
	struct rowset *rows = rowset_mem_rows(model->mem);
	struct part_row part = { 0 };
	struct error err;
	int rc;

	while ((rc = rows->ops->part_next(rows, model->partition, upload,
		    part.number, &part, &err)) == 0)
		if (reqid_equal(part.id, id))
			return true;
	if (rc != -ERRC_NOTFOUND)
		must(rc, &err, "part");
	return false;
}

bool
model_refers(struct model *model, const char *key, struct reqid id)
{
	struct object_row row;

	if (!get_object(model, key, &row) || row.kind == OBJECT_TOMBSTONE)
		return false;
	if (row.kind == OBJECT_MULTIPART)
		return part_refers(model, row.id, id);
	return reqid_equal(row.id, id);
}

void
model_seen_init(struct model_seen *seen)
{
	seen->room = 1u << 16;
	seen->count = 0;
	seen->slot = calloc(seen->room, sizeof(*seen->slot));
	must(seen->slot != NULL ? 0 : -1, &(struct error){ .text = "memory" },
	    "states");
}

void
model_seen_fini(struct model_seen *seen)
{
	free(seen->slot);
	seen->slot = NULL;
}

static bool
add_hash(struct model_seen *seen, uint64_t hash)
{
	size_t at = (size_t)hash & (seen->room - 1);

	while (seen->slot[at] != 0) {
		if (seen->slot[at] == hash)
			return false;
		at = (at + 1) & (seen->room - 1);
	}
	seen->slot[at] = hash;
	seen->count++;
	return true;
}

static void
grow(struct model_seen *seen)
{
	struct model_seen more = { .room = seen->room * 2 };

	more.slot = calloc(more.room, sizeof(*more.slot));
	must(more.slot != NULL ? 0 : -1, &(struct error){ .text = "memory" },
	    "states");
	for (size_t i = 0; i < seen->room; i++)
		if (seen->slot[i] != 0)
			add_hash(&more, seen->slot[i]);
	free(seen->slot);
	*seen = more;
}

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

bool
model_seen_add(struct model_seen *seen, const void *key, size_t n)
{
	const uint8_t *p = key;
	uint64_t hash = 0x9e3779b97f4a7c15ull + n;
	uint64_t word;
	size_t take;

	for (size_t i = 0; i < n; i += take) {
		take = n - i < sizeof(word) ? n - i : sizeof(word);
		word = 0;
		memcpy(&word, p + i, take);
		hash = mix(hash ^ word) + 0x9e3779b97f4a7c15ull;
	}
	if (hash == 0)
		hash = 1;
	if (seen->count * 2 > seen->room)
		grow(seen);
	return add_hash(seen, hash);
}

uint32_t
model_random(uint64_t *state, uint32_t below)
{
	*state += 0x9e3779b97f4a7c15ull;
	return (uint32_t)((mix(*state) >> 32) * (uint64_t)below >> 32);
}
