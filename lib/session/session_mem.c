/* SPDX-License-Identifier: MIT */
#include "session/session_backend.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"

/* The twin for tests: mem:NAME is one cache of this process, which lives while
 * it has handles.  A short list, searched from its front. */

#define MEM_CACHES_MAX 64

struct mem_item {
	struct mem_item *next;
	char id[SESSION_ID_MAX + 1];
	uint64_t expires_ms;
	size_t bytes;
	uint8_t value[];
};

struct mem_cache {
	char *name;
	unsigned handles;
	pthread_mutex_t lock; /* guards items */
	struct mem_item *items;
};

struct mem_session {
	struct session base;
	struct mem_cache *cache;
};

static pthread_mutex_t mem_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mem_cache *mem_caches[MEM_CACHES_MAX]; /* under mem_lock */

static struct mem_cache *
mem_cache(struct session *session)
{
	assert(session->backend == &session_mem);
	return container_of(session, struct mem_session, base)->cache;
}

static struct mem_cache *
new_cache(const char *name)
{
	struct mem_cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->name = strdup(name);
	if (cache->name == NULL) {
		free(cache);
		return NULL;
	}
	pthread_mutex_init(&cache->lock, NULL);
	return cache;
}

static struct mem_cache *
hold_locked(const char *name)
{
	struct mem_cache **place = NULL;

	for (size_t i = 0; i < MEM_CACHES_MAX; i++) {
		if (mem_caches[i] == NULL) {
			place = &mem_caches[i];
		} else if (strcmp(mem_caches[i]->name, name) == 0) {
			place = &mem_caches[i];
			break;
		}
	}
	if (place == NULL)
		return NULL;
	if (*place == NULL)
		*place = new_cache(name);
	if (*place != NULL)
		(*place)->handles++;
	assert(*place == NULL || (*place)->handles > 0);
	return *place;
}

static int
mem_open(struct session **out, const char *rest, struct error *err)
{
	struct mem_session *session = calloc(1, sizeof(*session));

	if (session != NULL) {
		pthread_mutex_lock(&mem_lock);
		session->cache = hold_locked(rest);
		pthread_mutex_unlock(&mem_lock);
	}
	if (session == NULL || session->cache == NULL) {
		free(session);
		return error_set(err, ERRC_NOMEM,
		    "session cache mem:%s: out of memory", rest);
	}
	*out = &session->base;
	return 0;
}

static void
mem_close(struct session *base)
{
	struct mem_session *session = container_of(base, struct mem_session,
	    base);
	struct mem_cache *cache = session->cache;
	bool last;

	pthread_mutex_lock(&mem_lock);
	assert(cache->handles > 0);
	last = --cache->handles == 0;
	for (size_t i = 0; i < MEM_CACHES_MAX && last; i++) {
		if (mem_caches[i] == cache)
			mem_caches[i] = NULL;
	}
	pthread_mutex_unlock(&mem_lock);
	free(session);
	if (!last)
		return;
	while (cache->items != NULL) {
		struct mem_item *next = cache->items->next;

		free(cache->items);
		cache->items = next;
	}
	pthread_mutex_destroy(&cache->lock);
	free(cache->name);
	free(cache);
}

/* Take the items out that are named id, or (id NULL) that are over. */
static size_t
remove_locked(struct mem_cache *cache, const char *id, uint64_t now_ms)
{
	struct mem_item **link = &cache->items;
	size_t removed = 0;

	while (*link != NULL) {
		struct mem_item *item = *link;
		bool goes = id != NULL ? strcmp(item->id, id) == 0 :
					 item->expires_ms <= now_ms;

		if (!goes) {
			link = &item->next;
			continue;
		}
		*link = item->next;
		free(item);
		removed++;
	}
	assert(id == NULL || removed <= 1);
	return removed;
}

static int
mem_put(struct session *session, const char *id, struct bytes value,
    uint64_t expires_ms, struct error *err)
{
	struct mem_cache *cache = mem_cache(session);
	struct mem_item *item = calloc(1, sizeof(*item) + value.n);

	if (item == NULL)
		return error_set(err, ERRC_NOMEM, "session %s: out of memory",
		    id);
	assert(strlen(id) < sizeof(item->id));
	memcpy(item->id, id, strlen(id) + 1);
	item->expires_ms = expires_ms;
	item->bytes = value.n;
	if (value.n > 0)
		memcpy(item->value, value.p, value.n);
	pthread_mutex_lock(&cache->lock);
	/* One item an id: a get finds the first. */
	remove_locked(cache, id, 0);
	item->next = cache->items;
	cache->items = item;
	pthread_mutex_unlock(&cache->lock);
	return 0;
}

static int
mem_get(struct session *session, const char *id, uint64_t now_ms,
    struct buf *out, struct error *err)
{
	struct mem_cache *cache = mem_cache(session);
	struct mem_item *item;
	bool found;

	pthread_mutex_lock(&cache->lock);
	for (item = cache->items; item != NULL; item = item->next) {
		if (strcmp(item->id, id) == 0)
			break;
	}
	found = item != NULL && item->expires_ms > now_ms;
	assert(!found || item->bytes <= SESSION_VALUE_MAX);
	if (found)
		buf_add(out, item->value, item->bytes);
	pthread_mutex_unlock(&cache->lock);
	if (!found)
		return error_set(err, ERRC_NOTFOUND, "session %s: unknown", id);
	if (buf_failed(out))
		return error_set(err, ERRC_NOMEM, "session %s: no room", id);
	return 0;
}

static int
mem_remove(struct session *session, const char *id, struct error *err)
{
	struct mem_cache *cache = mem_cache(session);

	(void)err;
	pthread_mutex_lock(&cache->lock);
	remove_locked(cache, id, 0);
	pthread_mutex_unlock(&cache->lock);
	return 0;
}

static int
mem_expire(struct session *session, uint64_t now_ms, size_t *count,
    struct error *err)
{
	struct mem_cache *cache = mem_cache(session);

	(void)err;
	pthread_mutex_lock(&cache->lock);
	*count = remove_locked(cache, NULL, now_ms);
	pthread_mutex_unlock(&cache->lock);
	return 0;
}

const struct session_backend session_mem = {
	.scheme = "mem:",
	.open = mem_open,
	.close = mem_close,
	.put = mem_put,
	.get = mem_get,
	.remove = mem_remove,
	.expire = mem_expire,
};
