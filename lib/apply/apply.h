/* SPDX-License-Identifier: MIT */
#ifndef KOOP_APPLY_APPLY_H
#define KOOP_APPLY_APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "commit/outcome.h"
#include "commit/record.h"
#include "store/localrows.h"
#include "store/rows.h"

/*
 * Apply one entry of the log to the rows: a pure function of (state, entry).
 * No clock, configuration, randomness or I/O of its own, so that all nodes
 * come to the same rows and the same outcome.
 *
 * What only concerns this node's disk is told to struct apply_effects, inside
 * the same transaction.  A nonzero return of an effect ends the apply.
 *
 * Outcomes, by type:
 *   Create     done; exists, not_owner (home, and it is there); no_such_bucket
 *              (elsewhere: that incarnation is over)
 *   Seal       sealed, sealed_empty: it is sealed with this attempt, and was
 *              (not) empty here; aborted: another attempt holds it (home), or
 *              this one is over; no_such_bucket
 *   Unseal     done: not sealed by this attempt now; no_such_bucket: deleted
 *   Delete-    done: deleted; aborted: Unseal of that attempt came first;
 *   Bucket     no_such_bucket
 *   Put        done, no_such_bucket, sealed, precondition_failed, no_such_key
 *              (If-Match without a version)
 *   Delete     done (also when there is no version), precondition_failed,
 *              no_such_key (If-Match), no_such_bucket
 *   Abort      of a blob: aborted, or what came first; of an upload: done,
 *              no_such_upload
 *   Initiate   done, no_such_bucket, sealed
 *   Part       the same, no_such_upload, invalid_part
 *   Complete   the same, precondition_failed, no_such_key; after an equal
 *              Complete that one's outcome
 *   any        expired, stale_epoch, not_yet_here; ignored; and a request id
 *              that is decided already yields its first outcome, no effect
 */

struct error;
struct rowset;

#define APPLY_EXPIRE_MS (48ull * 3600 * 1000)
#define APPLY_RETAIN_MS (7ull * 24 * 3600 * 1000)
#define APPLY_STEP_MS (3600ull * 1000) /* T moves at most so far a record */

/* A blob that a row refers to now: this node may have to hold a piece. */
struct apply_blob {
	uint32_t partition;
	uint64_t seq;
	struct bytes bucket, key;
	struct reqid id;
	struct reqid upload; /* zeros unless it is a part */
	uint32_t part;
	uint64_t size;
	const struct blob_info *info; /* shard_count 0: inline */
	/* The inline bytes as base64; empty with size > 0: they are not in this
	 * copy of the record and must come from a peer.  They are bound only by
	 * info->crc64nvme, which the holder checks. */
	struct bytes inline_base64;
};

struct apply_effects {
	void *ctx;
	/* Any may be NULL. */
	int (
	    *blob)(void *ctx, const struct apply_blob *blob, struct error *err);
	int (*garbage)(void *ctx, const struct garbage_row *row,
	    struct error *err);
};

struct apply_input {
	uint32_t partition;
	uint64_t seq, time_ms; /* what the log gave the entry */
	struct bytes line;
	/* What record_parse() said of line: RECORD_OK with the record, or
	 * RECORD_IGNORED.  The caller stops for the other verdicts: see
	 * apply_halt(). */
	enum record_verdict verdict;
	const struct record *record;
};

struct apply_result {
	enum outcome outcome;
	struct reqid id; /* zeros: ignored */
	uint64_t applied;
	uint64_t time_ms; /* T, after it */
	uint8_t hash[ROW_HASH_BYTES];
	bool duplicate; /* the outcome is an older record's */
};

/*
 * Apply the entry within the rows' transaction.  seq must be the partition's
 * applied + 1 (ERRC_USAGE).  ERRC_CORRUPT: the rows contradict each other;
 * other errors are the rows' or an effect's.  After
 * any failure roll back.
 */
KOOP_MUST int apply_entry(struct rowset *rows,
    const struct apply_effects *effects, const struct apply_input *input,
    struct apply_result *result, struct error *err);

/*
 * What to do with a verdict that is not for apply_entry(): RECORD_UNKNOWN
 * notes in the partition's row that it halts at seq (0 clears it: a later
 * program may understand).  RECORD_BAD_CRC is a failure of the environment:
 * change nothing, read the entry again, elsewhere if need be.
 */
KOOP_MUST int apply_halt(struct rowset *rows, uint32_t partition, uint64_t seq,
    struct error *err);

/*
 * Genesis.  It stands at base_seq and is not for apply_entry(): apply_genesis
 * makes the row of a partition that has applied it (H is chain, T is time_ms);
 * apply_regenesis takes a partition that is at base_seq of an older generation
 * into the new one.  ERRC_MISMATCH: it is elsewhere and needs a snapshot;
 * ERRC_CORRUPT: the log is older than the node.
 */
void apply_genesis(struct partition_row *out, const struct record *genesis,
    uint32_t partition, uint64_t time_ms);
KOOP_MUST int apply_regenesis(struct rowset *rows, uint32_t partition,
    const struct record *genesis, struct error *err);

#endif
