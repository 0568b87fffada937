/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UP_STATUS_H
#define KOOP_UP_STATUS_H

#include <stdint.h>

#include "base/compiler.h"

/*
 * The state of a running local cluster: what the supervisor says of its
 * programs, and what each node says of itself (GET /health), compared with
 * the end of the commit log.
 */

struct buf;
struct error;

enum status_level {
	STATUS_BROKEN, /* something that should run does not */
	STATUS_UP,     /* all of it runs, stopped nodes aside */
	STATUS_READY,  /* every node runs and votes everywhere */
	STATUS_FULL, /* and none is behind, nothing waits for repair, and every
	              * gateway has seen it */
};

/* Look once.  Adds a line for each program to out. */
KOOP_MUST int status_look(const char *dir, struct buf *out,
    enum status_level *level, struct error *err);

/*
 * Look until the cluster is at that level: ERRC_RETRY when the time is
 * over, with what was missing.  out then has the last look.
 */
KOOP_MUST int status_wait(const char *dir, enum status_level level,
    uint64_t timeout_ms, struct buf *out, struct error *err);

#endif
