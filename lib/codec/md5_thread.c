/* SPDX-License-Identifier: MIT */

#include "codec/md5_thread.h"

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
 * queue[ticket % MD5_THREAD_PENDING].
 */
struct md5_thread {
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t more;  /* for the thread: pushed or stop changed */
	pthread_cond_t less;  /* for the caller: done changed */
	struct bytes queue[MD5_THREAD_PENDING];
	uint64_t pushed, done;
	bool stop, joined;
	struct digest md5; /* the thread's, until it is joined */
};

/* Bytes that are pushed keep their place in the queue until they are hashed. */
static void
check_queue(const struct md5_thread *worker)
{
	assert(worker->done <= worker->pushed);
	assert(worker->pushed - worker->done <= MD5_THREAD_PENDING);
}

static void *
md5_main(void *arg)
{
	struct md5_thread *worker = arg;

	pthread_mutex_lock(&worker->lock);
	for (;;) {
		struct bytes next;

		while (worker->done == worker->pushed && !worker->stop)
			pthread_cond_wait(&worker->more, &worker->lock);
		if (worker->done == worker->pushed)
			break;
		check_queue(worker);
		next = worker->queue[(worker->done + 1) % MD5_THREAD_PENDING];
		pthread_mutex_unlock(&worker->lock);
		digest_update(&worker->md5, next.p, next.n);
		pthread_mutex_lock(&worker->lock);
		worker->done++;
		pthread_cond_signal(&worker->less);
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

/* Signals are for the other threads of the process: they stay blocked. */
static int
md5_start(struct md5_thread *worker)
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
		rc = pthread_create(&worker->thread, &attr, md5_main, worker);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc == 0 ? 0 : -1;
}

int
md5_thread_new(struct md5_thread **out, struct error *err)
{
	struct md5_thread *worker = calloc(1, sizeof(*worker));
	int rc;

	if (worker == NULL)
		return error_set(err, ERRC_NOMEM, "md5: out of memory");
	rc = digest_init(&worker->md5, DIGEST_MD5, err);
	if (rc < 0) {
		free(worker);
		return rc;
	}
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->more, NULL);
	pthread_cond_init(&worker->less, NULL);
	if (md5_start(worker) < 0) {
		worker->joined = true;
		md5_thread_free(worker);
		return error_set(err, ERRC_NOMEM, "md5: cannot make a thread");
	}
	*out = worker;
	return 0;
}

static void
md5_join(struct md5_thread *worker)
{
	if (worker->joined)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->stop = true;
	pthread_cond_signal(&worker->more);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	worker->joined = true;
}

void
md5_thread_free(struct md5_thread *worker)
{
	if (worker == NULL)
		return;
	md5_join(worker);
	pthread_cond_destroy(&worker->less);
	pthread_cond_destroy(&worker->more);
	pthread_mutex_destroy(&worker->lock);
	digest_fini(&worker->md5);
	free(worker);
}

uint64_t
md5_thread_push(struct md5_thread *worker, const void *p, size_t n)
{
	uint64_t ticket;

	assert(!worker->joined);
	pthread_mutex_lock(&worker->lock);
	while (worker->pushed - worker->done == MD5_THREAD_PENDING)
		pthread_cond_wait(&worker->less, &worker->lock);
	ticket = ++worker->pushed;
	worker->queue[ticket % MD5_THREAD_PENDING] = bytes_of(p, n);
	check_queue(worker);
	assert(ticket != 0); /* the ticket that is always done */
	pthread_cond_signal(&worker->more);
	pthread_mutex_unlock(&worker->lock);
	return ticket;
}

void
md5_thread_wait(struct md5_thread *worker, uint64_t ticket)
{
	pthread_mutex_lock(&worker->lock);
	assert(ticket <= worker->pushed);
	while (worker->done < ticket)
		pthread_cond_wait(&worker->less, &worker->lock);
	pthread_mutex_unlock(&worker->lock);
}

void
md5_thread_final(struct md5_thread *worker,
    uint8_t out[static DIGEST_MD5_BYTES])
{
	md5_join(worker);
	assert(worker->done == worker->pushed);
	digest_final(&worker->md5, out);
}
