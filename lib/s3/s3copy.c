/* SPDX-License-Identifier: MIT */

/*
 * CopyObject and UploadPartCopy: a read and a write of this gateway, coupled
 * by one buffer.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/nodeclient.h"
#include "http/range.h"
#include "s3/s3shared.h"
#include "s3/s3cond.h"
#include "s3/s3made.h"
#include "s3/s3ops.h"
#include "s3/s3put.h"
#include "s3/s3sink.h"
#include "s3/s3source.h"
#include "s3/s3version.h"

#define COPY_BYTES (1u << 20)

struct copy {
	struct s3name from;
	struct s3version version; /* of the source */
	struct s3source *source;
	struct s3sink *sink;
	struct s3put_attributes attributes;
	struct reqid upload;
	uint32_t number;
	bool part, replace;
	uint64_t offset, length;
	uint8_t *buffer;
};

/* What stands behind the source's name: nothing, or "?versionId=" and one. */
static enum s3error
parse_source_version(struct copy *c, const char *query)
{
	static const char word[] = "?versionId=";
	const char *text = NULL;

	if (query != NULL && strncmp(query, word, strlen(word)) != 0)
		return S3E_INVALID_ARGUMENT;
	if (query != NULL)
		text = query + strlen(word);
	return s3version_parse(&c->version, text) ? S3E_NONE :
						    S3E_INVALID_ARGUMENT;
}

/* "bucket/key" or "/bucket/key", encoded, perhaps with a version. */
static enum s3error
parse_source(struct s3req *r, struct copy *c)
{
	const char *text = s3req_header(r, "x-amz-copy-source");
	const char *query = strchr(text, '?');
	size_t n = query ? (size_t)(query - text) : strlen(text);
	enum s3name_result result;
	enum s3error e = parse_source_version(c, query);
	char *path;

	if (e != S3E_NONE)
		return e;
	path = malloc(n + 2);
	if (!path)
		return S3E_SLOW_DOWN;
	path[0] = '/';
	if (text[0] == '/') {
		text++;
		n--;
	}
	memcpy(path + 1, text, n);
	path[n + 1] = '\0';
	result = s3name_parse(&c->from, path);
	free(path);
	if (result == S3NAME_LONG_KEY)
		return S3E_KEY_TOO_LONG;
	if (result == S3NAME_BAD_BUCKET)
		return S3E_INVALID_BUCKET_NAME;
	if (result != S3NAME_OK || c->from.key_n == 0)
		return S3E_INVALID_ARGUMENT;
	return S3E_NONE;
}

static bool
onto_itself(const struct s3req *r, const struct copy *c)
{
	return bytes_equal(bytes_of(c->from.key, c->from.key_n),
		   s3req_key(r)) &&
	    bytes_equal(bytes_of(c->from.bucket, c->from.bucket_n),
		s3req_bucket(r));
}

static enum s3error
parse_directive(struct s3req *r, struct copy *c)
{
	const char *d = s3req_header(r, "x-amz-metadata-directive");

	c->replace = d && strcmp(d, "REPLACE") == 0;
	if (d && !c->replace && strcmp(d, "COPY") != 0)
		return S3E_INVALID_ARGUMENT;
	/* A version on top of its own key is how an older one is restored. */
	if (!c->replace && !c->version.given && onto_itself(r, c))
		return S3E_INVALID_REQUEST;
	return S3E_NONE;
}

static enum s3error
parse(struct s3req *r, struct copy *c)
{
	enum s3error e = parse_source(r, c);

	c->part = r->op == S3OP_UPLOAD_PART_COPY;
	if (e == S3E_NONE && c->part)
		e = s3put_part_params(r, &c->upload, &c->number);
	else if (e == S3E_NONE)
		e = parse_directive(r, c);
	if (e == S3E_NONE)
		e = s3put_attributes_init(r, &c->attributes, c->replace);
	return e;
}

