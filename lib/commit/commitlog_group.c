/* SPDX-License-Identifier: MIT */
#include "commit/commitlog_group.h"

#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/wait.h"

void
commitlog_group_init(struct commitlog_group *group, const struct clock *clock,
    commitlog_group_fn *commit, commitlog_group_fn *after, void *arg)
{
	*group = (struct commitlog_group){
		.clock = clock,
		.commit = commit,
		.after = after,
		.arg = arg,
	};
	pthread_mutex_init(&group->lock, NULL);
}

void
commitlog_group_fini(struct commitlog_group *group)
{
	assert(group->first == NULL);
	assert(!group->led);
	pthread_mutex_destroy(&group->lock);
}

/* Those who wait, first come first: whom the leader takes is never among them.
 */
static void
check_group_locked(const struct commitlog_group *group)
{
	assert((group->first == NULL) == (group->last == NULL));
	assert(group->last == NULL || group->last->next == NULL);
	assert(group->last == NULL || group->last->state != BATCH_TAKEN);
	assert(group->first == NULL || group->led);
}

static void
enqueue_locked(struct commitlog_group *group, struct commitlog_batch *batch)
{
	assert(batch->next == NULL && batch->state == BATCH_WAITS);
	if (group->last == NULL)
		group->first = batch;
	else
		group->last->next = batch;
	group->last = batch;
}

static void
dequeue_locked(struct commitlog_group *group, struct commitlog_batch *batch)
{
	struct commitlog_batch *before = NULL;

	assert(batch->state == BATCH_WAITS);
	for (struct commitlog_batch *at = group->first; at != batch;
	     at = at->next)
		before = at;
	if (before == NULL)
		group->first = batch->next;
	else
		before->next = batch->next;
	if (group->last == batch)
		group->last = before;
	batch->next = NULL;
	check_group_locked(group);
}

/* As many from the front as one transaction should have; at least one. */
static struct commitlog_batch *
take_locked(struct commitlog_group *group)
{
	struct commitlog_batch *taken = group->first;
	struct commitlog_batch *end = NULL;
	size_t records = 0;
	size_t bytes = 0;

	assert(taken != NULL && taken->state == BATCH_LEADS);
	while (group->first != NULL) {
		struct commitlog_batch *batch = group->first;

		records += batch->count;
		bytes += batch->bytes;
		if (end != NULL &&
		    (records > COMMITLOG_GROUP_RECORDS ||
			bytes > COMMITLOG_GROUP_BYTES))
			break;
		batch->state = BATCH_TAKEN;
		group->first = batch->next;
		batch->next = NULL;
		if (end != NULL)
			end->next = batch;
		end = batch;
	}
	if (group->first == NULL)
		group->last = NULL;
	check_group_locked(group);
	return taken;
}

/* Wait until somebody changes our state.  False: the deadline passed. */
static bool
wait_locked(struct commitlog_group *group, struct commitlog_batch *batch,
    uint64_t deadline_mono_ms)
{
	int left = clock_left_ms(group->clock, deadline_mono_ms);

	assert(group->led);
	if (batch->state == BATCH_TAKEN) {
		/* Our memory is in use: a commit ends in bounded time. */
		pthread_cond_wait(&batch->changed, &group->lock);
		return true;
	}
	if (left <= 0)
		return false;
	(void)wait_mono_for(&batch->changed, &group->lock, (uint64_t)left);
	return true;
}

/*
 * Commit one group, of which ours is the first, then hand on.  The callers
 * are let go before after(), which may take long (a checkpoint).
 */
static void
lead_locked(struct commitlog_group *group)
{
	struct commitlog_batch *batches = take_locked(group);

	pthread_mutex_unlock(&group->lock);
	group->commit(group->arg, batches);
	pthread_mutex_lock(&group->lock);
	while (batches != NULL) {
		struct commitlog_batch *next = batches->next;

		assert(batches->state == BATCH_TAKEN);
		/* After the signal the batch may be gone from its stack. */
		batches->state = BATCH_DONE;
		pthread_cond_signal(&batches->changed);
		batches = next;
	}
	pthread_mutex_unlock(&group->lock);
	group->after(group->arg, NULL);
	pthread_mutex_lock(&group->lock);

	group->led = group->first != NULL;
	if (group->led) {
		group->first->state = BATCH_LEADS;
		pthread_cond_signal(&group->first->changed);
	}
}

int
commitlog_group_append(struct commitlog_group *group,
    struct commitlog_item *items, size_t count, uint64_t deadline_mono_ms,
    struct error *err)
{
	struct commitlog_batch batch = { .items = items, .count = count };

	assert(count > 0 && count <= COMMITLOG_ITEMS_MAX);

	for (size_t i = 0; i < count; i++)
		batch.bytes += items[i].line.n;
	wait_mono_init(&batch.changed);

	pthread_mutex_lock(&group->lock);
	enqueue_locked(group, &batch);
	if (!group->led) {
		group->led = true;
		batch.state = BATCH_LEADS;
	}
	while (batch.state == BATCH_WAITS || batch.state == BATCH_TAKEN) {
		if (!wait_locked(group, &batch, deadline_mono_ms))
			break;
	}
	if (batch.state == BATCH_WAITS) {
		dequeue_locked(group, &batch);
		(void)error_set(&batch.err, ERRC_UNAVAILABLE,
		    "commit log: busy until the deadline: nothing was written");
	} else if (batch.state == BATCH_LEADS) {
		lead_locked(group);
	}
	check_group_locked(group);
	assert(batch.state == BATCH_WAITS || batch.state == BATCH_DONE);
	pthread_mutex_unlock(&group->lock);

	pthread_cond_destroy(&batch.changed);
	/* Whoever was never taken is not in, which is also how it began. */
	assert((batch.fate == COMMITLOG_IN) == (batch.err.code == ERRC_OK));
	for (size_t i = 0; i < count; i++) {
		items[i].fate = batch.fate;
		items[i].code = batch.err.code;
	}
	if (batch.fate != COMMITLOG_IN && err != NULL)
		*err = batch.err;
	return -(int)batch.err.code;
}
