/* SPDX-License-Identifier: MIT */
#include "client/finisher.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "http/httpc.h"

#define STACK_BYTES (256u << 10)
/* httpc_poll() takes at most so many calls. */
#define CALLS_MAX 256

static_assert(FINISHER_CALLS_MAX <= CALLS_MAX, "one send has its turn");

struct job {
	const struct finisher_job *fns;
	void *arg;
};

struct sending {
	const struct finisher_send *fns;
	void *arg;
	uint64_t deadline;
};

struct finisher {
	const struct clock *clock;
	pthread_t jobs_thread, sends_thread;
	bool jobs_running, sends_running;
	int event_fd; /* new sends, or stopping */

	/* lock guards what follows. */
	pthread_mutex_t lock;
	pthread_cond_t wake; /* a job, or stopping */
	bool stopping;
	uint64_t stop_at; /* when stopping: nothing begins after it */
	struct job jobs[FINISHER_JOBS_MAX];
	size_t job_first, job_count;
	struct sending fresh[FINISHER_SENDS_MAX];
	size_t fresh_count;
	size_t send_count; /* fresh ones included */

	/* The sends thread's own. */
	struct sending active[FINISHER_SENDS_MAX];
	size_t active_count;
};

/* What waits is bounded in every direction; the ring of jobs has a beginning,
 * and a send that is fresh is counted. */
static void
check_queues_locked(const struct finisher *f)
{
	assert(f->job_first < FINISHER_JOBS_MAX);
	assert(f->job_count <= FINISHER_JOBS_MAX);
	assert(f->send_count <= FINISHER_SENDS_MAX);
	assert(f->fresh_count <= f->send_count);
}

/* The next job; false: none will come.  *late: there is no time to run it. */
static bool
take_job(struct finisher *f, struct job *job, bool *late)
{
	bool taken;

	pthread_mutex_lock(&f->lock);
	while (f->job_count == 0 && !f->stopping)
		pthread_cond_wait(&f->wake, &f->lock);
	taken = f->job_count > 0;
	check_queues_locked(f);
	if (taken) {
		*job = f->jobs[f->job_first];
		f->job_first = (f->job_first + 1) % FINISHER_JOBS_MAX;
		f->job_count--;
	}
	*late = f->stopping && clock_mono_ms(f->clock) >= f->stop_at;
	pthread_mutex_unlock(&f->lock);
	return taken;
}

static void *
jobs_main(void *arg)
{
	struct finisher *f = arg;
	struct job job;
	bool late;

	/* A log that is out of reach costs each job seconds: a queue of them
	 * must not hold up the end of the program. */
	while (take_job(f, &job, &late)) {
		if (late)
			job.fns->drop(job.arg);
		else
			job.fns->run(job.arg);
	}
	return NULL;
}

/* Take what came; false when it is time to stop. */
static bool
take_fresh(struct finisher *f, uint64_t *stop_at)
{
	uint64_t now = clock_mono_ms(f->clock);

	pthread_mutex_lock(&f->lock);
	assert(f->active_count + f->fresh_count == f->send_count);
	for (size_t i = 0; i < f->fresh_count; i++)
		f->active[f->active_count++] = f->fresh[i];
	f->fresh_count = 0;
	if (f->stopping)
		*stop_at = f->stop_at;
	pthread_mutex_unlock(&f->lock);
	if (*stop_at == UINT64_MAX)
		return true;
	return f->active_count > 0 && now < *stop_at;
}

static void
drop_active(struct finisher *f, size_t i)
{
	struct sending *gone = &f->active[i];

	assert(i < f->active_count);
	gone->fns->free(gone->arg);
	f->active[i] = f->active[--f->active_count];
	pthread_mutex_lock(&f->lock);
	assert(f->send_count > 0);
	f->send_count--;
	pthread_mutex_unlock(&f->lock);
}

/* One round over the sends; those past CALLS_MAX get their turn when others
 * are done. */
