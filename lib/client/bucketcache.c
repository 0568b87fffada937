/* SPDX-License-Identifier: MIT */
#include "client/bucketcache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/crc.h"

#define NAME_MAX_BYTES 63

struct cached {
	uint64_t until_ms; /* 0: empty */
	struct bucket_seen seen;
	uint32_t partition;
	uint32_t name_bytes;
	char name[NAME_MAX_BYTES + 1];
};

struct bucketcache {
	/* lock guards all. */
	pthread_mutex_t lock;
	struct cached slot[BUCKETCACHE_SLOTS];
};

int
bucketcache_new(struct bucketcache **out, struct error *err)
{
	struct bucketcache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return error_set(err, ERRC_NOMEM, "buckets: out of memory");
	pthread_mutex_init(&cache->lock, NULL);
	*out = cache;
	return 0;
}

void
bucketcache_free(struct bucketcache *cache)
{
	if (cache == NULL)
		return;
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static struct cached *
slot_of(struct bucketcache *cache, uint32_t partition, struct bytes name)
{
	uint32_t hash = crc32c(partition, name.p, name.n);

	return &cache->slot[hash % BUCKETCACHE_SLOTS];
}

static bool
is_for(const struct cached *c, uint32_t partition, struct bytes name)
{
	return c->until_ms != 0 && c->partition == partition &&
	    bytes_equal(bytes_of(c->name, c->name_bytes), name);
}

bool
bucketcache_get(struct bucketcache *cache, uint32_t partition,
    struct bytes name, uint64_t now_ms, struct bucket_seen *seen)
{
	const struct cached *c = slot_of(cache, partition, name);
	bool found;

	pthread_mutex_lock(&cache->lock);
	found = is_for(c, partition, name) && now_ms < c->until_ms;
	if (found)
		*seen = c->seen;
	pthread_mutex_unlock(&cache->lock);
	return found;
}

void
bucketcache_put(struct bucketcache *cache, uint32_t partition,
    struct bytes name, uint64_t now_ms, const struct bucket_seen *seen)
{
	struct cached *c = slot_of(cache, partition, name);

	if (name.n > NAME_MAX_BYTES)
		return;
	pthread_mutex_lock(&cache->lock);
	c->until_ms = now_ms + BUCKETCACHE_MS;
	c->seen = *seen;
	c->partition = partition;
	c->name_bytes = (uint32_t)name.n;
	if (name.n > 0)
		memcpy(c->name, name.p, name.n);
	pthread_mutex_unlock(&cache->lock);
}

void
bucketcache_drop(struct bucketcache *cache, uint32_t partition,
    struct bytes name)
{
	struct cached *c = slot_of(cache, partition, name);

	pthread_mutex_lock(&cache->lock);
	if (is_for(c, partition, name))
		c->until_ms = 0;
	pthread_mutex_unlock(&cache->lock);
}
