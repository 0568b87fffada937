/* SPDX-License-Identifier: MIT */

#include "codec/md5_lane.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"

/* MD5 needs no stack to speak of. */
#define LANE_STACK_BYTES ((size_t)64 * 1024)

/*
 * Tickets count pushes: those up to done are hashed, those after wait in
 * queue[ticket % MD5_LANE_PENDING].
 */
struct md5_lane {
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t more;  /* for the thread: pushed or stop changed */
	pthread_cond_t less;  /* for the caller: done changed */
	struct bytes queue[MD5_LANE_PENDING];
	uint64_t pushed, done;
	bool stop, joined;
	struct digest md5; /* the thread's, until it is joined */
};

static void *
lane_main(void *arg)
{
	struct md5_lane *lane = arg;

	pthread_mutex_lock(&lane->lock);
	for (;;) {
		struct bytes next;

		while (lane->done == lane->pushed && !lane->stop)
			pthread_cond_wait(&lane->more, &lane->lock);
		if (lane->done == lane->pushed)
			break;
		next = lane->queue[(lane->done + 1) % MD5_LANE_PENDING];
		pthread_mutex_unlock(&lane->lock);
		digest_update(&lane->md5, next.p, next.n);
		pthread_mutex_lock(&lane->lock);
		lane->done++;
		pthread_cond_signal(&lane->less);
	}
	pthread_mutex_unlock(&lane->lock);
	return NULL;
}

/* Signals are for the other threads of the process: they stay blocked. */
static int
lane_start(struct md5_lane *lane)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc;

	if (pthread_attr_init(&attr) != 0)
		return -1;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_attr_setstacksize(&attr, LANE_STACK_BYTES);
	if (rc == 0)
		rc = pthread_create(&lane->thread, &attr, lane_main, lane);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc == 0 ? 0 : -1;
}

int
md5_lane_new(struct md5_lane **out, struct error *err)
{
	struct md5_lane *lane = calloc(1, sizeof(*lane));
	int rc;

	if (lane == NULL)
		return error_set(err, ERRC_NOMEM, "md5: out of memory");
	rc = digest_init(&lane->md5, DIGEST_MD5, err);
	if (rc < 0) {
		free(lane);
		return rc;
	}
	pthread_mutex_init(&lane->lock, NULL);
	pthread_cond_init(&lane->more, NULL);
	pthread_cond_init(&lane->less, NULL);
	if (lane_start(lane) < 0) {
		lane->joined = true;
		md5_lane_free(lane);
		return error_set(err, ERRC_NOMEM, "md5: cannot make a thread");
	}
	*out = lane;
	return 0;
}

static void
lane_join(struct md5_lane *lane)
{
	if (lane->joined)
		return;
	pthread_mutex_lock(&lane->lock);
	lane->stop = true;
	pthread_cond_signal(&lane->more);
	pthread_mutex_unlock(&lane->lock);
	pthread_join(lane->thread, NULL);
	lane->joined = true;
}

void
md5_lane_free(struct md5_lane *lane)
{
	if (lane == NULL)
		return;
	lane_join(lane);
	pthread_cond_destroy(&lane->less);
	pthread_cond_destroy(&lane->more);
	pthread_mutex_destroy(&lane->lock);
	digest_fini(&lane->md5);
	free(lane);
}

uint64_t
md5_lane_push(struct md5_lane *lane, const void *p, size_t n)
{
	uint64_t ticket;

	assert(!lane->joined);
	pthread_mutex_lock(&lane->lock);
	while (lane->pushed - lane->done == MD5_LANE_PENDING)
		pthread_cond_wait(&lane->less, &lane->lock);
	ticket = ++lane->pushed;
	lane->queue[ticket % MD5_LANE_PENDING] = bytes_of(p, n);
	pthread_cond_signal(&lane->more);
	pthread_mutex_unlock(&lane->lock);
	return ticket;
}

void
md5_lane_wait(struct md5_lane *lane, uint64_t ticket)
{
	pthread_mutex_lock(&lane->lock);
	assert(ticket <= lane->pushed);
	while (lane->done < ticket)
		pthread_cond_wait(&lane->less, &lane->lock);
	pthread_mutex_unlock(&lane->lock);
}

void
md5_lane_final(struct md5_lane *lane, uint8_t out[static DIGEST_MD5_BYTES])
{
	lane_join(lane);
	digest_final(&lane->md5, out);
}
