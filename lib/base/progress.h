/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_PROGRESS_H
#define KOOP_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A progress line on standard error for long transfers: bytes, rate, and a
 * bar with percent and time left when the total is known.  Shown when
 * standard error is a terminal and standard output is not, or when forced;
 * redrawn at most ten times a second, erased at the end.  SIGUSR1 prints one
 * line at any time.  Costs one comparison an update when off.
 */

struct progress {
	const char *name;
	uint64_t total; /* 0 when not known */
	uint64_t done;
	uint64_t start_ms, drawn_ms;
	bool on;
};

/* total may be 0: then the size of standard input is tried (fstat). */
void progress_start(struct progress *p, const char *name, bool force,
    uint64_t total);
void progress_add(struct progress *p, uint64_t bytes);
void progress_end(struct progress *p);

#endif
