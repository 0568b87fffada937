/* SPDX-License-Identifier: MIT */
#include "http/httpc.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/nowait.h"
#include "http/address.h"
#include "http/httpc_parts.h"
#include "http/httpreq.h"

#define HEAD_OUT_MAX (64 * 1024)
#define CALLS_MAX 256

struct opening {
	struct httpc_pool *pool;
	const struct httpc_addr *addr;
	const char *method;
	const char *target;
	const struct httpc_header *headers;
	size_t header_count;
	uint64_t body_length;
	struct bytes whole; /* the body, to be copied */
	bool fresh;
	bool repeatable;
};

static int
add_header(struct buf *head, const char *name, const char *value,
    struct error *err)
{
	if (!httpreq_is_token(bytes_str(name)) ||
	    !httpreq_is_field_value(bytes_str(value)))
		return error_set(err, ERRC_USAGE,
		    "request: header \"%s\" has characters that it may not",
		    name);
	buf_printf(head, "%s: %s\r\n", name, value);
	return 0;
}

static bool
is_target(const char *target)
{
	for (const char *c = target; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return false;
	return target[0] == '/';
}

static int
make_head(struct httpc_call *call, const struct opening *o, struct error *err)
{
	const struct httpc_addr *addr = &call->node->addr;
	struct buf *head = &call->head;
	char host[ADDRESS_BYTES];
	int rc = 0;

	assert(head->n == 0 && call->head_sent == 0);
	if (!httpreq_is_token(bytes_str(o->method)) || !is_target(o->target))
		return error_set(err, ERRC_USAGE,
		    "request: bad method or target");
	*head = buf_make(HEAD_OUT_MAX + o->whole.n);
	address_print(host, addr->ip, addr->port);
	buf_printf(head, "%s %s HTTP/1.1\r\nHost: %s\r\n", o->method, o->target,
	    host);
	for (size_t i = 0; i < o->header_count && rc == 0; i++)
		rc = add_header(head, o->headers[i].name, o->headers[i].value,
		    err);
	if (rc < 0)
		return rc;
	if (call->body_length == HTTPC_CHUNKED)
		buf_addstr(head, "Transfer-Encoding: chunked\r\n");
	else if (call->body_length != HTTPC_NO_BODY)
		buf_printf(head, "Content-Length: %llu\r\n",
		    (unsigned long long)call->body_length);
	buf_addstr(head, "\r\n");
	/* Behind the head it is ours, and goes out again with it. */
	buf_add(head, o->whole.p, o->whole.n);
	call->body_given = o->whole.n;
	assert(o->whole.n == 0 || call->body_given == call->body_length);
	if (buf_failed(head))
		return error_set(err, ERRC_USAGE,
		    "request: headers are too long");
	return 0;
}

static void
call_free(struct httpc_call *call)
{
	buf_fini(&call->head);
	free(call->in);
	free(call->answer);
	free(call);
}

static int
call_open(struct httpc_call **out, const struct opening *o, struct error *err)
{
	struct httpc_call *call;
	int rc;

	assert(o->whole.n == 0 || o->whole.n == o->body_length);
	nowait_touch("a peer");
	call = calloc(1, sizeof(*call));
	if (call == NULL)
		return error_set(err, ERRC_NOMEM, "request: no memory");
	call->pool = o->pool;
	call->fd = -1;
	call->body_length = o->body_length;
	call->is_head = strcmp(o->method, "HEAD") == 0;
	call->repeatable = o->repeatable || strcmp(o->method, "POST") != 0;
	call->in_room = HTTPC_IN_BYTES;
	call->in = malloc(call->in_room);
	if (call->in == NULL) {
		rc = error_set(err, ERRC_NOMEM, "request: no memory");
		goto out;
	}
	rc = httpc_pool_take(o->pool, o->addr, o->fresh, &call->node, &call->fd,
	    err);
	if (rc < 0)
		goto out;
	rc = make_head(call, o, err);
	if (rc < 0) {
		if (call->fd != -1)
			close(call->fd);
		httpc_pool_give(o->pool, call->node, -1);
		goto out;
	}
	assert(call->node != NULL);
	call->state = HTTPC_SENDING;
	call->reused = call->fd != -1;
	if (!call->reused)
		httpc_io_connect(call);
	*out = call;
	return 0;
out:
	call_free(call);
	return rc;
}

static struct opening
opening_of(struct httpc_pool *pool, const struct httpc_addr *addr,
    const char *method, const char *target, const struct httpc_header *headers,
    size_t header_count, uint64_t body_length)
{
	return (struct opening){
		.pool = pool,
		.addr = addr,
		.method = method,
		.target = target,
		.headers = headers,
		.header_count = header_count,
		.body_length = body_length,
	};
}

int
httpc_open(struct httpc_call **out, struct httpc_pool *pool,
    const struct httpc_addr *addr, const char *method, const char *target,
    const struct httpc_header *headers, size_t header_count,
    uint64_t body_length, struct error *err)
{
	struct opening o = opening_of(pool, addr, method, target, headers,
	    header_count, body_length);

	return call_open(out, &o, err);
}

int
httpc_open_fresh(struct httpc_call **out, struct httpc_pool *pool,
    const struct httpc_addr *addr, const char *method, const char *target,
    const struct httpc_header *headers, size_t header_count,
    uint64_t body_length, struct error *err)
{
	struct opening o = opening_of(pool, addr, method, target, headers,
	    header_count, body_length);

	o.fresh = true;
	return call_open(out, &o, err);
}

int
httpc_open_whole(struct httpc_call **out, struct httpc_pool *pool,
    const struct httpc_addr *addr, const char *method, const char *target,
    const struct httpc_header *headers, size_t header_count, struct bytes body,
    struct error *err)
{
	struct opening o = opening_of(pool, addr, method, target, headers,
	    header_count, body.n);

	o.whole = body;
	o.repeatable = true;
	assert(body.n == 0 || body.p != NULL);
	if (body.n > HTTPC_WHOLE_MAX)
		return error_set(err, ERRC_USAGE, "request: body too long");
	return call_open(out, &o, err);
}

void
httpc_close(struct httpc_call *call)
{
	bool keep;

	if (call == NULL)
		return;
	keep = call->state == HTTPC_DONE && call->keep && !call->send_dead;
	assert(!keep || call->fd != -1);
	if (!keep && call->fd != -1) {
		close(call->fd);
		call->fd = -1;
	}
	httpc_pool_give(call->pool, call->node, call->fd);
	call_free(call);
}

static void
push(struct httpc_call *call, const void *p, size_t n, bool frame)
{
	unsigned i = (call->out_first + call->out_count) % HTTPC_IOV_MAX;

	assert(call->out_count < HTTPC_IOV_MAX);
	if (frame) {
		assert(n <= sizeof(call->frame[i]));
		memcpy(call->frame[i], p, n);
		p = call->frame[i];
	}
	call->out[i] = (struct iovec){ (void *)(uintptr_t)p, n };
	call->out_frame[i] = frame;
	call->out_count++;
}

int
httpc_send_room(const struct httpc_call *call)
{
	assert(call->out_count <= HTTPC_IOV_MAX);
	/* One for the frame of this batch, one for the end. */
	int frames = call->body_length == HTTPC_CHUNKED ? 2 : 0;
	int room = HTTPC_IOV_MAX - (int)call->out_count - frames;

	return KOOP_MAX(room, 0);
}

/* The CRLF behind a chunk goes out with the size of the next. */
static void
push_chunk_size(struct httpc_call *call, size_t size, bool last)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%s%zx\r\n%s",
	    call->body_given > 0 ? "\r\n" : "", size, last ? "\r\n" : "");

	assert(n > 0 && (size_t)n < sizeof(text));
	assert(call->body_length == HTTPC_CHUNKED);
	push(call, text, (size_t)n, true);
}

