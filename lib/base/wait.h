/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_WAIT_H
#define KOOP_BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Conditions with a deadline on CLOCK_MONOTONIC, which nobody sets: a default
 * condition waits on the wall clock, and an hour longer when that goes back
 * an hour.
 */

/* In place of pthread_cond_init(). */
void wait_mono_init(pthread_cond_t *cond);
/* Until it was signalled (perhaps for nothing: look again), or until then; with
 * the lock held.  False: the time has passed.  UINT64_MAX: for ever. */
bool wait_mono_until(pthread_cond_t *cond, pthread_mutex_t *lock,
    uint64_t deadline_mono_ms);
/* The same, for at most so long. */
bool wait_mono_for(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t ms);

#endif
