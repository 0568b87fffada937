/* SPDX-License-Identifier: MIT */

#include "s3/s3body.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/number.h"
#include "http/httpd.h"
#include "s3/s3req.h"

static const char *
body_header(void *arg, const char *name)
{
	return httpd_header(arg, name);
}

/* Does a comma list have the token? */
static bool
has_token(const char *list, const char *token)
{
	size_t n = strlen(token);

	while (list && list[0] != '\0') {
		list += strspn(list, " \t,");
		if (strncasecmp(list, token, n) == 0 &&
		    list[n + strspn(list + n, " \t")] == '\0')
			return true;
		if (strncasecmp(list, token, n) == 0 &&
		    list[n + strspn(list + n, " \t")] == ',')
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

/*
 * Is the body in aws-chunked framing?  Three headers say so.  When only
 * Content-Encoding does, a hash of the whole body says the contrary, and an
 * empty body has no frames.
 */
static bool
is_framed(struct s3req *r)
{
	const char *sha = s3req_header(r, "x-amz-content-sha256");

	if (s3req_header(r, "x-amz-decoded-content-length"))
		return true;
	if (sha && strncmp(sha, "STREAMING-", 10) == 0)
		return true;
	if (!has_token(s3req_header(r, "content-encoding"), "aws-chunked"))
		return false;
	if (httpd_content_length(r->http) == 0)
		return false;
	return !sha || strcmp(sha, "UNSIGNED-PAYLOAD") == 0;
}

static int
s3body_data(void *arg, const uint8_t *p, size_t n)
{
	struct s3req *r = arg;

	assert(r->got <= S3REQ_PUT_MAX);
	if ((r->known && n > r->length - r->got) ||
	    n > S3REQ_PUT_MAX - r->got) {
		s3req_fail(r,
		    r->known ? S3E_INCOMPLETE_BODY : S3E_ENTITY_TOO_LARGE);
		return -1;
	}
	r->got += n;
	if (s3req_needs(r, S3NEED_CONTENT)) {
		s3sum_update(&r->sum, p, n);
		return r->row->handler->data(r, p, n);
	}
	if (s3req_needs(r, S3NEED_DOCUMENT | S3NEED_LONG_DOCUMENT)) {
		buf_add(&r->body, p, n);
		if (!buf_failed(&r->body))
			return 0;
		s3req_fail(r, S3E_MALFORMED_XML);
		return -1;
	}
	if (r->got <= S3REQ_STRAY_BODY_MAX)
		return 0;
	s3req_fail_why(r, S3E_INVALID_REQUEST, "This operation takes no body");
	return -1;
}

static int
body_trailer(void *arg, const char *name, const char *value)
{
	struct s3req *r = arg;
	enum s3error e = s3sum_trailer(&r->sum, name, value);

	if (e == S3E_NONE)
		return 0;
	s3req_fail(r, e);
	return -1;
}

/* The lengths that the headers tell: of the body and of what is in it. */
static enum s3error
read_lengths(struct s3req *r, const char **why)
{
	const char *decoded = s3req_header(r, "x-amz-decoded-content-length");
	int64_t length = httpd_content_length(r->http);

	r->framed = is_framed(r);
	r->known = r->framed ? decoded != NULL : length >= 0;
	/* What a GET or DELETE carries is thrown away by the server, and it
	 * never comes here. */
	if (strcmp(httpd_method(r->http), "PUT") != 0 &&
	    strcmp(httpd_method(r->http), "POST") != 0)
		r->known = r->framed = false;
	if (!r->framed && length >= 0)
		r->length = (uint64_t)length;
	*why = "x-amz-decoded-content-length is no number";
	if (r->framed && decoded &&
	    !number_parse(&r->length, decoded, strlen(decoded), 0, INT64_MAX))
		return S3E_INVALID_ARGUMENT;
	*why = NULL;
	return r->known && r->length > S3REQ_PUT_MAX ? S3E_ENTITY_TOO_LARGE :
						       S3E_NONE;
}

bool
s3body_begin(struct s3req *r)
{
	const char *why = NULL;
	enum s3error e;

	assert(r->got == 0);
	e = s3sum_init(&r->sum, body_header, r->http, &why);
	if (e == S3E_NONE && s3req_needs(r, S3NEED_CONTENT) &&
	    !httpd_has_content_length(r->http) && !httpd_chunked(r->http))
		e = S3E_MISSING_CONTENT_LENGTH;
	if (e == S3E_NONE)
		e = read_lengths(r, &why);
	if (e != S3E_NONE) {
		s3req_fail_why(r, e, why);
		return false;
	}
	/* Every part was checked when it came. */
	if (s3req_needs(r, S3NEED_OBJECT_SUMS))
		r->sum.has_kind = false;
	/* 10,000 parts, or a thousand of the longest keys, are long. */
	r->body = buf_make(s3req_needs(r, S3NEED_LONG_DOCUMENT) ?
		S3XML_DOC_MAX :
		S3XML_SMALL_MAX);
	r->chunked = (struct s3chunked){ .data = s3body_data,
		.trailer = body_trailer,
		.arg = r };
	return true;
}

int
s3body_feed(struct s3req *r, const uint8_t *p, size_t n)
{
	int rc;

	if (!r->framed)
		return s3body_data(r, p, n);
	rc = s3chunked_feed(&r->chunked, p, n);
	if (rc == S3CHUNKED_MALFORMED)
		s3req_fail_why(r, S3E_INCOMPLETE_BODY,
		    "The aws-chunked framing of the body is not well-formed");
	return rc;
}

bool
s3body_finish(struct s3req *r)
{
	enum s3error e = S3E_NONE;

	if ((r->known && r->got != r->length) ||
	    (r->framed && !s3chunked_finished(&r->chunked)))
		e = S3E_INCOMPLETE_BODY;
	else if (s3req_needs(r, S3NEED_DOCUMENT | S3NEED_LONG_DOCUMENT))
		e = s3sum_check_bytes(&r->sum, buf_bytes(&r->body));
	if (e != S3E_NONE)
		s3req_fail(r, e);
	return e == S3E_NONE;
}
