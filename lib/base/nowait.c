/* SPDX-License-Identifier: MIT */
#include "base/nowait.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

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

void
nowait_touch(const char *what)
{
	assert(what != NULL);
	if (nowait_depth > 0)
		atomic_fetch_add(&nowait_count, 1);
}

uint64_t
nowait_broken(void)
{
	return atomic_load(&nowait_count);
}
