/* SPDX-License-Identifier: MIT */
#include "member/inventory.h"

#include <assert.h>

#include "apply/apply.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "commit/record.h"
#include "member/lastread.h"
#include "member/nodecore.h"
#include "member/pending.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"
#include "store/shardstore.h"

static struct repair_row
repair_of(const struct nodecore *core, const struct apply_blob *blob)
{
	assert(!reqid_is_zero(blob->id));
	return (struct repair_row){
		.partition = blob->partition,
		.seq = blob->seq,
		.id = blob->id,
		.whole = blob->info->shard_count == 0,
		.bucket = blob->bucket,
		.key = blob->key,
		.upload = blob->upload,
		.part = blob->part,
		.queued_ms = clock_real_ms(core->clock),
	};
}

int
inventory_queue(struct nodecore *core, const struct apply_blob *blob,
    struct error *err)
{
	struct repair_row row = repair_of(core, blob);

	atomic_store(&core->repair_news, true);
	return shardmeta_repair_put(core->meta, &row, err);
}

/* The record says that the shard was durable on this very disk. */
static void
alarm_if_lost(struct nodecore *core, const struct apply_blob *blob,
    uint32_t shard)
{
	char id[REQID_HEX + 1];

	assert(shard < 32);
	if ((blob->info->durable >> shard & 1) == 0 ||
	    !superblock_is_newer(shardstore_superblock(core->store),
		blob->partition, blob->seq))
		return;
	reqid_format(id, blob->id);
	atomic_fetch_add(&core->counters.alarms, 1);
	log_error("node",
	    "shard that was durable here is gone id=%s shard=%u partition=%u",
	    id, shard, blob->partition);
}

/* Blobs of another set are not ours, whatever partition names them. */
static bool
lacks_shard(struct nodecore *core, const struct apply_blob *blob)
{
	uint32_t shard = nodecore_shard(core, blob->partition);

	assert(blob->info->shard_count > 0);
	return blob->info->set == core->set.number &&
	    shard < blob->info->shard_count &&
	    !shardfile_exists(core->files, blob->id, shard);
}

bool
inventory_lacks(struct nodecore *core, const struct apply_blob *blob)
{
	assert(blob->info != NULL);
	if (blob->info->shard_count == 0)
		return false;
	if (!lacks_shard(core, blob))
		return false;
	alarm_if_lost(core, blob, nodecore_shard(core, blob->partition));
	return true;
}

/* Damaged bytes are never kept (protocol.md 5: the content CRC binds the text
 * that the record's own CRC leaves out): a peer has good ones. */
static int
take_inline(struct nodecore *core, const struct apply_blob *blob,
    struct error *err)
{
	struct buf content = buf_make(RECORD_BYTES_MAX);
	int rc;

	assert(blob->info->shard_count == 0);
	if (blob->size == 0 || !nodecore_holds_inline(core, blob->partition))
		return 0;
	/* A peer's record comes without its text. */
	if (blob->inline_base64.n == 0)
		return inventory_queue(core, blob, err);
	rc = record_inline(&content, blob->inline_base64, blob->size,
	    blob->info->crc64nvme, err);
	if (rc == 0) {
		rc = shardmeta_inline_put(core->meta, blob->id,
		    buf_bytes(&content), err);
	} else if (rc == -ERRC_CORRUPT) {
		log_error("node", "inline bytes damaged partition=%u seq=%llu",
		    blob->partition, (unsigned long long)blob->seq);
		rc = inventory_queue(core, blob, err);
	}
	buf_fini(&content);
	return rc;
}

int
inventory_take(struct nodecore *core, const struct apply_blob *blob,
    struct error *err)
{
	struct repair_row row;
	uint64_t idle_ms;

	if (blob->info->shard_count == 0)
		return take_inline(core, blob, err);
	/* First whether an upload is open, then whether the shard is here: an
	 * upload that ends between the two has left it. */
	if (shardfile_uploading(core->files, blob->id, &idle_ms) &&
	    idle_ms < core->upload_timeout_ms) {
		row = repair_of(core, blob);
		if (pending_add(core->pending, &row))
			return 0;
	}
	if (!lacks_shard(core, blob))
		return 0;
	alarm_if_lost(core, blob, nodecore_shard(core, blob->partition));
	return inventory_queue(core, blob, err);
}

/*
 * Protocol 8: an hour since its last read or lease, and a reader may have seen
 * the version a moment ago.  So the grace begins here, however long nobody
 * read it before.
 */
int
inventory_drop(struct nodecore *core, const struct garbage_row *row,
    struct error *err)
{
	assert(!reqid_is_zero(row->id));
	lastread_note(core->lastread, row->id, clock_boot_ms(core->clock));
	return shardmeta_garbage_put(core->meta, row, err);
}
