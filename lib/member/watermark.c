/* SPDX-License-Identifier: MIT */
#include "member/watermark.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/wait.h"

struct spot {
	uint32_t partition;
	_Atomic uint64_t applied;
	_Atomic bool voting;
	_Atomic bool mine;
};

struct watermark {
	const struct clock *clock;
	size_t count;
	struct spot *spot; /* sorted by partition */

	/* lock guards what follows, and changes of the spots. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopped;
	uint64_t version;
	uint64_t written;   /* events ever put into the ring */
	uint64_t published; /* of them, those that readers may see */
	struct watermark_event ring[WATERMARK_RING];
};

static int
spot_compare(const void *a, const void *b)
{
	const struct spot *x = a;
	const struct spot *y = b;

	return (x->partition > y->partition) - (x->partition < y->partition);
}

int
watermark_new(struct watermark **out, const uint32_t *partitions, size_t count,
    const struct clock *clock, struct error *err)
{
	struct watermark *wm;

	if (count > WATERMARK_PARTITIONS_MAX)
		return error_set(err, ERRC_CONFIG, "partitions: more than %d",
		    WATERMARK_PARTITIONS_MAX);
	wm = calloc(1, sizeof(*wm));
	if (wm == NULL)
		return error_set(err, ERRC_NOMEM, "watermark: no memory");
	wm->spot = calloc(count > 0 ? count : 1, sizeof(*wm->spot));
	if (wm->spot == NULL) {
		free(wm);
		return error_set(err, ERRC_NOMEM, "watermark: no memory");
	}
	wm->clock = clock;
	wm->count = count;
	for (size_t i = 0; i < count; i++)
		wm->spot[i] = (struct spot){ partitions[i], 0, false, true };
	qsort(wm->spot, count, sizeof(*wm->spot), spot_compare);
	pthread_mutex_init(&wm->lock, NULL);
	wait_mono_init(&wm->changed);
	*out = wm;
	return 0;
}

void
watermark_free(struct watermark *wm)
{
	if (wm == NULL)
		return;
	pthread_cond_destroy(&wm->changed);
	pthread_mutex_destroy(&wm->lock);
	free(wm->spot);
	free(wm);
}

void
watermark_stop(struct watermark *wm)
{
	pthread_mutex_lock(&wm->lock);
	wm->stopped = true;
	pthread_cond_broadcast(&wm->changed);
	pthread_mutex_unlock(&wm->lock);
}

void
watermark_assign(struct watermark *wm, size_t index, bool mine)
{
	assert(index < wm->count);
	pthread_mutex_lock(&wm->lock);
	if (!mine) {
		atomic_store(&wm->spot[index].voting, false);
		atomic_store(&wm->spot[index].applied, 0);
	}
	atomic_store(&wm->spot[index].mine, mine);
	wm->version++;
	pthread_cond_broadcast(&wm->changed);
	pthread_mutex_unlock(&wm->lock);
}

bool
watermark_mine(const struct watermark *wm, size_t index)
{
	assert(index < wm->count);
	return atomic_load(&wm->spot[index].mine);
}

int
watermark_index(const struct watermark *wm, uint32_t partition)
{
	struct spot key = { .partition = partition };
	const struct spot *spot;

	spot = bsearch(&key, wm->spot, wm->count, sizeof(key), spot_compare);
	return spot == NULL ? -1 : (int)(spot - wm->spot);
}

size_t
watermark_count(const struct watermark *wm)
{
	return wm->count;
}

uint32_t
watermark_partition(const struct watermark *wm, size_t index)
{
	return wm->spot[index].partition;
}

uint64_t
watermark_applied(const struct watermark *wm, size_t index)
{
	return atomic_load(&wm->spot[index].applied);
}

bool
watermark_voting(const struct watermark *wm, size_t index)
{
	return atomic_load(&wm->spot[index].voting);
}

