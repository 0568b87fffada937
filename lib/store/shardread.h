/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_SHARDREAD_H
#define KOOP_STORE_SHARDREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "store/rows.h"
#include "store/shardmeta.h"

/*
 * Reading the node's metadata: a struct shardread is one read transaction on
 * a pooled connection; all it answers is of one moment.  Keep it short: the
 * WAL cannot be reset while it lasts.
 *
 * Getters return 0, -ERRC_NOTFOUND (without a message) or another error.
 * Strings of a row live until the next call of the same function or
 * shardread_end(), whichever is first; those given to an fn until it returns.
 * An fn that returns nonzero ends the iteration, which returns that value.
 * One thread at a time.
 */

struct buf;
struct error;
struct shardread;

/* Waits up to 5 s for a connection, then ERRC_RETRY. */
KOOP_MUST int shardread_begin(struct shardread **out, struct shardmeta *meta,
    struct error *err);
void shardread_end(struct shardread *read); /* NULL is fine */

KOOP_MUST int shardread_partition(struct shardread *read, uint32_t partition,
    struct partition_row *out, struct error *err);
typedef int shardread_partition_fn(void *arg, const struct partition_row *row);
KOOP_MUST int shardread_partitions(struct shardread *read,
    shardread_partition_fn *fn, void *arg, struct error *err);

KOOP_MUST int shardread_bucket(struct shardread *read, uint32_t partition,
    struct bytes name, struct bucket_row *out, struct error *err);
/* Buckets of a partition that are at home there and not deleted, by name. */
typedef int shardread_bucket_fn(void *arg, const struct bucket_row *row);
KOOP_MUST int shardread_buckets(struct shardread *read, uint32_t partition,
    shardread_bucket_fn *fn, void *arg, struct error *err);

/* A tombstone is found, with its kind and seq. */
KOOP_MUST int shardread_object(struct shardread *read, uint32_t partition,
    struct bytes bucket, struct bytes key, struct object_row *out,
    struct error *err);
/* Whole bytes of an inline object kept here. */
KOOP_MUST int shardread_inline(struct shardread *read, struct reqid id,
    struct buf *out, struct error *err);

KOOP_MUST int shardread_upload(struct shardread *read, uint32_t partition,
    struct reqid id, struct upload_row *out, struct error *err);
KOOP_MUST int shardread_part(struct shardread *read, uint32_t partition,
    struct reqid upload, uint32_t number, struct part_row *out,
    struct error *err);
/* Parts with numbers above after, ascending. */
typedef int shardread_part_fn(void *arg, const struct part_row *row);
KOOP_MUST int shardread_parts(struct shardread *read, uint32_t partition,
    struct reqid upload, uint32_t after, shardread_part_fn *fn, void *arg,
    struct error *err);

KOOP_MUST int shardread_decided(struct shardread *read, uint32_t partition,
    struct reqid id, struct decided_row *out, struct error *err);
KOOP_MUST int shardread_oplog_at(struct shardread *read, uint32_t partition,
    uint64_t seq, struct oplog_row *out, struct error *err);
/* Rows from seq on, ascending; nothing if seq itself was trimmed: look with
 * shardread_oplog_at() first. */
typedef int shardread_oplog_fn(void *arg, const struct oplog_row *row);
KOOP_MUST int shardread_oplog(struct shardread *read, uint32_t partition,
    uint64_t from, shardread_oplog_fn *fn, void *arg, struct error *err);

/*
 * One page of keys of a bucket, over all partitions of the node, in bytewise
 * order.  Keys that begin with prefix and have the delimiter after it become
 * one item, the common prefix, and cost one step however many they are.
 */
struct list_query {
	struct bytes bucket, prefix, delimiter; /* empty: none */
	struct bytes after; /* keys and prefixes at or below are left out */
	struct reqid after_upload; /* uploads of the key after, above this id */
	size_t max;
	/* Only this incarnation; 0: any. */
	uint64_t incarnation;
};
struct list_end {
	bool truncated;
	size_t count;
};
/* row is NULL for a common prefix, whose text is then prefix. */
typedef int shardread_list_fn(void *arg, const struct object_row *row,
    struct bytes prefix);
KOOP_MUST int shardread_list(struct shardread *read,
    const struct list_query *query, struct list_end *end, shardread_list_fn *fn,
    void *arg, struct error *err);
/* The same over open uploads, by key, then upload id. */
typedef int shardread_uploads_fn(void *arg, const struct upload_row *row,
    struct bytes prefix);
KOOP_MUST int shardread_uploads(struct shardread *read,
    const struct list_query *query, struct list_end *end,
    shardread_uploads_fn *fn, void *arg, struct error *err);

/* Garbage at or below max_seq, above *after (zeros: from the start). */
typedef int shardread_garbage_fn(void *arg, const struct garbage_row *row);
KOOP_MUST int shardread_garbage(struct shardread *read, uint32_t partition,
    uint64_t max_seq, const struct garbage_row *after, shardread_garbage_fn *fn,
    void *arg, struct error *err);
/* Repairs: few attempts first, then newest; of one blob: ERRC_NOTFOUND. */
typedef int shardread_repair_fn(void *arg, const struct repair_row *row);
KOOP_MUST int shardread_repairs(struct shardread *read, size_t max,
    shardread_repair_fn *fn, void *arg, struct error *err);
KOOP_MUST int shardread_repair(struct shardread *read, struct reqid id,
    struct repair_row *out, struct error *err);
KOOP_MUST int shardread_note(struct shardread *read, const char *name,
    struct buf *out, struct error *err);

struct shardread_counts {
	uint64_t repairs, garbage, oplog_bytes, wal_bytes, database_bytes;
};
KOOP_MUST int shardread_counts(struct shardread *read,
    struct shardread_counts *out, struct error *err);

/*
 * Every row of a partition at one seq, for a snapshot: the partition's first,
 * then buckets, objects (tombstones too), uploads, parts, decided, each in
 * key order.  Exactly one pointer is set.  shardread_digest() computes the
 * set hash from the rows anew, for the scrub: it must be the partition's.
 */
struct snapshot_row {
	const struct partition_row *partition;
	const struct bucket_row *bucket;
	const struct object_row *object;
	const struct upload_row *upload;
	const struct part_row *part;
	const struct decided_row *decided;
};
typedef int shardread_snapshot_fn(void *arg, const struct snapshot_row *row);
KOOP_MUST int shardread_snapshot(struct shardread *read, uint32_t partition,
    shardread_snapshot_fn *fn, void *arg, struct error *err);
KOOP_MUST int shardread_digest(struct shardread *read, uint32_t partition,
    uint8_t out[static 32], struct error *err);

#endif
