/* SPDX-License-Identifier: MIT */
#include "base/wait.h"

#include "base/clock.h"

#include "tap.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond;
static bool said;

static uint64_t
now_ms(void)
{
	return clock_mono_ms(&clock_system);
}

static void
a_wait_ends_at_its_deadline_and_not_before(void)
{
	uint64_t began = now_ms();

	pthread_mutex_lock(&lock);
	while (wait_mono_until(&cond, &lock, began + 1060))
		continue;
	CHECK(now_ms() - began >= 1059);
	began = now_ms();
	while (wait_mono_for(&cond, &lock, 60) && now_ms() - began < 60)
		continue;
	CHECK(now_ms() - began >= 59);
	/* One that is over does not wait at all. */
	CHECK(!wait_mono_until(&cond, &lock, 0));
	CHECK(!wait_mono_for(&cond, &lock, 0));
	pthread_mutex_unlock(&lock);
}

static void *
say(void *arg)
{
	pthread_mutex_lock(&lock);
	said = true;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&lock);
	return arg;
}

static void
a_signal_ends_a_wait_without_a_deadline(void)
{
	pthread_t thread;

	pthread_mutex_lock(&lock);
	REQUIRE(pthread_create(&thread, NULL, say, NULL) == 0);
	while (!said)
		CHECK(wait_mono_until(&cond, &lock, UINT64_MAX));
	said = false;
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	pthread_mutex_lock(&lock);
	REQUIRE(pthread_create(&thread, NULL, say, NULL) == 0);
	while (!said)
		CHECK(wait_mono_for(&cond, &lock, UINT64_MAX));
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
}

int
main(void)
{
	wait_mono_init(&cond);
	RUN(a_wait_ends_at_its_deadline_and_not_before);
	RUN(a_signal_ends_a_wait_without_a_deadline);
	return tap_done();
}
