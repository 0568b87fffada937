/* SPDX-License-Identifier: MIT */

/*
 * GetObject and HeadObject: look the version up, evaluate the conditions,
 * choose the range, stream.  Whatever can fail before the first byte is a
 * status; after it the connection is cut, never ended as if all were well.
 */

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "http/httpd.h"
#include "http/range.h"
#include "s3/s3cond.h"
#include "s3/s3meta.h"
#include "s3/s3ops.h"
#include "s3/s3source.h"
#include "s3/s3version.h"

/* Room for a reply block when the client takes all it can get. */
#define STREAM_BLOCK_MAX (1536u * 1024)

static const struct override {
	const char *param;
	const char *header;
} overrides[] = {
	{ "response-cache-control", "Cache-Control" },
	{ "response-content-disposition", "Content-Disposition" },
	{ "response-content-encoding", "Content-Encoding" },
	{ "response-content-language", "Content-Language" },
	{ "response-content-type", "Content-Type" },
	{ "response-expires", "Expires" },
};

static bool
overridden(const struct s3req *r, const char *header)
{
	for (size_t i = 0; i < nitems(overrides); i++)
		if (strcasecmp(overrides[i].header, header) == 0)
			return s3req_param(r, overrides[i].param) != NULL;
	return false;
}

static void
put_header(void *arg, const char *name, const char *value)
{
	struct s3req *r = arg;

	if (!overridden(r, name))
		httpd_reply_header(r->http, name, value);
}

static void
put_cache_control(void *arg, const char *name, const char *value)
{
	if (strcmp(name, "Cache-Control") == 0)
		put_header(arg, name, value);
}

/* What every answer about a version says, 304 included. */
static void
put_validators(struct s3req *r, const struct object_info *info)
{
	char date[32];

	assert(info->found);
	clock_http_date(date, info->modified_ms);
	httpd_reply_header(r->http, "Last-Modified", date);
	s3req_header_etag(r, info->etag);
	s3version_header(r, "x-amz-version-id", info);
}

/* Asked for, and about the whole object only: SDKs compare it with what they
 * received. */
static void
put_checksum(struct s3req *r, const struct object_info *info)
{
	const char *mode = s3req_header(r, "x-amz-checksum-mode");
	char text[BASE64_BYTES(8)];

	if (!mode || strcasecmp(mode, "ENABLED") != 0 ||
	    info->kind == NODEPROTO_MULTIPART)
		return;
	s3sum_print_crc64nvme(text, info->crc64nvme);
	httpd_reply_header(r->http, "x-amz-checksum-crc64nvme", text);
	httpd_reply_header(r->http, "x-amz-checksum-type", "FULL_OBJECT");
}

static void
put_headers(struct s3req *r, const struct object_info *info, bool whole)
{
	put_validators(r, info);
	httpd_reply_header(r->http, "Accept-Ranges", "bytes");
	objectmeta_each(info->headers, info->meta, put_header, r);
	for (size_t i = 0; i < nitems(overrides); i++) {
		const char *value = s3req_param(r, overrides[i].param);

		if (value)
			httpd_reply_header(r->http, overrides[i].header, value);
	}
	if (whole)
		put_checksum(r, info);
}

static ssize_t
stream_read(void *arg, uint64_t pos, uint8_t *p, size_t max)
{
	struct s3req *r = arg;
	struct error err;
	ssize_t n = s3source_read(r->state, p, max, &err);

	(void)pos;
	if (n > 0) {
		r->sent += (uint64_t)n;
		return n;
	}
	/* A client that hung up is told as ERRC_IO, and is daily bread. */
	if (n == -ERRC_IO) {
		log_debug("s3", "GetObject: %s request=%s", err.text,
		    r->id_text);
	} else {
		r->broken = true;
		log_warn("s3", "GetObject: cut: %s request=%s",
		    n == 0 ? "ends early" : err.text, r->id_text);
	}
	return -1;
}

static void
not_satisfiable(struct s3req *r, uint64_t size)
{
	char range[64];
	char actual[24];
	const char *asked = s3req_header(r, "range");
	const char *more[] = { "RangeRequested", asked ? asked : "",
		"ActualObjectSize", actual, NULL };

	snprintf(actual, sizeof(actual), "%" PRIu64, size);
	snprintf(range, sizeof(range), "bytes */%" PRIu64, size);
	httpd_reply_header(r->http, "Content-Range", range);
	s3req_fail_more(r, S3E_INVALID_RANGE, more);
}

