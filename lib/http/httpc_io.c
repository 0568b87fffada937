/* SPDX-License-Identifier: MIT */

/*
 * The bytes of one call.
 *
 *      SENDING -> WAITING -> BODY -> DONE
 *         |          |        |
 *         |          |        +--> FAILED
 *         +----------+------------>
 *
 * The answer may come while we are sending (a node that refuses): it ends the
 * sending, and the connection is not used again.  When the socket refuses our
 * bytes the answer may be waiting in it all the same, so it is read before
 * the call fails.
 *
 * Body bytes are received straight into the caller's memory; those that came
 * with the head, and the frames of chunks, go through a small buffer.
 */

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/httpc_parts.h"

/* Chunks below this size are read through the small buffer. */
#define DIRECT_MIN 4096

static void
set_state(struct httpc_call *call, enum httpc_state state)
{
	assert(call->state <= state); /* never back: see the picture above */
	call->state = state;
	call->changed = true;
}

static void
drop_queue(struct httpc_call *call)
{
	call->out_count = 0;
	call->queued = 0;
}

void
httpc_io_fail(struct httpc_call *call, enum errc code, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	assert(call->state != HTTPC_DONE);
	va_start(ap, fmt);
	error_format(text, sizeof(text), fmt, ap);
	va_end(ap);
	error_set(&call->error, code, "%s:%u: %s", call->node->addr.ip,
	    (unsigned)call->node->addr.port, text);
	drop_queue(call);
	set_state(call, HTTPC_FAILED);
}

static void
fail_wrapped(struct httpc_call *call, const struct error *err)
{
	httpc_io_fail(call, err->code, "%s", err->text);
}

void
httpc_io_connect(struct httpc_call *call)
{
	struct error err;
	bool done;

	assert(call->fd == -1 && call->state == HTTPC_SENDING);
	if (httpc_pool_connect(call->pool, &call->node->addr, &call->fd, &done,
		&err) < 0) {
		call->fd = -1;
		fail_wrapped(call, &err);
		return;
	}
	call->connecting = !done;
	call->blocked = !done;
}

/* The connection is gone.  A kept one may have been closed by the server just
 * before we used it: then a fresh one deserves a try. */
static void
lost(struct httpc_call *call, const char *what)
{
	bool stale = call->reused && !call->got_bytes && call->repeatable;

	assert(call->fd != -1);
	if (!stale || call->body_taken || call->retried) {
		call->stale = stale;
		httpc_io_fail(call, ERRC_UNAVAILABLE, "%s", what);
		return;
	}
	close(call->fd);
	call->fd = -1;
	call->retried = true;
	call->reused = false;
	call->send_dead = false;
	call->head_sent = 0;
	call->state = HTTPC_SENDING;
	httpc_io_connect(call);
}

bool
httpc_io_request_out(const struct httpc_call *call)
{
	assert(call->head_sent <= call->head.n);
	assert(call->body_given <= call->body_length);
	if (call->head_sent < call->head.n || call->out_count > 0)
		return false;
	if (call->body_length == HTTPC_NO_BODY)
		return true;
	if (call->body_length == HTTPC_CHUNKED)
		return call->finished;
	return call->body_given == call->body_length;
}

static int
gather(struct httpc_call *call, struct iovec *iov, size_t *total)
{
	int count = 0;

	*total = 0;
	assert(call->head_sent <= call->head.n);
	assert(call->out_count <= HTTPC_IOV_MAX);
	if (call->head_sent < call->head.n)
		iov[count++] = (struct iovec){
			.iov_base = call->head.p + call->head_sent,
			.iov_len = call->head.n - call->head_sent,
		};
	for (unsigned i = 0; i < call->out_count; i++)
		iov[count++] = call->out[(call->out_first + i) % HTTPC_IOV_MAX];
	for (int i = 0; i < count; i++)
		*total += iov[i].iov_len;
	return count;
}