/* "bytes=a-b" and nothing else, within the object. */
static enum s3error
choose_range(struct s3req *r, struct copy *c, uint64_t size)
{
	const char *text = s3req_header(r, "x-amz-copy-source-range");
	struct range range;

	c->offset = 0;
	c->length = size;
	if (!c->part || !text)
		return S3E_NONE;
	if (strncmp(text, "bytes=", 6) != 0 || strchr(text, ',') ||
	    text[6] == '-' || text[strlen(text) - 1] == '-')
		return S3E_INVALID_ARGUMENT;
	/* Against a size without bound, to tell nonsense from too much. */
	if (range_parse(&range, text, UINT64_MAX) != RANGE_OK)
		return S3E_INVALID_ARGUMENT;
	if (range.last >= size)
		return S3E_INVALID_RANGE;
	c->offset = range.first;
	c->length = range.last - range.first + 1;
	return S3E_NONE;
}

/* The source is there: may it be copied, and which part of it? */
static enum s3error
check_source(struct s3req *r, struct copy *c)
{
	const struct object_info *info = s3source_info(c->source);
	struct s3cond cond = {
		.if_match = s3req_header(r, "x-amz-copy-source-if-match"),
		.if_none_match = s3req_header(r,
		    "x-amz-copy-source-if-none-match"),
		.if_modified_since = s3req_header(r,
		    "x-amz-copy-source-if-modified-since"),
		.if_unmodified_since = s3req_header(r,
		    "x-amz-copy-source-if-unmodified-since"),
	};
	enum s3error e;

	/* Where versions were never kept "null" is the only one: it would
	 * restore what is there. */
	if (!c->part && !c->replace && info->versioning == NODEPROTO_NEVER &&
	    onto_itself(r, c))
		return S3E_INVALID_REQUEST;
	if (s3cond_check(&cond, info->etag, info->modified_ms) != S3COND_GO)
		return S3E_PRECONDITION_FAILED;
	e = choose_range(r, c, info->size);
	if (e != S3E_NONE)
		return e;
	return c->length > S3REQ_PUT_MAX ? S3E_INVALID_REQUEST : S3E_NONE;
}

/* Who may write here may not therefore read there. */
static enum s3error
judge_source(const struct s3req *r, const struct copy *c)
{
	char text[VERSIONID_TEXT + 1];
	const char *version = NULL;

	if (c->version.given) {
		versionid_format(text, &c->version.id);
		version = text;
	}
	return s3req_judge(r, version ? "s3:GetObjectVersion" : "s3:GetObject",
	    bytes_of(c->from.bucket, c->from.bucket_n),
	    bytes_of(c->from.key, c->from.key_n), version, NULL);
}

/* Nothing to copy: why. */
static void
fail_missing(struct s3req *r, const struct copy *c)
{
	const struct object_info *info = s3source_info(c->source);

	assert(!info->found);
	/* The request names a version that is there, and has no content; 405
	 * would be of the target. */
	if (info->marker && c->version.given)
		s3req_fail_why(r, S3E_INVALID_REQUEST,
		    "The source of a copy request may not specifically refer "
		    "to a delete marker by version id");
	else if (info->marker)
		s3req_fail(r, S3E_NO_SUCH_KEY);
	else
		s3version_missing(r, &c->version, info);
}

