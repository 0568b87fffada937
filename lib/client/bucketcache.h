/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_BUCKETCACHE_H
#define KOOP_CLIENT_BUCKETCACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "wire/nodeproto_info.h"

/*
 * The bucket view: which partitions are known to hold which open bucket,
 * (partition, name) -> what was seen of it.  It is never believed for a time
 * but follows the log (protocol.md 5, "Buckets"): a reader of the log
 * (client/bucketfollow.h) tells of each bucket record, which makes void what
 * was known before it, and how fresh its reading is.  A view that is not fresh
 * says nothing at all.
 *
 * A "no" is never kept.  Fixed size; newer entries push out older ones.
 * Threads: any.
 */

#define BUCKETCACHE_SLOTS 4096
/* The log was read to an end that is no older than this, or nothing is said:
 * a change is seen everywhere within it. */
#define BUCKETCACHE_FRESH_MS 1000

struct bucketcache;
struct clock;
struct error;

/* What a record of an object says that its writer saw of the bucket. */
struct bucket_seen {
	uint64_t incarnation;
	uint64_t revision; /* of its settings, 0: never set */
	enum nodeproto_versioning versioning;
};

KOOP_MUST int bucketcache_new(struct bucketcache **out, struct error *err);
void bucketcache_free(struct bucketcache *cache);

/* What the partition held when it was asked last, if nothing about the bucket
 * has come in its log since. */
KOOP_MUST bool bucketcache_get(struct bucketcache *cache, uint32_t partition,
    struct bytes name, uint64_t now_ms, struct bucket_seen *seen);
/* What the partition answered when it was at seq `at`.  Passed over when the
 * log is known to have gone on, or nobody follows it. */
void bucketcache_put(struct bucketcache *cache, uint32_t partition,
    struct bytes name, uint64_t at, const struct bucket_seen *seen);
/* A refusal said the contrary. */
void bucketcache_drop(struct bucketcache *cache, uint32_t partition,
    struct bytes name);

/* For who follows.  The reading begins after seq of that partition: what was
 * known before it is void. */
KOOP_MUST bool bucketcache_begin(struct bucketcache *cache, uint32_t partition,
    uint64_t seq);
/* A record about the bucket stands at seq. */
void bucketcache_seen(struct bucketcache *cache, uint32_t partition,
    struct bytes name, uint64_t seq);
/* All that the log held at that time has been told. */
void bucketcache_fresh(struct bucketcache *cache, uint64_t at_ms);

/*
 * Is the log followed?  False: nobody does here; ask the nodes each time.
 * Waits while the view is not fresh; ERRC_UNAVAILABLE at the deadline.
 */
KOOP_MUST bool bucketcache_followed(struct bucketcache *cache);
KOOP_MUST int bucketcache_wait(struct bucketcache *cache,
    const struct clock *clock, uint64_t deadline, struct error *err);

#endif
