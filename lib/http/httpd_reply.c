/* SPDX-License-Identifier: MIT */

/*
 * Replies.  A reply is kept in the request until httpd_request.c hands it to
 * libmicrohttpd at a moment that keeps the connection usable.  In the middle of
 * a body libmicrohttpd takes no reply at all; then the few bytes are written
 * to the socket here, and the connection is closed.
 */

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "http/httpd_parts.h"

#define BLOCK_BYTES (256 * 1024)
#define BLOCK_BYTES_MIN 4096
#define PAGE_BYTES 4096u
#define GIVE_BACK_BYTES (128u * 1024) /* less is not worth the call */
#define RAW_MS 5000 /* for the client to take a reply in mid-body */

void
httpd_reply_header(struct httpd_request *req, const char *name,
    const char *value)
{
	assert(!req->replied);
	assert(httpreq_is_token(bytes_str(name)));
	assert(httpreq_is_field_value(bytes_str(value)));
	assert(strcasecmp(name, "Content-Length") != 0);
	buf_add(&req->headers, name, strlen(name) + 1);
	buf_add(&req->headers, value, strlen(value) + 1);
}

void
httpd_reply_close(struct httpd_request *req)
{
	req->close = true;
}

void
httpd_reply_block(struct httpd_request *req, size_t bytes)
{
	req->block = KOOP_MAX(bytes, (size_t)BLOCK_BYTES_MIN);
}

int
httpd_status(const struct httpd_request *req)
{
	return req->status;
}

bool
httpd_replied(const struct httpd_request *req)
{
	return req->replied;
}

/* The names and values that buf_add put there, one after another. */
static bool
next_header(const struct buf *headers, size_t *at, const char **name,
    const char **value)
{
	if (*at >= headers->n)
		return false;
	*name = headers->p + *at;
	*at += strlen(*name) + 1;
	*value = headers->p + *at;
	*at += strlen(*value) + 1;
	assert(*at <= headers->n);
	return true;
}

static bool
closes(const struct httpd_request *req)
{
	return req->close || atomic_load(&req->conn->httpd->draining);
}

/* libmicrohttpd takes no empty value.  A blank is one, to whoever reads it:
 * blanks around a value are no part of it (RFC 9110 5.5). */
static bool
httpd_add_header(struct httpd_request *req, const char *name, const char *value)
{
	return MHD_add_response_header(req->response, name,
		   value[0] != '\0' ? value : " ") == MHD_YES;
}

/* Headers go in at the end, when it is known whether the connection closes. */
static bool
add_headers(struct httpd_request *req)
{
	const char *server = req->conn->httpd->server;
	const char *name;
	const char *value;
	size_t at = 0;
	bool good = !buf_failed(&req->headers);

	while (good && next_header(&req->headers, &at, &name, &value))
		good = httpd_add_header(req, name, value);
	if (good && server != NULL)
		good = httpd_add_header(req, "Server", server);
	if (good && closes(req))
		good = httpd_add_header(req, "Connection", "close");
	return good;
}

enum MHD_Result
httpd_reply_queue(struct httpd_request *req)
{
	enum MHD_Result result = MHD_NO;

	assert(req->replied && !req->reading);
	/* Without a response there was no memory: the connection closes. */
	if (req->response == NULL)
		return MHD_NO;
	if (add_headers(req))
		result = MHD_queue_response(req->mhd, (unsigned)req->status,
		    req->response);
	/* A queued response lives on in libmicrohttpd, and with it the stream,
	 * which httpd_reply_forget still has to free before done(). */
	MHD_destroy_response(req->response);
	req->response = NULL;
	return result;
}

/* A stream ends before done() is called, though libmicrohttpd lets go of its
 * response only afterwards. */
static void
stream_end(struct httpd_stream *stream)
{
	if (stream->free_fn != NULL)
		stream->free_fn(stream->arg);
	stream->free_fn = NULL;
	stream->reader = NULL;
}

void
httpd_reply_forget(struct httpd_request *req)
{
	if (req->stream != NULL) {
		stream_end(req->stream);
		req->stream->owner = NULL;
	}
	req->stream = NULL;
	if (req->response != NULL)
		MHD_destroy_response(req->response);
	req->response = NULL;
	req->replied = false;
}

void
httpd_reply(struct httpd_request *req, int status, const void *p, size_t n)
{
	static char nothing;
	void *body = &nothing;

	assert(!req->replied);
	assert(status >= 200 && status <= 599);
	req->replied = true;
	req->status = status;
	if (req->reading) {
		req->raw = buf_make(n);
		buf_add(&req->raw, p, n);
		return;
	}
	/* It takes no const, but MHD_RESPMEM_MUST_COPY does not write. */
	if (n > 0)
		memcpy(&body, &p, sizeof(body));
	req->response = MHD_create_response_from_buffer(n, body,
	    MHD_RESPMEM_MUST_COPY);
}

void
httpd_reply_text(struct httpd_request *req, int status, const char *text)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	assert(n > 0 && (size_t)n < sizeof(line));
	httpd_reply_header(req, "Content-Type", "text/plain");
	httpd_reply(req, status, line, (size_t)n);
}

struct file_part {
	int fd;
	uint64_t offset;
};

static ssize_t
file_read(void *arg, uint64_t pos, uint8_t *p, size_t max)
{
	struct file_part *part = arg;

	return io_pread_full(part->fd, p, max, (off_t)(part->offset + pos),
	    NULL);
}

static void
file_free(void *arg)
{
	struct file_part *part = arg;

	close(part->fd);
	free(part);
}

