/* SPDX-License-Identifier: MIT */
#include "store/rowcheck.h"

#include <assert.h>

void
rowcheck_bucket(const struct bucket_row *row, const struct bucket_row *old)
{
	assert(row->name.n > 0);
	assert(row->incarnation > 0);
	assert(row->state >= BUCKET_OPEN && row->state <= BUCKET_DELETED);
	assert(row->versioning <= BUCKET_SUSPENDED);
	assert(row->ruling <= row->revision);
	assert(row->revision > 0 || row->settings.n == 0);
	if (old == NULL)
		return;
	/* Forever: what comes late for a lower one is over (protocol.md 5). */
	assert(row->incarnation >= old->incarnation);
	assert(row->seq > old->seq);
	assert(row->incarnation > old->incarnation ||
	    row->revision >= old->revision);
	assert(row->incarnation > old->incarnation ||
	    row->finished >= old->finished);
}

static void
check_version(const struct object_row *row)
{
	assert(row->key.n > 0);
	assert(row->seq > 0);
	assert(row->blob.shard_count <= ROW_SHARDS_MAX);
	switch (row->kind) {
	case OBJECT_BLOB:
		assert(row->blob.shard_count > 0);
		break;
	case OBJECT_INLINE:
	case OBJECT_MULTIPART:
		assert(row->blob.shard_count == 0);
		break;
	case OBJECT_TOMBSTONE:
		assert(!row->is_null);
		assert(reqid_is_zero(row->id));
		return;
	case OBJECT_MARKER:
		assert(row->size == 0);
		assert(row->etag[0] == '\0');
		break;
	}
	assert(!reqid_is_zero(row->id));
}

void
rowcheck_object(const struct object_row *row, const struct object_row *old)
{
	check_version(row);
	assert(row->changed >= row->seq);
	/* A reader waits for it: it never goes back (protocol.md 7). */
	assert(old == NULL || row->changed > old->changed);
}

void
rowcheck_version(const struct object_row *row)
{
	check_version(row);
	assert(row->kind != OBJECT_TOMBSTONE);
	assert(row->changed == row->seq);
}

void
rowcheck_upload(const struct upload_row *row, const struct upload_row *old)
{
	assert(!reqid_is_zero(row->id));
	assert(row->state >= UPLOAD_OPEN && row->state <= UPLOAD_ABORTED);
	assert((row->state == UPLOAD_OPEN) == (row->finished_ms == 0));
	assert(!row->live || !row->dying);
	assert(row->state != UPLOAD_OPEN || row->live);
	/* An upload that is over does not open again; the time of its end
	 * stays, for a Complete that is sent again counts from it. */
	assert(old == NULL || old->state == UPLOAD_OPEN ||
	    (row->state == old->state && row->finished_ms == old->finished_ms));
}

void
rowcheck_part(const struct part_row *row)
{
	assert(row->number >= 1 && row->number <= ROW_PARTS_MAX);
	assert(!reqid_is_zero(row->id));
	assert(!reqid_is_zero(row->upload));
	assert(row->blob.shard_count <= ROW_SHARDS_MAX);
	assert(row->seq > 0);
}

void
rowcheck_decided(const struct decided_row *row, const struct decided_row *old)
{
	assert(!reqid_is_zero(row->id));
	assert(row->seq > 0);
	if (old == NULL)
		return;
	/* The first record that names an id decides (protocol.md 5). */
	assert(row->seq == old->seq && row->outcome == old->outcome);
	assert(old->live || !row->live);
}

void
rowcheck_partition(const struct partition_row *row,
    const struct partition_row *old)
{
	assert(row->partition == old->partition);
	assert(row->level >= 1);
	assert(row->generation >= old->generation);
	/* Protocol 5: a position never goes back, but with a log that was
	 * begun anew. */
	if (row->generation > old->generation)
		return;
	assert(row->applied >= old->applied);
	assert(row->t_ms >= old->t_ms);
	assert(row->epoch >= old->epoch);
	assert(row->level >= old->level);
}
