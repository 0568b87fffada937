/* SPDX-License-Identifier: MIT */
#include "cluster/topology_source.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/wait.h"
#include "cluster/topology_backend.h"

struct topology_snapshot {
	atomic_uint references;
	uint64_t version;
	struct topology *topology;
};

struct topology_source {
	const struct topology_backend *backend;
	char *url;
	pthread_mutex_t reload; /* held while one thread reads the backend */
	void *state;            /* the backend's; under reload */

	/* lock guards what follows. */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a version, the bell, or wake */
	struct topology_snapshot *newest;
	uint64_t version;
	uint64_t floor;
	bool awake; /* topology_source_wake() */
	pthread_t watcher;
	bool watched; /* there is a watcher */
	bool stopping;
	bool rung; /* the watcher is to look now */
};

static const struct topology_backend *const backends[] = {
	&topology_file,
	&topology_mem,
};

static const struct topology_backend *
find_backend(const char *url)
{
	for (size_t i = 0; i < nitems(backends); i++) {
		if (strncmp(url, backends[i]->scheme,
			strlen(backends[i]->scheme)) == 0)
			return backends[i];
	}
	return NULL;
}

void
topology_snapshot_drop(struct topology_snapshot *snapshot)
{
	unsigned references;

	if (snapshot == NULL)
		return;
	references = atomic_fetch_sub(&snapshot->references, 1);
	assert(references > 0);
	if (references != 1)
		return;
	topology_free(snapshot->topology);
	free(snapshot);
}

const struct topology *
topology_snapshot_topology(const struct topology_snapshot *snapshot)
{
	return snapshot->topology;
}

struct topology_snapshot *
topology_source_get(struct topology_source *source)
{
	struct topology_snapshot *snapshot;

	pthread_mutex_lock(&source->lock);
	snapshot = source->newest;
	atomic_fetch_add(&snapshot->references, 1);
	pthread_mutex_unlock(&source->lock);
	return snapshot;
}

uint64_t
topology_snapshot_version(const struct topology_snapshot *snapshot)
{
	return snapshot->version;
}

/* Why it may not be taken, or 0. */
static int
check_epoch_locked(const struct topology_source *source, uint64_t epoch,
    struct error *err)
{
	const struct topology_snapshot *old = source->newest;

	if (old != NULL && epoch < old->topology->epoch)
		return error_set(err, ERRC_CONFIG,
		    "%s: has epoch %llu, older than the %llu in use, which is "
		    "kept",
		    source->url, (unsigned long long)epoch,
		    (unsigned long long)old->topology->epoch);
	/* Protocol 2: never one that is older than what was acted on. */
	if (epoch < source->floor)
		return error_set(err, ERRC_CONFIG,
		    "%s: has epoch %llu, but epoch %llu has been seen: it is "
		    "an old one, and not taken",
		    source->url, (unsigned long long)epoch,
		    (unsigned long long)source->floor);
	return 0;
}

/*
 * Replace what there is, unless it is newer.  One with the same epoch may
 * differ: an operator who corrects a port does not have to count.
 */
static int
take_locked(struct topology_source *source, struct topology *topology,
    struct error *err)
{
	struct topology_snapshot *old = source->newest;
	struct topology_snapshot *made;
	int rc;

	rc = check_epoch_locked(source, topology->epoch, err);
	if (rc < 0)
		return rc;
	/* Never back: a write under an older epoch would go to machines that
	 * left the set, and no read quorum would meet it. */
	assert(old == NULL || topology->epoch >= old->topology->epoch);
	assert(topology->epoch >= source->floor);
	made = calloc(1, sizeof(*made));
	if (made == NULL)
		return error_set(err, ERRC_NOMEM, "%s: out of memory",
		    source->url);
	made->topology = topology;
	made->version = ++source->version;
	atomic_init(&made->references, 1);
	source->newest = made;
	assert(old == NULL || old->version < made->version);
	topology_snapshot_drop(old);
	pthread_cond_broadcast(&source->changed);
	return 0;
}

