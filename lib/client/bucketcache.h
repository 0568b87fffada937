/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_BUCKETCACHE_H
#define KOOP_CLIENT_BUCKETCACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "wire/nodeproto_info.h"

/*
 * Which partitions are known to hold which open bucket: (partition, name) ->
 * what was seen of it, for BUCKETCACHE_MS.  A "no" is never kept, and a stale
 * "yes" costs a refusal when its record is applied, nothing more.  Fixed size;
 * newer entries push out older ones.  Threads: any.
 */

#define BUCKETCACHE_MS 5000
#define BUCKETCACHE_SLOTS 4096

struct bucketcache;
struct error;

/* What a record of an object says that its writer saw of the bucket. */
struct bucket_seen {
	uint64_t incarnation;
	uint64_t revision; /* of its settings, 0: never set */
	enum nodeproto_versioning versioning;
};

KOOP_MUST int bucketcache_new(struct bucketcache **out, struct error *err);
void bucketcache_free(struct bucketcache *cache);

KOOP_MUST bool bucketcache_get(struct bucketcache *cache, uint32_t partition,
    struct bytes name, uint64_t now_ms, struct bucket_seen *seen);
void bucketcache_put(struct bucketcache *cache, uint32_t partition,
    struct bytes name, uint64_t now_ms, const struct bucket_seen *seen);
void bucketcache_drop(struct bucketcache *cache, uint32_t partition,
    struct bytes name);

#endif
