/* SPDX-License-Identifier: MIT */

/*
 * The life of a request, as libmicrohttpd tells it:
 *
 *      httpd_request_uri        the request line is there; the only chance
 *                               to see the target before it is taken apart
 *      httpd_request_handle     first without a body: the headers are there.
 *                               A response that is queued now closes the
 *                               connection, and no "100 Continue" is sent
 *      httpd_request_handle     for each piece of the body
 *      httpd_request_handle     without a piece: the body has ended, reply
 *      httpd_request_completed  the reply is out, or the connection is gone
 *
 * A reply that is given in the first call, to a request without a body, is
 * held until the second one, so that the connection can be kept.
 */

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "http/httpd_limit.h"

static bool
takes_body(const struct httpd_request *req)
{
	return strcmp(req->method, "PUT") == 0 ||
	    strcmp(req->method, "POST") == 0;
}

static bool
has_body(const struct httpd_request *req)
{
	return req->body.chunked || req->body.length > 0;
}

/* Keep the memory for the next request of this connection. */
static bool
keep_target(struct httpd_request *req, const char *uri)
{
	size_t n = strlen(uri);
	char *memory;
	char *mark;

	if (2 * (n + 1) > req->target_room) {
		memory = realloc(req->target, 2 * (n + 1));
		if (memory == NULL)
			return false;
		req->target = memory;
		req->target_room = 2 * (n + 1);
	}
	assert(req->target_room >= 2 * (n + 1));
	req->target_n = n;
	memcpy(req->target, uri, n + 1);
	req->path = req->target + n + 1;
	memcpy(req->path, uri, n + 1);
	mark = strchr(req->path, '?');
	req->query = req->path + n;
	if (mark != NULL) {
		*mark = '\0';
		req->query = mark + 1;
	}
	return true;
}

static void
request_reset(struct httpd_request *req)
{
	httpd_reply_forget(req);
	req->mhd = NULL;
	req->method = NULL;
	req->uri = NULL;
	req->body = (struct httpreq_body){ false, 0 };
	req->discarded = 0;
	req->user = NULL;
	req->judged = false;
	req->begun = false;
	req->reading = false;
	req->has_length = false;
	req->refused = false;
	req->replied = false;
	req->close = false;
	req->written = false;
	req->status = 0;
	req->block = 0;
	buf_clear(&req->headers);
	buf_fini(&req->raw);
}

void
httpd_request_fini(struct httpd_request *req)
{
	httpd_reply_forget(req);
	buf_fini(&req->headers);
	buf_fini(&req->raw);
	free(req->target);
	req->target = NULL;
}

void *
httpd_request_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info;
	struct httpd_conn *conn;

	(void)cls;
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	if (info == NULL || info->socket_context == NULL)
		return NULL;
	conn = info->socket_context;
	assert(conn->magic == HTTPD_MAGIC_CONN);
	request_reset(&conn->req);
	conn->req.mhd = mhd;
	conn->req.uri = uri;
	if (!keep_target(&conn->req, uri))
		return NULL;
	if (atomic_load(&conn->phase) == HTTPD_PHASE_IDLE)
		httpd_phase_set(conn, HTTPD_PHASE_HEADERS);
	return &conn->req;
}

struct header_list {
	struct httpreq_header header[HTTPREQ_HEADERS_MAX];
	size_t count;
};

static enum MHD_Result
add_header(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_n,
    const char *value, size_t value_n)
{
	struct header_list *list = cls;

	(void)kind;
	if (list->count < HTTPREQ_HEADERS_MAX)
		list->header[list->count] = (struct httpreq_header){
			.name = bytes_of(key, key_n),
			.value = bytes_of(value, value_n),
		};
	list->count++;
	return MHD_YES;
}

/*
 * libmicrohttpd ends the target at a NUL byte and shows us the part before it.
 * The version follows the target in the same buffer, one space after it: a
 * longer way means that something was hidden.
 */
static bool
target_is_cut(const struct httpd_request *req, const char *version)
{
	return version - req->uri - 1 != (ptrdiff_t)req->target_n;
}

/*
 * The same for the headers, which libmicrohttpd parses in its buffer, putting
 * NULs over colons and line ends.  It takes bare LFs, joins folded lines, ends
 * values at a NUL byte, and leaves out lines whose name is empty; a proxy
 * before us, or the maker of a signature, may have read something else.  Where
 * each line begins two bytes (CR and LF) behind the one before, and the head
 * ends four bytes behind the last, nothing of that has happened.
 */