/* Parse and take what the backend gave. */
static int
take_text(struct topology_source *source, struct bytes text, struct error *err)
{
	struct topology *topology = NULL;
	bool first;
	int rc;

	rc = topology_parse(&topology, text, err);
	pthread_mutex_lock(&source->lock);
	first = source->newest == NULL;
	if (rc == 0) {
		rc = take_locked(source, topology, err);
		if (rc == 0)
			topology = NULL;
	} else if (err != NULL) {
		error_wrap(err, "%s%s", source->url,
		    first ? "" : " (the topology in use is kept)");
	}
	pthread_mutex_unlock(&source->lock);
	topology_free(topology);
	return rc;
}

int
topology_source_reload(struct topology_source *source, bool force,
    bool *changed, struct error *err)
{
	char *text = NULL;
	size_t bytes = 0;
	int rc;

	if (changed != NULL)
		*changed = false;
	pthread_mutex_lock(&source->reload);
	rc = source->backend->read(source->state, force, &text, &bytes, err);
	if (rc == 0 && text != NULL) {
		rc = take_text(source, bytes_of(text, bytes), err);
		if (rc == 0 && changed != NULL)
			*changed = true;
	}
	pthread_mutex_unlock(&source->reload);
	free(text);
	return rc;
}

/* The subscription. */

static void
topology_source_wait_locked(struct topology_source *source, uint64_t ms)
{

	(void)wait_mono_for(&source->changed, &source->lock, ms);
}

/* Sleep until it is time to look; false when it is time to stop. */
static bool
watcher_sleep(struct topology_source *source)
{
	uint64_t look_ms = source->backend->look_ms;
	uint64_t until = clock_mono_ms(&clock_system) + look_ms;
	bool stopping;
	int left;

	pthread_mutex_lock(&source->lock);
	while (!source->stopping && !source->rung &&
	    (left = clock_left_ms(&clock_system, until)) > 0)
		topology_source_wait_locked(source, (uint64_t)left);
	source->rung = false;
	stopping = source->stopping;
	pthread_mutex_unlock(&source->lock);
	return !stopping;
}

static void *
watcher_main(void *arg)
{
	struct topology_source *source = arg;
	bool failed = false;

	while (watcher_sleep(source)) {
		struct error err;
		bool changed = false;
		int rc = topology_source_reload(source, false, &changed, &err);

		/* A backend that stays out of reach says so each time. */
		if (rc < 0 && !(failed && rc == -ERRC_UNAVAILABLE))
			log_warn("cluster", "topology: %s", err.text);
		failed = rc == -ERRC_UNAVAILABLE;
		if (changed)
			log_info("cluster", "topology: %s: changed",
			    source->url);
	}
	return NULL;
}

static void
ring(void *arg)
{
	struct topology_source *source = arg;

	pthread_mutex_lock(&source->lock);
	source->rung = true;
	pthread_cond_broadcast(&source->changed);
	pthread_mutex_unlock(&source->lock);
}

/* Without a thread changes are not seen until the next reload: poorer, but
 * no reason to fail who only waits. */
static void
watch_locked(struct topology_source *source)
{
	assert(!source->stopping);
	if (source->watched)
		return;
	source->watched = pthread_create(&source->watcher, NULL, watcher_main,
			      source) == 0;
	if (!source->watched)
		log_warn("cluster", "topology: cannot start a thread");
}

uint64_t
topology_source_wait(struct topology_source *source, uint64_t seen,
    uint64_t timeout_ms)
{
	uint64_t until = clock_mono_ms(&clock_system) + timeout_ms;
	uint64_t version;
	int left;

	pthread_mutex_lock(&source->lock);
	watch_locked(source);
	while (source->version == seen && !source->awake &&
	    (left = clock_left_ms(&clock_system, until)) > 0)
		topology_source_wait_locked(source, (uint64_t)left);
	version = source->version;
	pthread_mutex_unlock(&source->lock);
	assert(version >= seen);
	return version;
}

