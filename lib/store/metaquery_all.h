/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_METAQUERY_ALL_H
#define KOOP_STORE_METAQUERY_ALL_H

#include <stdint.h>

#include "base/compiler.h"
#include "store/metaquery.h"

/* Reading every row of a partition: snapshots, and the set hash anew. */

/* The exception: a snapshot is of one moment however large it is, and may be
 * written to a file as it is read.  A connection of its own, for one at a
 * time, and for 60 s: both ERRC_RETRY. */
KOOP_MUST int metaquery_begin_dump(struct metaquery **out,
    struct shardmeta *meta, struct error *err);

/*
 * Every row of a partition at one seq, for a snapshot: the partition's first,
 * then buckets, objects (tombstones too), versions, uploads, parts, decided,
 * each in key order.  Exactly one pointer is set.  metaquery_digest() computes
 * the set hash from the rows anew, for the scrub: it must be the partition's.
 */
struct snapshot_row {
	const struct partition_row *partition;
	const struct bucket_row *bucket;
	const struct object_row *object, *version; /* newest, older */
	const struct upload_row *upload;
	const struct part_row *part;
	const struct decided_row *decided;
};
typedef int metaquery_snapshot_fn(void *arg, const struct snapshot_row *row);
KOOP_MUST int metaquery_snapshot(struct metaquery *read, uint32_t partition,
    metaquery_snapshot_fn *fn, void *arg, struct error *err);
KOOP_MUST int metaquery_digest(struct metaquery *read, uint32_t partition,
    uint8_t out[static 32], struct error *err);

#endif
