/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_METAQUERY_H
#define KOOP_STORE_METAQUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "store/rows.h"
#include "store/shardmeta.h"

/*
 * Reading the node's metadata: a struct metaquery is one read transaction on
 * a pooled connection; all it answers is of one moment.  It is short: the WAL
 * cannot be reset while it lasts.  So no file, peer, log or long lock between
 * begin and end (base/nowait.h), and walks go by pages (metaquery_walk.h).
 *
 * Getters return 0, -ERRC_NOTFOUND (without a message) or another error.
 * Strings of a row live until the next call of the same function or
 * metaquery_end(), whichever is first; those given to an fn until it returns.
 * An fn that returns nonzero ends the iteration, which returns that value.
 * One thread at a time.
 */

struct buf;
struct error;
struct metaquery;

/* Waits up to 5 s for a connection, then ERRC_RETRY. */
KOOP_MUST int metaquery_begin(struct metaquery **out, struct shardmeta *meta,
    struct error *err);
void metaquery_end(struct metaquery *read); /* NULL is fine */

KOOP_MUST int metaquery_partition(struct metaquery *read, uint32_t partition,
    struct partition_row *out, struct error *err);
typedef int metaquery_partition_fn(void *arg, const struct partition_row *row);
KOOP_MUST int metaquery_partitions(struct metaquery *read,
    metaquery_partition_fn *fn, void *arg, struct error *err);

KOOP_MUST int metaquery_bucket(struct metaquery *read, uint32_t partition,
    struct bytes name, struct bucket_row *out, struct error *err);
/* Buckets of a partition that are at home there and not deleted, by name. */
typedef int metaquery_bucket_fn(void *arg, const struct bucket_row *row);
KOOP_MUST int metaquery_buckets(struct metaquery *read, uint32_t partition,
    metaquery_bucket_fn *fn, void *arg, struct error *err);

/* A tombstone is found, with its kind and seq. */
KOOP_MUST int metaquery_object(struct metaquery *read, uint32_t partition,
    struct bytes bucket, struct bytes key, struct object_row *out,
    struct error *err);
/* Whole bytes of an inline object kept here. */
KOOP_MUST int metaquery_inline(struct metaquery *read, struct reqid id,
    struct buf *out, struct error *err);

KOOP_MUST int metaquery_upload(struct metaquery *read, uint32_t partition,
    struct reqid id, struct upload_row *out, struct error *err);
KOOP_MUST int metaquery_part(struct metaquery *read, uint32_t partition,
    struct reqid upload, uint32_t number, struct part_row *out,
    struct error *err);
/* Parts with numbers above after, ascending. */
typedef int metaquery_part_fn(void *arg, const struct part_row *row);
KOOP_MUST int metaquery_parts(struct metaquery *read, uint32_t partition,
    struct reqid upload, uint32_t after, metaquery_part_fn *fn, void *arg,
    struct error *err);

KOOP_MUST int metaquery_decided(struct metaquery *read, uint32_t partition,
    struct reqid id, struct decided_row *out, struct error *err);
KOOP_MUST int metaquery_oplog_at(struct metaquery *read, uint32_t partition,
    uint64_t seq, struct oplog_row *out, struct error *err);
/* Rows from seq on, ascending; nothing if seq itself was trimmed: look with
 * metaquery_oplog_at() first. */
typedef int metaquery_oplog_fn(void *arg, const struct oplog_row *row);
KOOP_MUST int metaquery_oplog(struct metaquery *read, uint32_t partition,
    uint64_t from, metaquery_oplog_fn *fn, void *arg, struct error *err);

/*
 * One page of keys of a bucket, over all partitions of the node, in bytewise
 * order.  Keys that begin with prefix and have the delimiter after it become
 * one item, the common prefix, and cost one step however many they are.
 */
struct list_query {
	struct bytes bucket, prefix, delimiter; /* empty: none */
	struct bytes after; /* keys and prefixes at or below are left out */
	struct reqid after_upload; /* uploads of the key after, above this id */
	uint64_t after_seq;        /* versions of it, below this seq */
	bool after_null;           /* ... below that of the one named "null" */
	size_t max;
	uint64_t incarnation; /* only of this one; 0: any */
	/* Only these partitions; NULL: all that there are rows of. */
	bool (*wants)(void *arg, uint32_t partition);
	void *wants_arg;
};
struct list_end {
	bool truncated;
	size_t count;
};
/* row is NULL for a common prefix, whose text is then prefix. */
typedef int metaquery_list_fn(void *arg, const struct object_row *row,
    struct bytes prefix);
KOOP_MUST int metaquery_list(struct metaquery *read,
    const struct list_query *query, struct list_end *end, metaquery_list_fn *fn,
    void *arg, struct error *err);
/* The same over open uploads, by key, then upload id. */
typedef int metaquery_uploads_fn(void *arg, const struct upload_row *row,
    struct bytes prefix);
KOOP_MUST int metaquery_uploads(struct metaquery *read,
    const struct list_query *query, struct list_end *end,
    metaquery_uploads_fn *fn, void *arg, struct error *err);

/* Garbage at or below max_seq, above *after (zeros: from the start). */
typedef int metaquery_garbage_fn(void *arg, const struct garbage_row *row);
KOOP_MUST int metaquery_garbage(struct metaquery *read, uint32_t partition,
    uint64_t max_seq, const struct garbage_row *after, metaquery_garbage_fn *fn,
    void *arg, struct error *err);
/* The next repair of a partition: few attempts first, then newest; and that
 * of one blob.  Both: ERRC_NOTFOUND. */
KOOP_MUST int metaquery_repair_next(struct metaquery *read, uint32_t partition,
    struct repair_row *out, struct error *err);
KOOP_MUST int metaquery_repair(struct metaquery *read, struct reqid id,
    struct repair_row *out, struct error *err);

/* Of the lines that the oplog keeps. */
KOOP_MUST int metaquery_oplog_bytes(struct metaquery *read, uint64_t *out,
    struct error *err);

#endif