void
topology_source_wake(struct topology_source *source)
{
	pthread_mutex_lock(&source->lock);
	source->awake = true;
	pthread_cond_broadcast(&source->changed);
	pthread_mutex_unlock(&source->lock);
}

int
topology_source_reach(struct topology_source *source, uint64_t epoch,
    uint64_t timeout_ms, struct error *err)
{
	uint64_t until = clock_mono_ms(&clock_system) + timeout_ms;
	uint64_t have;
	int left;

	pthread_mutex_lock(&source->lock);
	watch_locked(source);
	if (source->newest->topology->epoch < epoch) {
		source->rung = true;
		pthread_cond_broadcast(&source->changed);
	}
	while ((have = source->newest->topology->epoch) < epoch &&
	    (left = clock_left_ms(&clock_system, until)) > 0)
		topology_source_wait_locked(source, (uint64_t)left);
	pthread_mutex_unlock(&source->lock);
	if (have >= epoch)
		return 0;
	return error_set(err, ERRC_UNAVAILABLE,
	    "%s: epoch %llu is in use elsewhere, here it is still %llu",
	    source->url, (unsigned long long)epoch, (unsigned long long)have);
}

int
topology_source_floor(struct topology_source *source, uint64_t epoch,
    struct error *err)
{
	uint64_t have;

	pthread_mutex_lock(&source->lock);
	source->floor = KOOP_MAX(source->floor, epoch);
	assert(source->floor >= epoch);
	have = source->newest->topology->epoch;
	pthread_mutex_unlock(&source->lock);
	if (have >= epoch)
		return 0;
	return error_set(err, ERRC_CONFIG,
	    "%s: has epoch %llu, but epoch %llu has been seen: it is an old "
	    "one",
	    source->url, (unsigned long long)have, (unsigned long long)epoch);
}

static void
init_locks(struct topology_source *source)
{

	pthread_mutex_init(&source->lock, NULL);
	pthread_mutex_init(&source->reload, NULL);
	wait_mono_init(&source->changed);
}

int
topology_source_open(struct topology_source **out, const char *url,
    struct error *err)
{
	const struct topology_backend *backend;
	struct topology_source *source;
	int rc;

	if (url == NULL || url[0] == '\0')
		return error_set(err, ERRC_CONFIG,
		    "no topology given: use --topology file:PATH or "
		    "KOOP_TOPOLOGY");
	backend = find_backend(url);
	if (backend == NULL)
		return error_set(err, ERRC_CONFIG,
		    "topology %s: unknown kind of URL: this program knows "
		    "file:PATH",
		    url);
	source = calloc(1, sizeof(*source));
	if (source == NULL)
		return error_set(err, ERRC_NOMEM, "%s: out of memory", url);
	init_locks(source);
	source->backend = backend;
	source->url = strdup(url);
	rc = source->url == NULL ?
	    error_set(err, ERRC_NOMEM, "%s: out of memory", url) :
	    backend->open(&source->state, url + strlen(backend->scheme), ring,
		source, err);
	if (rc == 0)
		rc = topology_source_reload(source, true, NULL, err);
	if (rc < 0) {
		topology_source_close(source);
		return rc;
	}
	assert(source->newest != NULL);
	*out = source;
	return 0;
}

void
topology_source_close(struct topology_source *source)
{
	if (source == NULL)
		return;
	pthread_mutex_lock(&source->lock);
	source->stopping = true;
	pthread_cond_broadcast(&source->changed);
	pthread_mutex_unlock(&source->lock);
	if (source->watched)
		pthread_join(source->watcher, NULL);
	if (source->state != NULL)
		source->backend->close(source->state);
	topology_snapshot_drop(source->newest);
	pthread_cond_destroy(&source->changed);
	pthread_mutex_destroy(&source->reload);
	pthread_mutex_destroy(&source->lock);
	free(source->url);
	free(source);
}
