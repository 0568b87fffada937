/* SPDX-License-Identifier: MIT */
#include "http/httpres.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/number.h"
#include "http/httpreq.h"

static int
httpres_refuse(struct error *err, const char *what)
{
	return error_set(err, ERRC_PROTOCOL, "answer: %s", what);
}

/* What can be said of a head that has not ended: enough not to wait for the
 * end of nonsense. */
static int
check_start(const char *p, size_t n, struct error *err)
{
	static const char start[] = "HTTP/1.1 ";

	if (memcmp(p, start, KOOP_MIN(n, sizeof(start) - 1)) != 0)
		return httpres_refuse(err, "not HTTP/1.1");
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\0')
			return httpres_refuse(err, "NUL byte in the headers");
		if (p[i] == '\n' && (i == 0 || p[i - 1] != '\r'))
			return httpres_refuse(err, "line ends without CR");
		if (i > 0 && p[i - 1] == '\r' && p[i] != '\n')
			return httpres_refuse(err, "CR inside a line");
	}
	return 0;
}

/* "HTTP/1.1 NNN" with a reason, or a space, or nothing behind it. */
static int
parse_status(struct httpres *out, const char *line, size_t n, struct error *err)
{
	uint64_t status;

	if (n < 12 || !number_parse(&status, line + 9, 3, 100, 599) ||
	    (n > 12 && line[12] != ' '))
		return httpres_refuse(err, "bad status line");
	if (!httpreq_is_field_value(bytes_of(line, n)))
		return httpres_refuse(err,
		    "control character in the status line");
	out->status = (int)status;
	return 0;
}

static int
parse_framing(struct httpres *out, const char *name, const char *value,
    struct error *err)
{
	if (strcasecmp(name, "Content-Length") == 0) {
		if (out->has_length)
			return httpres_refuse(err,
			    "two Content-Length headers");
		if (!number_parse(&out->length, value, strlen(value), 0,
			INT64_MAX))
			return httpres_refuse(err, "bad Content-Length");
		out->has_length = true;
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		if (out->chunked)
			return httpres_refuse(err,
			    "two Transfer-Encoding headers");
		if (strcasecmp(value, "chunked") != 0)
			return httpres_refuse(err, "unknown Transfer-Encoding");
		out->chunked = true;
	} else if (strcasecmp(name, "Connection") == 0) {
		if (strcasecmp(value, "close") == 0)
			out->close = true;
	}
	return 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* One line of n bytes, without its CRLF; line[n] may be overwritten. */
static int
parse_header(struct httpres *out, char *line, size_t n, struct error *err)
{
	char *colon = memchr(line, ':', n);
	char *value;
	char *end = line + n;

	if (is_blank(line[0]))
		return httpres_refuse(err, "folded header");
	if (colon == NULL ||
	    !httpreq_is_token(bytes_of(line, (size_t)(colon - line))))
		return httpres_refuse(err, "bad header name");
	value = colon + 1;
	while (value < end && is_blank(*value))
		value++;
	while (end > value && is_blank(end[-1]))
		end--;
	if (!httpreq_is_field_value(bytes_of(value, (size_t)(end - value))))
		return httpres_refuse(err, "control character in a header");
	if (out->count == HTTPRES_HEADERS_MAX)
		return httpres_refuse(err, "too many headers");
	*colon = '\0';
	*end = '\0';
	out->header[out->count++] = (struct httpres_header){ line, value };
	return parse_framing(out, line, value, err);
}

ssize_t
httpres_parse(struct httpres *out, char *p, size_t n, struct error *err)
{
	char *end = p != NULL ? memmem(p, n, "\r\n\r\n", 4) : NULL;
	size_t used = end != NULL ? (size_t)(end - p) + 4 : n;
	char *line = p;
	int rc;

	rc = check_start(p, used, err);
	if (rc < 0 || end == NULL)
		return rc;
	memset(out, 0, offsetof(struct httpres, header));
	for (bool first = true; line < end + 2; first = false) {
		char *stop = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
		size_t len = (size_t)(stop - line);

		assert(stop != NULL && stop <= end);
		rc = first ? parse_status(out, line, len, err) :
			     parse_header(out, line, len, err);
		if (rc < 0)
			return rc;
		line = stop + 2;
	}
	if (out->has_length && out->chunked)
		return httpres_refuse(err,
		    "Content-Length and Transfer-Encoding together");
	return (ssize_t)used;
}

const char *
httpres_get(const struct httpres *res, const char *name)
{
	for (size_t i = 0; i < res->count; i++)
		if (strcasecmp(res->header[i].name, name) == 0)
			return res->header[i].value;
	return NULL;
}

/* One byte of a size line: digits, CR, LF. */
static int
step_size(struct httpres_chunks *c, char byte, struct error *err)
{
	int digit = hex_value(byte);

	assert(c->left == 0 && !c->last && !c->done);
	if (c->got_cr) {
		if (byte != '\n')
			return httpres_refuse(err,
			    "bad line end of a chunk's size");
		c->got_cr = false;
		c->in_size = false;
		c->left = c->size;
		c->last = c->size == 0;
		return 0;
	}
	if (byte == '\r' && c->digits > 0) {
		c->got_cr = true;
		return 0;
	}
	if (digit < 0 || c->digits == 16)
		return httpres_refuse(err, "bad chunk size");
	c->size = c->size << 4 | (uint64_t)digit;
	c->digits++;
	c->in_size = true;
	if (c->size > HTTPRES_CHUNK_MAX)
		return httpres_refuse(err, "chunk too large");
	return 0;
}

/* One byte of the CRLF behind a chunk's data, or behind the last size. */
static int
step_end(struct httpres_chunks *c, char byte, struct error *err)
{
	assert(c->left == 0 && !c->done);
	if (!c->got_cr && byte == '\r') {
		c->got_cr = true;
		return 0;
	}
	if (!c->got_cr || byte != '\n')
		return httpres_refuse(err,
		    c->last ? "trailer behind the last chunk" :
			      "chunk longer than its size");
	c->got_cr = false;
	c->done = c->last;
	c->after_data = false;
	c->size = 0;
	c->digits = 0;
	return 0;
}

ssize_t
httpres_chunk_step(struct httpres_chunks *chunks, const char *p, size_t n,
    struct error *err)
{
	size_t used = 0;
	int rc;

	while (used < n && chunks->left == 0 && !chunks->done) {
		if (chunks->after_data || chunks->last)
			rc = step_end(chunks, p[used], err);
		else
			rc = step_size(chunks, p[used], err);
		if (rc < 0)
			return rc;
		used++;
	}
	return (ssize_t)used;
}

void
httpres_chunk_took(struct httpres_chunks *chunks, size_t n)
{
	assert(n <= chunks->left);
	chunks->left -= n;
	if (chunks->left == 0 && n > 0)
		chunks->after_data = true;
}
