/* SPDX-License-Identifier: MIT */
#include "cluster/topology_source.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "cluster/topology_backend.h"

struct topology_snapshot {
	atomic_uint references;
	struct topology *topology;
};

struct topology_source {
	const struct topology_backend *backend;
	char *url;
	pthread_mutex_t reload; /* held while one thread reads the backend */
	void *state;            /* the backend's; under reload */
	pthread_mutex_t lock;   /* guards newest */
	struct topology_snapshot *newest;
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
	if (snapshot == NULL || atomic_fetch_sub(&snapshot->references, 1) != 1)
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

const char *
topology_source_url(const struct topology_source *source)
{
	return source->url;
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

	if (old != NULL && topology->epoch < old->topology->epoch)
		return error_set(err, ERRC_CONFIG,
		    "%s: has epoch %llu, older than the %llu in use, which is "
		    "kept",
		    source->url, (unsigned long long)topology->epoch,
		    (unsigned long long)old->topology->epoch);
	made = calloc(1, sizeof(*made));
	if (made == NULL)
		return error_set(err, ERRC_NOMEM, "%s: out of memory",
		    source->url);
	made->topology = topology;
	atomic_init(&made->references, 1);
	source->newest = made;
	topology_snapshot_drop(old);
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
	pthread_mutex_init(&source->lock, NULL);
	pthread_mutex_init(&source->reload, NULL);
	source->backend = backend;
	source->url = strdup(url);
	rc = source->url == NULL ?
	    error_set(err, ERRC_NOMEM, "%s: out of memory", url) :
	    backend->open(&source->state, url + strlen(backend->scheme), err);
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
	if (source->state != NULL)
		source->backend->close(source->state);
	topology_snapshot_drop(source->newest);
	pthread_mutex_destroy(&source->reload);
	pthread_mutex_destroy(&source->lock);
	free(source->url);
	free(source);
}
