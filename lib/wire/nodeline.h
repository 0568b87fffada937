/* SPDX-License-Identifier: MIT */
#ifndef KOOP_WIRE_NODELINE_H
#define KOOP_WIRE_NODELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "codec/stripe.h"
#include "commit/outcome.h"
#include "wire/nodeproto_info.h"

/*
 * The lines of the shard API's text bodies.  Every NDJSON body ends with a line
 * of kind NODELINE_END: without it, it is a failed one.  Printers append a
 * whole line, LF included; parsers take one without it, and answer
 * ERRC_PROTOCOL.  Names and keys are percent-encoded in lines only.
 *   list     {"key":"a%20b","size":1,"etag":"..","modified":MS,"seq":N}
 *   uploads  {"key":"..","uploadId":"..","initiated":MS}, {"prefix":".."}
 *   parts    {"part":1,"size":N,"etag":"..","modified":MS,"requestId":".."}
 *   manifest {"part":1,"requestId":"..","size":N,"etag":"..",
 *            "geometry":"6+3/65536","set":1,"crc64nvme":"..",
 *            "shardCrc64":["..",...]}
 *   versions {"key":"..","version":"..","null":false,"marker":false,
 *            "latest":true,"size":1,"etag":"..","modified":MS,"seq":N}
 *   buckets  {"name":"..","incarnation":N,"state":"open","owner":"..",
 *            "created":MS,"attempt":N,"sealedAt":MS,"revision":N,
 *            "ruling":N,"versioning":"never"[,"settings":"{..}"]}
 *   end      {"end":true,"truncated":false,"next":"..","nextUploadId":".."}
 */

struct buf;
struct error;
#define NODELINE_MAX 8192                /* bytes of one line */
#define NODELINE_BUCKET_MAX (800u << 10) /* with settings */
#define NODELINE_OWNER_MAX 255
#define NODELINE_AT_MAX 4096 /* positions in one "at" */

enum nodeline_kind { NODELINE_ITEM, NODELINE_PREFIX, NODELINE_END };

/* list and uploads; for NODELINE_END name is where the next page starts. */
struct nodeline_key {
	enum nodeline_kind kind;
	bool truncated;
	size_t name_bytes;
	char name[NODEPROTO_KEY_MAX + 1];
	uint64_t size;
	uint64_t modified_ms;         /* uploads: initiated */
	uint64_t seq;                 /* list, versions: what changed it last */
	bool is_null, marker, latest; /* versions only */
	struct versionid version;     /* of the seq, also where is_null */
	char etag[NODEPROTO_ETAG_MAX + 1];
	struct reqid upload; /* uploads only; NODELINE_END: next upload id */
};
void nodeline_list_print(struct buf *out, const struct nodeline_key *line);
void nodeline_upload_print(struct buf *out, const struct nodeline_key *line);
KOOP_MUST int nodeline_list_parse(struct nodeline_key *out, struct bytes line,
    struct error *err);
void nodeline_version_print(struct buf *out, const struct nodeline_key *line);
KOOP_MUST int nodeline_version_parse(struct nodeline_key *out,
    struct bytes line, struct error *err);
KOOP_MUST int nodeline_upload_parse(struct nodeline_key *out, struct bytes line,
    struct error *err);

/* parts and manifest; what a body does not have is zero. */
struct nodeline_part {
	enum nodeline_kind kind;
	bool truncated;
	uint32_t part; /* NODELINE_END of parts: continue after this one */
	struct reqid id;
	uint64_t size;
	uint64_t modified_ms;
	char etag[NODEPROTO_ETAG_MAX + 1];
	struct geometry geometry; /* manifest only, as what follows */
	uint32_t set;
	uint64_t crc64nvme;
	uint32_t shard_crc64_count;
	uint64_t shard_crc64[32];
};
void nodeline_part_print(struct buf *out, const struct nodeline_part *line);
void nodeline_manifest_print(struct buf *out, const struct nodeline_part *line);
KOOP_MUST int nodeline_part_parse(struct nodeline_part *out, struct bytes line,
    struct error *err);
KOOP_MUST int nodeline_manifest_parse(struct nodeline_part *out,
    struct bytes line, struct error *err);

struct nodeline_bucket {
	enum nodeline_kind kind;
	enum nodeproto_state state; /* not NODEPROTO_NONE */
	uint64_t incarnation;
	uint64_t attempt; /* the seal's, 0 when open */
	uint64_t created_ms;
	uint64_t sealed_ms;        /* 0 when not known */
	uint64_t revision, ruling; /* of the settings, 0: never set */
	enum nodeproto_versioning versioning;
	struct bytes settings; /* borrowed, for print; empty: left out */
	char name[NODEPROTO_BUCKET_MAX + 1];
	char owner[NODELINE_OWNER_MAX + 1];
};
/* The body of GET /bucket is one such line. */
void nodeline_bucket_print(struct buf *out, const struct nodeline_bucket *line);
KOOP_MUST int nodeline_bucket_parse(struct nodeline_bucket *out,
    struct bytes line, struct error *err);
/* Its settings, "{}" when there are none, added to out. */
KOOP_MUST int nodeline_bucket_settings(struct buf *out, struct bytes line,
    struct error *err);

/* GET /applied?sender=ID[&positions=1], the acknowledgement stream, and its
 * first lines, GET /applied: position PARTITION SEQ, voting PARTITION 0|1,
 * PARTITION SEQ OUTCOME REQUESTID, time MS (T, when it moved much), ping */
enum nodeline_ack_kind {
	NODELINE_POSITION,
	NODELINE_VOTING,
	NODELINE_OUTCOME,
	NODELINE_TIME,
	NODELINE_PING,
};
struct nodeline_ack {
	enum nodeline_ack_kind kind;
	uint32_t partition;
	uint64_t seq;
	uint64_t time_ms;
	bool voting;
	enum outcome outcome;
	struct reqid id;
};
void nodeline_ack_print(struct buf *out, const struct nodeline_ack *line);
KOOP_MUST int nodeline_ack_parse(struct nodeline_ack *out, struct bytes line,
    struct error *err);

/* GET /applied/PARTITION: {"partition":P,"seq":N,"requestId":"..",
 * "outcome":".."}, as an NODELINE_OUTCOME. */
void nodeline_applied_print(struct buf *out, const struct nodeline_ack *line);
KOOP_MUST int nodeline_applied_parse(struct nodeline_ack *out,
    struct bytes line, struct error *err);

/* "P:SEQ,P:SEQ": positions of a query, at most NODELINE_AT_MAX. */
struct nodeline_at {
	uint32_t partition;
	uint64_t seq;
};
void nodeline_at_print(struct buf *out, const struct nodeline_at *at,
    size_t count);
/* *out is on the heap: free() it. */
KOOP_MUST int nodeline_at_parse(struct nodeline_at **out, size_t *count,
    const char *text, struct error *err);

#endif
