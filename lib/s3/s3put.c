/* SPDX-License-Identifier: MIT */

/*
 * PutObject and UploadPart.  What can be refused is refused before the body
 * is read; the body streams to the nodes; what was declared of it is checked
 * before the one record is appended that makes it exist.
 */

#include "s3/s3put.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "client/metaread_parts.h"
#include "http/httpd.h"
#include "s3/s3shared.h"
#include "s3/s3made.h"
#include "s3/s3meta.h"
#include "s3/s3ops.h"
#include "s3/s3sink.h"
#include "session/session.h"
#include "shard/frame.h"

struct put {
	struct s3sink *sink;
	struct s3put_attributes attributes;
};

/* Headers that ask for what is not done here.  Ignoring them would be a lie:
 * the data would not be encrypted, tagged or locked. */
static const char *const refused[] = {
	"x-amz-object-lock-legal-hold",
	"x-amz-object-lock-mode",
	"x-amz-object-lock-retain-until-date",
	"x-amz-server-side-encryption",
	"x-amz-server-side-encryption-aws-kms-key-id",
	"x-amz-server-side-encryption-customer-algorithm",
	"x-amz-tagging",
	"x-amz-write-offset-bytes",
};

static const char *const classes[] = { "STANDARD", "REDUCED_REDUNDANCY" };

static enum s3error
check_headers(struct s3req *r)
{
	const char *class = s3req_header(r, "x-amz-storage-class");

	for (size_t i = 0; i < nitems(refused); i++) {
		const char *value = s3req_header(r, refused[i]);

		if (value && value[0] != '\0')
			return S3E_NOT_IMPLEMENTED;
	}
	if (!class)
		return S3E_NONE;
	for (size_t i = 0; i < nitems(classes); i++)
		if (strcmp(class, classes[i]) == 0)
			return S3E_NONE;
	return S3E_INVALID_STORAGE_CLASS;
}

enum s3error
s3put_if_match(char out[static S3PUT_ETAG_BYTES], struct bytes value)
{
	if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
		value = bytes_of(value.p + 1, value.n - 2);
	if (bytes_is(value, "*") ||
	    (value.n > 0 && memchr(value.p, ',', value.n) != NULL))
		return S3E_NOT_IMPLEMENTED;
	/* What is no ETag of ours matches nothing. */
	if (value.n == 0 || value.n >= S3PUT_ETAG_BYTES)
		return S3E_PRECONDITION_FAILED;
	memcpy(out, value.p, value.n);
	out[value.n] = '\0';
	if (strspn(out, "0123456789abcdef-") == value.n)
		return S3E_NONE;
	out[0] = '\0';
	return S3E_PRECONDITION_FAILED;
}

enum s3error
s3put_conditions(struct s3req *r, struct s3put_attributes *out)
{
	const char *match = s3req_header(r, "if-match");
	const char *none = s3req_header(r, "if-none-match");

	if (none) {
		if (strcmp(none, "*") != 0 || match)
			return S3E_NOT_IMPLEMENTED;
		out->if_none_match = true;
	}
	if (!match)
		return S3E_NONE;
	return s3put_if_match(out->if_match, bytes_str(match));
}

static void
collect(void *arg, const char *name, const char *value)
{
	s3meta_add(arg, name, value);
}

enum s3error
s3put_attributes_init(struct s3req *r, struct s3put_attributes *out,
    bool keep_headers)
{
	struct s3meta meta;
	enum s3error e = check_headers(r);

	if (e == S3E_NONE)
		e = s3put_conditions(r, out);
	if (e != S3E_NONE || !keep_headers)
		return e;
	s3meta_init(&meta);
	httpd_headers(r->http, collect, &meta);
	e = s3meta_finish(&meta, &out->headers, &out->meta);
	s3meta_fini(&meta);
	return e;
}

void
s3put_attributes_fini(struct s3put_attributes *a)
{
	free(a->headers);
	free(a->meta);
	*a = (struct s3put_attributes){ 0 };
}

struct s3sink_options
s3put_options(const struct s3req *r, const struct s3put_attributes *a)
{
	return (struct s3sink_options){
		.known = r->known,
		.size = r->length,
		/* A client may hang up as soon as it has sent all (ffmpeg
		 * does), while its bytes are still on their way to us.  One
		 * that hangs up before is told by a body that is short. */
		.client_fd = -1,
		.headers = a->headers,
		.meta = a->meta,
		.if_match = a->if_match[0] ? bytes_str(a->if_match) :
					     BYTES_NONE,
		.if_none_match = a->if_none_match,
	};
}

enum s3error
s3put_part_params(const struct s3req *r, struct reqid *upload, uint32_t *number)
{
	const char *id = s3req_param(r, "uploadId");
	const char *text = s3req_param(r, "partNumber");
	uint64_t n = 0;

	if (!id || !reqid_parse(upload, id, strlen(id)))
		return S3E_NO_SUCH_UPLOAD;
	if (!number)
		return S3E_NONE;
	if (!text || !number_parse(&n, text, strlen(text), 1, S3PUT_PARTS_MAX))
		return S3E_INVALID_ARGUMENT;
	*number = (uint32_t)n;
	return S3E_NONE;
}

static struct put *
put_new(struct s3req *r)
{
	struct put *put = calloc(1, sizeof(*put));

	r->state = put;
	if (!put)
		s3req_fail(r, S3E_SLOW_DOWN);
	return put;
}

