/* SPDX-License-Identifier: MIT */
#ifndef KOOP_WIRE_TRACE_H
#define KOOP_WIRE_TRACE_H

#include <stdint.h>

#include "base/random.h"

/*
 * On whose behalf this thread works: the id by which a client knows its
 * request (x-amz-request-id).  Whatever the thread calls meanwhile carries it
 * to the nodes (NODEPROTO_CLIENT_REQUEST), so that their log lines about the
 * request are found by it; and what kept the request waiting on the way is
 * added up here.
 *
 * A thread works for one request at a time, or for none (all threads that
 * outlive a request).  It is told nothing else by this: no answer may depend
 * on it.
 */

struct trace {
	char id[REQID_HEX + 1];
	unsigned fetches;   /* windows of shards were fetched for it */
	uint64_t queued_us; /* they waited for a place so long in all */
};

/* trace is the caller's and stays until the end. */
void trace_begin(struct trace *trace);
void trace_end(void);
/* Of this thread, or NULL. */
const char *trace_id(void);
/* A fetch of this thread got its place after so long. */
void trace_fetch(uint64_t queued_us);

#endif
