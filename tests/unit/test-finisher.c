/* SPDX-License-Identifier: MIT */
#include "client/finisher.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

#include "tap.h"

/*
 * A clock that stands still, and tells when the thread that closes has looked
 * at it: finisher_free() does that in its lock, so whoever waits for `closing`
 * knows that the finisher is.
 */
struct testclock {
	struct clock clock;
	_Atomic uint64_t now_ms;
	atomic_bool armed;
	pthread_t closer;
	sem_t closing;
};

static uint64_t
testclock_now(const struct clock *clock)
{
	struct testclock *t = (struct testclock *)(uintptr_t)clock;
	uint64_t now = t->now_ms;

	if (pthread_equal(pthread_self(), t->closer) &&
	    atomic_exchange(&t->armed, false))
		sem_post(&t->closing);
	return now;
}

static struct testclock wound;

static void
wound_init(void)
{
	memset(&wound, 0, sizeof(wound));
	wound.clock = (struct clock){
		.real_ms = testclock_now,
		.mono_ms = testclock_now,
		.boot_ms = testclock_now,
	};
	wound.now_ms = clock_mono_ms(&clock_system);
	wound.closer = pthread_self();
	sem_init(&wound.closing, 0, 0);
}

struct counted {
	atomic_int ran, dropped;
	int order[FINISHER_JOBS_MAX];
};

struct numbered {
	struct counted *to;
	int number;
};

static void
numbered_run(void *arg)
{
	struct numbered *n = arg;

	n->to->order[atomic_fetch_add(&n->to->ran, 1)] = n->number;
}

static void
numbered_drop(void *arg)
{
	struct numbered *n = arg;

	n->to->dropped++;
}

static const struct finisher_job numbered_fns = { numbered_run, numbered_drop };

/* A job that is at work when the finisher closes, and then takes longer than
 * there is time: an append to a log that is locked. */
static void
slow_run(void *arg)
{
	struct numbered *n = arg;

	sem_wait(&wound.closing);
	wound.now_ms += FINISHER_CLOSE_MS;
	n->to->ran++;
}

static const struct finisher_job slow_fns = { slow_run, numbered_drop };

static void
jobs_run_in_order_and_all_of_them_when_closing_has_time(void)
{
	struct counted to = { 0 };
	struct numbered job[100];
	struct finisher *f;

	wound_init();
	REQUIRE(finisher_new(&f, &wound.clock, NULL) == 0);
	for (int i = 0; i < 100; i++) {
		job[i] = (struct numbered){ &to, i };
		CHECK(finisher_run(f, &numbered_fns, &job[i]));
	}
	finisher_free(f);
	CHECK(to.ran == 100);
	CHECK(to.dropped == 0);
	for (int i = 0; i < 100; i++)
		CHECK(to.order[i] == i);
}

static void
what_has_not_begun_at_the_end_is_dropped_and_not_run(void)
{
	struct counted to = { 0 };
	struct numbered job[100];
	struct finisher *f;

	wound_init();
	REQUIRE(finisher_new(&f, &wound.clock, NULL) == 0);
	job[0] = (struct numbered){ &to, 0 };
	CHECK(finisher_run(f, &slow_fns, &job[0]));
	for (int i = 1; i < 100; i++) {
		job[i] = (struct numbered){ &to, i };
		CHECK(finisher_run(f, &numbered_fns, &job[i]));
	}
	wound.armed = true;
	finisher_free(f);
	CHECK(to.ran == 1);
	CHECK(to.dropped == 99);
}

static sem_t held;

static void
held_run(void *arg)
{
	(void)arg;
	sem_wait(&held);
}

static void
held_drop(void *arg)
{
	(void)arg;
}

static void
a_full_queue_leaves_the_job_with_its_owner(void)
{
	static const struct finisher_job fns = { held_run, held_drop };
	struct counted to = { 0 };
	struct numbered job = { &to, 0 };
	struct finisher *f;
	int taken = 0;

	wound_init();
	sem_init(&held, 0, 0);
	REQUIRE(finisher_new(&f, &wound.clock, NULL) == 0);
	CHECK(finisher_run(f, &fns, NULL));
	while (finisher_run(f, &numbered_fns, &job))
		taken++;
	/* The first one may still be in the queue, or be at work. */
	CHECK(taken == FINISHER_JOBS_MAX || taken == FINISHER_JOBS_MAX - 1);
	CHECK(to.ran == 0 && to.dropped == 0);
	sem_post(&held);
	finisher_free(f);
	CHECK(to.ran + to.dropped == taken);
}

struct fake_send {
	atomic_bool done;
	atomic_int asked, freed;
};

static size_t
fake_calls(void *arg, struct httpc_call *out[])
{
	struct fake_send *send = arg;

	send->asked++;
	out[0] = NULL;
	return 1;
}

static void
fake_moved(void *arg)
{
	(void)arg;
}

static bool
fake_done(const void *arg)
{
	const struct fake_send *send = arg;

	return send->done;
}

static void
fake_free(void *arg)
{
	struct fake_send *send = arg;

	send->freed++;
}

static const struct finisher_send fake_fns = {
	.calls = fake_calls,
	.moved = fake_moved,
	.done = fake_done,
	.free = fake_free,
};

static void
sends_that_are_done_or_too_many_are_freed_at_once(void)
{
	struct fake_send send[FINISHER_SENDS_MAX + 2] = { 0 };
	struct finisher *f;

	wound_init();
	REQUIRE(finisher_new(&f, &wound.clock, NULL) == 0);
	send[0].done = true;
	finisher_send(f, &fake_fns, &send[0]);
	CHECK(send[0].freed == 1 && send[0].asked == 0);
	for (int i = 1; i < FINISHER_SENDS_MAX + 1; i++) {
		finisher_send(f, &fake_fns, &send[i]);
		CHECK(send[i].freed == 0);
	}
	finisher_send(f, &fake_fns, &send[FINISHER_SENDS_MAX + 1]);
	CHECK(send[FINISHER_SENDS_MAX + 1].freed == 1);
	wound.now_ms += FINISHER_SEND_MS;
	finisher_free(f);
	for (int i = 0; i < FINISHER_SENDS_MAX + 2; i++)
		CHECK(send[i].freed == 1);
}

static void
a_send_has_a_second_when_its_finisher_closes(void)
{
	struct fake_send send = { 0 };
	struct finisher *f;
	uint64_t began, took;

	REQUIRE(finisher_new(&f, &clock_system, NULL) == 0);
	finisher_send(f, &fake_fns, &send);
	began = clock_mono_ms(&clock_system);
	finisher_free(f);
	took = clock_mono_ms(&clock_system) - began;
	CHECK(send.freed == 1);
	CHECK(send.asked >= 1);
	CHECK(took >= FINISHER_CLOSE_MS / 2);
	CHECK(took < FINISHER_SEND_MS / 2);
}

int
main(void)
{
	RUN(jobs_run_in_order_and_all_of_them_when_closing_has_time);
	RUN(what_has_not_begun_at_the_end_is_dropped_and_not_run);
	RUN(a_full_queue_leaves_the_job_with_its_owner);
	RUN(sends_that_are_done_or_too_many_are_freed_at_once);
	RUN(a_send_has_a_second_when_its_finisher_closes);
	return tap_done();
}