void
watermark_set(struct watermark *wm, size_t index, uint64_t applied, bool voting)
{
	pthread_mutex_lock(&wm->lock);
	/* One that goes while its batch was applied stays without a vote. */
	if (atomic_load(&wm->spot[index].mine)) {
		atomic_store(&wm->spot[index].applied, applied);
		atomic_store(&wm->spot[index].voting, voting);
	}
	pthread_mutex_unlock(&wm->lock);
}

void
watermark_event(struct watermark *wm, const struct watermark_event *event)
{
	pthread_mutex_lock(&wm->lock);
	wm->ring[wm->written % WATERMARK_RING] = *event;
	wm->written++;
	pthread_mutex_unlock(&wm->lock);
}

void
watermark_publish(struct watermark *wm)
{
	pthread_mutex_lock(&wm->lock);
	wm->published = wm->written;
	wm->version++;
	pthread_cond_broadcast(&wm->changed);
	pthread_mutex_unlock(&wm->lock);
}

/* Sleep until something changes.  False when the deadline is over. */
static bool
sleep_locked(struct watermark *wm, uint64_t deadline)
{
	int left = clock_left_ms(wm->clock, deadline);

	if (left <= 0)
		return false;
	/* The clock may be a manual one, the sleep is in real time. */
	(void)wait_mono_for(&wm->changed, &wm->lock, (uint64_t)left);
	return true;
}

int
watermark_wait(struct watermark *wm, size_t index, uint64_t seq,
    uint64_t deadline_mono_ms, struct error *err)
{
	int rc = 0;

	pthread_mutex_lock(&wm->lock);
	while (atomic_load(&wm->spot[index].applied) < seq) {
		if (!atomic_load(&wm->spot[index].mine)) {
			rc = error_set(err, ERRC_UNAVAILABLE,
			    "applied: the partition is none of this node's");
			break;
		}
		if (wm->stopped) {
			rc = error_set(err, ERRC_UNAVAILABLE,
			    "applied: the node stops");
			break;
		}
		if (!sleep_locked(wm, deadline_mono_ms)) {
			rc = error_set(err, ERRC_RETRY,
			    "applied: not yet at that position");
			break;
		}
	}
	pthread_mutex_unlock(&wm->lock);
	return rc;
}

bool
watermark_wait_change(struct watermark *wm, uint64_t *seen,
    uint64_t deadline_mono_ms)
{
	bool changed;

	pthread_mutex_lock(&wm->lock);
	while (wm->version == *seen && !wm->stopped)
		if (!sleep_locked(wm, deadline_mono_ms))
			break;
	changed = wm->version != *seen && !wm->stopped;
	*seen = wm->version;
	pthread_mutex_unlock(&wm->lock);
	return changed;
}

uint64_t
watermark_sender(const char *name, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	/* FNV-1a.  Two senders with one number would see each other's
	 * outcomes, which carry request ids, so that nothing is confused. */
	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 0x100000001b3;
	return h;
}

uint64_t
watermark_cursor(struct watermark *wm)
{
	uint64_t cursor;

	pthread_mutex_lock(&wm->lock);
	cursor = wm->published;
	pthread_mutex_unlock(&wm->lock);
	return cursor;
}

enum watermark_next
watermark_next(struct watermark *wm, uint64_t *cursor, uint64_t sender,
    struct watermark_event *out)
{
	enum watermark_next next = WATERMARK_EMPTY;

	pthread_mutex_lock(&wm->lock);
	if (wm->written > WATERMARK_RING &&
	    *cursor < wm->written - WATERMARK_RING) {
		next = WATERMARK_LOST;
	} else {
		while (*cursor < wm->published) {
			*out = wm->ring[(*cursor)++ % WATERMARK_RING];
			if (out->sender == sender) {
				next = WATERMARK_EVENT;
				break;
			}
		}
	}
	pthread_mutex_unlock(&wm->lock);
	return next;
}