/* The conditions and the range hold: answer. */
static void
answer(struct s3req *r, struct s3source *s, const struct range *range)
{
	const struct object_info *info = s3source_info(s);
	uint64_t first = range ? range->first : 0;
	uint64_t length = range ? range->last - first + 1 : info->size;
	char text[80];
	struct error err;
	int status = range ? 206 : 200;
	int rc;

	if (!r->head) {
		rc = s3source_range(s, first, length, httpd_client_fd(r->http),
		    &err);
		/* A viewer who leaves, or seeks, is no fault of anybody. */
		if (rc == -ERRC_IO && s3req_left(r))
			return;
		if (rc < 0) {
			s3req_fail_errc(r, rc, &err, S3E_SERVICE_UNAVAILABLE);
			return;
		}
	}
	s3req_common(r, status);
	put_headers(r, info, !range);
	if (range) {
		snprintf(text, sizeof(text),
		    "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->first,
		    range->last, info->size);
		httpd_reply_header(r->http, "Content-Range", text);
	}
	if (length > STREAM_BLOCK_MAX / 4)
		httpd_reply_block(r->http, STREAM_BLOCK_MAX);
	httpd_reply_stream(r->http, status, length, stream_read, NULL, r);
}

static void
not_modified(struct s3req *r, const struct object_info *info)
{
	s3req_common(r, 304);
	put_validators(r, info);
	objectmeta_each(info->headers, NULL, put_cache_control, r);
	httpd_reply(r->http, 304, "", 0);
}

static void
get_found(struct s3req *r, struct s3source *s)
{
	const struct object_info *info = s3source_info(s);
	struct s3cond cond = {
		.if_match = s3req_header(r, "if-match"),
		.if_none_match = s3req_header(r, "if-none-match"),
		.if_modified_since = s3req_header(r, "if-modified-since"),
		.if_unmodified_since = s3req_header(r, "if-unmodified-since"),
		.if_range = s3req_header(r, "if-range"),
	};
	const char *asked = s3req_header(r, "range");
	struct range range;

	switch (s3cond_check(&cond, info->etag, info->modified_ms)) {
	case S3COND_NOT_MODIFIED:
		not_modified(r, info);
		return;
	case S3COND_FAILED:
		s3req_fail(r, S3E_PRECONDITION_FAILED);
		return;
	case S3COND_GO:
		break;
	}
	if (!s3cond_range_applies(&cond, info->etag, info->modified_ms))
		asked = NULL;
	switch (range_parse(&range, asked, info->size)) {
	case RANGE_UNSATISFIABLE:
		not_satisfiable(r, info->size);
		return;
	case RANGE_OK:
		answer(r, s, &range);
		return;
	case RANGE_NONE:
		answer(r, s, NULL);
		return;
	}
}

/* Look the version up into r->state, or fail. */
static bool
look_up(struct s3req *r, bool bytes)
{
	struct s3source *s = NULL;
	struct s3version version;
	uint64_t began_us = s3req_now_us(r);
	struct error err;
	int rc;

	assert(r->state == NULL);
	if (!s3version_param(&version, r))
		return false;
	rc = s3source_open(&s, r->gw, &r->place, s3req_bucket(r), s3req_key(r),
	    s3version_name(&version), bytes, &err);
	s3req_looked_up(r, began_us);
	r->state = s;
	if (rc == -ERRC_NOTFOUND)
		s3version_missing(r, &version, s3source_info(s));
	else if (rc < 0)
		s3req_fail_errc(r, rc, &err, S3E_INTERNAL_ERROR);
	return rc == 0;
}

static void
get_end(struct s3req *r)
{
	for (size_t i = 0; i < nitems(overrides); i++) {
		const char *value = s3req_param(r, overrides[i].param);

		if (value && !objectmeta_value_safe(value)) {
			s3req_fail_why(r, S3E_INVALID_ARGUMENT,
			    "A response- parameter is no header value");
			return;
		}
	}
	if (look_up(r, !r->head))
		get_found(r, r->state);
}

static void
get_drop(struct s3req *r)
{
	s3source_close(r->state);
}

/* No tags can be set, so every object has the empty set. */
static void
tagging_end(struct s3req *r)
{
	struct buf xml = buf_make(4096);
	struct s3xml x;

	assert(!r->head);
	if (!look_up(r, false))
		return;
	s3version_header(r, "x-amz-version-id", s3source_info(r->state));
	s3xml_begin(&x, &xml, "Tagging", true);
	s3xml_open(&x, "TagSet");
	s3xml_end(&x);
	s3req_reply_xml(r, &xml);
	buf_fini(&xml);
}

const struct s3handler s3get_object = { .end = get_end, .drop = get_drop };
const struct s3handler s3get_tagging = { .end = tagging_end, .drop = get_drop };
