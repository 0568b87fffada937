/* SPDX-License-Identifier: MIT */
#include "session/session.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "session/session_backend.h"

static const struct session_backend *const backends[] = {
	&session_sqlite,
	&session_mem,
};

int
session_open(struct session **out, const char *url, const struct clock *clock,
    struct error *err)
{
	if (url == NULL || url[0] == '\0')
		return error_set(err, ERRC_CONFIG,
		    "no session cache given: use --session-cache sqlite:PATH "
		    "or KOOP_SESSION_CACHE");
	for (size_t i = 0; i < nitems(backends); i++) {
		size_t scheme = strlen(backends[i]->scheme);
		struct session *session = NULL;
		int rc;

		if (strncmp(url, backends[i]->scheme, scheme) != 0)
			continue;
		rc = backends[i]->open(&session, url + scheme, err);
		if (rc < 0)
			return rc;
		assert(session != NULL);
		session->backend = backends[i];
		session->clock = clock != NULL ? clock : &clock_system;
		*out = session;
		return 0;
	}
	return error_set(err, ERRC_CONFIG,
	    "session cache %s: unknown kind of URL: this program knows "
	    "sqlite:PATH",
	    url);
}

void
session_close(struct session *session)
{
	if (session != NULL)
		session->backend->close(session);
}

static int
session_check_id(const char *id, struct error *err)
{
	size_t n = strnlen(id, SESSION_ID_MAX + 1);

	if (n < 1 || n > SESSION_ID_MAX)
		return error_set(err, ERRC_USAGE,
		    "session id: must be 1 to %d bytes", SESSION_ID_MAX);
	return 0;
}

int
session_put(struct session *session, const char *id, struct bytes value,
    uint64_t ttl_ms, struct error *err)
{
	uint64_t now = clock_real_ms(session->clock);
	int rc = session_check_id(id, err);

	if (rc < 0)
		return rc;
	if (value.n > SESSION_VALUE_MAX)
		return error_set(err, ERRC_USAGE,
		    "session %s: %zu bytes: at most %u are kept", id, value.n,
		    SESSION_VALUE_MAX);
	if (ttl_ms > INT64_MAX - KOOP_MIN(now, INT64_MAX))
		return error_set(err, ERRC_USAGE, "session %s: lives too long",
		    id);
	assert(value.n <= SESSION_VALUE_MAX && now + ttl_ms <= INT64_MAX);
	return session->backend->put(session, id, value, now + ttl_ms, err);
}

int
session_get(struct session *session, const char *id, struct buf *out,
    struct error *err)
{
	int rc = session_check_id(id, err);

	if (rc < 0)
		return rc;
	assert(out != NULL);
	buf_clear(out);
	return session->backend->get(session, id, clock_real_ms(session->clock),
	    out, err);
}

int
session_delete(struct session *session, const char *id, struct error *err)
{
	int rc = session_check_id(id, err);

	return rc < 0 ? rc : session->backend->remove(session, id, err);
}

int
session_expire(struct session *session, size_t *count, struct error *err)
{
	size_t gone = 0;
	int rc;

	rc = session->backend->expire(session, clock_real_ms(session->clock),
	    &gone, err);
	if (rc == 0 && count != NULL)
		*count = gone;
	return rc;
}
