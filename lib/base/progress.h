/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_PROGRESS_H
#define KOOP_BASE_PROGRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A progress line on standard error for long transfers: bytes, rate, and a
 * bar with percent and time left when the total is known; "stalled" when
 * nothing has moved for two seconds.  Shown when standard error is a terminal
 * that is not dumb and standard output is none, or when forced; redrawn at
 * most ten times a second, cut to the terminal's width, erased at the end.
 * SIGUSR1 prints one line at any time.  Costs one comparison an update when
 * off.
 *
 * The programs of a pipe share one terminal, and one of them draws: who holds
 * the lock on it.  Who knows the total tries at once, the others a little
 * later, and when the first one ends.
 *
 * progress_add() and the others are for one thread; a thread of the line's
 * own draws it while nothing moves.
 */

enum progress_when {
	PROGRESS_AUTO,
	PROGRESS_FORCED, /* also where there is no terminal */
	PROGRESS_OFF,
};

struct progress {
	const char *name;
	_Atomic uint64_t total; /* 0 when not known */
	_Atomic uint64_t done;
	_Atomic uint64_t moved_ms, drawn_ms;
	uint64_t start_ms, tried_ms;
	atomic_bool on;
	bool terminal; /* standard error is one */
	bool holds;    /* the line is ours to draw */
	int lock_fd;   /* the terminal, opened anew; -1: not open */
	bool threaded, stop;
	pthread_t thread;
	pthread_mutex_t lock; /* guards drawing, and stop */
	pthread_cond_t wake;
};

/* What -q and --progress ask for. */
enum progress_when progress_choose(bool quiet, bool forced);
/* total may be 0: then the size of standard input is tried (fstat). */
void progress_start(struct progress *p, const char *name,
    enum progress_when when, uint64_t total);
void progress_add(struct progress *p, uint64_t bytes);
/* Erase the line, because something else is to be printed; it comes again. */
void progress_hide(struct progress *p);
void progress_end(struct progress *p);

#endif
