/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_RECORD_H
#define KOOP_COMMIT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "commit/record_type.h"
#include "commit/versionid.h"

/*
 * A record of the commit log: one JSON object on one line, koop-record(5).
 *
 * The line is the sender's bytes.  It is kept, forwarded and hashed as it is
 * and never printed again from a parsed one.
 *
 *      {"v":1,"type":"PutMessage", ... ,"inline":"aGk=","crc32c":"0123abcd"}
 *      '------------ covered -----------------'    '' not covered --------'
 *
 * crc32c and the chain hash cover the line up to ,"crc32c": with the inline
 * text left out (the content CRC binds that): dropping it changes neither.
 *
 * struct record is the view of a line, and what one is built from.  A parsed
 * one owns the memory its views point at, but for inline_base64, which points
 * into the line that was parsed.
 */

#define RECORD_BYTES_MAX (512u << 10)
#define RECORD_DEPTH_MAX 32
#define RECORD_SENDER_MAX 64
#define RECORD_BUCKET_MAX 255
#define RECORD_KEY_MAX 1024
#define RECORD_OWNER_MAX 255
#define RECORD_ETAG_MAX 39
#define RECORD_JSON_MAX (64u << 10) /* of headers, of meta */
#define RECORD_SETTINGS_MAX (128u << 10)
#define RECORD_PARTS_MAX 10000
#define RECORD_SHARDS_MAX 32
#define RECORD_CHAIN_BYTES 32
#define RECORD_CLUSTER_HEX 32

struct buf;
struct error;

enum record_verdict {
	RECORD_OK,
	RECORD_IGNORED, /* no record of this cluster: outcome ignored */
	RECORD_BAD_CRC, /* damaged: stop until it reads well again */
	RECORD_UNKNOWN, /* v, type or need of a later program: halt */
};

struct record_part {
	uint32_t number; /* 1 .. 10000, ascending */
	uint8_t md5[16];
};

/* Of PutMessage and PartMessage; requestId names the blob. */
struct record_blob {
	uint64_t size;
	uint64_t crc64nvme;
	uint32_t data_shards, parity_shards, cell_bytes;
	uint32_t set;         /* number of the erasure set */
	uint32_t durable;     /* bit j: shard j was durable; 0 when inline */
	uint32_t shard_count; /* 0 when inline, else data + parity */
	uint64_t shard_crc64[RECORD_SHARDS_MAX];
	bool is_inline;             /* the member inline is there ... */
	struct bytes inline_base64; /* ... and empty when it was stripped */
};

/* What apply must know of a bucket's settings. */
enum record_versioning {
	VERSIONING_NEVER, /* was never set */
	VERSIONING_ENABLED,
	VERSIONING_SUSPENDED,
};

struct record {
	enum record_type type;
	char cluster[RECORD_CLUSTER_HEX + 1];
	uint64_t epoch;
	struct reqid request_id;
	struct bytes sender;

	struct bytes bucket, key, owner;
	uint64_t incarnation, attempt; /* 0 in Create, Seal at home: its seq */
	bool home;
	/* Of the bucket's settings: what the writer of an object record saw, 0
	 * if none; of BucketConfig its own, 0 at home: its seq. */
	uint64_t revision, if_revision, ruling;
	struct bytes settings;             /* JSON object */
	enum record_versioning versioning; /* what they say; set by parse */
	bool has_version;                  /* Delete: of that version */
	struct versionid version;
	unsigned level;     /* Genesis, Level */
	uint64_t new_epoch; /* Epoch */

	struct record_blob blob;
	struct bytes etag;          /* no quotes; Put, Part, Complete */
	struct bytes headers, meta; /* JSON objects of strings; "{}" if none */
	struct bytes if_match;      /* BYTES_NONE: no condition */
	bool if_none_match;         /* If-None-Match: * */

	bool has_upload; /* Part, Complete; Abort of an upload */
	struct reqid upload_id;
	uint32_t part_number;
	const struct record_part *parts;
	size_t part_count;

	/* Genesis: seq base_seq, whose chain hash is chain. */
	uint32_t partition;
	uint64_t generation, base_seq;
	uint8_t chain[RECORD_CHAIN_BYTES];
	uint32_t partition_count;
};

/* Parse a line.  Returns an enum record_verdict, or -ERRC_NOMEM.  *out is set
 * with RECORD_OK only; otherwise err has the reason.  cluster NULL takes any.
 */
KOOP_MUST int record_parse(struct record **out, struct bytes line,
    const char *cluster, struct error *err);
void record_free(struct record *record);

/* Add the line of a record, CRC included, to out.  ERRC_USAGE: a field breaks
 * koop-record(5), or the line is too long.  headers, meta and sender may be
 * BYTES_NONE. */
KOOP_MUST int record_build(struct buf *out, const struct record *fields,
    struct error *err);

/* The covered bytes, in two parts.  False: it does not end like a record. */
KOOP_MUST bool record_covered(struct bytes line, struct bytes part[2]);
/* H(seq) = SHA-256(H(seq - 1) || covered bytes).  A line without the end of a
 * record counts whole.  In place (out == prev) is fine.  ERRC_NOMEM only. */
KOOP_MUST int record_hash(uint8_t out[static RECORD_CHAIN_BYTES],
    const uint8_t prev[static RECORD_CHAIN_BYTES], struct bytes line,
    struct error *err);
/* The line without its inline text (as it is when there is none). */
void record_strip(struct buf *out, struct bytes line);
/* The bytes of an inline object from the text in its record, against the size
 * and the content CRC that the record tells, since the record's own CRC leaves
 * the text out.  ERRC_CORRUPT: damaged, or stripped. */
KOOP_MUST int record_inline(struct buf *out, struct bytes text, uint64_t size,
    uint64_t crc64nvme, struct error *err);

#endif
