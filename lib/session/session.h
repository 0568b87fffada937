/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SESSION_SESSION_H
#define KOOP_SESSION_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * The session cache: small values that live for a while, by id.  It answers
 * only "may this upload exist?", so that a request for an upload that never
 * was is refused cheaply.  The nodes know the truth; losing the cache loses
 * nothing.  So a damaged one is set aside (PATH.damaged), warned about, and
 * a new one begun.
 *
 *      session_sqlite.c     sqlite:/var/lib/koop/session.db
 *      session_mem.c        mem:NAME     (tests; shared in one process)
 *
 * All functions may be called by any thread.
 */

#define SESSION_ID_MAX 128
#define SESSION_VALUE_MAX (64u << 10)

struct buf;
struct clock;
struct error;
struct session;

/* ERRC_CONFIG for a URL of another scheme.  clock NULL: clock_system. */
KOOP_MUST int session_open(struct session **out, const char *url,
    const struct clock *clock, struct error *err);
void session_close(struct session *session);

/* Store or replace, for ttl_ms from now. */
KOOP_MUST int session_put(struct session *session, const char *id,
    struct bytes value, uint64_t ttl_ms, struct error *err);
/* ERRC_NOTFOUND: no such id, or its time is over.  out is cleared first. */
KOOP_MUST int session_get(struct session *session, const char *id,
    struct buf *out, struct error *err);
/* Deleting what is not there is fine. */
KOOP_MUST int session_delete(struct session *session, const char *id,
    struct error *err);
/* Forget what is over; *count (may be NULL) says how many. */
KOOP_MUST int session_expire(struct session *session, size_t *count,
    struct error *err);

#endif
