/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_COMMITLOG_GROUP_H
#define KOOP_COMMIT_COMMITLOG_GROUP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "commit/commitlog.h"

/*
 * Group commit: the threads of a process that append at the same time are
 * combined into one transaction.  The first to come leads: it commits its own
 * batch at once.  What arrived meanwhile waits, and goes together when it is
 * done, led by the first of them.  No thread is kept for it.
 */

#define COMMITLOG_GROUP_RECORDS 4096
#define COMMITLOG_GROUP_BYTES (8u << 20)

struct clock;

/* One caller's records; on its stack. */
struct commitlog_batch {
	struct commitlog_batch *next; /* in the queue, then in the group */
	struct commitlog_item *items;
	size_t count;
	size_t bytes;
	/* What the commit function says: of a transaction, so of all. */
	enum commitlog_fate fate;
	struct error err; /* unless it is in */
	enum { BATCH_WAITS, BATCH_LEADS, BATCH_TAKEN, BATCH_DONE } state;
	pthread_cond_t changed;
};

/* Commit the batches of the list, and set fate (and err) of each. */
typedef void commitlog_group_fn(void *arg, struct commitlog_batch *batches);

struct commitlog_group {
	pthread_mutex_t lock; /* guards all below, and the batches' state */
	struct commitlog_batch *first, *last;
	bool led;
	const struct clock *clock;
	commitlog_group_fn *commit;
	commitlog_group_fn *after; /* with NULL, when the callers are gone */
	void *arg;
};

void commitlog_group_init(struct commitlog_group *group,
    const struct clock *clock, commitlog_group_fn *commit,
    commitlog_group_fn *after, void *arg);
void commitlog_group_fini(struct commitlog_group *group);

/* Sets fate and code of each item, as commit() said; ERRC_UNAVAILABLE and not
 * in when the deadline passed before a group took them. */
KOOP_MUST int commitlog_group_append(struct commitlog_group *group,
    struct commitlog_item *items, size_t count, uint64_t deadline_mono_ms,
    struct error *err);

#endif
