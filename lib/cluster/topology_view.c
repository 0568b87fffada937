/* SPDX-License-Identifier: MIT */
#include "cluster/topology_view.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "cluster/topology_source.h"

/*
 * Oldest first.  A hold counts for the topology that was newest when it
 * began, and with that for all that came later: it may have seen them, too.
 * So what is freed is freed from the front, and nothing behind one that is
 * held.
 */
struct topology_hold {
	struct topology_hold *next;
	struct topology_snapshot *snapshot;
	size_t count;
};

struct topology_view {
	struct topology_source *source;
	/* lock guards what follows. */
	pthread_mutex_t lock;
	struct topology_hold *oldest, *newest;
	size_t kept;
};

/* There is always a newest, and what is held stands before it. */
static void
check_view_locked(const struct topology_view *view)
{
	assert(view->kept > 0 && view->oldest != NULL);
	assert(view->newest->next == NULL);
	assert((view->kept == 1) == (view->oldest == view->newest));
}

static struct topology_hold *
make_hold(struct topology_source *source)
{
	struct topology_hold *hold = calloc(1, sizeof(*hold));

	if (hold != NULL)
		hold->snapshot = topology_source_get(source);
	return hold;
}

int
topology_view_new(struct topology_view **out, struct topology_source *source,
    struct error *err)
{
	struct topology_view *view = calloc(1, sizeof(*view));

	if (view != NULL)
		view->oldest = view->newest = make_hold(source);
	if (view == NULL || view->newest == NULL) {
		free(view);
		return error_set(err, ERRC_NOMEM, "topology: out of memory");
	}
	view->source = source;
	view->kept = 1;
	pthread_mutex_init(&view->lock, NULL);
	*out = view;
	return 0;
}

static void
drop_oldest_locked(struct topology_view *view)
{
	struct topology_hold *hold = view->oldest;

	assert(view->kept > 0 && hold->count == 0);
	view->oldest = hold->next;
	view->kept--;
	topology_snapshot_drop(hold->snapshot);
	free(hold);
}

static void
sweep_locked(struct topology_view *view)
{
	while (view->oldest != view->newest && view->oldest->count == 0)
		drop_oldest_locked(view);
	check_view_locked(view);
}

void
topology_view_free(struct topology_view *view)
{
	if (view == NULL)
		return;
	while (view->oldest != NULL) {
		assert(view->oldest->count == 0);
		drop_oldest_locked(view);
	}
	assert(view->kept == 0);
	pthread_mutex_destroy(&view->lock);
	free(view);
}

bool
topology_view_adopt(struct topology_view *view)
{
	struct topology_hold *made = make_hold(view->source);
	bool changed;

	/* No memory: the next look takes it. */
	if (made == NULL)
		return false;
	pthread_mutex_lock(&view->lock);
	changed = made->snapshot != view->newest->snapshot &&
	    topology_snapshot_version(made->snapshot) >
		topology_snapshot_version(view->newest->snapshot);
	if (changed) {
		view->newest->next = made;
		view->newest = made;
		view->kept++;
		sweep_locked(view);
	}
	pthread_mutex_unlock(&view->lock);
	if (!changed) {
		topology_snapshot_drop(made->snapshot);
		free(made);
	}
	return changed;
}

struct topology_hold *
topology_view_enter(struct topology_view *view)
{
	struct topology_hold *hold;

	pthread_mutex_lock(&view->lock);
	check_view_locked(view);
	hold = view->newest;
	hold->count++;
	assert(hold->count > 0);
	pthread_mutex_unlock(&view->lock);
	return hold;
}

void
topology_view_leave(struct topology_view *view, struct topology_hold *hold)
{
	if (hold == NULL)
		return;
	pthread_mutex_lock(&view->lock);
	assert(hold->count > 0);
	hold->count--;
	sweep_locked(view);
	pthread_mutex_unlock(&view->lock);
}

const struct topology *
topology_view_newest(struct topology_view *view)
{
	const struct topology *topology;

	pthread_mutex_lock(&view->lock);
	topology = topology_snapshot_topology(view->newest->snapshot);
	pthread_mutex_unlock(&view->lock);
	return topology;
}

size_t
topology_view_kept(struct topology_view *view)
{
	size_t kept;

	pthread_mutex_lock(&view->lock);
	kept = view->kept;
	pthread_mutex_unlock(&view->lock);
	return kept;
}
