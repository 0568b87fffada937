/* SPDX-License-Identifier: MIT */
#include "client/bucketcache.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/wait.h"
#include "codec/crc.h"

#define NAME_MAX_BYTES 63
/* Between two looks at the clock of who waits for a fresh view. */
#define LOOK_MS 20

struct cached {
	struct bucket_seen seen; /* incarnation 0: empty */
	uint64_t at;
	uint32_t partition;
	uint32_t name_bytes;
	char name[NAME_MAX_BYTES + 1];
};

/* Of a partition that is followed: nothing older than that may be kept. */
struct followed {
	uint32_t partition;
	uint64_t floor;
};

struct bucketcache {
	/* lock guards all. */
	pthread_mutex_t lock;
	pthread_cond_t fresher;
	uint64_t fresh_ms; /* 0: never was */
	struct followed *followed;
	size_t followed_count;
	struct cached slot[BUCKETCACHE_SLOTS];
};

int
bucketcache_new(struct bucketcache **out, struct error *err)
{
	struct bucketcache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return error_set(err, ERRC_NOMEM, "buckets: out of memory");
	pthread_mutex_init(&cache->lock, NULL);
	wait_mono_init(&cache->fresher);
	*out = cache;
	return 0;
}

void
bucketcache_free(struct bucketcache *cache)
{
	if (cache == NULL)
		return;
	pthread_cond_destroy(&cache->fresher);
	pthread_mutex_destroy(&cache->lock);
	free(cache->followed);
	free(cache);
}

static struct cached *
bucketcache_slot(struct bucketcache *cache, uint32_t partition,
    struct bytes name)
{
	uint32_t hash = crc32c(partition, name.p, name.n);

	return &cache->slot[hash % BUCKETCACHE_SLOTS];
}

static bool
is_for(const struct cached *c, uint32_t partition, struct bytes name)
{
	assert(c->name_bytes <= NAME_MAX_BYTES);
	return c->seen.incarnation != 0 && c->partition == partition &&
	    bytes_equal(bytes_of(c->name, c->name_bytes), name);
}

static struct followed *
find_locked(struct bucketcache *cache, uint32_t partition)
{
	for (size_t i = 0; i < cache->followed_count; i++) {
		if (cache->followed[i].partition == partition)
			return &cache->followed[i];
	}
	return NULL;
}

static bool
is_fresh_locked(const struct bucketcache *cache, uint64_t now_ms)
{
	return cache->fresh_ms != 0 &&
	    now_ms < cache->fresh_ms + BUCKETCACHE_FRESH_MS;
}

bool
bucketcache_get(struct bucketcache *cache, uint32_t partition,
    struct bytes name, uint64_t now_ms, struct bucket_seen *seen)
{
	const struct cached *c = bucketcache_slot(cache, partition, name);
	bool found;

	pthread_mutex_lock(&cache->lock);
	/* protocol.md 5, buckets: who cannot follow the log says nothing from
	 * memory.  A bucket deleted meanwhile would take an object that no list
	 * shows, or a suspended one keep versions. */
	found = is_for(c, partition, name) && is_fresh_locked(cache, now_ms);
	if (found)
		*seen = c->seen;
	pthread_mutex_unlock(&cache->lock);
	return found;
}

void
bucketcache_put(struct bucketcache *cache, uint32_t partition,
    struct bytes name, uint64_t at, const struct bucket_seen *seen)
{
	struct cached *c = bucketcache_slot(cache, partition, name);
	const struct followed *followed;

	assert(seen->incarnation > 0);
	if (name.n > NAME_MAX_BYTES)
		return;
	pthread_mutex_lock(&cache->lock);
	followed = find_locked(cache, partition);
	/* A bucket record that the answer does not know of has been told
	 * already, and will not be told again. */
	if (followed != NULL && at >= followed->floor) {
		c->seen = *seen;
		c->at = at;
		c->partition = partition;
		c->name_bytes = (uint32_t)name.n;
		if (name.n > 0)
			memcpy(c->name, name.p, name.n);
		assert(is_for(c, partition, name));
	}
	pthread_mutex_unlock(&cache->lock);
}

void
bucketcache_drop(struct bucketcache *cache, uint32_t partition,
    struct bytes name)
{
	struct cached *c = bucketcache_slot(cache, partition, name);

	pthread_mutex_lock(&cache->lock);
	if (is_for(c, partition, name))
		c->seen.incarnation = 0;
	pthread_mutex_unlock(&cache->lock);
}

bool
bucketcache_begin(struct bucketcache *cache, uint32_t partition, uint64_t seq)
{
	struct followed *f;

	pthread_mutex_lock(&cache->lock);
	f = find_locked(cache, partition);
	if (f == NULL) {
		struct followed *more = reallocarray(cache->followed,
		    cache->followed_count + 1, sizeof(*more));

		if (more != NULL) {
			cache->followed = more;
			f = &more[cache->followed_count++];
			f->partition = partition;
		}
	}
	/* One floor a partition: a second one would be followed by nobody. */
	assert(find_locked(cache, partition) == f);
	if (f != NULL)
		f->floor = seq;
	/* What came between the last reading and this one was not told. */
	for (size_t i = 0; i < BUCKETCACHE_SLOTS; i++) {
		if (cache->slot[i].partition == partition)
			cache->slot[i].seen.incarnation = 0;
	}
	pthread_mutex_unlock(&cache->lock);
	return f != NULL;
}

void
bucketcache_seen(struct bucketcache *cache, uint32_t partition,
    struct bytes name, uint64_t seq)
{
	struct cached *c = bucketcache_slot(cache, partition, name);
	struct followed *f;

	pthread_mutex_lock(&cache->lock);
	f = find_locked(cache, partition);
	assert(f != NULL);
	/* In the order of the log. */
	assert(seq > f->floor);
	f->floor = seq;
	if (is_for(c, partition, name) && c->at < seq)
		c->seen.incarnation = 0;
	pthread_mutex_unlock(&cache->lock);
}

void
bucketcache_fresh(struct bucketcache *cache, uint64_t at_ms)
{
	pthread_mutex_lock(&cache->lock);
	cache->fresh_ms = KOOP_MAX(cache->fresh_ms, at_ms);
	pthread_cond_broadcast(&cache->fresher);
	pthread_mutex_unlock(&cache->lock);
}

bool
bucketcache_followed(struct bucketcache *cache)
{
	bool followed;

	pthread_mutex_lock(&cache->lock);
	followed = cache->followed_count > 0;
	pthread_mutex_unlock(&cache->lock);
	return followed;
}

int
bucketcache_wait(struct bucketcache *cache, const struct clock *clock,
    uint64_t deadline, struct error *err)
{
	bool fresh;

	pthread_mutex_lock(&cache->lock);
	/* Where nobody follows the view never becomes fresh. */
	assert(cache->followed_count > 0);
	for (;;) {
		uint64_t now = clock_mono_ms(clock);

		fresh = is_fresh_locked(cache, now);
		if (fresh || now >= deadline)
			break;
		/* In short steps: the clock may be a test's. */
		wait_mono_for(&cache->fresher, &cache->lock, LOOK_MS);
	}
	pthread_mutex_unlock(&cache->lock);
	if (fresh)
		return 0;
	return error_set(err, ERRC_UNAVAILABLE,
	    "buckets: the commit log cannot be followed, so nothing is known "
	    "of them");
}
