/* SPDX-License-Identifier: MIT */
#include "member/pending.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct pending_item {
	struct pending_item *next;
	struct repair_row row;
	char text[]; /* bucket, then key */
};

struct pending {
	pthread_mutex_t lock; /* guards what follows */
	struct pending_item *first;
	size_t count;
};

int
pending_new(struct pending **out, struct error *err)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (pending == NULL)
		return error_set(err, ERRC_NOMEM, "pending: no memory");
	pthread_mutex_init(&pending->lock, NULL);
	*out = pending;
	return 0;
}

void
pending_free(struct pending *pending)
{
	struct pending_item *item;

	if (pending == NULL)
		return;
	while ((item = pending->first) != NULL) {
		pending->first = item->next;
		free(item);
	}
	pthread_mutex_destroy(&pending->lock);
	free(pending);
}

bool
pending_add(struct pending *pending, const struct repair_row *row)
{
	struct pending_item *item;
	bool room;

	assert(!reqid_is_zero(row->id));
	item = malloc(sizeof(*item) + row->bucket.n + row->key.n);
	if (item == NULL)
		return false;
	item->row = *row;
	if (row->bucket.n > 0)
		memcpy(item->text, row->bucket.p, row->bucket.n);
	if (row->key.n > 0)
		memcpy(item->text + row->bucket.n, row->key.p, row->key.n);
	item->row.bucket = bytes_of(item->text, row->bucket.n);
	item->row.key = bytes_of(item->text + row->bucket.n, row->key.n);
	pthread_mutex_lock(&pending->lock);
	assert(pending->count <= PENDING_MAX);
	room = pending->count < PENDING_MAX;
	if (room) {
		item->next = pending->first;
		pending->first = item;
		pending->count++;
	}
	pthread_mutex_unlock(&pending->lock);
	if (!room)
		free(item);
	return room;
}

size_t
pending_count(struct pending *pending)
{
	size_t count;

	pthread_mutex_lock(&pending->lock);
	count = pending->count;
	pthread_mutex_unlock(&pending->lock);
	return count;
}

struct pending_item *
pending_take(struct pending *pending, pending_ready_fn *fn, void *arg)
{
	struct pending_item **at;
	struct pending_item *item;

	pthread_mutex_lock(&pending->lock);
	for (at = &pending->first; (item = *at) != NULL; at = &item->next) {
		if (!fn(arg, &item->row))
			continue;
		assert(pending->count > 0);
		*at = item->next;
		pending->count--;
		break;
	}
	pthread_mutex_unlock(&pending->lock);
	return item;
}

const struct repair_row *
pending_row(const struct pending_item *item)
{
	assert(item != NULL);
	return &item->row;
}

void
pending_release(struct pending_item *item)
{
	free(item);
}
