/* SPDX-License-Identifier: MIT */
#include "client/objectblobs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/nodeclient.h"
#include "client/shardcheck.h"
#include "commit/versionid.h"
#include "shard/frame.h"

static int
objectblobs_keep(void *arg, const struct part_entry *part)
{
	struct objectblobs *blobs = arg;

	if (part == NULL) {
		blobs->count = 0;
		return 0;
	}
	if (blobs->count == FRAME_PARTS_MAX)
		return -ERRC_PROTOCOL;
	if (blobs->count == blobs->room) {
		uint32_t room = KOOP_MAX(blobs->room * 2, 16);
		struct part_entry *more = reallocarray(blobs->part, room,
		    sizeof(*more));

		if (more == NULL)
			return -ERRC_NOMEM;
		blobs->part = more;
		blobs->room = room;
	}
	assert(blobs->count < blobs->room);
	blobs->part[blobs->count++] = *part;
	return 0;
}

int
objectblobs_read(struct objectblobs *out, struct nodeclient *nc,
    struct bytes bucket, struct bytes key, const struct versionid *version,
    struct buf *inline_bytes, struct error *err)
{
	int rc;

	assert(bucket.n > 0 && key.n > 0);
	*out = (struct objectblobs){
		.bucket = bucket,
		.key = key,
		.place = placement_of(nodeclient_topology(nc), bucket, key),
	};
	rc = metaread_whole(nc, &out->place, bucket, key, version, &out->info,
	    inline_bytes, objectblobs_keep, out,
	    nodeclient_now(nc) + NODECLIENT_READ_MS, err);
	if (rc != -ERRC_NOTFOUND)
		return rc;
	return error_set(err, ERRC_NOTFOUND,
	    out->info.bucket == NODEPROTO_NONE ?
		"bucket \"%.*s\" does not exist" :
		version != NULL ?
		"no such version of \"%.*s/%.*s\" can be read" :
		"no object \"%.*s/%.*s\"",
	    (int)bucket.n, (const char *)bucket.p, (int)key.n,
	    (const char *)key.p);
}

void
objectblobs_fini(struct objectblobs *blobs)
{
	nodeproto_info_fini(&blobs->info);
	free(blobs->part);
	*blobs = (struct objectblobs){ 0 };
}

uint32_t
objectblobs_pieces(const struct objectblobs *blobs)
{
	switch (blobs->info.kind) {
	case NODEPROTO_BLOB:
		return 1;
	case NODEPROTO_INLINE:
		return blobs->info.size > 0;
	case NODEPROTO_MULTIPART:
		break;
	}
	return blobs->count;
}

void
objectblobs_piece(const struct objectblobs *blobs, uint32_t i,
    struct shardcheck_blob *out)
{
	const struct object_info *info = &blobs->info;

	assert(i < objectblobs_pieces(blobs));
	*out = (struct shardcheck_blob){
		.ref = {
			.partition = blobs->place.partition,
			.set = info->set,
			.bucket = blobs->bucket,
			.key = blobs->key,
			.id = info->id,
			.geometry = info->geometry,
			.size = info->size,
		},
		.is_inline = info->kind == NODEPROTO_INLINE,
		.crc64nvme = info->crc64nvme,
		.shard_crc64 = info->shard_crc64,
	};
	/* Kept by the partition's own set, whichever that is by now. */
	if (out->is_inline)
		out->ref.set = blobs->place.set->number;
	if (info->kind != NODEPROTO_MULTIPART)
		return;
	out->ref.set = blobs->part[i].set;
	out->ref.id = blobs->part[i].id;
	out->ref.geometry = blobs->part[i].geometry;
	out->ref.size = blobs->part[i].size;
	out->crc64nvme = blobs->part[i].crc64nvme;
	out->shard_crc64 = blobs->part[i].shard_crc64;
}

const char *
objectblobs_kind(const struct objectblobs *blobs)
{
	static const char *const words[] = {
		[NODEPROTO_BLOB] = "blob",
		[NODEPROTO_INLINE] = "inline",
		[NODEPROTO_MULTIPART] = "multipart",
	};

	assert((size_t)blobs->info.kind < nitems(words));
	return words[blobs->info.kind];
}
