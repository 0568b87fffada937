/* SPDX-License-Identifier: MIT */
#include "cluster/topology_source.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cluster/topology_backend.h"

/*
 * The twin for tests.  Named texts of this process, so that a program under
 * test can be given a URL like any other; the one place of the layer with
 * state that no caller owns.
 */

#define MEM_MAX 64
#define MEM_SCHEME "mem:"

struct mem_text {
	char *name;
	char *text;
	size_t bytes;
	uint64_t version;
	uint64_t reads;
	bool lost;
};

struct topology_mem {
	struct topology_mem *next;
	char *name;
	uint64_t seen;
	topology_ring_fn *ring;
	void *arg;
};

static pthread_mutex_t mem_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mem_text mem_texts[MEM_MAX]; /* under mem_lock */
static struct topology_mem *mem_open_ones; /* under mem_lock */

/* Tell those that have it open.  ring() takes the source's lock, which is
 * never held when mem_lock is taken. */
static void
topology_mem_ring_locked(const char *name)
{
	for (struct topology_mem *m = mem_open_ones; m != NULL; m = m->next) {
		if (strcmp(m->name, name) == 0)
			m->ring(m->arg);
	}
}

static struct mem_text *
topology_mem_find_locked(const char *name)
{
	for (size_t i = 0; i < MEM_MAX; i++) {
		if (mem_texts[i].name != NULL &&
		    strcmp(mem_texts[i].name, name) == 0)
			return &mem_texts[i];
	}
	return NULL;
}

static struct mem_text *
add_locked(const char *name)
{
	for (size_t i = 0; i < MEM_MAX; i++) {
		if (mem_texts[i].name == NULL) {
			mem_texts[i].name = strdup(name);
			return mem_texts[i].name ? &mem_texts[i] : NULL;
		}
	}
	return NULL;
}

static char *
copy(const void *p, size_t n)
{
	char *made = malloc(n + 1);

	if (made != NULL) {
		if (n > 0)
			memcpy(made, p, n);
		made[n] = '\0';
	}
	return made;
}

int
topology_mem_set(const char *url, struct bytes json, struct error *err)
{
	const char *name = url + strlen(MEM_SCHEME);
	char *text = NULL;
	struct mem_text *entry;

	if (strncmp(url, MEM_SCHEME, strlen(MEM_SCHEME)) != 0)
		return error_set(err, ERRC_USAGE, "%s: not a mem: URL", url);
	text = copy(json.p, json.n);
	pthread_mutex_lock(&mem_lock);
	entry = topology_mem_find_locked(name);
	if (entry == NULL)
		entry = add_locked(name);
	if (entry == NULL || text == NULL) {
		pthread_mutex_unlock(&mem_lock);
		free(text);
		return error_set(err, ERRC_NOMEM, "%s: out of memory", url);
	}
	free(entry->text);
	entry->text = text;
	entry->bytes = json.n;
	entry->version++;
	topology_mem_ring_locked(name);
	pthread_mutex_unlock(&mem_lock);
	return 0;
}

void
topology_mem_lost(const char *url, bool lost)
{
	struct mem_text *entry;

	pthread_mutex_lock(&mem_lock);
	entry = topology_mem_find_locked(url + strlen(MEM_SCHEME));
	assert(entry != NULL);
	entry->lost = lost;
	entry->version += !lost;
	topology_mem_ring_locked(entry->name);
	pthread_mutex_unlock(&mem_lock);
}

uint64_t
topology_mem_reads(const char *url)
{
	struct mem_text *entry;
	uint64_t reads;

	pthread_mutex_lock(&mem_lock);
	entry = topology_mem_find_locked(url + strlen(MEM_SCHEME));
	reads = entry != NULL ? entry->reads : 0;
	pthread_mutex_unlock(&mem_lock);
	return reads;
}

void
topology_mem_clear(void)
{
	pthread_mutex_lock(&mem_lock);
	for (size_t i = 0; i < MEM_MAX; i++) {
		free(mem_texts[i].name);
		free(mem_texts[i].text);
	}
	memset(mem_texts, 0, sizeof(mem_texts));
	pthread_mutex_unlock(&mem_lock);
}

static int
mem_open(void **state, const char *rest, topology_ring_fn *ring, void *arg,
    struct error *err)
{
	struct topology_mem *mem = calloc(1, sizeof(*mem));

	if (mem != NULL)
		mem->name = strdup(rest);
	if (mem == NULL || mem->name == NULL) {
		free(mem);
		return error_set(err, ERRC_NOMEM, "mem:%s: out of memory",
		    rest);
	}
	mem->ring = ring;
	mem->arg = arg;
	pthread_mutex_lock(&mem_lock);
	mem->next = mem_open_ones;
	mem_open_ones = mem;
	pthread_mutex_unlock(&mem_lock);
	*state = mem;
	return 0;
}

static int
mem_read(void *state, bool force, char **text, size_t *bytes, struct error *err)
{
	struct topology_mem *mem = state;
	struct mem_text *entry;
	int rc = 0;

	pthread_mutex_lock(&mem_lock);
	entry = topology_mem_find_locked(mem->name);
	if (entry != NULL)
		entry->reads++;
	if (entry != NULL && entry->lost) {
		rc = error_set(err, ERRC_UNAVAILABLE,
		    "topology mem:%s: out of reach", mem->name);
	} else if (entry == NULL) {
		rc = error_set(err, ERRC_NOINPUT,
		    "topology mem:%s: there is none", mem->name);
	} else if (force || entry->version != mem->seen) {
		*text = copy(entry->text, entry->bytes);
		*bytes = entry->bytes;
		mem->seen = entry->version;
		if (*text == NULL)
			rc = error_set(err, ERRC_NOMEM,
			    "topology mem:%s: out of memory", mem->name);
	}
	pthread_mutex_unlock(&mem_lock);
	return rc;
}

static void
mem_close(void *state)
{
	struct topology_mem *mem = state;
	struct topology_mem **at = &mem_open_ones;

	pthread_mutex_lock(&mem_lock);
	while (*at != mem) {
		assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = mem->next;
	pthread_mutex_unlock(&mem_lock);
	free(mem->name);
	free(mem);
}

const struct topology_backend topology_mem = {
	.scheme = MEM_SCHEME,
	.look_ms = 60 * 1000,
	.open = mem_open,
	.read = mem_read,
	.close = mem_close,
};