/* A file that ends too early: read by us, as sendfile would wait for ever at
 * its end, where our reader cuts the connection. */
static void
reply_short_file(struct httpd_request *req, int status, int fd, uint64_t offset,
    uint64_t length)
{
	struct file_part *part = calloc(1, sizeof(*part));

	if (part == NULL) {
		close(fd);
		req->replied = true;
		return;
	}
	*part = (struct file_part){ fd, offset };
	httpd_reply_stream(req, status, length, file_read, file_free, part);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the stream frees it. */
}

void
httpd_reply_fd(struct httpd_request *req, int status, int fd, uint64_t offset,
    uint64_t length)
{
	struct stat st;

	assert(!req->replied && !req->reading);
	assert(length <= INT64_MAX && offset <= INT64_MAX - length);
	if (length == 0) {
		close(fd);
		httpd_reply(req, status, NULL, 0);
		return;
	}
	if (fstat(fd, &st) == -1 || (uint64_t)st.st_size < offset + length) {
		reply_short_file(req, status, fd, offset, length);
		return;
	}
	req->replied = true;
	req->status = status;
	atomic_store(&req->conn->by_file, true);
	req->response = MHD_create_response_from_fd_at_offset64(length, fd,
	    offset);
	if (req->response == NULL)
		close(fd);
}

/*
 * A client that was quick once has filled a large block; now that it is slow,
 * and small pieces come, the rest of the block goes back to the system until
 * it is written again.  A thousand viewers would keep gigabytes otherwise.
 */
static void
give_back(struct httpd_stream *stream, char *p, size_t used)
{
	/* Whole pages between what is used and what was touched. */
	size_t from = used + (PAGE_BYTES - ((uintptr_t)p + used) % PAGE_BYTES);
	size_t to = stream->touched -
	    KOOP_MIN(stream->touched,
		((uintptr_t)p + stream->touched) % PAGE_BYTES);

	if (stream->touched < used + GIVE_BACK_BYTES || from >= to) {
		stream->touched = KOOP_MAX(stream->touched, used);
		return;
	}
	madvise(p + from, to - from, MADV_DONTNEED);
	stream->touched = used;
	assert(from > used);
}

static ssize_t
stream_read(void *cls, uint64_t pos, char *p, size_t max)
{
	struct httpd_stream *stream = cls;
	ssize_t n = -1;

	if (stream->reader != NULL)
		n = stream->reader(stream->arg, pos, (uint8_t *)p, max);
	if (n > 0 && (size_t)n <= max) {
		give_back(stream, p, (size_t)n);
		return n;
	}
	/* The end of a body of known length comes without a question, so
	 * this would be too early: never a clean end. */
	if (n == 0 && stream->length == HTTPD_CHUNKED)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

static void
stream_free(void *cls)
{
	struct httpd_stream *stream = cls;

	stream_end(stream);
	if (stream->owner != NULL)
		stream->owner->stream = NULL;
	free(stream);
}

void
httpd_reply_stream(struct httpd_request *req, int status, uint64_t length,
    httpd_reader_fn *reader, void (*free_fn)(void *arg), void *arg)
{
	size_t block = req->block != 0 ? req->block : BLOCK_BYTES;
	struct httpd_stream *stream;

	assert(!req->replied && !req->reading);
	assert(length == HTTPD_CHUNKED || length <= INT64_MAX);
	if (length < block)
		block = KOOP_MAX((size_t)length, (size_t)1);
	req->replied = true;
	req->status = status;
	stream = calloc(1, sizeof(*stream));
	if (stream != NULL) {
		*stream = (struct httpd_stream){ reader, free_fn, arg, length,
			0, req };
		req->response = MHD_create_response_from_callback(length ==
			    HTTPD_CHUNKED ?
			MHD_SIZE_UNKNOWN :
			length,
		    block, stream_read, stream, stream_free);
	}
	if (req->response == NULL) {
		free(stream);
		if (free_fn != NULL)
			free_fn(arg);
		return;
	}
	req->stream = stream;
}

/* The socket does not block, and a client that sends may not read yet. */
static bool
send_all(int fd, const char *p, size_t n)
{
	uint64_t until = clock_mono_ms(&clock_system) + RAW_MS;

	while (n > 0) {
		struct pollfd wait = { .fd = fd, .events = POLLOUT };
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
			continue;
		}
		if (sent == -1 && errno != EAGAIN && errno != EINTR)
			return false;
		if (poll(&wait, 1, clock_left_ms(&clock_system, until)) == 0)
			return false;
	}
	return true;
}

void
httpd_reply_raw(struct httpd_request *req)
{
	struct buf out = buf_make(HTTPD_REPLY_HEADERS_MAX * 2 + req->raw.n);
	const char *server = req->conn->httpd->server;
	char date[32];
	const char *name;
	const char *value;
	size_t at = 0;

	assert(!req->written && !req->reading);
	if (!req->replied)
		return;
	clock_http_date(date, clock_real_ms(&clock_system));
	buf_printf(&out, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n",
	    req->status, MHD_get_reason_phrase_for((unsigned)req->status),
	    date);
	while (next_header(&req->headers, &at, &name, &value))
		buf_printf(&out, "%s: %s\r\n", name, value);
	if (server != NULL)
		buf_printf(&out, "Server: %s\r\n", server);
	buf_printf(&out, "Content-Length: %zu\r\n\r\n", req->raw.n);
	buf_add(&out, req->raw.p, req->raw.n);
	if (!buf_failed(&out) && !buf_failed(&req->raw) &&
	    !buf_failed(&req->headers))
		req->written = send_all(req->conn->fd, out.p, out.n);
	buf_fini(&out);
}
