/* SPDX-License-Identifier: MIT */
#include "wire/trace.h"

#include <assert.h>
#include <stddef.h>

static _Thread_local struct trace *trace_now;

void
trace_begin(struct trace *trace)
{
	assert(trace != NULL);
	/* One that was never ended would be told of another's request. */
	assert(trace_now == NULL);
	trace_now = trace;
}

void
trace_end(void)
{
	assert(trace_now != NULL);
	trace_now = NULL;
}

const char *
trace_id(void)
{
	return trace_now != NULL ? trace_now->id : NULL;
}

void
trace_fetch(uint64_t queued_us)
{
	if (trace_now == NULL)
		return;
	trace_now->fetches++;
	trace_now->queued_us += queued_us;
}
