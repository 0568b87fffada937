/* SPDX-License-Identifier: MIT */
#include "base/signals.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>

#include "base/clock.h"

static void
signals_ours(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGCHLD);
}

void
signals_block(void)
{
	sigset_t set;
	int rc;

	signals_ours(&set);
	rc = pthread_sigmask(SIG_BLOCK, &set, NULL);
	assert(rc == 0);
	/* A peer that goes away is an error of a write, not of the program. */
	signal(SIGPIPE, SIG_IGN);
}

int
signals_wait(int timeout_ms)
{
	uint64_t deadline = clock_mono_ms(&clock_system) +
	    (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);
	sigset_t set;

	assert(timeout_ms >= -1);
	signals_ours(&set);
	for (;;) {
		int left = clock_left_ms(&clock_system, deadline);
		struct timespec wait = {
			.tv_sec = left / 1000,
			.tv_nsec = left % 1000 * 1000000L,
		};
		int number = sigtimedwait(&set, NULL,
		    timeout_ms < 0 ? NULL : &wait);

		if (number > 0)
			return number;
		if (errno == EAGAIN)
			return 0;
		assert(errno == EINTR);
	}
}

void
signals_unblock(void)
{
	sigset_t set;
	int rc;

	signals_ours(&set);
	rc = pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	assert(rc == 0);
	signal(SIGPIPE, SIG_DFL);
}
