/* SPDX-License-Identifier: MIT */
#include "base/nowait.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/compiler.h"

#define NOWAIT_DEPTH_MAX 64 /* more is a leave that was forgotten */

static _Thread_local unsigned nowait_depth;
static _Atomic uint64_t nowait_count;

void
nowait_enter(void)
{
	assert(nowait_depth < NOWAIT_DEPTH_MAX);
	nowait_depth++;
}

void
nowait_leave(void)
{
	assert(nowait_depth > 0);
	nowait_depth--;
}

#ifdef KOOP_FAULTS

#include <stdlib.h>

#include "base/log.h"

KOOP_NORETURN static void
nowait_end(const char *what)
{
	log_error("base", "%s was touched where nothing may wait", what);
	abort();
}

#else

static void
nowait_end(const char *what)
{
	(void)what;
}

#endif

void
nowait_touch(const char *what)
{
	assert(what != NULL);
	if (nowait_depth == 0)
		return;
	atomic_fetch_add(&nowait_count, 1);
	nowait_end(what);
}

uint64_t
nowait_broken(void)
{
	return atomic_load(&nowait_count);
}
