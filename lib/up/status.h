/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UP_STATUS_H
#define KOOP_UP_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "up/statusview.h"

/*
 * The state of a running cluster: what the supervisor says of its programs, or,
 * where none does, who the topology says there is; and what each of them says
 * of itself (GET /health), compared with the end of the commit log.
 */

struct error;
struct look;

/* Where to look: a data folder of koop up; or, dir NULL, a cluster whose
 * programs are run by others. */
struct status_where {
	const char *dir;
	const char *topology, *commit_log; /* URLs */
	const char *const *gateway;        /* http://IP:PORT */
	size_t gateway_count;
};

/* where must stay.  Closed with status_close(). */
KOOP_MUST int status_open(struct look **out, const struct status_where *where,
    struct error *err);
void status_close(struct look *look);

/* Look once.  What out points to is valid until the next look. */
KOOP_MUST int status_look(struct look *look, struct status_view *out,
    struct error *err);
/*
 * Look until the cluster is at that level: ERRC_RETRY when the time is over.
 * out is the last look, empty if there was none.
 */
KOOP_MUST int status_wait(struct look *look, enum status_level level,
    uint64_t timeout_ms, struct status_view *out, struct error *err);

#endif
