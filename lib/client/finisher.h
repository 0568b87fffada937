/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_FINISHER_H
#define KOOP_CLIENT_FINISHER_H

#include <stdbool.h>

#include "base/compiler.h"

/*
 * What a request leaves behind and nobody waits for: shards that were merely
 * behind when their blob had its write quorum, AbortMessages, notices of bad
 * cells.  Bounded in every direction: two threads, FINISHER_SENDS_MAX blobs,
 * FINISHER_JOBS_MAX jobs, FINISHER_SEND_MS each.  What does not fit is not
 * done: the nodes repair and collect by themselves.
 */

#define FINISHER_SENDS_MAX 32
#define FINISHER_JOBS_MAX 256
#define FINISHER_SEND_MS 10000

struct clock;
struct error;
struct finisher;
struct shardsend;

/* May run for a second or two; frees arg. */
typedef void finisher_fn(void *arg);

KOOP_MUST int finisher_new(struct finisher **out, const struct clock *clock,
    struct error *err);
/* Jobs that wait are run first; sends get a second more. */
void finisher_free(struct finisher *f);

/* False: full; the caller keeps arg. */
KOOP_MUST bool finisher_run(struct finisher *f, finisher_fn *fn, void *arg);
/* Takes the sends, always (frees them at once when full). */
void finisher_send(struct finisher *f, struct shardsend *sends);

#endif
