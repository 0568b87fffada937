/* SPDX-License-Identifier: MIT */
#include "http/httpc_request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "http/httpc_parts.h"

#define STEP_BYTES 16384

static int
wait_call(struct httpc_call *call, uint64_t deadline_mono_ms, struct error *err)
{
	int event = httpc_poll(&call, 1, NULL, deadline_mono_ms);

	if (event == HTTPC_TIMEOUT)
		return error_set(err, ERRC_UNAVAILABLE,
		    "%s:%u: no answer in time", call->node->addr.ip,
		    (unsigned)call->node->addr.port);
	if (event < 0)
		return error_set(err, ERRC_IO, "%s:%u: poll failed",
		    call->node->addr.ip, (unsigned)call->node->addr.port);
	return 0;
}

/* Room for what is known to come, or for a step; one byte past the maximum
 * tells a body that is too long. */
static int
give_room(struct httpc_call *call, struct buf *body, struct error *err)
{
	uint64_t length = httpc_body_length(call);
	struct iovec iov = { NULL, STEP_BYTES };

	assert(body->n <= body->max);
	if (length != UINT64_MAX && length >= body->max)
		return error_set(err, ERRC_PROTOCOL,
		    "%s:%u: answer: body is too long", call->node->addr.ip,
		    (unsigned)call->node->addr.port);
	assert(length >= body->n);
	if (length != UINT64_MAX)
		iov.iov_len = (size_t)length - body->n;
	iov.iov_len = KOOP_MIN(iov.iov_len, body->max - body->n);
	if (iov.iov_len == 0)
		return 0;
	iov.iov_base = buf_reserve(body, iov.iov_len);
	if (iov.iov_base == NULL)
		return error_set(err, ERRC_NOMEM, "request: no memory");
	httpc_recv_into(call, &iov, 1);
	return 0;
}

static int
run_call(struct httpc_call *call, struct buf *body, uint64_t deadline_mono_ms,
    struct error *err)
{
	size_t placed = 0; /* by the present httpc_recv_into */
	bool asked = false;
	int rc = 0;

	while (rc == 0 && httpc_state(call) != HTTPC_DONE) {
		if (httpc_state(call) == HTTPC_FAILED) {
			if (err != NULL)
				*err = *httpc_error(call);
			return -(int)httpc_error(call)->code;
		}
		if (httpc_state(call) == HTTPC_BODY &&
		    (!asked || call->into_room == 0)) {
			asked = true;
			placed = 0;
			rc = give_room(call, body, err);
			if (rc < 0)
				return rc;
		}
		rc = wait_call(call, deadline_mono_ms, err);
		assert(httpc_received(call) >= placed);
		body->n += httpc_received(call) - placed;
		assert(body->n <= body->max);
		placed = httpc_received(call);
		if (body->n == body->max)
			return error_set(err, ERRC_PROTOCOL,
			    "%s:%u: answer: body is too long",
			    call->node->addr.ip,
			    (unsigned)call->node->addr.port);
	}
	return rc;
}

static int
keep_headers(const struct httpc_call *call, struct buf *headers,
    struct error *err)
{
	const struct httpres *res = &call->res;

	assert(httpc_state(call) == HTTPC_DONE);
	for (size_t i = 0; i < res->count; i++) {
		const char *name = res->header[i].name;
		const char *value = res->header[i].value;

		buf_add(headers, name, strlen(name) + 1);
		buf_add(headers, value, strlen(value) + 1);
	}
	if (buf_failed(headers))
		return error_set(err, ERRC_NOMEM, "request: no memory");
	return 0;
}

struct exchange {
	struct httpc_pool *pool;
	const struct httpc_addr *addr;
	const char *method;
	const char *target;
	const struct httpc_header *headers;
	size_t header_count;
	struct bytes body;
	bool whole; /* it may be repeated, whatever the method */
	uint64_t deadline_mono_ms;
};

static int
open_once(const struct exchange *x, bool fresh, struct httpc_call **out,
    struct error *err)
{
	bool takes_body = strcmp(x->method, "PUT") == 0 ||
	    strcmp(x->method, "POST") == 0;
	uint64_t length = x->body.n;

