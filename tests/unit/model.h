/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_MODEL_H
#define KOOP_TESTS_UNIT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apply/apply.h"
#include "base/bytes.h"
#include "base/random.h"
#include "commit/outcome.h"
#include "commit/record.h"
#include "store/rowset_mem.h"

/*
 * What the model checkers of test-protocol-*.c share: one partition's rows in
 * memory, changed by the real apply_entry(), which a checker can copy to come
 * back to a state; records; a set of the states that were seen; numbers from
 * a seed.  What goes wrong outside of the protocol ends the test at once.
 */

#define MODEL_T0 1700000000000ull /* T of the genesis record */
#define MODEL_HOUR (3600ull * 1000)
#define MODEL_DAY (24 * MODEL_HOUR)
#define MODEL_GARBAGE_MAX 8

struct model {
	struct rowset_mem *mem;
	uint32_t partition;
	uint64_t applied;
	uint64_t time_ms; /* append time that the log gives */
};

/* What the last record came to, and what it told the node's disk. */
struct model_result {
	enum outcome outcome;
	bool duplicate;
	bool broken; /* apply found that the rows contradict each other */
	size_t garbage_count;
	struct garbage_row garbage[MODEL_GARBAGE_MAX];
	size_t blob_count;
};

void model_init(struct model *model, uint32_t partition);
void model_copy(struct model *out, const struct model *from);
void model_fini(struct model *model);
/* Build the record's line, parse it, apply it at applied + 1. */
struct model_result model_apply(struct model *model,
    const struct record *record);
/* The same for a line from a log. */
struct model_result model_apply_line(struct model *model, uint64_t time_ms,
    struct bytes line);
/* The partition's row, to look at or to spoil. */
struct partition_row *model_partition(struct model *model);
/* Does the digest that apply keeps equal the one of the rows? */
bool model_digest_good(struct model *model);
bool model_equal(struct model *a, struct model *b); /* applied, H and D */

/* A request id of that time; number tells ids of one time apart. */
struct reqid model_id(uint64_t time_ms, uint32_t number);
/* A record with all that its type needs: bucket "b", incarnation 1, key "k",
 * a blob of 2 + 1 shards whose ETag is value in 32 digits. */
struct record model_record(enum record_type type, struct reqid id,
    uint32_t value);
struct bytes model_etag(uint32_t value); /* lives for ever */
/* The line of a record, in an own buffer. */
struct buf model_line(const struct record *record);

struct model_bucket {
	bool found, empty;
	enum bucket_state state;
	uint64_t incarnation, attempt, finished;
};
struct model_bucket model_bucket(struct model *model, const char *name);
/* The live version of b/key: value of its ETag, 0 when there is none.  *seq
 * is the row's, tombstones included, 0 without one. */
uint32_t model_object(struct model *model, const char *key, uint64_t *seq);
/* Does any row of key refer to that blob? */
bool model_refers(struct model *model, const char *key, struct reqid id);

/* States by a 64-bit hash: true when it is new. */
struct model_seen {
	uint64_t *slot;
	size_t room, count;
};
void model_seen_init(struct model_seen *seen);
void model_seen_fini(struct model_seen *seen);
bool model_seen_add(struct model_seen *seen, const void *key, size_t n);

/* 0 .. below - 1 */
uint32_t model_random(uint64_t *state, uint32_t below);

#endif
