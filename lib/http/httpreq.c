/* SPDX-License-Identifier: MIT */
#include "http/httpreq.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/number.h"

/*
 * Headers that two parties may read differently when they come twice: what a
 * proxy checked would not be what we obey.
 */
static const char *const unique_headers[] = {
	"host",
	"content-length",
	"transfer-encoding",
	"authorization",
	"x-amz-date",
	"x-amz-content-sha256",
	"range",
	"if-match",
	"if-none-match",
	"if-modified-since",
	"if-unmodified-since",
	"if-range",
};

static const char *const methods[] = {
	"GET",
	"HEAD",
	"PUT",
	"POST",
	"DELETE",
	"OPTIONS",
};

static bool
is_token_char(uint8_t c)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool
httpreq_is_token(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!is_token_char(text.p[i]))
			return false;
	return text.n > 0;
}

bool
httpreq_is_field_value(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((text.p[i] < 0x20 && text.p[i] != '\t') ||
		    text.p[i] == 0x7f)
			return false;
	return true;
}

static bool
is_header(const struct httpreq_header *header, const char *name)
{
	return header->name.n == strlen(name) &&
	    strncasecmp((const char *)header->name.p, name, header->name.n) ==
	    0;
}

static bool
is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
	    (c >= 'A' && c <= 'F');
}

/* An escape that is whole and is not %00. */
static bool
is_good_escape(const uint8_t *p, size_t left)
{
	if (left < 3 || !is_hex(p[1]) || !is_hex(p[2]))
		return false;
	return p[1] != '0' || p[2] != '0';
}

static int
judge_target(struct bytes target, const char *method, const char **reason)
{
	if (target.n > HTTPREQ_TARGET_MAX) {
		*reason = "the request target is too long";
		return 414;
	}
	if (bytes_is(target, "*") && strcmp(method, "OPTIONS") == 0)
		return 0;
	*reason = "the request target is not a path";
	if (target.n == 0 || target.p[0] != '/')
		return 400;
	*reason = "the request target has a byte that must be escaped";
	for (size_t i = 0; i < target.n; i++) {
		uint8_t c = target.p[i];

		if (c <= 0x20 || c == 0x7f || c == '#')
			return 400;
		if (c == '%' && !is_good_escape(target.p + i, target.n - i)) {
			*reason = "the request target has a bad escape";
			return 400;
		}
	}
	return 0;
}

static int
judge_line(const struct httpreq *req, const char **reason)
{
	bool known = false;

	for (size_t i = 0; i < nitems(methods); i++)
		known = known || strcmp(req->method, methods[i]) == 0;
	if (!known) {
		*reason = "the method is not one of this server";
		return 405;
	}
	if (strcmp(req->version, "HTTP/1.1") != 0) {
		*reason = "the version of HTTP is not 1.1";
		if (strcmp(req->version, "HTTP/1.0") != 0)
			return 505;
		if (strcmp(req->method, "GET") != 0 &&
		    strcmp(req->method, "HEAD") != 0)
			return 505;
	}
	return judge_target(req->target, req->method, reason);
}

/* Sizes, names and values: what holds for every header alone. */
static int
judge_fields(const struct httpreq *req, const char **reason)
{
	size_t total = 0;

	if (req->header_count > HTTPREQ_HEADERS_MAX) {
		*reason = "there are too many headers";
		return 431;
	}
	for (size_t i = 0; i < req->header_count; i++)
		total += req->headers[i].name.n + req->headers[i].value.n;
	if (total > HTTPREQ_HEADER_BYTES_MAX) {
		*reason = "the headers are too long";
		return 431;
	}
	for (size_t i = 0; i < req->header_count; i++) {
		*reason = "a header's name is not a token";
		if (!httpreq_is_token(req->headers[i].name))
			return 400;
		*reason = "a header's value has a control character";
		if (!httpreq_is_field_value(req->headers[i].value))
			return 400;
	}
	return 0;
}

static const struct httpreq_header *
httpreq_find_header(const struct httpreq *req, const char *name)
{
	for (size_t i = 0; i < req->header_count; i++)
		if (is_header(&req->headers[i], name))
			return &req->headers[i];
	return NULL;
}

static int
judge_unique(const struct httpreq *req, const char **reason)
{
	*reason = "a header came twice that may come only once";
	for (size_t k = 0; k < nitems(unique_headers); k++) {
		unsigned count = 0;

		for (size_t i = 0; i < req->header_count; i++)
			count += is_header(&req->headers[i], unique_headers[k]);
		if (count > 1)
			return 400;
	}
	*reason = "the Host header is missing";
	if (strcmp(req->version, "HTTP/1.1") == 0 &&
	    httpreq_find_header(req, "host") == NULL)
		return 400;
	return 0;
}

