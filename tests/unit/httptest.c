/* SPDX-License-Identifier: MIT */
#include "httptest.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/number.h"
#include "http/httpreq.h"

/* A prime period, so that a shift by a block is seen. */
static uint8_t
httptest_byte(uint64_t pos)
{
	return (uint8_t)(pos % 251 ^ pos >> 16);
}

void
httptest_fill(uint8_t *p, uint64_t pos, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = httptest_byte(pos + i);
}

bool
httptest_check(const uint8_t *p, uint64_t pos, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != httptest_byte(pos + i))
			return false;
	return true;
}

struct httptest_body {
	uint64_t n;
	uint64_t limit;
	bool bad;
	struct buf kept;
};

struct httptest_reader {
	struct httptest *test;
	uint64_t length;
	uint64_t cut;
};

static uint64_t
httptest_number(struct httpd_request *req, const char *name, uint64_t otherwise)
{
	struct httpreq_query q;
	struct error err;
	const char *text;
	uint64_t n = otherwise;

	if (httpreq_query_parse(&q, bytes_str(httpd_query(req)), &err) < 0)
		return otherwise;
	text = httpreq_query_get(&q, name);
	if (text == NULL || !number_parse(&n, text, strlen(text), 0, INT64_MAX))
		n = otherwise;
	httpreq_query_fini(&q);
	return n;
}

static void
httptest_begin(void *ctx, struct httpd_request *req)
{
	struct httptest *test = ctx;
	struct httptest_body *body = calloc(1, sizeof(*body));

	test->begun++;
	body->limit = UINT64_MAX;
	body->kept = buf_make(1 << 20);
	httpd_set_user(req, body);
	if (strcmp(httpd_path(req), "/refuse") == 0) {
		httpd_reply_header(req, "X-Why", "no reason");
		httpd_reply(req, 403, "no\n", 3);
	}
	if (strcmp(httpd_path(req), "/refuse-mid") == 0)
		body->limit = httptest_number(req, "n", 0);
}

static int
httptest_body(void *ctx, struct httpd_request *req, const uint8_t *p, size_t n)
{
	struct httptest_body *body = httpd_user(req);

	(void)ctx;
	if (strcmp(httpd_path(req), "/echo") == 0)
		buf_add(&body->kept, p, n);
	else
		body->bad = body->bad || !httptest_check(p, body->n, n);
	body->n += n;
	if (body->n < body->limit)
		return 0;
	httpd_reply_header(req, "X-Why", "other bytes");
	httpd_reply(req, 409, "conflict\n", 9);
	return -1;
}

static ssize_t
httptest_read(void *arg, uint64_t pos, uint8_t *p, size_t max)
{
	struct httptest_reader *r = arg;
	uint64_t end = r->length < r->cut ? r->length : r->cut;

	if (pos >= r->cut)
		return -1;
	if (pos >= end)
		return 0;
	if (max > end - pos)
		max = (size_t)(end - pos);
	httptest_fill(p, pos, max);
	return (ssize_t)max;
}

static void
httptest_free(void *arg)
{
	struct httptest_reader *r = arg;

	r->test->streams--;
	free(r);
}

static void
httptest_bytes(struct httptest *test, struct httpd_request *req)
{
	struct httptest_reader *r = calloc(1, sizeof(*r));
	bool chunked = httptest_number(req, "chunked", 0) != 0;

	r->test = test;
	r->length = httptest_number(req, "n", 0);
	r->cut = httptest_number(req, "cut", UINT64_MAX);
	test->streams++;
	httpd_reply_block(req, httptest_number(req, "block", 256 * 1024));
	httpd_reply_stream(req, 200, chunked ? HTTPD_CHUNKED : r->length,
	    httptest_read, httptest_free, r);
}

static void
httptest_wait(struct httptest *test, struct httpd_request *req)
{
	struct pollfd fd = { .fd = httpd_client_fd(req), .events = POLLRDHUP };

	test->waiting++;
	test->gone += poll(&fd, 1, (int)httptest_number(req, "ms", 5000)) == 1;
	httpd_reply(req, 200, "waited\n", 7);
}

static void
httptest_text(struct httpd_request *req, const char *text)
{
	httpd_reply_header(req, "Content-Type", "text/plain");
	httpd_reply(req, 200, text, strlen(text));
}

static void
httptest_sink(struct httpd_request *req, const struct httptest_body *body)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %llu\n", body->bad ? "bad" : "good",
	    (unsigned long long)body->n);
	httptest_text(req, text);
}

static void
httptest_end(void *ctx, struct httpd_request *req)
{
	struct httptest *test = ctx;
	struct httptest_body *body = httpd_user(req);
	const char *path = httpd_path(req);

	if (strcmp(path, "/bytes") == 0)
		httptest_bytes(test, req);
	else if (strcmp(path, "/file") == 0)
		httpd_reply_fd(req, 206, dup(test->file),
		    httptest_number(req, "first", 0),
		    httptest_number(req, "n", FILE_BYTES));
	else if (strcmp(path, "/wait") == 0)
		httptest_wait(test, req);
	else if (strcmp(path, "/sink") == 0 || strcmp(path, "/refuse-mid") == 0)
		httptest_sink(req, body);
	else if (strcmp(path, "/echo") == 0)
		httpd_reply(req, 200, body->kept.p, body->kept.n);
	else if (strcmp(path, "/hello") == 0)
		httptest_text(req, "hello\n");
	else if (strcmp(path, "/echo-target") == 0)
		httptest_text(req, httpd_target(req));
	else if (strcmp(path, "/no-content") == 0)
		httpd_reply(req, 204, NULL, 0);
	else if (strncmp(path, "/header/", 8) == 0)
		httptest_text(req,
		    httpd_header(req, path + 8) != NULL ?
			httpd_header(req, path + 8) :
			"(none)");
	else if (strcmp(path, "/silent") != 0)
		httpd_reply(req, 404, "no such thing\n", 14);
}

static void
httptest_done(void *ctx, struct httpd_request *req, bool completed)
{
	struct httptest *test = ctx;
	struct httptest_body *body = httpd_user(req);

	buf_fini(&body->kept);
	free(body);
	test->incomplete += !completed;
	test->done++;
}

static int
httptest_file(void)
{
	static uint8_t bytes[FILE_BYTES];
	int fd = memfd_create("httptest", MFD_CLOEXEC);

	httptest_fill(bytes, 0, sizeof(bytes));
	if (fd != -1 && write(fd, bytes, sizeof(bytes)) != sizeof(bytes)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

bool
httptest_start(struct httptest *test, const struct httpd_options *options)
{
	struct httpd_service service = {
		.ctx = test,
		.begin = httptest_begin,
		.body = httptest_body,
		.end = httptest_end,
		.done = httptest_done,
	};
	struct error err;

	memset(test, 0, sizeof(*test));
	test->file = httptest_file();
	if (test->file == -1)
		return false;
	if (httpd_start(&test->httpd, options, &service, &err) < 0) {
		printf("# %s\n", err.text);
		close(test->file);
		return false;
	}
	return true;
}

void
httptest_stop(struct httptest *test)
{
	httpd_stop(test->httpd);
	close(test->file);
}
