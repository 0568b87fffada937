/* SPDX-License-Identifier: MIT */
#include "upkeep/repair_scan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "member/inventory.h"
#include "member/nodecore.h"
#include "member/watermark.h"
#include "store/metaquery_walk.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"

/*
 * By pages: a read copies the rows of one, then their files are looked at, then
 * what is missing is queued in one transaction.  So no read, and no lock, is
 * held while a disk looks for a file, and the applier waits for a page of
 * inserts at most.
 */
#define PAGE_ROWS 128
#define INLINE_MAX (1u << 20)

/* A blob that a row refers to, with memory of its own. */
struct scan_item {
	struct apply_blob blob;
	struct blob_info info;
	uint8_t text[WALK_BUCKET_MAX + WALK_KEY_MAX];
	bool lacks; /* inline bytes; of shards the disk tells */
};

struct scan {
	struct nodecore *core;
	struct metaquery *read;
	struct error *err;
	struct buf inline_bytes;
	struct scan_item item[PAGE_ROWS];
	size_t n;
	uint64_t queued;
};

/* Reading. */

static int
lacks_inline(struct scan *scan, const struct apply_blob *blob)
{
	int rc;

	assert(blob->info->shard_count == 0);
	if (blob->size == 0 ||
	    !nodecore_holds_inline(scan->core, blob->partition))
		return 0;
	buf_clear(&scan->inline_bytes);
	rc = metaquery_inline(scan->read, blob->id, &scan->inline_bytes,
	    scan->err);
	if (rc == 0)
		return scan->inline_bytes.n != blob->size;
	return rc == -ERRC_NOTFOUND ? 1 : rc;
}

static int
keep_blob(struct scan *scan, const struct apply_blob *blob)
{
	struct scan_item *item = &scan->item[scan->n];
	int lacks = 0;

	assert(scan->n < PAGE_ROWS);
	if (blob->bucket.n + blob->key.n > sizeof(item->text))
		return error_set(scan->err, ERRC_CORRUPT,
		    "meta.db: a key is too long");
	if (blob->info->shard_count == 0) {
		lacks = lacks_inline(scan, blob);
		if (lacks <= 0)
			return lacks;
	}
	item->blob = *blob;
	item->info = *blob->info;
	item->lacks = lacks > 0;
	item->blob.info = &item->info;
	item->blob.bucket = bytes_of(item->text, blob->bucket.n);
	item->blob.key = bytes_of(item->text + blob->bucket.n, blob->key.n);
	if (blob->bucket.n > 0)
		memcpy(item->text, blob->bucket.p, blob->bucket.n);
	if (blob->key.n > 0)
		memcpy(item->text + blob->bucket.n, blob->key.p, blob->key.n);
	scan->n++;
	return 0;
}

static int
scan_object(struct scan *scan, const struct object_row *row)
{
	struct apply_blob blob = {
		.partition = row->partition,
		.seq = row->seq,
		.bucket = row->bucket,
		.key = row->key,
		.id = row->id,
		.size = row->size,
		.info = &row->blob,
	};

	if (row->kind != OBJECT_BLOB && row->kind != OBJECT_INLINE)
		return 0;
	return keep_blob(scan, &blob);
}

static int
scan_part(struct scan *scan, const struct part_row *row)
{
	struct upload_row upload;
	struct apply_blob blob = {
		.partition = row->partition,
		.seq = row->seq,
		.id = row->id,
		.upload = row->upload,
		.part = row->number,
		.size = row->size,
		.info = &row->blob,
	};
	int rc = metaquery_upload(scan->read, row->partition, row->upload,
	    &upload, scan->err);

	if (rc == -ERRC_NOTFOUND || (rc == 0 && !upload.live))
		return 0;
	if (rc != 0)
		return rc;
	blob.bucket = upload.bucket;
	blob.key = upload.key;
	return keep_blob(scan, &blob);
}

static int
scan_row(void *arg, const struct snapshot_row *row)
{
	struct scan *scan = arg;

	if (row->object != NULL)
		return scan_object(scan, row->object);
	if (row->version != NULL)
		return scan_object(scan, row->version);
	assert(row->part != NULL);
	return scan_part(scan, row->part);
}

static int
read_page(struct scan *scan, uint32_t partition, struct metaquery_place *place)
{
	int rc = metaquery_begin(&scan->read, scan->core->meta, scan->err);

	scan->n = 0;
	if (rc != 0)
		return rc;
	rc = metaquery_walk(scan->read, partition, place, PAGE_ROWS, scan_row,
	    scan, scan->err);
	metaquery_end(scan->read);
	scan->read = NULL;
	return rc;
}

/* Looking and queueing. */

static bool
is_missing(struct nodecore *core, const struct scan_item *item)
{
	uint64_t idle_ms;

	assert(item->blob.info == &item->info);
	if (item->info.shard_count == 0)
		return item->lacks;
	return !shardfile_uploading(core->files, item->blob.id, &idle_ms) &&
	    inventory_lacks(core, &item->blob);
}

/* Leave those that are missing. */
static void
look_at_files(struct scan *scan)
{
	for (size_t i = 0; i < scan->n; i++)
		scan->item[i].lacks = is_missing(scan->core, &scan->item[i]);
}

static int
queue_missing(struct scan *scan)
{
	uint64_t before = scan->queued;
	int rc = 0;

	assert(scan->read == NULL);
	for (size_t i = 0; i < scan->n && rc == 0; i++) {
		if (!scan->item[i].lacks)
			continue;
		if (scan->queued == before)
			rc = shardmeta_begin(scan->core->meta, scan->err);
		if (rc != 0)
			return rc;
		rc = inventory_queue(scan->core, &scan->item[i].blob,
		    scan->err);
		scan->queued++;
	}
	if (scan->queued == before)
		return 0;
	if (rc != 0) {
		shardmeta_rollback(scan->core->meta);
		return rc;
	}
	return shardmeta_commit(scan->core->meta, scan->err);
}

static int
scan_partition(struct scan *scan, uint32_t partition)
{
	struct metaquery_place place = { 0 };
	int rc = 0;

	while (rc == 0 && place.table != WALK_OVER) {
		if (atomic_load(&scan->core->stopping))
			return error_set(scan->err, ERRC_RETRY, "interrupted");
		rc = read_page(scan, partition, &place);
		if (rc == 0) {
			look_at_files(scan);
			rc = queue_missing(scan);
		}
	}
	return rc == -ERRC_NOTFOUND ? 0 : rc;
}

int
repair_scan(struct nodecore *core, struct error *err)
{
	struct scan *scan = calloc(1, sizeof(*scan));
	uint64_t queued;
	int rc = 0;

	if (scan == NULL)
		return error_set(err, ERRC_NOMEM, "search: no memory");
	scan->core = core;
	scan->err = err;
	scan->inline_bytes = buf_make(INLINE_MAX);
	/* A wish that comes while this goes on is for another round. */
	atomic_store(&core->rescan, false);
	for (size_t i = 0; i < watermark_count(core->wm) && rc == 0; i++) {
		if (watermark_mine(core->wm, i))
			rc = scan_partition(scan,
			    watermark_partition(core->wm, i));
	}
	queued = scan->queued;
	buf_fini(&scan->inline_bytes);
	free(scan);
	if (rc != 0)
		atomic_store(&core->rescan, true);
	else if (queued > 0)
		log_warn("node",
		    "shards missing here, queued for repair n=%llu",
		    (unsigned long long)queued);
	return rc;
}