static void
took(struct httpc_call *call, size_t n)
{
	size_t part = KOOP_MIN(n, call->head.n - call->head_sent);

	call->head_sent += part;
	n -= part;
	call->body_taken = call->body_taken || n > 0;
	while (n > 0) {
		unsigned i = call->out_first % HTTPC_IOV_MAX;
		struct iovec *iov = &call->out[i];

		/* No more was taken than had been given. */
		assert(call->out_count > 0);
		part = KOOP_MIN(n, iov->iov_len);
		iov->iov_base = (char *)iov->iov_base + part;
		iov->iov_len -= part;
		assert(call->out_frame[i] || call->queued >= part);
		if (!call->out_frame[i])
			call->queued -= part;
		n -= part;
		if (iov->iov_len > 0)
			continue;
		call->out_first++;
		call->out_count--;
	}
}

void
httpc_io_write(struct httpc_call *call)
{
	struct iovec iov[HTTPC_IOV_MAX + 1];
	struct msghdr msg = { .msg_iov = iov };
	size_t total;
	ssize_t n;

	if (call->state != HTTPC_SENDING || call->connecting || call->send_dead)
		return;
	msg.msg_iovlen = (size_t)gather(call, iov, &total);
	if (total > 0) {
		n = sendmsg(call->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
			call->blocked = errno == EAGAIN;
			return;
		}
		if (n == -1) {
			call->send_dead = true;
			httpc_io_read(call);
			return;
		}
		assert((size_t)n <= total);
		took(call, (size_t)n);
		call->blocked = (size_t)n < total;
		call->changed = call->changed || call->queued == 0;
	}
	if (httpc_io_request_out(call))
		set_state(call, HTTPC_WAITING);
}

static void
httpc_io_finish(struct httpc_call *call)
{
	assert(call->answer != NULL && call->in_at <= call->in_n);
	/* Bytes behind the answer belong to no request. */
	if (call->in_at < call->in_n)
		call->keep = false;
	set_state(call, HTTPC_DONE);
}

/* The head is complete: what follows it? */
static void
begin_body(struct httpc_call *call)
{
	const struct httpres *res = &call->res;
	bool none = call->is_head || res->status == 204 || res->status == 304;

	call->keep = !res->close && httpc_io_request_out(call);
	drop_queue(call);
	if (none) {
		httpc_io_finish(call);
		return;
	}
	if (!res->has_length && !res->chunked) {
		httpc_io_fail(call, ERRC_PROTOCOL,
		    "answer: neither Content-Length nor chunks");
		return;
	}
	assert(call->left == 0);
	call->left = res->length;
	set_state(call, HTTPC_BODY);
	httpc_io_deliver(call);
}

/* The head's text must outlive the buffer, which the body reuses. */
static bool
keep_head(struct httpc_call *call, size_t used)
{
	assert(call->answer == NULL && used <= call->in_n);
	call->answer = call->in;
	call->in = malloc(HTTPC_IN_BYTES);
	if (call->in == NULL) {
		call->in_room = 0;
		httpc_io_fail(call, ERRC_NOMEM, "no memory");
		return false;
	}
	/* The rest may be more than the new buffer: the old one had grown. */
	if (call->in_n - used > HTTPC_IN_BYTES) {
		char *grown = realloc(call->in, call->in_n - used);

		if (grown == NULL) {
			httpc_io_fail(call, ERRC_NOMEM, "no memory");
			return false;
		}
		call->in = grown;
	}
	call->in_room = KOOP_MAX(call->in_n - used, (size_t)HTTPC_IN_BYTES);
	memcpy(call->in, call->answer + used, call->in_n - used);
	call->in_n -= used;
	call->in_at = 0;
	return true;
}

/* Look at the bytes in the buffer for a head.  True: look again. */
static bool
parse_head(struct httpc_call *call)
{
	struct error err;
	ssize_t used;

	used = httpres_parse(&call->res, call->in, call->in_n, &err);
	if (used < 0) {
		fail_wrapped(call, &err);
		return false;
	}
	if (used == 0) {
		if (call->in_n >= HTTPC_HEAD_MAX)
			httpc_io_fail(call, ERRC_PROTOCOL,
			    "answer: headers are too long");
		return false;
	}
	assert((size_t)used <= call->in_n);
	if (call->res.status < 200) {
		if (call->res.status == 101 ||
		    ++call->interims > HTTPC_INTERIM_MAX) {
			httpc_io_fail(call, ERRC_PROTOCOL,
			    call->res.status == 101 ?
				"answer: switches to another protocol" :
				"answer: begins again and again");
			return false;
		}
		call->in_n -= (size_t)used;
		memmove(call->in, call->in + used, call->in_n);
		return call->in_n > 0;
	}
	if (keep_head(call, (size_t)used))
		begin_body(call);
	return false;
}

