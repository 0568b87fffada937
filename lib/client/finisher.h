/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_FINISHER_H
#define KOOP_CLIENT_FINISHER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

/*
 * What a request leaves behind and nobody waits for: shards that were merely
 * behind when their blob had its write quorum, AbortMessages, notices of bad
 * cells.  Bounded in every direction: two threads, FINISHER_SENDS_MAX blobs,
 * FINISHER_JOBS_MAX jobs, FINISHER_SEND_MS each.  What does not fit is not
 * done: the nodes repair and collect by themselves.
 *
 * It knows neither shards nor records: who hands something over brings the
 * functions for it, so that nothing here points back at its callers.
 */

#define FINISHER_SENDS_MAX 32
#define FINISHER_JOBS_MAX 256
#define FINISHER_SEND_MS 10000
/* Calls of one send. */
#define FINISHER_CALLS_MAX 32
/* What has not begun so long after finisher_free() was called is dropped. */
#define FINISHER_CLOSE_MS 1000

struct clock;
struct error;
struct finisher;
struct httpc_call;

/* One job: run it, or drop it when there is no time left.  Exactly one of the
 * two is called, and frees arg.  run should be over in a second or two. */
struct finisher_job {
	void (*run)(void *arg);
	void (*drop)(void *arg);
};

/* Calls to keep moving. */
struct finisher_send {
	/* At most FINISHER_CALLS_MAX; NULLs are skipped. */
	size_t (*calls)(void *arg, struct httpc_call *out[]);
	void (*moved)(void *arg); /* some of the calls did */
	bool (*done)(const void *arg);
	void (*free)(void *arg);
};

KOOP_MUST int finisher_new(struct finisher **out, const struct clock *clock,
    struct error *err);
/* Within FINISHER_CLOSE_MS, and the job that then runs: jobs that wait are run
 * and sends go on until then, what is left is dropped. */
void finisher_free(struct finisher *f);

/* False: full, or closing; the caller keeps arg. */
KOOP_MUST bool finisher_run(struct finisher *f, const struct finisher_job *fns,
    void *arg);
/* Takes arg, always (frees it at once when full). */
void finisher_send(struct finisher *f, const struct finisher_send *fns,
    void *arg);

#endif
