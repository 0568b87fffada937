/* SPDX-License-Identifier: MIT */
#ifndef KOOP_HTTP_HTTPC_REQUEST_H
#define KOOP_HTTP_HTTPC_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/compiler.h"
#include "http/httpc.h"

/* One small exchange, blocking.  When a kept connection turns out closed it is
 * repeated once over a fresh one, but not a POST. */
struct httpc_response {
	int status;
	struct buf headers; /* name NUL value NUL ... */
	struct buf body;
};

/* Fails with ERRC_UNAVAILABLE at the deadline, with ERRC_PROTOCOL if the
 * answer's body has more than body_max bytes. */
KOOP_MUST int httpc_request(struct httpc_pool *pool,
    const struct httpc_addr *addr, const char *method, const char *target,
    const struct httpc_header *headers, size_t header_count, struct bytes body,
    struct httpc_response *out, size_t body_max, uint64_t deadline_mono_ms,
    struct error *err);
/* The same, and a POST may be repeated, too.  Its body is at most
 * HTTPC_WHOLE_MAX. */
KOOP_MUST int httpc_request_whole(struct httpc_pool *pool,
    const struct httpc_addr *addr, const char *method, const char *target,
    const struct httpc_header *headers, size_t header_count, struct bytes body,
    struct httpc_response *out, size_t body_max, uint64_t deadline_mono_ms,
    struct error *err);
const char *httpc_response_get(const struct httpc_response *response,
    const char *name);
void httpc_response_fini(struct httpc_response *response);

#endif