static bool
lines_are_plain(const struct httpd_request *req, const char *version,
    const struct header_list *list)
{
	const uint8_t *end = (const uint8_t *)version + strlen(version);
	const union MHD_ConnectionInfo *info;

	for (size_t i = 0; i < list->count; i++) {
		const struct httpreq_header *header = &list->header[i];

		if (header->name.p != end + 2)
			return false;
		end = header->value.p + header->value.n;
	}
	info = MHD_get_connection_info(req->mhd,
	    MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	return info != NULL &&
	    (const uint8_t *)req->method + info->header_size == end + 4;
}

static int
judge(struct httpd_request *req, const char *version, const char **reason)
{
	struct header_list list;
	struct httpreq request = {
		.method = req->method,
		.version = version,
		.target = bytes_of(req->target, req->target_n),
		.max_body = req->conn->httpd->options.max_body,
	};
	int status;

	*reason = httpd_limit_refusal(req->conn);
	if (*reason != NULL)
		return 503;
	list.count = 0;
	(void)MHD_get_connection_values_n(req->mhd, MHD_HEADER_KIND, add_header,
	    &list);
	request.headers = list.header;
	request.header_count = list.count;
	status = httpreq_gate(&request, &req->body, reason);
	if (status != 0)
		return status;
	if (target_is_cut(req, version)) {
		*reason = "the request target has a NUL byte";
		return 400;
	}
	if (!lines_are_plain(req, version, &list)) {
		*reason = "a header line is folded, or does not end in CR LF, "
			  "or has a NUL byte or no name";
		return 400;
	}
	if (!takes_body(req) && req->body.length > HTTPD_DRAIN_BODY_MAX) {
		*reason = "the method takes no body";
		return 413;
	}
	return 0;
}

/* The gate said no: answer and close, whatever else is on the wire. */
static enum MHD_Result
refuse(struct httpd_request *req, int status, const char *reason)
{
	const struct httpd_service *service = &req->conn->httpd->service;

	req->refused = true;
	req->close = true;
	if (status == 503)
		httpd_reply_header(req, "Retry-After", "1");
	if (service->reject != NULL)
		service->reject(service->ctx, req, status, reason);
	if (!req->replied)
		httpd_reply_text(req, status, reason);
	atomic_store(&req->conn->linger, true);
	return httpd_reply_queue(req);
}

static enum MHD_Result
first_call(struct httpd_request *req, const char *method, const char *version)
{
	const struct httpd_service *service = &req->conn->httpd->service;
	const char *reason = "";
	int status;

	assert(!req->begun && !req->replied);
	req->judged = true;
	req->method = method;
	httpd_phase_set(req->conn, HTTPD_PHASE_HANDLER);
	status = judge(req, version, &reason);
	if (status != 0)
		return refuse(req, status, reason);
	req->has_length = httpd_header(req, "Content-Length") != NULL;
	if (has_body(req) && !takes_body(req))
		req->close = true;
	req->begun = true;
	service->begin(service->ctx, req);
	if (req->replied && has_body(req)) {
		req->close = true;
		atomic_store(&req->conn->linger, true);
		return httpd_reply_queue(req);
	}
	atomic_store(&req->conn->waited_ms, 0);
	atomic_store(&req->conn->body_bytes, 0);
	httpd_phase_set(req->conn, HTTPD_PHASE_BODY);
	return MHD_YES;
}

/* Negative closes the connection. */
static int
take_piece(struct httpd_request *req, const char *p, size_t n)
{
	const struct httpd_service *service = &req->conn->httpd->service;

	if (takes_body(req)) {
		if (service->body == NULL)
			return 0;
		return service->body(service->ctx, req, (const uint8_t *)p, n);
	}
	req->discarded += n;
	if (req->discarded <= HTTPD_DRAIN_BODY_MAX)
		return 0;
	httpd_reply_forget(req);
	httpd_reply_text(req, 413, "the method takes no body");
	return -1;
}

static bool
over_max_body(struct httpd_request *req)
{
	uint64_t max = req->conn->httpd->options.max_body;

	return max != 0 && atomic_load(&req->conn->body_bytes) > max;
}

/*
 * The size of a chunk, from the line that ends where the piece begins; 0 when
 * there is none: the piece goes on where another ended, or follows the head.
 * libmicrohttpd takes any size below 2^64 and waits for so many bytes, without
 * a word.  The piece lies in its buffer behind the line, and both behind the
 * head of the request.
 */
static uint64_t
chunk_size_before(const char *head, const char *p)
{
	uint64_t size = 0;
	const char *line;

	assert(head < p);
	if (p - head < 3 || p[-1] != '\n' || p[-2] != '\r')
		return 0;
	/* The end of the head is NULs by now. */
	line = p - 2;
	while (line > head && line[-1] != '\n' && line[-1] != '\0')
		line--;
	for (; hex_value(*line) >= 0; line++) {
		if (size > UINT64_MAX >> 4)
			return UINT64_MAX;
		size = size << 4 | (uint64_t)hex_value(*line);
	}
	return *line == '\r' || *line == ';' ? size : 0;
}

static enum MHD_Result
body_call(struct httpd_request *req, const char *p, size_t *n)
{
	struct httpd_conn *conn = req->conn;
	int rc;

	assert(!req->reading);
	httpd_phase_set(conn, HTTPD_PHASE_HANDLER);
	atomic_fetch_add(&conn->body_bytes, *n);
	req->reading = true;
	if (over_max_body(req)) {
		httpd_reply_text(req, 413, "the body is too large");
		rc = -1;
	} else if (req->body.chunked &&
	    chunk_size_before(req->method, p) > HTTPD_CHUNK_MAX) {
		httpd_reply_text(req, 400, "the size of a chunk is absurd");
		rc = -1;
	} else {
		rc = take_piece(req, p, *n);
	}
	req->reading = false;
	*n = 0;
	if (rc < 0) {
		atomic_store(&conn->linger, true);
		httpd_reply_raw(req);
		return MHD_NO;
	}
	httpd_phase_set(conn, HTTPD_PHASE_BODY);
	return MHD_YES;
}

static enum MHD_Result
last_call(struct httpd_request *req)
{
	const struct httpd_service *service = &req->conn->httpd->service;
	enum MHD_Result result;

	httpd_phase_set(req->conn, HTTPD_PHASE_HANDLER);
	if (!req->replied)
		service->end(service->ctx, req);
	if (!req->replied)
		httpd_reply_text(req, 500, "the request was not answered");
	assert(req->replied);
	result = httpd_reply_queue(req);
	httpd_phase_set(req->conn, HTTPD_PHASE_REPLY);
	return result;
}

enum MHD_Result
httpd_request_handle(void *cls, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *upload,
    size_t *upload_n, void **con_cls)
{
	struct httpd_request *req = *con_cls;

	(void)cls;
	(void)mhd;
	(void)url;
	if (req == NULL)
		return MHD_NO;
	assert(req->conn->magic == HTTPD_MAGIC_CONN);
	if (!req->judged)
		return first_call(req, method, version);
	if (*upload_n > 0)
		return body_call(req, upload, upload_n);
	return last_call(req);
}

void
httpd_request_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
    enum MHD_RequestTerminationCode code)
{
	struct httpd_request *req = *con_cls;
	const struct httpd_service *service;
	bool completed;