static void
move_sends(struct finisher *f, uint64_t stop_at)
{
	struct httpc_wake wake = { .client_fd = -1, .event_fd = f->event_fd };
	struct httpc_call *calls[CALLS_MAX];
	uint64_t until = stop_at;
	size_t count = 0;
	uint64_t now;
	int event;

	for (size_t i = 0; i < f->active_count; i++) {
		struct sending *active = &f->active[i];

		if (count + FINISHER_CALLS_MAX > CALLS_MAX)
			break;
		count += active->fns->calls(active->arg, calls + count);
		assert(count <= CALLS_MAX);
		until = KOOP_MIN(until, f->active[i].deadline);
	}
	if (until == UINT64_MAX)
		until = clock_mono_ms(f->clock) + 60000;
	event = httpc_poll(calls, count, &wake, until);
	now = clock_mono_ms(f->clock);
	if (event == HTTPC_WOKEN) {
		uint64_t value;
		ssize_t n = read(f->event_fd, &value, sizeof(value));

		(void)n;
	}
	for (size_t i = f->active_count; i-- > 0;) {
		struct sending *active = &f->active[i];

		if (event == HTTPC_PROGRESS)
			active->fns->moved(active->arg);
		if (active->fns->done(active->arg) || now >= active->deadline)
			drop_active(f, i);
	}
}

static void *
sends_main(void *arg)
{
	struct finisher *f = arg;
	uint64_t stop_at = UINT64_MAX;

	while (take_fresh(f, &stop_at))
		move_sends(f, stop_at);
	while (f->active_count > 0)
		drop_active(f, f->active_count - 1);
	return NULL;
}

static int
start_threads(struct finisher *f, struct error *err)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	rc = pthread_create(&f->jobs_thread, &attr, jobs_main, f);
	f->jobs_running = rc == 0;
	if (rc == 0) {
		rc = pthread_create(&f->sends_thread, &attr, sends_main, f);
		f->sends_running = rc == 0;
	}
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return error_set(err, ERRC_NOMEM,
		    "finisher: cannot start a thread: %s", strerror(rc));
	return 0;
}

int
finisher_new(struct finisher **out, const struct clock *clock,
    struct error *err)
{
	struct finisher *f = calloc(1, sizeof(*f));
	int rc;

	if (f == NULL)
		return error_set(err, ERRC_NOMEM, "finisher: out of memory");
	f->clock = clock;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->wake, NULL);
	f->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->event_fd == -1)
		rc = error_errno(err, ERRC_NOMEM, "eventfd");
	else
		rc = start_threads(f, err);
	if (rc < 0) {
		finisher_free(f);
		return rc;
	}
	*out = f;
	return 0;
}

static void
finisher_ring(struct finisher *f)
{
	uint64_t one = 1;
	ssize_t n = write(f->event_fd, &one, sizeof(one));

	assert(n == sizeof(one));
}

void
finisher_free(struct finisher *f)
{
	if (f == NULL)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop_at = clock_mono_ms(f->clock) + FINISHER_CLOSE_MS;
	f->stopping = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	if (f->event_fd != -1)
		finisher_ring(f);
	if (f->jobs_running)
		pthread_join(f->jobs_thread, NULL);
	if (f->sends_running)
		pthread_join(f->sends_thread, NULL);
	/* Each was run, sent or dropped, so that nothing is leaked. */
	assert(f->job_count == 0);
	assert(f->send_count == 0);
	if (f->event_fd != -1)
		close(f->event_fd);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

bool
finisher_run(struct finisher *f, const struct finisher_job *fns, void *arg)
{
	bool taken;

	assert(fns->run != NULL && fns->drop != NULL);
	pthread_mutex_lock(&f->lock);
	taken = f->job_count < FINISHER_JOBS_MAX && !f->stopping;
	if (taken) {
		size_t at = (f->job_first + f->job_count) % FINISHER_JOBS_MAX;

		f->jobs[at] = (struct job){ .fns = fns, .arg = arg };
		f->job_count++;
		pthread_cond_signal(&f->wake);
	}
	check_queues_locked(f);
	pthread_mutex_unlock(&f->lock);
	return taken;
}

void
finisher_send(struct finisher *f, const struct finisher_send *fns, void *arg)
{
	bool taken;

	if (fns->done(arg)) {
		fns->free(arg);
		return;
	}
	pthread_mutex_lock(&f->lock);
	taken = f->send_count < FINISHER_SENDS_MAX && !f->stopping;
	if (taken) {
		f->fresh[f->fresh_count++] = (struct sending){
			.fns = fns,
			.arg = arg,
			.deadline = clock_mono_ms(f->clock) + FINISHER_SEND_MS,
		};
		f->send_count++;
	}
	check_queues_locked(f);
	pthread_mutex_unlock(&f->lock);
	if (taken)
		finisher_ring(f);
	else
		fns->free(arg);
}
