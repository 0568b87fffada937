/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SESSION_SESSION_BACKEND_H
#define KOOP_SESSION_SESSION_BACKEND_H

#include "session/session.h"

/* What session.c asks of a backend, with arguments that it has checked.
 * Calls may overlap; times are CLOCK_REALTIME, which programs share. */
struct session_backend {
	const char *scheme;
	int (*open)(struct session **out, const char *rest, struct error *err);
	void (*close)(struct session *session);
	int (*put)(struct session *session, const char *id, struct bytes value,
	    uint64_t expires_ms, struct error *err);
	int (*get)(struct session *session, const char *id, uint64_t now_ms,
	    struct buf *out, struct error *err);
	int (*remove)(struct session *session, const char *id,
	    struct error *err);
	int (*expire)(struct session *session, uint64_t now_ms, size_t *count,
	    struct error *err);
};

/* How the handles of every backend begin. */
struct session {
	const struct session_backend *backend;
	const struct clock *clock;
};

extern const struct session_backend session_sqlite;
extern const struct session_backend session_mem;

#endif