	(void)cls;
	(void)mhd;
	if (req == NULL)
		return;
	assert(req->conn->magic == HTTPD_MAGIC_CONN);
	service = &req->conn->httpd->service;
	completed = code == MHD_REQUEST_TERMINATED_COMPLETED_OK || req->written;
	httpd_reply_forget(req);
	if (req->begun && service->done != NULL)
		service->done(service->ctx, req, completed);
	request_reset(req);
	atomic_store(&req->conn->by_file, false);
	httpd_phase_set(req->conn, HTTPD_PHASE_IDLE);
	*con_cls = NULL;
}

const char *
httpd_method(const struct httpd_request *req)
{
	return req->method;
}

const char *
httpd_target(const struct httpd_request *req)
{
	return req->target;
}

const char *
httpd_path(const struct httpd_request *req)
{
	return req->path;
}

const char *
httpd_query(const struct httpd_request *req)
{
	return req->query;
}

const char *
httpd_header(struct httpd_request *req, const char *name)
{
	return MHD_lookup_connection_value(req->mhd, MHD_HEADER_KIND, name);
}

struct header_walk {
	httpd_header_fn *fn;
	void *arg;
};

static enum MHD_Result
walk_header(void *cls, enum MHD_ValueKind kind, const char *key,
    const char *value)
{
	struct header_walk *walk = cls;

	(void)kind;
	walk->fn(walk->arg, key, value != NULL ? value : "");
	return MHD_YES;
}

void
httpd_headers(struct httpd_request *req, httpd_header_fn *fn, void *arg)
{
	struct header_walk walk = { fn, arg };

	(void)MHD_get_connection_values(req->mhd, MHD_HEADER_KIND, walk_header,
	    &walk);
}

int64_t
httpd_content_length(const struct httpd_request *req)
{
	assert(req->body.length <= INT64_MAX);
	return req->body.chunked ? -1 : (int64_t)req->body.length;
}

bool
httpd_has_content_length(struct httpd_request *req)
{
	return req->has_length;
}

bool
httpd_chunked(const struct httpd_request *req)
{
	return req->body.chunked;
}

int
httpd_client_fd(const struct httpd_request *req)
{
	return req->conn->fd;
}

const char *
httpd_peer(struct httpd_request *req)
{
	struct sockaddr_storage addr;
	socklen_t n = sizeof(addr);
	char ip[INET6_ADDRSTRLEN] = "?";
	unsigned port = 0;

	/* The connection's, so it is looked up once. */
	if (req->peer[0] != '\0')
		return req->peer;
	memset(&addr, 0, sizeof(addr));
	if (getpeername(req->conn->fd, (struct sockaddr *)&addr, &n) == -1)
		return "?";
	if (addr.ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)&addr;

		inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof(ip));
		port = ntohs(v4->sin_port);
	} else if (addr.ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)&addr;

		inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof(ip));
		port = ntohs(v6->sin6_port);
	}
	snprintf(req->peer, sizeof(req->peer), "%s:%u", ip, port);
	return req->peer;
}

void
httpd_set_user(struct httpd_request *req, void *user)
{
	req->user = user;
}

void *
httpd_user(const struct httpd_request *req)
{
	return req->user;
}
