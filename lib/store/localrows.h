/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_LOCALROWS_H
#define KOOP_STORE_LOCALROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/random.h"

/*
 * Rows that are this node's own: no function of the log, in no snapshot, in
 * no digest.  They say what this disk still has to lose or to gain.
 */

/*
 * Garbage: bytes that no row refers to any more, to be deleted
 * once seq is stable.  GARBAGE_UPLOAD stands for all parts that the upload
 * still has.
 */
enum garbage_kind { GARBAGE_BLOB = 1, GARBAGE_UPLOAD };
enum garbage_reason {
	GARBAGE_ABORTED = 1, /* an ABORT with outcome aborted */
	GARBAGE_REFUSED,     /* the record that names it was refused */
	GARBAGE_SUPERSEDED, /* overwritten, deleted, uploaded again, left out */
};
struct garbage_row {
	uint32_t partition;
	uint64_t seq;
	struct reqid id;
	enum garbage_kind kind;
	enum garbage_reason reason;
};

/* A shard, or the whole bytes of an inline object, that this node must hold
 * and lacks.  The place says which row tells its layout: the object bucket/key
 * with that blob, or (upload not zeros) the part. */
struct repair_row {
	uint64_t number; /* in the queue; given by put */
	uint32_t partition;
	uint64_t seq; /* of the record that made it live */
	struct reqid id;
	bool whole; /* inline bytes, not a shard */
	struct bytes bucket, key;
	struct reqid upload;
	uint32_t part;
	uint32_t attempts;
	uint64_t queued_ms; /* real time, for people */
};

#endif