static bool
open_source(struct s3req *r, struct copy *c)
{
	struct error err;
	enum s3error e = judge_source(r, c);
	struct bytes bucket = bytes_of(c->from.bucket, c->from.bucket_n);
	struct bytes key = bytes_of(c->from.key, c->from.key_n);
	struct placement place = placement_of(r->topology, bucket, key);
	int rc;

	assert(c->source == NULL && key.n > 0);
	if (e != S3E_NONE) {
		s3req_fail(r, e);
		return false;
	}
	rc = s3source_open(&c->source, r->gw, &place, bucket, key,
	    s3version_name(&c->version), true, &err);
	if (rc == -ERRC_NOTFOUND) {
		fail_missing(r, c);
		return false;
	}
	if (rc < 0) {
		s3req_fail_errc(r, rc, &err, S3E_INTERNAL_ERROR);
		return false;
	}
	e = check_source(r, c);
	if (e == S3E_NONE) {
		rc = s3source_range(c->source, c->offset, c->length, -1, &err);
		if (rc == 0)
			return true;
		s3req_fail_errc(r, rc, &err, S3E_SERVICE_UNAVAILABLE);
		return false;
	}
	s3req_fail(r, e);
	return false;
}

static bool
open_sink(struct s3req *r, struct copy *c)
{
	const struct object_info *info = s3source_info(c->source);
	struct s3sink_options o = s3put_options(r, &c->attributes);
	struct error err;
	int rc;

	o.known = true;
	o.size = c->length;
	o.part = c->part;
	o.upload = c->upload;
	o.number = c->number;
	if (!c->part && !c->replace) {
		o.headers = info->headers;
		o.meta = info->meta;
	}
	rc = s3sink_open(&c->sink, r, &o, &err);
	if (rc < 0)
		s3req_fail_errc(r, rc, &err, S3E_NO_SUCH_BUCKET);
	return rc == 0;
}

static int
move(struct copy *c, struct error *err)
{
	for (;;) {
		ssize_t n = s3source_read(c->source, c->buffer, COPY_BYTES,
		    err);
		int rc;

		if (n < 0)
			return (int)n;
		if (n == 0)
			return s3sink_finish(c->sink, err);
		rc = s3sink_write(c->sink, c->buffer, (size_t)n, err);
		if (rc < 0)
			return rc;
	}
}

static void
reply(struct s3req *r, struct copy *c, const struct s3made *made)
{
	struct buf xml = buf_make(4096);
	struct s3xml x;

	s3xml_begin(&x, &xml, c->part ? "CopyPartResult" : "CopyObjectResult",
	    true);
	s3xml_date(&x, "LastModified",
	    clock_real_ms(nodeclient_clock(r->gw->nc)));
	s3xml_etag(&x, "ETag", s3sink_etag(c->sink));
	s3xml_end(&x);
	/* Also when it was not named: which one was the newest? */
	s3version_header(r, "x-amz-copy-source-version-id",
	    s3source_info(c->source));
	s3made_headers(r, made);
	s3req_reply_xml(r, &xml);
	buf_fini(&xml);
}

static void
copy_end(struct s3req *r)
{
	struct copy *c = calloc(1, sizeof(*c));
	struct s3made made = { 0 };
	struct error err;
	enum s3error e;
	int rc;

	r->state = c;
	if (c)
		c->buffer = malloc(COPY_BYTES);
	if (!c || !c->buffer) {
		s3req_fail(r, S3E_SLOW_DOWN);
		return;
	}
	e = parse(r, c);
	if (e != S3E_NONE) {
		s3req_fail(r, e);
		return;
	}
	if (!open_source(r, c) || !open_sink(r, c))
		return;
	rc = move(c, &err);
	if (rc < 0) {
		s3req_fail_errc(r, rc, &err, S3E_INTERNAL_ERROR);
		return;
	}
	e = s3sink_commit(c->sink, &made);
	if (e != S3E_NONE)
		s3req_fail(r, e);
	else
		reply(r, c, &made);
}

static void
copy_drop(struct s3req *r)
{
	struct copy *c = r->state;

	if (!c)
		return;
	s3sink_close(c->sink);
	s3source_close(c->source);
	s3put_attributes_fini(&c->attributes);
	free(c->buffer);
	free(c);
}

const struct s3handler s3copy_object = { .end = copy_end, .drop = copy_drop };
const struct s3handler s3copy_part = { .end = copy_end, .drop = copy_drop };
