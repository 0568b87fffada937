/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_NOWAIT_H
#define KOOP_BASE_NOWAIT_H

#include <stdint.h>

/*
 * Stretches of code in which a thread must not wait for the world: it holds
 * something that others need, a read transaction say, and a file, a peer or
 * another lock may take seconds.
 *
 * What may wait says so with nowait_touch(), by a word.  Within such a stretch
 * that is a defect of ours.  A build with KOOP_FAULTS ends there; a release
 * counts it and goes on, since slow is better than down.  Stretches belong to
 * their thread and nest.
 */

void nowait_enter(void);
void nowait_leave(void);
/* This thread is about to wait for what. */
void nowait_touch(const char *what);
/* How often that happened within a stretch, over all threads. */
uint64_t nowait_broken(void);

#endif
