/* SPDX-License-Identifier: MIT */

#include "shard/encode_writer.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/error.h"

#define WRITER_STACK_BYTES ((size_t)128 * 1024)

struct job {
	struct encoded_stripe *stripe;
	size_t count;
};

/*
 * Tickets count pushes: those up to done are written, those after wait in
 * queue[ticket % ENCODE_WRITER_PENDING].
 */
struct encode_writer {
	encode_sink_fn *sink;
	void *arg;
	bool threaded;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t more;  /* for the thread: pushed or stop changed */
	pthread_cond_t less;  /* for the caller: done changed */
	struct job queue[ENCODE_WRITER_PENDING];
	uint64_t pushed, done;
	bool stop;
	int rc; /* of the sink, once it failed */
	struct error error;
};

/* A job keeps its place in the queue until it is written. */
static void
check_queue_locked(const struct encode_writer *w)
{
	assert(w->done <= w->pushed);
	assert(w->pushed - w->done <= ENCODE_WRITER_PENDING);
}

/* Write the oldest job, called and left with the lock held. */
static void
write_next_locked(struct encode_writer *w)
{
	struct job job = w->queue[(w->done + 1) % ENCODE_WRITER_PENDING];
	struct error err;
	int rc = w->rc;

	check_queue_locked(w);
	assert(w->done < w->pushed && job.count > 0);
	pthread_mutex_unlock(&w->lock);
	if (rc == 0)
		rc = w->sink(w->arg, job.stripe, job.count, &err);
	pthread_mutex_lock(&w->lock);
	if (rc < 0 && w->rc == 0) {
		w->rc = rc;
		w->error = err;
	}
	w->done++;
	pthread_cond_signal(&w->less);
}

static void *
writer_main(void *arg)
{
	struct encode_writer *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (w->done == w->pushed && !w->stop)
			pthread_cond_wait(&w->more, &w->lock);
		if (w->done == w->pushed)
			break;
		write_next_locked(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals are for the main thread, but SIGPIPE, which is for the one that
 * writes. */
static bool
writer_start(struct encode_writer *w)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc;

	if (pthread_attr_init(&attr) != 0)
		return false;
	sigfillset(&all);
	sigdelset(&all, SIGPIPE);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_attr_setstacksize(&attr, WRITER_STACK_BYTES);
	if (rc == 0)
		rc = pthread_create(&w->thread, &attr, writer_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc == 0;
}

int
encode_writer_new(struct encode_writer **out, bool threaded,
    encode_sink_fn *sink, void *arg, struct error *err)
{
	struct encode_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return error_set(err, ERRC_NOMEM, "encode: out of memory");
	w->sink = sink;
	w->arg = arg;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	pthread_cond_init(&w->less, NULL);
	w->threaded = threaded && writer_start(w);
	*out = w;
	return 0;
}

void
encode_writer_free(struct encode_writer *w)
{
	if (w == NULL)
		return;
	if (w->threaded) {
		pthread_mutex_lock(&w->lock);
		w->stop = true;
		pthread_cond_signal(&w->more);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
		assert(w->done == w->pushed); /* no block is read from now on */
	}
	pthread_cond_destroy(&w->less);
	pthread_cond_destroy(&w->more);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

uint64_t
encode_writer_push(struct encode_writer *w, struct encoded_stripe *stripe,
    size_t count)
{
	uint64_t ticket;

	pthread_mutex_lock(&w->lock);
	assert(!w->stop && count > 0);
	while (w->pushed - w->done == ENCODE_WRITER_PENDING)
		pthread_cond_wait(&w->less, &w->lock);
	ticket = ++w->pushed;
	w->queue[ticket % ENCODE_WRITER_PENDING] = (struct job){ stripe,
		count };
	if (w->threaded)
		pthread_cond_signal(&w->more);
	else
		write_next_locked(w);
	check_queue_locked(w);
	assert(ticket != 0); /* the ticket that is always done */
	pthread_mutex_unlock(&w->lock);
	return ticket;
}

int
encode_writer_wait(struct encode_writer *w, uint64_t ticket, struct error *err)
{
	int rc;

	pthread_mutex_lock(&w->lock);
	assert(ticket <= w->pushed);
	while (w->done < ticket)
		pthread_cond_wait(&w->less, &w->lock);
	rc = w->rc;
	if (rc < 0 && err != NULL)
		*err = w->error;
	pthread_mutex_unlock(&w->lock);
	return rc;
}