	if (length == 0 && !takes_body)
		length = HTTPC_NO_BODY;
	else if (x->whole)
		return httpc_open_whole(out, x->pool, x->addr, x->method,
		    x->target, x->headers, x->header_count, x->body, err);
	if (fresh)
		return httpc_open_fresh(out, x->pool, x->addr, x->method,
		    x->target, x->headers, x->header_count, length, err);
	return httpc_open(out, x->pool, x->addr, x->method, x->target,
	    x->headers, x->header_count, length, err);
}

static int
open_call(const struct exchange *x, bool fresh, struct httpc_call **out,
    struct error *err)
{
	struct iovec iov = { (void *)(uintptr_t)x->body.p, x->body.n };
	int rc;

	while ((rc = open_once(x, fresh, out, err)) == -ERRC_RETRY) {
		rc = httpc_pool_wait(x->pool, x->addr, x->deadline_mono_ms,
		    err);
		if (rc < 0)
			return rc;
	}
	if (rc == 0 && x->body.n > 0 && !x->whole)
		rc = httpc_send(*out, &iov, 1);
	return rc;
}

static int
try_exchange(const struct exchange *x, bool fresh, struct httpc_response *out,
    bool *stale, struct error *err)
{
	struct httpc_call *call = NULL;
	int rc;

	*stale = false;
	rc = open_call(x, fresh, &call, err);
	if (rc < 0)
		goto out;
	rc = run_call(call, &out->body, x->deadline_mono_ms, err);
	*stale = httpc_is_stale(call);
	if (rc < 0)
		goto out;
	out->status = httpc_status(call);
	assert(out->status >= 200);
	rc = keep_headers(call, &out->headers, err);
out:
	httpc_close(call);
	return rc;
}

static int
run_exchange(const struct exchange *x, struct httpc_response *out,
    size_t body_max, struct error *err)
{
	struct httpc_response got = { 0 };
	bool stale;
	int rc;

	assert(x->body.n == 0 || x->body.p != NULL);
	got.headers = buf_make(HTTPC_HEAD_MAX * 2);
	got.body = buf_make(KOOP_MIN(body_max, SIZE_MAX - 1) + 1);
	rc = try_exchange(x, false, &got, &stale, err);
	/* The body is still ours, so it can go out a second time. */
	assert(!stale || (got.body.n == 0 && got.headers.n == 0));
	if (rc < 0 && stale)
		rc = try_exchange(x, true, &got, &stale, err);
	if (rc < 0) {
		httpc_response_fini(&got);
		return rc;
	}
	*out = got;
	return 0;
}

int
httpc_request(struct httpc_pool *pool, const struct httpc_addr *addr,
    const char *method, const char *target, const struct httpc_header *headers,
    size_t header_count, struct bytes body, struct httpc_response *out,
    size_t body_max, uint64_t deadline_mono_ms, struct error *err)
{
	struct exchange x = {
		.pool = pool,
		.addr = addr,
		.method = method,
		.target = target,
		.headers = headers,
		.header_count = header_count,
		.body = body,
		.deadline_mono_ms = deadline_mono_ms,
	};

	return run_exchange(&x, out, body_max, err);
}

int
httpc_request_whole(struct httpc_pool *pool, const struct httpc_addr *addr,
    const char *method, const char *target, const struct httpc_header *headers,
    size_t header_count, struct bytes body, struct httpc_response *out,
    size_t body_max, uint64_t deadline_mono_ms, struct error *err)
{
	struct exchange x = {
		.pool = pool,
		.addr = addr,
		.method = method,
		.target = target,
		.headers = headers,
		.header_count = header_count,
		.body = body,
		.whole = true,
		.deadline_mono_ms = deadline_mono_ms,
	};

	return run_exchange(&x, out, body_max, err);
}

const char *
httpc_response_get(const struct httpc_response *response, const char *name)
{
	const struct buf *headers = &response->headers;
	size_t at = 0;

	while (at < headers->n) {
		const char *have = headers->p + at;
		const char *value = have + strlen(have) + 1;

		if (strcasecmp(have, name) == 0)
			return value;
		at += (size_t)(value - have) + strlen(value) + 1;
		assert(at <= headers->n);
	}
	return NULL;
}

void
httpc_response_fini(struct httpc_response *response)
{
	buf_fini(&response->headers);
	buf_fini(&response->body);
	response->status = 0;
}