/* One recv into the small buffer.  True: there are new bytes. */
static bool
httpc_fill(struct httpc_call *call, const char *where)
{
	char text[128];
	ssize_t n;

	assert(call->in_n <= call->in_room);
	if (call->in_n == call->in_room) {
		size_t room = call->in_room * 2;
		char *grown = realloc(call->in, room);

		if (grown == NULL) {
			httpc_io_fail(call, ERRC_NOMEM, "no memory");
			return false;
		}
		call->in = grown;
		call->in_room = room;
	}
	n = recv(call->fd, call->in + call->in_n, call->in_room - call->in_n,
	    MSG_DONTWAIT);
	if (n > 0) {
		call->in_n += (size_t)n;
		call->got_bytes = true;
		return true;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	snprintf(text, sizeof(text), "connection %s %s",
	    n == 0 ? "closed" : "broken", where);
	lost(call, text);
	return false;
}

static void
place(struct httpc_call *call, size_t n)
{
	assert(n <= call->into_room);
	call->into_room -= n;
	call->received += n;
	call->changed = true;
	while (n > 0) {
		struct iovec *iov = &call->into[call->into_at];
		size_t part = KOOP_MIN(n, iov->iov_len);

		assert(call->into_at < call->into_count);
		iov->iov_base = (char *)iov->iov_base + part;
		iov->iov_len -= part;
		n -= part;
		if (iov->iov_len == 0)
			call->into_at++;
	}
}

/* Move what the buffer has, at most max bytes. */
static size_t
copy_out(struct httpc_call *call, uint64_t max)
{
	size_t total = 0;

	assert(call->in_at <= call->in_n);
	max = KOOP_MIN(max, (uint64_t)(call->in_n - call->in_at));
	max = KOOP_MIN(max, (uint64_t)call->into_room);
	while (total < max) {
		struct iovec *iov = &call->into[call->into_at];
		size_t part = KOOP_MIN((size_t)max - total, iov->iov_len);

		memcpy(iov->iov_base, call->in + call->in_at, part);
		call->in_at += part;
		total += part;
		place(call, part);
	}
	assert(total <= max);
	return total;
}

/* Receive at most max bytes into the caller's memory; 0: none now.  *more is
 * set if there may be more in the socket. */
static size_t
receive_direct(struct httpc_call *call, uint64_t max, bool *more)
{
	struct iovec iov[HTTPC_IOV_MAX];
	struct msghdr msg = { .msg_iov = iov };
	size_t want = 0;
	ssize_t n;

	assert(max > 0 && call->into_room > 0);
	*more = false;
	for (int i = call->into_at; i < call->into_count && want < max; i++) {
		struct iovec *to = &iov[msg.msg_iovlen];

		*to = call->into[i];
		to->iov_len = (size_t)KOOP_MIN((uint64_t)to->iov_len,
		    max - want);
		want += to->iov_len;
		msg.msg_iovlen += to->iov_len > 0;
	}
	n = recvmsg(call->fd, &msg, MSG_DONTWAIT);
	if (n > 0) {
		assert((size_t)n <= want && want <= max);
		*more = (size_t)n == want;
		place(call, (size_t)n);
		return (size_t)n;
	}
	if (n == 0)
		lost(call, "connection closed in the body");
	else if (errno != EAGAIN && errno != EINTR)
		lost(call, "connection broken in the body");
	return 0;
}

static void
deliver_length(struct httpc_call *call)
{
	bool more = true;

	call->left -= copy_out(call, call->left);
	while (call->left > 0 && call->into_room > 0 && more &&
	    call->in_at == call->in_n)
		call->left -= receive_direct(call, call->left, &more);
	if (call->state == HTTPC_BODY && call->left == 0)
		httpc_io_finish(call);
}

/* Frame bytes from the buffer, which is filled when it is empty.  True: data
 * or the end is next. */
static bool
next_chunk(struct httpc_call *call)
{
	struct error err;
	ssize_t used;

	if (call->in_at == call->in_n) {
		call->in_at = 0;
		call->in_n = 0;
		if (!httpc_fill(call, "in the body"))
			return false;
	}
	used = httpres_chunk_step(&call->chunks, call->in + call->in_at,
	    call->in_n - call->in_at, &err);
	if (used < 0) {
		fail_wrapped(call, &err);
		return false;
	}
	assert((size_t)used <= call->in_n - call->in_at);
	call->in_at += (size_t)used;
	return true;
}

static void
deliver_chunks(struct httpc_call *call)
{
	struct httpres_chunks *chunks = &call->chunks;
	bool more = true;
	size_t n;

	while (call->state == HTTPC_BODY && !chunks->done) {
		if (chunks->left == 0) {
			if (!next_chunk(call))
				return;
			continue;
		}
		if (call->into_room == 0 || !more)
			return;
		if (call->in_at < call->in_n) {
			n = copy_out(call, chunks->left);
		} else if (chunks->left < DIRECT_MIN) {
			call->in_at = 0;
			call->in_n = 0;
			if (!httpc_fill(call, "in the body"))
				return;
			continue;
		} else {
			n = receive_direct(call, chunks->left, &more);
			if (n == 0)
				return;
		}
		assert(n <= chunks->left);
		httpres_chunk_took(chunks, n);
	}
	if (call->state == HTTPC_BODY)
		httpc_io_finish(call);
}

void
httpc_io_deliver(struct httpc_call *call)
{
	if (call->state != HTTPC_BODY)
		return;
	if (call->res.chunked)
		deliver_chunks(call);
	else
		deliver_length(call);
}

void
httpc_io_read(struct httpc_call *call)
{
	if (call->state == HTTPC_BODY) {
		httpc_io_deliver(call);
		return;
	}
	if (call->state != HTTPC_SENDING && call->state != HTTPC_WAITING)
		return;
	if (call->connecting || !httpc_fill(call, "before the answer"))
		return;
	while (parse_head(call))
		continue;
}

short
httpc_io_events(const struct httpc_call *call)
{
	short events = 0;

	if (call->connecting)
		return POLLOUT;
	switch (call->state) {
	case HTTPC_SENDING:
		events = POLLIN;
		if (call->blocked && !call->send_dead)
			events |= POLLOUT;
		return events;
	case HTTPC_WAITING:
		return POLLIN;
	case HTTPC_BODY:
		if (call->into_room > 0)
			return POLLIN;
		return call->res.chunked && call->chunks.left == 0 ? POLLIN : 0;
	default:
		return 0;
	}
}

static void
end_connect(struct httpc_call *call)
{
	int error = 0;
	socklen_t n = sizeof(error);

	assert(call->connecting && call->state == HTTPC_SENDING);
	if (getsockopt(call->fd, SOL_SOCKET, SO_ERROR, &error, &n) == -1)
		error = errno;
	if (error != 0) {
		errno = error;
		error_errno(&call->error, ERRC_UNAVAILABLE, "%s:%u: connect",
		    call->node->addr.ip, (unsigned)call->node->addr.port);
		drop_queue(call);
		set_state(call, HTTPC_FAILED);
		return;
	}
	call->connecting = false;
	call->blocked = false;
	httpc_io_write(call);
}

void
httpc_io_ready(struct httpc_call *call, short revents)
{
	if (revents == 0)
		return;
	assert(call->fd != -1);
	if (call->connecting) {
		end_connect(call);
		return;
	}
	if (revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL))
		httpc_io_read(call);
	if (call->state == HTTPC_SENDING && !call->connecting &&
	    (revents & POLLOUT)) {
		call->blocked = false;
		httpc_io_write(call);
	}
}