/* How long is the body?  The question that smuggling is about. */
static int
judge_body(const struct httpreq *req, struct httpreq_body *body,
    const char **reason)
{
	const struct httpreq_header *coding;
	const struct httpreq_header *length;
	struct httpreq_body found = { false, 0 };

	coding = httpreq_find_header(req, "transfer-encoding");
	length = httpreq_find_header(req, "content-length");
	*reason = "Content-Length and Transfer-Encoding came together";
	if (coding != NULL && length != NULL)
		return 400;
	if (coding != NULL) {
		*reason = "the Transfer-Encoding is not \"chunked\"";
		if (coding->value.n != 7 ||
		    strncasecmp((const char *)coding->value.p, "chunked", 7) !=
			0)
			return 501;
		*reason = "HTTP/1.0 has no chunked bodies";
		if (strcmp(req->version, "HTTP/1.1") != 0)
			return 400;
		found.chunked = true;
	}
	if (length != NULL) {
		*reason = "the Content-Length is not a number";
		if (!number_parse(&found.length, (const char *)length->value.p,
			length->value.n, 0, INT64_MAX))
			return 400;
		*reason = "the body is too large";
		if (req->max_body != 0 && found.length > req->max_body)
			return 413;
	}
	/* One length only: two are read differently by two parties. */
	assert(!found.chunked || found.length == 0);
	assert(found.length <= INT64_MAX);
	*body = found;
	return 0;
}

int
httpreq_gate(const struct httpreq *req, struct httpreq_body *body,
    const char **reason)
{
	int status;

	status = judge_line(req, reason);
	if (status == 0)
		status = judge_fields(req, reason);
	if (status == 0)
		status = judge_unique(req, reason);
	if (status == 0)
		status = judge_body(req, body, reason);
	return status;
}

static int
decode_into(char *out, size_t *out_n, struct bytes raw, bool plus_is_space,
    struct error *err)
{
	if (!percent_decode(out, out_n, (const char *)raw.p, raw.n,
		plus_is_space))
		return error_set(err, ERRC_USAGE,
		    "request target: bad percent escape");
	assert(*out_n <= raw.n);
	if (memchr(out, '\0', *out_n) != NULL)
		return error_set(err, ERRC_USAGE,
		    "request target: %%00 is not allowed");
	return 0;
}

int
httpreq_decode(char **out, size_t *out_n, struct bytes raw, bool plus_is_space,
    struct error *err)
{
	char *text;
	size_t n = 0;
	int rc;

	text = malloc(raw.n + 1);
	if (text == NULL)
		return error_set(err, ERRC_NOMEM, "request target: no memory");
	rc = decode_into(text, &n, raw, plus_is_space, err);
	if (rc < 0) {
		free(text);
		return rc;
	}
	*out = text;
	if (out_n != NULL)
		*out_n = n;
	return 0;
}

/* Cut the next piece up to '&' off *rest; false when nothing is left. */
static bool
next_piece(struct bytes *rest, struct bytes *piece)
{
	while (rest->n > 0) {
		const uint8_t *end = memchr(rest->p, '&', rest->n);
		size_t n = end == NULL ? rest->n : (size_t)(end - rest->p);

		*piece = bytes_of(rest->p, n);
		rest->p += end == NULL ? n : n + 1;
		rest->n -= end == NULL ? n : n + 1;
		if (n > 0)
			return true;
	}
	return false;
}

/* Decode "name=value" to two texts at *at, which moves on. */
static int
parse_param(struct httpreq_param *param, struct bytes piece, char **at,
    struct error *err)
{
	struct bytes value = BYTES_NONE;
	const uint8_t *equals = memchr(piece.p, '=', piece.n);
	int rc;

	if (equals != NULL) {
		size_t name_n = (size_t)(equals - piece.p);

		value = bytes_of(equals + 1, piece.n - name_n - 1);
		piece.n = name_n;
	}
	param->name = *at;
	rc = decode_into(*at, &param->name_len, piece, true, err);
	if (rc < 0)
		return rc;
	*at += param->name_len + 1;
	param->value = *at;
	rc = decode_into(*at, &param->value_len, value, true, err);
	*at += param->value_len + 1;
	return rc;
}

int
httpreq_query_parse(struct httpreq_query *out, struct bytes raw,
    struct error *err)
{
	struct httpreq_query query = { NULL, 0, NULL };
	struct bytes rest = raw;
	struct bytes piece;
	size_t count = 0;
	char *at;
	int rc;

	while (next_piece(&rest, &piece))
		count++;
	if (count > HTTPREQ_PARAMS_MAX)
		return error_set(err, ERRC_USAGE,
		    "request target: more than %d parameters",
		    HTTPREQ_PARAMS_MAX);
	/* Decoding never lengthens; each piece needs two NULs at most. */
	query.params = calloc(count + 1, sizeof(query.params[0]));
	query.text = malloc(raw.n + 2 * count + 1);
	if (query.params == NULL || query.text == NULL) {
		rc = error_set(err, ERRC_NOMEM, "request target: no memory");
		goto out;
	}
	at = query.text;
	rest = raw;
	while (next_piece(&rest, &piece)) {
		rc = parse_param(&query.params[query.count], piece, &at, err);
		if (rc < 0)
			goto out;
		query.count++;
	}
	assert(query.count == count);
	assert(at <= query.text + raw.n + 2 * count + 1);
	*out = query;
	return 0;
out:
	httpreq_query_fini(&query);
	return rc;
}

void
httpreq_query_fini(struct httpreq_query *query)
{
	free(query->params);
	free(query->text);
	*query = (struct httpreq_query){ NULL, 0, NULL };
}

const char *
httpreq_query_get(const struct httpreq_query *query, const char *name)
{
	for (size_t i = 0; i < query->count; i++)
		if (strcmp(query->params[i].name, name) == 0)
			return query->params[i].value;
	return NULL;
}
