/* SPDX-License-Identifier: MIT */
#ifndef KOOP_WIRE_NODEPROTO_INFO_H
#define KOOP_WIRE_NODEPROTO_INFO_H

#include "commit/versionid.h"
#include "wire/nodeproto.h"

/*
 * What a node says of one version of a key, in the headers of an answer to
 * GET or HEAD /store/...  Pure; what is parsed is hostile until checked.
 */

enum nodeproto_state {
	NODEPROTO_NONE,
	NODEPROTO_OPEN,
	NODEPROTO_SEALED,
	NODEPROTO_DELETED, /* in bucket lines only */
};
enum nodeproto_versioning {
	NODEPROTO_NEVER, /* was never set: versions have no name to show */
	NODEPROTO_ENABLED,
	NODEPROTO_SUSPENDED,
};
enum nodeproto_kind { NODEPROTO_BLOB, NODEPROTO_INLINE, NODEPROTO_MULTIPART };

struct object_info {
	struct nodeproto_position at;
	enum nodeproto_state bucket;
	uint64_t incarnation; /* of the bucket; 0 when there is none */
	uint64_t revision;    /* of its settings, 0: never set */
	enum nodeproto_versioning versioning;
	/* There is no such version, but a delete marker instead: version and
	 * modified_ms are the marker's.  Never together with found. */
	bool marker;
	bool found;   /* a live version: what follows is set */
	bool missing; /* found, but the node has no bytes of it */
	/* Its name; what S3 shows where versioning is not NEVER. */
	struct versionid version;
	enum nodeproto_kind kind;
	struct reqid id; /* the blob's, or the upload's */
	uint64_t size;
	char etag[NODEPROTO_ETAG_MAX + 1]; /* without quotes */
	uint64_t modified_ms;
	struct geometry geometry; /* blobs only, as the next four */
	uint32_t set;
	uint32_t shard;             /* the one that this node holds */
	uint32_t shard_crc64_count; /* 0 or all shards */
	uint64_t shard_crc64[32];
	uint64_t crc64nvme;
	char *headers; /* JSON object text, on the heap; never NULL if found */
	char *meta;
};
/* From an answer's headers, position included; ERRC_PROTOCOL when they make no
 * sense.  The caller calls nodeproto_info_fini(). */
KOOP_MUST int nodeproto_info_parse(struct object_info *out,
    nodeproto_get_fn *get, void *arg, struct error *err);
KOOP_MUST int nodeproto_info_print(const struct object_info *info,
    nodeproto_put_fn *put, void *arg, struct error *err);
void nodeproto_info_fini(struct object_info *info);

/* "never", "enabled", "suspended"; false: none of them. */
const char *nodeproto_versioning_name(enum nodeproto_versioning versioning);
KOOP_MUST bool nodeproto_versioning_parse(enum nodeproto_versioning *out,
    const char *name);

#endif
