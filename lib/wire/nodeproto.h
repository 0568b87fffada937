/* SPDX-License-Identifier: MIT */
#ifndef KOOP_WIRE_NODEPROTO_H
#define KOOP_WIRE_NODEPROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "codec/stripe.h"

/*
 * The shard API's words, shared by both ends: header names, request targets,
 * and the metadata of an object as headers.  The lines of NDJSON bodies and
 * of the acknowledgement stream are in wire/nodeline.h.
 *
 * Pure: memory in, memory out.  Everything parsed is hostile until checked.
 */

struct buf;
struct error;

#define NODEPROTO_TO "X-Koop-To" /* CLUSTER/SET/INDEX */

/* The request of whose client it is, if of one: its id, for the node's log. */
#define NODEPROTO_CLIENT_REQUEST "X-Koop-Client-Request"

/* Answers about one partition, from one read transaction. */
#define NODEPROTO_APPLIED "X-Koop-Applied"
#define NODEPROTO_HASH "X-Koop-Hash"
#define NODEPROTO_VOTING "X-Koop-Voting"
#define NODEPROTO_STABLE "X-Koop-Stable"
#define NODEPROTO_EPOCH "X-Koop-Epoch"
#define NODEPROTO_ROW_SEQ "X-Koop-Row-Seq"
#define NODEPROTO_DISK "X-Koop-Disk"
#define NODEPROTO_LEVEL "X-Koop-Level" /* of the partition, for writers */
#define NODEPROTO_KNOWS "X-Koop-Knows" /* of the node's program */

/* Answers about one object. */
#define NODEPROTO_BUCKET "X-Koop-Bucket"
#define NODEPROTO_INCARNATION "X-Koop-Incarnation"
#define NODEPROTO_REVISION "X-Koop-Revision"
#define NODEPROTO_VERSIONING "X-Koop-Versioning"
#define NODEPROTO_VERSION "X-Koop-Version"
#define NODEPROTO_MARKER "X-Koop-Marker"
#define NODEPROTO_KIND "X-Koop-Kind"
#define NODEPROTO_REQUEST_ID "X-Koop-Request-Id"
#define NODEPROTO_SIZE "X-Koop-Size"
#define NODEPROTO_ETAG "X-Koop-Etag"
#define NODEPROTO_MODIFIED "X-Koop-Modified"
#define NODEPROTO_GEOMETRY "X-Koop-Geometry"
#define NODEPROTO_SET "X-Koop-Set"
#define NODEPROTO_SHARD "X-Koop-Shard"
#define NODEPROTO_SHARD_CRC64 "X-Koop-Shard-Crc64"
#define NODEPROTO_CRC64NVME "X-Koop-Crc64nvme"
#define NODEPROTO_HEADERS "X-Koop-Headers"
#define NODEPROTO_META "X-Koop-Meta"
#define NODEPROTO_MISSING "X-Koop-Missing"
/* Answers about one upload (GET /parts). */
#define NODEPROTO_UPLOAD "X-Koop-Upload" /* open, completed, aborted */
#define NODEPROTO_KEY "X-Koop-Key"       /* percent-encoded */
#define NODEPROTO_BUCKET_NAME "X-Koop-Bucket-Name"

#define NODEPROTO_KEY_MAX 1024
#define NODEPROTO_BUCKET_MAX 255
#define NODEPROTO_JSON_MAX 16384 /* of headers and of meta, decoded */
#define NODEPROTO_ETAG_MAX 64

/* How an answer's or a request's headers are read and written. */
typedef const char *nodeproto_get_fn(void *arg, const char *name);
typedef void nodeproto_put_fn(void *arg, const char *name, const char *value);

/* Where a node stands in one partition. */
struct nodeproto_position {
	uint64_t applied;
	uint64_t stable;
	uint64_t epoch;
	uint64_t row_seq;      /* of what changed the key last; 0: no row */
	uint32_t level, knows; /* 1 from programs that do not say */
	uint8_t hash[32];
	bool voting;
	char disk[REQID_HEX + 1];
};
KOOP_MUST int nodeproto_position_parse(struct nodeproto_position *out,
    nodeproto_get_fn *get, void *arg, struct error *err);
void nodeproto_position_print(const struct nodeproto_position *position,
    nodeproto_put_fn *put, void *arg);

/* "6+3/65536", and CLUSTER/SET/INDEX. */
void nodeproto_geometry_print(char out[static 32], const struct geometry *g);
KOOP_MUST int nodeproto_geometry_parse(struct geometry *out, const char *text,
    struct error *err);
void nodeproto_to_print(char out[static 80], const char *cluster, uint32_t set,
    uint32_t index);

/*
 * Targets, appended to out.  object: /store/P/BUCKET/KEY, and to it
 * blob ?requestId=ID, put ?requestId=ID&shard=J, manifest ?manifest&uploadId=ID
 */
void nodeproto_target_object(struct buf *out, uint32_t partition,
    struct bytes bucket, struct bytes key);
void nodeproto_target_blob(struct buf *out, uint32_t partition,
    struct bytes bucket, struct bytes key, struct reqid id);
void nodeproto_target_put(struct buf *out, uint32_t partition,
    struct bytes bucket, struct bytes key, struct reqid id, uint32_t shard);
/* A version by its name: ?versionId=NAME. */
struct versionid;
void nodeproto_target_version(struct buf *out, uint32_t partition,
    struct bytes bucket, struct bytes key, const struct versionid *version);
void nodeproto_target_manifest(struct buf *out, uint32_t partition,
    struct bytes bucket, struct bytes key, struct reqid upload);
void nodeproto_target_bucket(struct buf *out, uint32_t partition,
    struct bytes name);

/* What stands after /store/ in a raw path (no query): the decoded bucket and
 * key go to out (reused). */
struct nodeproto_store {
	uint32_t partition;
	size_t bucket_bytes, key_bytes;
	char bucket[NODEPROTO_BUCKET_MAX + 1];
	char key[NODEPROTO_KEY_MAX + 1];
};
KOOP_MUST int nodeproto_store_parse(struct nodeproto_store *out,
    const char *path, struct error *err);

#endif
