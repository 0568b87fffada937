/* SPDX-License-Identifier: MIT */
#include "commit/commitlog_backend.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/wait.h"
#include "commit/record.h"

/*
 * A log whose end cannot be asked for (Kafka: a deposed leader may answer) is
 * asked by appending: a no-op record's own seq is an end that no node had
 * passed when the call began (protocol.md 2).  It costs a record a partition,
 * so those who come while a round is on its way share the next one.
 */

#define NOOP_LINE_MAX 1024

struct commitlog_barrier {
	char cluster[RECORD_CLUSTER_HEX + 1];
	char sender[RECORD_SENDER_MAX + 1];
	uint64_t epoch;
	size_t count;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	bool running;
	uint64_t started, finished; /* rounds */
	bool *wanted;               /* of the next round, by partition */
	enum errc *code;            /* of the last round that had it */
	uint64_t *end;
	struct error why; /* the first failure of the last round */
};

int
commitlog_barrier_new(struct commitlog_barrier **out,
    const struct commitlog *log, const struct commitlog_options *options,
    struct error *err)
{
	struct commitlog_barrier *barrier = calloc(1, sizeof(*barrier));

	if (barrier == NULL)
		return error_set(err, ERRC_NOMEM, "commit log: out of memory");
	pthread_mutex_init(&barrier->lock, NULL);
	wait_mono_init(&barrier->changed);
	barrier->count = log->partition_count;
	barrier->wanted = calloc(barrier->count, sizeof(*barrier->wanted));
	barrier->code = calloc(barrier->count, sizeof(*barrier->code));
	barrier->end = calloc(barrier->count, sizeof(*barrier->end));
	if (barrier->wanted == NULL || barrier->code == NULL ||
	    barrier->end == NULL) {
		commitlog_barrier_free(barrier);
		return error_set(err, ERRC_NOMEM, "commit log: out of memory");
	}
	memcpy(barrier->cluster, log->cluster, sizeof(barrier->cluster));
	snprintf(barrier->sender, sizeof(barrier->sender), "%s",
	    options->sender != NULL ? options->sender : "koop-log");
	barrier->epoch = options->epoch != 0 ? options->epoch : 1;
	*out = barrier;
	return 0;
}

void
commitlog_barrier_free(struct commitlog_barrier *barrier)
{
	if (barrier == NULL)
		return;
	assert(!barrier->running);
	pthread_cond_destroy(&barrier->changed);
	pthread_mutex_destroy(&barrier->lock);
	free(barrier->wanted);
	free(barrier->code);
	free(barrier->end);
	free(barrier);
}

static int
build_noop(const struct commitlog_barrier *barrier, struct reqid id,
    struct buf *line, struct error *err)
{
	struct record record = {
		.type = RECORD_NOOP,
		.epoch = barrier->epoch,
		.request_id = id,
		.sender = bytes_str(barrier->sender),
	};

	memcpy(record.cluster, barrier->cluster, sizeof(record.cluster));
	return record_build(line, &record, err);
}

/* The items of a round; how many. */
static size_t
take_wanted_locked(struct commitlog *log, struct commitlog_item *items,
    struct reqid id, struct bytes line)
{
	struct commitlog_barrier *barrier = log->barrier;
	size_t n = 0;

	for (size_t i = 0; i < barrier->count; i++) {
		if (!barrier->wanted[i])
			continue;
		barrier->wanted[i] = false;
		items[n++] = (struct commitlog_item){
			.partition = log->partitions[i],
			.request_id = id,
			.line = line,
		};
	}
	return n;
}

/* Append for all that is wanted.  The lock is given up meanwhile. */
static void
run_round_locked(struct commitlog *log, uint64_t deadline_mono_ms)
{
	struct commitlog_barrier *barrier = log->barrier;
	struct commitlog_item *items = calloc(barrier->count, sizeof(*items));
	struct reqid id = reqid_new(log->clock, &random_system);
	struct buf line = buf_make(NOOP_LINE_MAX);
	struct error why = { 0 };
	size_t n = 0;
	int rc;

	assert(!barrier->running && barrier->started == barrier->finished);
	barrier->running = true;
	barrier->started++;
	rc = items == NULL ?
	    error_set(&why, ERRC_NOMEM, "commit log: out of memory") :
	    build_noop(barrier, id, &line, &why);
	if (rc == 0)
		n = take_wanted_locked(log, items, id, buf_bytes(&line));
	for (size_t i = 0; rc < 0 && i < barrier->count; i++)
		barrier->code[i] = why.code;
	pthread_mutex_unlock(&barrier->lock);
	if (n > 0)
		rc = commitlog_append(log, items, n, deadline_mono_ms, &why);
	pthread_mutex_lock(&barrier->lock);
	for (size_t i = 0; i < n; i++) {
		long index = commitlog_partition_index(log, items[i].partition);

		assert(index >= 0);
		/* One whose fate is not known has no seq to be an end. */
		barrier->code[index] = items[i].code;
		barrier->end[index] = items[i].seq;
	}
	if (rc < 0)
		barrier->why = why;
	barrier->running = false;
	barrier->finished = barrier->started;
	pthread_cond_broadcast(&barrier->changed);
	free(items);
	buf_fini(&line);
}

/* False: the deadline passed. */
static bool
wait_locked(struct commitlog *log, uint64_t deadline_mono_ms)
{
	struct commitlog_barrier *barrier = log->barrier;
	int left = clock_left_ms(log->clock, deadline_mono_ms);

	assert(barrier->running);
	if (left <= 0)
		return false;
	(void)wait_mono_for(&barrier->changed, &barrier->lock, (uint64_t)left);
	return true;
}

int
commitlog_barrier_ends(struct commitlog *log, struct commitlog_end *ends,
    size_t count, uint64_t deadline_mono_ms, struct error *err)
{
	struct commitlog_barrier *barrier = log->barrier;
	uint64_t mine;
	int first = 0;

	pthread_mutex_lock(&barrier->lock);
	for (size_t i = 0; i < count; i++)
		barrier->wanted[commitlog_partition_index(log,
		    ends[i].partition)] = true;
	/* A round that began before us may have appended before us: a node may
	 * have passed its end by now, and a read at it would be stale. */
	assert(barrier->finished <= barrier->started);
	mine = barrier->started + 1;
	while (barrier->finished < mine) {
		if (!barrier->running)
			run_round_locked(log, deadline_mono_ms);
		else if (!wait_locked(log, deadline_mono_ms))
			break;
	}
	for (size_t i = 0; i < count; i++) {
		long index = commitlog_partition_index(log, ends[i].partition);

		assert(index >= 0);
		ends[i].code = barrier->finished < mine ? ERRC_UNAVAILABLE :
							  barrier->code[index];
		if (ends[i].code == ERRC_OK)
			ends[i].seq = barrier->end[index];
		else if (first == 0)
			first = error_set(err, ends[i].code,
			    "partition %u: its end is not known: %s",
			    ends[i].partition, barrier->why.text);
	}
	pthread_mutex_unlock(&barrier->lock);
	return first;
}
