/* SPDX-License-Identifier: MIT */
#include "upkeep/repair_scan.h"

#include <string.h>

#include "apply/apply.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "member/inventory.h"
#include "member/nodecore.h"
#include "member/watermark.h"
#include "store/metaquery.h"
#include "store/shardfile.h"

/* The write lock is held for so long, or so many rows, at most: a disk that
 * lost everything must not stop the applier while all is queued. */
#define HOLD_MS 20
#define HOLD_ROWS 128
#define INLINE_MAX (1u << 20)

struct scan {
	struct nodecore *core;
	struct metaquery *read;
	struct error *err;
	struct buf inline_bytes;
	bool writing; /* a write transaction is open */
	unsigned held;
	uint64_t since_ms;
	uint64_t queued;
};

static int
scan_flush(struct scan *scan)
{
	if (!scan->writing)
		return 0;
	scan->writing = false;
	return shardmeta_commit(scan->core->meta, scan->err);
}

static int
scan_queue(struct scan *scan, const struct apply_blob *blob)
{
	int rc = 0;

	if (!scan->writing) {
		rc = shardmeta_begin(scan->core->meta, scan->err);
		if (rc != 0)
			return rc;
		scan->writing = true;
		scan->held = 0;
		scan->since_ms = clock_mono_ms(scan->core->clock);
	}
	rc = inventory_queue(scan->core, blob, scan->err);
	scan->queued++;
	scan->held++;
	return rc;
}

/* Whatever row comes next, the lock is not held on while it is looked at for
 * long. */
static int
scan_yield(struct scan *scan)
{
	if (scan->writing &&
	    (scan->held >= HOLD_ROWS ||
		clock_mono_ms(scan->core->clock) >= scan->since_ms + HOLD_MS))
		return scan_flush(scan);
	return 0;
}

static int
lacks_inline(struct scan *scan, const struct apply_blob *blob)
{
	int rc;

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
scan_blob(struct scan *scan, const struct apply_blob *blob)
{
	uint64_t idle_ms;
	int rc;

	if (blob->info->shard_count == 0) {
		rc = lacks_inline(scan, blob);
		return rc > 0 ? scan_queue(scan, blob) : rc;
	}
	if (shardfile_uploading(scan->core->files, blob->id, &idle_ms) ||
	    !inventory_lacks(scan->core, blob))
		return 0;
	return scan_queue(scan, blob);
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
	return scan_blob(scan, &blob);
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
	return scan_blob(scan, &blob);
}

static int
scan_row(void *arg, const struct snapshot_row *row)
{
	struct scan *scan = arg;
	int rc = 0;

	if (atomic_load(&scan->core->stopping))
		return error_set(scan->err, ERRC_RETRY, "interrupted");
	if (row->object != NULL)
		rc = scan_object(scan, row->object);
	else if (row->part != NULL)
		rc = scan_part(scan, row->part);
	return rc != 0 ? rc : scan_yield(scan);
}

static int
scan_partition(struct scan *scan, uint32_t partition)
{
	int rc = metaquery_begin(&scan->read, scan->core->meta, scan->err);

	if (rc != 0)
		return rc;
	rc = metaquery_snapshot(scan->read, partition, scan_row, scan,
	    scan->err);
	metaquery_end(scan->read);
	scan->read = NULL;
	if (rc == 0 || rc == -ERRC_NOTFOUND)
		return scan_flush(scan);
	if (scan->writing)
		shardmeta_rollback(scan->core->meta);
	scan->writing = false;
	return rc;
}

int
repair_scan(struct nodecore *core, struct error *err)
{
	struct scan scan = {
		.core = core,
		.err = err,
		.inline_bytes = buf_make(INLINE_MAX),
	};
	int rc = 0;

	/* A wish that comes while this goes on is for another round. */
	atomic_store(&core->rescan, false);
	for (size_t i = 0; i < watermark_count(core->wm) && rc == 0; i++)
		rc = scan_partition(&scan, watermark_partition(core->wm, i));
	buf_fini(&scan.inline_bytes);
	if (rc != 0)
		atomic_store(&core->rescan, true);
	else if (scan.queued > 0)
		log_warn("node",
		    "shards missing here, queued for repair n=%llu",
		    (unsigned long long)scan.queued);
	return rc;
}
