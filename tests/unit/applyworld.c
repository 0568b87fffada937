/* SPDX-License-Identifier: MIT */
#include "applyworld.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static int
tell_garbage(void *ctx, const struct garbage_row *row, struct error *err)
{
	struct world *w = ctx;

	(void)err;
	w->garbage++;
	if (row->reason == GARBAGE_ABORTED)
		w->aborted++;
	w->last_garbage = *row;
	return 0;
}

static int
tell_blob(void *ctx, const struct apply_blob *blob, struct error *err)
{
	struct world *w = ctx;

	(void)err;
	w->blobs++;
	w->last_blob = *blob;
	w->last_inline = blob->inline_base64.n;
	return 0;
}

struct partition_row
world_partition(void)
{
	struct record genesis = {
		.type = RECORD_GENESIS,
		.epoch = 1,
		.generation = 1,
		.base_seq = 1,
	};
	struct partition_row row;

	apply_genesis(&row, &genesis, 0, WORLD_T0);
	return row;
}

void
world_init_on(struct world *w, struct rowset *rows)
{
	*w = (struct world){
		.rows = rows,
		.seq = 1,
		.time_ms = WORLD_T0,
	};
	w->effects = (struct apply_effects){
		.ctx = w,
		.blob = tell_blob,
		.garbage = tell_garbage,
	};
}

void
world_init(struct world *w)
{
	struct rowset_mem *mem;
	struct partition_row row = world_partition();

	if (rowset_mem_new(&mem, NULL) < 0 ||
	    rowset_mem_add_partition(mem, &row, NULL) < 0)
		abort();
	world_init_on(w, rowset_mem_rows(mem));
	w->mem = mem;
}

void
world_fini(struct world *w)
{
	rowset_mem_free(w->mem);
	*w = (struct world){ 0 };
}

struct reqid
world_old_id(struct world *w, uint64_t ms)
{
	uint64_t time = w->time_ms - ms;
	uint64_t count = ++w->ids;
	struct reqid id = { { 0 } };

	for (unsigned i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(time >> (40 - 8 * i));
	id.b[6] = 0x70;
	id.b[8] = 0x80;
	for (unsigned i = 0; i < 6; i++)
		id.b[10 + i] = (uint8_t)(count >> (40 - 8 * i));
	return id;
}

struct reqid
world_id(struct world *w)
{
	return world_old_id(w, 0);
}

struct record
world_record(struct world *w, enum record_type type)
{
	struct record r = {
		.type = type,
		.cluster = WORLD_CLUSTER,
		.epoch = 1,
		.request_id = world_id(w),
		.sender = bytes_str("test"),
		.bucket = bytes_str("b"),
		.key = bytes_str("k"),
		.incarnation = 1,
	};

	return r;
}

static void
set_blob(struct record *r, const char *etag)
{
	r->etag = bytes_str(etag);
	r->blob = (struct record_blob){
		.size = 1000,
		.crc64nvme = 77,
		.data_shards = 2,
		.parity_shards = 1,
		.cell_bytes = 4096,
		.set = 1,
		.durable = 7,
		.shard_count = 3,
		.shard_crc64 = { 1, 2, 3 },
	};
}

struct record
world_put(struct world *w, const char *key, const char *etag)
{
	struct record r = world_record(w, RECORD_PUT);

	r.key = bytes_str(key);
	set_blob(&r, etag);
	return r;
}

struct record
world_upload(struct world *w, enum record_type type, const char *key,
    struct reqid upload)
{
	struct record r = world_record(w, type);

	r.key = bytes_str(key);
	r.has_upload = type != RECORD_INITIATE;
	r.upload_id = upload;
	r.owner = type == RECORD_INITIATE ? bytes_str("me") : BYTES_NONE;
	if (type == RECORD_PART)
		set_blob(&r, "00000000000000000000000000000000");
	if (type == RECORD_COMPLETE)
		r.etag = bytes_str("0123456789abcdef0123456789abcdef-1");
	return r;
}

struct record
world_bucket(struct world *w, enum record_type type, uint64_t incarnation,
    uint64_t attempt, bool home)
{
	struct record r = world_record(w, type);

	r.key = BYTES_NONE;
	r.incarnation = incarnation;
	r.attempt = attempt;
	r.home = home;
	if (type == RECORD_CREATE_BUCKET)
		r.owner = bytes_str("me");
	return r;
}

bool
world_apply_line(struct world *w, const struct buf *line,
    enum record_verdict want)
{
	struct error err = { 0 };
	struct record *record = NULL;
	struct apply_input in = {
		.partition = w->partition,
		.seq = w->seq + 1,
		.time_ms = w->time_ms,
		.line = buf_bytes(line),
	};
	int rc = record_parse(&record, in.line, WORLD_CLUSTER, &err);

	if (rc != (int)want) {
		printf("# parse: %d: %s\n", rc, err.text);
		record_free(record);
		return false;
	}
	in.verdict = (enum record_verdict)rc;
	in.record = record;
	rc = apply_entry(w->rows, &w->effects, &in, &w->result, &err);
	if (rc < 0)
		printf("# apply: %d: %s\n", rc, err.text);
	else
		w->seq++;
	record_free(record);
	return rc == 0;
}

bool
world_apply(struct world *w, const struct record *record)
{
	struct error err;
	struct buf line = buf_make(RECORD_BYTES_MAX);
	bool good = record_build(&line, record, &err) == 0;

	if (!good)
		printf("# build: %s\n", err.text);
	else
		good = world_apply_line(w, &line, RECORD_OK);
	buf_fini(&line);
	return good;
}

enum outcome
world_do(struct world *w, const struct record *record)
{
	return world_apply(w, record) ? w->result.outcome : OUTCOME_MAX;
}

void
world_make_bucket(struct world *w)
{
	struct record r = world_bucket(w, RECORD_CREATE_BUCKET, 1, 0, false);

	if (world_do(w, &r) != OUTCOME_DONE)
		abort();
}

const struct partition_row *
world_row(struct world *w)
{
	struct partition_row *row;

	if (w->rows->ops->partition(w->rows, w->partition, &row, NULL) < 0)
		abort();
	return row;
}

bool
world_digest_good(struct world *w)
{
	uint8_t digest[32];

	return rowset_mem_digest(digest, w->mem, w->partition, NULL) == 0 &&
	    memcmp(digest, world_row(w)->digest, 32) == 0;
}

const char *
world_etag(struct world *w, const char *key)
{
	static _Thread_local struct object_row row;

	if (w->rows->ops->object_get(w->rows, w->partition, bytes_str("b"),
		bytes_str(key), &row, NULL) < 0 ||
	    row.kind == OBJECT_TOMBSTONE)
		return "";
	return row.etag;
}