int
httpc_send(struct httpc_call *call, const struct iovec *iov, int count)
{
	uint64_t total = 0;

	assert(!call->finished);
	assert(count >= 0 && count <= HTTPC_IOV_MAX);
	if (call->state != HTTPC_SENDING)
		return 0;
	for (int i = 0; i < count; i++)
		total += iov[i].iov_len;
	if (total == 0)
		return 0;
	if (call->body_length == HTTPC_NO_BODY ||
	    (call->body_length != HTTPC_CHUNKED &&
		total > call->body_length - call->body_given))
		return -ERRC_USAGE;
	if (count > httpc_send_room(call))
		return -ERRC_RETRY;
	if (call->body_length == HTTPC_CHUNKED)
		push_chunk_size(call, total, false);
	for (int i = 0; i < count; i++)
		if (iov[i].iov_len > 0)
			push(call, iov[i].iov_base, iov[i].iov_len, false);
	call->body_given += total;
	assert(call->body_given <= call->body_length);
	call->queued += total;
	return 0;
}

void
httpc_finish(struct httpc_call *call)
{
	if (call->finished || call->body_length != HTTPC_CHUNKED)
		return;
	call->finished = true;
	if (call->state == HTTPC_SENDING)
		push_chunk_size(call, 0, true);
}

size_t
httpc_queued(const struct httpc_call *call)
{
	return call->queued;
}

