/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_APPLYWORLD_H
#define KOOP_TESTS_UNIT_APPLYWORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "apply/apply.h"
#include "base/buf.h"
#include "commit/record.h"
#include "store/rowset.h"
#include "store/rowset_mem.h"

/*
 * A partition that records are applied to, for the tests of apply: records
 * are made from a few words, really built, parsed and applied.
 */

#define WORLD_CLUSTER "0123456789abcdef0123456789abcdef"
#define WORLD_T0 1700000000000ull

struct world {
	struct rowset_mem *mem; /* NULL when the rows are another's */
	struct rowset *rows;
	struct apply_effects effects;
	uint32_t partition;
	uint64_t seq;     /* of the last record */
	uint64_t time_ms; /* append time of the next one */
	uint64_t ids;     /* made so far */
	struct apply_result result;
	/* What the effects were told. */
	unsigned garbage, blobs, aborted;
	struct garbage_row last_garbage;
	struct apply_blob last_blob;
	size_t last_inline;
};

void world_init(struct world *w);
void world_init_on(struct world *w, struct rowset *rows);
void world_fini(struct world *w);
/* What world_init() adds as partition 0. */
struct partition_row world_partition(void);

/* A fresh id whose time is the world's, or that many ms before it. */
struct reqid world_id(struct world *w);
struct reqid world_old_id(struct world *w, uint64_t ms);

/* Records; members may be changed before they are applied. */
struct record world_record(struct world *w, enum record_type type);
struct record world_put(struct world *w, const char *key, const char *etag);
struct record world_upload(struct world *w, enum record_type type,
    const char *key, struct reqid upload);
struct record world_bucket(struct world *w, enum record_type type,
    uint64_t incarnation, uint64_t attempt, bool home);

/* Apply the record as the next one; false when apply failed. */
bool world_apply(struct world *w, const struct record *record);
/* The same, and its outcome; OUTCOME_MAX when apply failed. */
enum outcome world_do(struct world *w, const struct record *record);
bool world_apply_line(struct world *w, const struct buf *line,
    enum record_verdict want);

/* Make the bucket "b" with incarnation 1 here, as not at home. */
void world_make_bucket(struct world *w);
const struct partition_row *world_row(struct world *w);
/* Is the digest the sum of the rows? */
bool world_digest_good(struct world *w);
/* Current version of a key: its etag, "" when there is none. */
const char *world_etag(struct world *w, const char *key);

#endif
