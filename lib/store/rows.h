/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_ROWS_H
#define KOOP_STORE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/random.h"
#include "store/blobinfo.h"

/*
 * The rows of a node's metadata as plain values; store/rowset.h says
 * how they are read and changed, store/rowhash.h what the set hash is.
 *
 * Strings are borrowed (struct bytes): whoever hands out a row says how long
 * they live.  A row belongs to one partition.
 */

#define ROW_ETAG_MAX 63
#define ROW_HASH_BYTES 32
#define ROW_PARTS_MAX 10000

struct partition_row {
	uint32_t partition;
	uint64_t generation; /* of the log */
	uint64_t base_seq;   /* seq of that generation's genesis record */
	uint64_t applied;
	uint64_t t_ms; /* partition time T */
	uint64_t epoch;
	uint8_t hash[ROW_HASH_BYTES];   /* H(applied) */
	uint8_t digest[ROW_HASH_BYTES]; /* D(applied) */
	uint64_t dying; /* uploads whose parts wait for the sweep */
	uint32_t level; /* of records, that writers may use; 1 at least */
	/* Local: */
	uint64_t halted;  /* seq of a record that is not understood, or 0 */
	uint64_t ignored; /* entries that were no record of this cluster */
	uint64_t slot;    /* which set of rows is this partition's now */
};

enum bucket_state { BUCKET_OPEN = 1, BUCKET_SEALED, BUCKET_DELETED };
/* Once it was set, a bucket never comes back to NEVER. */
enum bucket_versioning {
	BUCKET_NEVER,     /* a key has one version, "null" */
	BUCKET_ENABLED,   /* every write makes a version with its own name */
	BUCKET_SUSPENDED, /* a write replaces the version "null" */
};

struct bucket_row {
	uint32_t partition;
	struct bytes name;
	uint64_t incarnation;
	enum bucket_state state;
	uint64_t attempt;  /* of the seal that holds it or deleted it, or 0 */
	uint64_t finished; /* the highest attempt known to be over */
	bool sealed_empty; /* it was empty here when that seal came */
	bool home;
	struct bytes owner;
	uint64_t created_ms, sealed_ms; /* T */
	uint64_t seq;                   /* of the record that changed it last */
	/* Of the settings: seq of the BucketConfig at home, 0: never set; and
	 * of the last one that changed what apply does (versioning). */
	uint64_t revision, ruling;
	enum bucket_versioning versioning;
	struct bytes settings; /* JSON as it was sent, or empty */
};

enum object_kind {
	OBJECT_BLOB = 1,
	OBJECT_INLINE,
	OBJECT_MULTIPART,
	OBJECT_TOMBSTONE, /* no version since seq; kept until that is stable */
	OBJECT_MARKER,    /* a version that says: deleted */
};

/* A version.  The newest is the object row of its key, so that a plain PUT
 * touches one page; the older ones are version rows beside it. */
struct object_row {
	uint32_t partition;
	struct bytes bucket, key;
	uint64_t seq;     /* of the record that made this version */
	uint64_t changed; /* of what changed the key last; older rows: seq */
	bool is_null;     /* its name is "null"; one a key at most */
	uint64_t incarnation;
	enum object_kind kind;
	struct reqid id; /* of the blob, the upload, the marker's record */
	uint64_t size;
	uint64_t modified_ms;        /* T */
	char etag[ROW_ETAG_MAX + 1]; /* without quotes */
	struct blob_info blob;
	struct bytes headers, meta; /* JSON objects, or empty */
};

enum upload_state { UPLOAD_OPEN = 1, UPLOAD_COMPLETED, UPLOAD_ABORTED };

struct upload_row {
	uint32_t partition;
	struct reqid id;
	struct bytes bucket, key;
	uint64_t incarnation;
	struct bytes owner, headers, meta;
	uint64_t initiated_ms; /* T */
	uint64_t seq;          /* of the record that changed it last */
	enum upload_state state;
	uint64_t finished_ms; /* T when completed or aborted, else 0 */
	bool live;            /* open, or a version of its key */
	bool dying;           /* its parts are being swept */
	uint32_t outcome;     /* of the Complete that ended it (enum outcome) */
	uint8_t list_hash[ROW_HASH_BYTES]; /* SHA-256 of that one's list */
};

struct part_row {
	uint32_t partition;
	struct reqid upload;
	uint32_t number; /* 1 to ROW_PARTS_MAX */
	struct reqid id; /* the blob's */
	uint64_t seq;
	uint64_t size;
	uint64_t modified_ms;
	char etag[ROW_ETAG_MAX + 1];
	struct blob_info blob;
};

/* What became of a request id: the first record that named it. */
struct decided_row {
	uint32_t partition;
	struct reqid id;
	uint64_t seq;
	uint32_t outcome; /* enum outcome */
	bool live;        /* an object, part or upload row refers to the id */
};

struct oplog_row {
	uint32_t partition;
	uint64_t seq, time_ms;
	struct reqid id; /* zeros when the entry was ignored */
	uint32_t outcome;
	uint8_t hash[ROW_HASH_BYTES]; /* H(seq) */
	struct bytes line; /* without inline text; its CRC and H still hold */
};

/* Is the row something that S3 would count: a version or a delete marker? */
static inline bool
object_is_version(const struct object_row *row)
{
	return row->kind != OBJECT_TOMBSTONE;
}

#endif