void
httpc_recv_into(struct httpc_call *call, const struct iovec *iov, int count)
{
	assert(count >= 0 && count <= HTTPC_IOV_MAX);
	call->into_count = 0;
	call->into_at = 0;
	call->into_room = 0;
	call->received = 0;
	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len == 0)
			continue;
		call->into[call->into_count++] = iov[i];
		call->into_room += iov[i].iov_len;
	}
}

size_t
httpc_received(const struct httpc_call *call)
{
	return call->received;
}

enum httpc_state
httpc_state(const struct httpc_call *call)
{
	return call->state;
}

/* Did a final head come? */
static bool
has_head(const struct httpc_call *call)
{
	return call->answer != NULL;
}

int
httpc_status(const struct httpc_call *call)
{
	/* 1xx are no answer: they were passed over. */
	assert(!has_head(call) || call->res.status >= 200);
	return has_head(call) ? call->res.status : 0;
}

const char *
httpc_response_header(const struct httpc_call *call, const char *name)
{
	return has_head(call) ? httpres_get(&call->res, name) : NULL;
}

uint64_t
httpc_body_length(const struct httpc_call *call)
{
	if (!has_head(call) || call->is_head)
		return 0;
	return call->res.chunked ? UINT64_MAX : call->res.length;
}

const struct error *
httpc_error(const struct httpc_call *call)
{
	return &call->error;
}

bool
httpc_is_stale(const struct httpc_call *call)
{
	assert(!call->stale || call->state == HTTPC_FAILED);
	return call->state == HTTPC_FAILED && call->stale;
}

/* Did something happen that the caller has not been told? */
static bool
any_changed(struct httpc_call *calls[], size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (calls[i] == NULL)
			continue;
		any = any || calls[i]->changed;
		calls[i]->changed = false;
	}
	return any;
}

/* What can be done without waiting: bytes just queued, and the rest of the
 * small buffer to memory just given. */
static void
push_all(struct httpc_call *calls[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (calls[i] == NULL)
			continue;
		if (calls[i]->state == HTTPC_SENDING && !calls[i]->blocked)
			httpc_io_write(calls[i]);
		if (calls[i]->state == HTTPC_BODY &&
		    calls[i]->in_at < calls[i]->in_n)
			httpc_io_deliver(calls[i]);
	}
}

static void
set_wake(struct pollfd *fd, int wake_fd, short events)
{
	*fd = (struct pollfd){ .fd = wake_fd, .events = events };
}

/* Wait once; HTTPC_TIMEOUT also when only our own bytes moved. */
static int
wait_once(struct httpc_call *calls[], size_t n, const struct httpc_wake *wake,
    int timeout_ms)
{
	struct pollfd fds[CALLS_MAX + 2];
	int count;

	assert(n <= CALLS_MAX);
	set_wake(&fds[n], wake != NULL ? wake->client_fd : -1, POLLRDHUP);
	set_wake(&fds[n + 1], wake != NULL ? wake->event_fd : -1, POLLIN);
	for (size_t i = 0; i < n; i++) {
		short events = calls[i] != NULL ? httpc_io_events(calls[i]) : 0;

		/* A call that wants nothing must not wake us by hanging up. */
		set_wake(&fds[i], events != 0 ? calls[i]->fd : -1, events);
	}
	count = poll(fds, (nfds_t)(n + 2), timeout_ms);
	if (count == -1)
		return errno == EINTR ? HTTPC_TIMEOUT : -ERRC_IO;
	if (count == 0)
		return HTTPC_TIMEOUT;
	if (fds[n].revents != 0)
		return HTTPC_CLIENT_GONE;
	for (size_t i = 0; i < n; i++)
		if (fds[i].revents != 0)
			httpc_io_ready(calls[i], fds[i].revents);
	return fds[n + 1].revents != 0 ? HTTPC_WOKEN : HTTPC_TIMEOUT;
}

int
httpc_poll(struct httpc_call *calls[], size_t n, const struct httpc_wake *wake,
    uint64_t deadline_mono_ms)
{
	int event = HTTPC_TIMEOUT;
	bool moved;
	int left;

	nowait_touch("a peer");
	if (n > CALLS_MAX)
		return -ERRC_USAGE;
	do {
		push_all(calls, n);
		moved = any_changed(calls, n);
		/* Look at the sockets even so: a server that refuses may
		 * answer while it still takes all that we send. */
		left = moved ? 0 :
			       clock_left_ms(&clock_system, deadline_mono_ms);
		event = wait_once(calls, n, wake, left);
		if (event == HTTPC_CLIENT_GONE || event < 0)
			return event;
		if (any_changed(calls, n) || moved)
			return HTTPC_PROGRESS;
	} while (event == HTTPC_TIMEOUT && left > 0);
	return event;
}