static void
put_failed(struct s3req *r, int rc, const struct error *err)
{
	if (rc == -ERRC_USAGE)
		s3req_fail(r, S3E_INCOMPLETE_BODY);
	else
		s3req_fail_errc(r, rc, err, S3E_NO_SUCH_BUCKET);
}

static void
object_begin(struct s3req *r)
{
	struct put *put = put_new(r);
	struct s3sink_options options;
	struct error err;
	enum s3error e;
	int rc;

	if (!put)
		return;
	e = s3put_attributes_init(r, &put->attributes, true);
	if (e != S3E_NONE) {
		s3req_fail(r, e);
		return;
	}
	options = s3put_options(r, &put->attributes);
	rc = s3sink_open(&put->sink, r, &options, &err);
	if (rc < 0)
		put_failed(r, rc, &err);
}

struct buf
s3put_session_value(const struct s3req *r)
{
	struct buf value = buf_make(SESSION_VALUE_MAX);

	assert(r->name.key_n > 0);
	buf_add(&value, r->name.bucket, r->name.bucket_n);
	buf_add(&value, "/", 1);
	buf_add(&value, r->name.key, r->name.key_n);
	return value;
}

/* Does the session cache say that the upload is one of this very object? */
static bool
session_knows(struct s3req *r, struct reqid upload)
{
	struct buf value = buf_make(SESSION_VALUE_MAX);
	struct buf wanted;
	char id[REQID_HEX + 1];
	bool known;

	if (!r->gw->session)
		return false;
	wanted = s3put_session_value(r);
	reqid_format(id, upload);
	known = session_get(r->gw->session, id, &value, NULL) == 0 &&
	    bytes_equal(buf_bytes(&value), buf_bytes(&wanted));
	atomic_fetch_add_explicit(known ? &r->gw->metric.session_hits :
					  &r->gw->metric.session_misses,
	    1, memory_order_relaxed);
	buf_fini(&value);
	buf_fini(&wanted);
	return known;
}

static int
no_part(void *arg, const struct part_entry *part)
{
	(void)arg;
	(void)part;
	return 0;
}

/*
 * May the upload exist?  The session cache says yes cheaply; when it says
 * anything else (it may have lost everything) the nodes are asked.
 */
static bool
upload_exists(struct s3req *r, struct reqid upload)
{
	struct parts_end end = { 0 };
	struct error err;
	int rc;

	if (session_knows(r, upload))
		return true;
	rc = metaread_parts(r->gw->nc, &r->place, s3req_bucket(r), s3req_key(r),
	    upload, 0, 1, no_part, NULL, &end, s3req_read_by(r), &err);
	if (rc == 0 && end.state == UPLOAD_OPEN)
		return true;
	if (rc == 0)
		s3req_fail(r, S3E_NO_SUCH_UPLOAD);
	else
		s3req_fail_errc(r, rc, &err, S3E_NO_SUCH_UPLOAD);
	return false;
}

static void
part_begin(struct s3req *r)
{
	struct put *put = put_new(r);
	struct s3sink_options options;
	struct error err;
	enum s3error e;
	int rc;

	if (!put)
		return;
	e = s3put_attributes_init(r, &put->attributes, false);
	options = s3put_options(r, &put->attributes);
	options.part = true;
	if (e == S3E_NONE)
		e = s3put_part_params(r, &options.upload, &options.number);
	if (e != S3E_NONE) {
		s3req_fail(r, e);
		return;
	}
	rc = s3sink_open(&put->sink, r, &options, &err);
	if (rc < 0)
		put_failed(r, rc, &err);
	else
		(void)upload_exists(r, options.upload);
}

static int
put_data(struct s3req *r, const uint8_t *p, size_t n)
{
	struct put *put = r->state;
	struct error err;
	int rc = s3sink_write(put->sink, p, n, &err);

	if (rc < 0)
		put_failed(r, rc, &err);
	return rc;
}

static void
put_reply(struct s3req *r, const char *etag, const struct s3made *made)
{
	char value[BASE64_BYTES(32)];
	const char *name;

	s3req_common(r, 200);
	s3req_header_etag(r, etag);
	s3made_headers(r, made);
	if (s3sum_header(&r->sum, &name, value)) {
		httpd_reply_header(r->http, name, value);
		httpd_reply_header(r->http, "x-amz-checksum-type",
		    "FULL_OBJECT");
	}
	httpd_reply(r->http, 200, "", 0);
}

static void
put_end(struct s3req *r)
{
	struct put *put = r->state;
	const struct blob_totals *totals;
	struct s3made made = { 0 };
	enum s3error e;
	struct error err;
	int rc = s3sink_finish(put->sink, &err);

	if (rc < 0) {
		put_failed(r, rc, &err);
		return;
	}
	totals = s3sink_totals(put->sink);
	e = s3sum_check(&r->sum, totals->md5, totals->crc64nvme);
	if (e == S3E_NONE)
		e = s3sink_commit(put->sink, &made);
	if (e != S3E_NONE)
		s3req_fail(r, e);
	else
		put_reply(r, s3sink_etag(put->sink), &made);
}

static void
put_drop(struct s3req *r)
{
	struct put *put = r->state;

	if (!put)
		return;
	s3sink_close(put->sink);
	s3put_attributes_fini(&put->attributes);
	free(put);
}

const struct s3handler s3put_object = { .begin = object_begin,
	.data = put_data,
	.end = put_end,
	.drop = put_drop };
const struct s3handler s3put_part = { .begin = part_begin,
	.data = put_data,
	.end = put_end,
	.drop = put_drop };
