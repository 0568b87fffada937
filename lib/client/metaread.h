/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_METAREAD_H
#define KOOP_CLIENT_METAREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "codec/stripe.h"
#include "wire/nodeline.h"
#include "wire/nodeproto_info.h"

/*
 * Reading metadata as protocol.md section 7 says: an answer is given only
 * when no later reader can see an older one.  With a commit log that shares
 * its end and the members' positions, one voting node that has applied that
 * end answers; else, and whenever that does not come to a result, the read
 * quorum does.  Stopped nodes are hedged, so they cost milliseconds.
 *
 * deadline is monotonic ms (nodeclient_now() + NODECLIENT_READ_MS), then
 * ERRC_UNAVAILABLE.  ERRC_NOTFOUND only once it may be said.  Any threads.
 */

struct buf;
struct error;
struct nodeclient;
struct placement;

/* The version of bucket/key that has that name, NULL: the newest.  Whose place
 * it is: one for all of a request.  On ERRC_NOTFOUND *out is filled, too: its
 * bucket state tells "no such bucket" from "no such key", out->marker that a
 * delete marker is there.  With inline_bytes those of an inline object come
 * along; NULL only looks (HEAD). */
KOOP_MUST int metaread_version(struct nodeclient *nc,
    const struct placement *place, struct bytes bucket, struct bytes key,
    const struct versionid *version, struct object_info *out,
    struct buf *inline_bytes, uint64_t deadline, struct error *err);

struct bucket_info {
	uint64_t incarnation;
	enum nodeproto_state state; /* open, sealed or deleted */
	char owner[NODELINE_OWNER_MAX + 1];
	uint64_t created_ms;
	uint64_t attempt; /* of a deletion, when sealed; else 0 */
	uint64_t sealed_at_ms;
	uint64_t revision, ruling; /* of the settings, 0: never set */
	enum nodeproto_versioning versioning;
	uint32_t level; /* of the partition, for writers */
	uint64_t at;    /* the partition's seq that this was read at */
};

/* One partition's row of a bucket.  ERRC_NOTFOUND: never heard of it there
 * (a deleted one is found, in state NODEPROTO_DELETED). */
KOOP_MUST int metaread_bucket(struct nodeclient *nc, uint32_t partition,
    struct bytes name, struct bucket_info *out, uint64_t deadline,
    struct error *err);

/* The same with its settings ("{}" when never set). */
KOOP_MUST int metaread_settings(struct nodeclient *nc, uint32_t partition,
    struct bytes name, struct bucket_info *out, struct buf *settings,
    uint64_t deadline, struct error *err);
/* Does the bucket exist (home partition, not deleted)?  ERRC_NOTFOUND. */
KOOP_MUST int metaread_home(struct nodeclient *nc, struct bytes name,
    struct bucket_info *out, uint64_t deadline, struct error *err);

/* All that is passed to a callback is borrowed for the call; a nonzero return
 * ends the read and is returned. */
struct list_entry {
	bool is_prefix;
	struct bytes key; /* or the common prefix */
	uint64_t size;
	const char *etag; /* without quotes */
	uint64_t modified_ms;
	struct reqid upload_id;           /* uploads */
	char version[VERSIONID_TEXT + 1]; /* as S3 shows it, or "null" */
	bool marker, latest;
};
typedef int metaread_list_fn(void *arg, const struct list_entry *entry);

struct list_query {
	struct bytes bucket, prefix, delimiter;
	struct bytes start_after;  /* objects; key-marker of uploads */
	struct bytes upload_after; /* upload-id-marker, hex; version's */
	uint32_t max;              /* 1 to 1000 */
	uint64_t incarnation;      /* of the bucket; 0: whichever */
};

/* A page in bytewise order.  *next gets the last key or prefix (what
 * start_after takes to go on); *next_upload may be NULL. */
struct list_end {
	bool truncated;
	struct buf *next;
	struct buf *next_upload;
};
KOOP_MUST int metaread_list(struct nodeclient *nc, const struct list_query *q,
    metaread_list_fn *fn, void *arg, struct list_end *end, uint64_t deadline,
    struct error *err);
KOOP_MUST int metaread_uploads(struct nodeclient *nc,
    const struct list_query *q, metaread_list_fn *fn, void *arg,
    struct list_end *end, uint64_t deadline, struct error *err);

/* Versions and delete markers: by key, then newest first. */
KOOP_MUST int metaread_versions(struct nodeclient *nc,
    const struct list_query *q, metaread_list_fn *fn, void *arg,
    struct list_end *end, uint64_t deadline, struct error *err);

/* All buckets, by name. */
typedef int metaread_bucket_fn(void *arg, struct bytes name,
    const struct bucket_info *info);
KOOP_MUST int metaread_buckets(struct nodeclient *nc, metaread_bucket_fn *fn,
    void *arg, uint64_t deadline, struct error *err);

#endif
