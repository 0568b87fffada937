/* SPDX-License-Identifier: MIT */
#include "base/wait.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/compiler.h"

/* Ten thousand years: no time_t and no kernel objects to it. */
#define SECONDS_MAX ((uint64_t)10000 * 366 * 24 * 3600)

void
wait_mono_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int rc;

	pthread_condattr_init(&attr);
	rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	assert(rc == 0);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

bool
wait_mono_until(pthread_cond_t *cond, pthread_mutex_t *lock,
    uint64_t deadline_mono_ms)
{
	struct timespec until = {
		.tv_sec = (time_t)KOOP_MIN(deadline_mono_ms / 1000,
		    SECONDS_MAX),
		.tv_nsec = (long)(deadline_mono_ms % 1000) * 1000000,
	};
	int rc = pthread_cond_timedwait(cond, lock, &until);

	assert(rc == 0 || rc == ETIMEDOUT);
	return rc == 0;
}

/* In real time, also for who lives by a clock that is wound by hand. */
bool
wait_mono_for(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t ms)
{
	uint64_t now = clock_mono_ms(&clock_system);

	return wait_mono_until(cond, lock,
	    now + KOOP_MIN(ms, UINT64_MAX - now));
}
