/* SPDX-License-Identifier: MIT */

#include "s3/s3funnel.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "client/buckets.h"
#include "client/nodeclient.h"
#include "http/httpd.h"
#include "s3/s3shared.h"
#include "s3/s3body.h"
#include "s3/s3commit.h"
#include "s3/s3ops.h"
#include "s3/s3route.h"

/* The name and the query; false when the request was refused. */
static bool
parse_target(struct s3req *r)
{
	struct error err;
	const char *query = httpd_query(r->http);
	enum s3level level;

	switch (s3name_parse(&r->name, httpd_path(r->http))) {
	case S3NAME_BAD_URI:
		s3req_fail(r, S3E_INVALID_URI);
		return false;
	case S3NAME_BAD_BUCKET:
		s3req_fail(r, S3E_INVALID_BUCKET_NAME);
		return false;
	case S3NAME_LONG_KEY:
		s3req_fail(r, S3E_KEY_TOO_LONG);
		return false;
	case S3NAME_OK:
		break;
	}
	if (httpreq_query_parse(&r->query, bytes_str(query), &err) < 0) {
		s3req_fail(r, S3E_INVALID_URI);
		return false;
	}
	level = r->name.key_n > 0 ? S3LEVEL_OBJECT :
	    r->name.bucket_n > 0  ? S3LEVEL_BUCKET :
				    S3LEVEL_SERVICE;
	r->op = s3route(httpd_method(r->http), level, &r->query,
	    s3req_header(r, "x-amz-copy-source") != NULL);
	r->row = s3op_row(r->op);
	if (level == S3LEVEL_OBJECT)
		r->place = placement_of(r->topology, s3req_bucket(r),
		    s3req_key(r));
	return true;
}

/*
 * The bucket, into r->bucket.  Of a write its object's partition must hold it
 * before the body is read (protocol.md 5, "Buckets"): else five gigabytes
 * might travel for a record that is refused.
 */
static int
look_up(struct s3req *r, struct error *err)
{
	assert(r->name.bucket_n > 0);
	if (r->row->level == S3LEVEL_OBJECT)
		return bucket_ensure(r->gw->nc, &r->place, s3req_bucket(r),
		    &r->bucket.incarnation, s3req_read_by(r), err);
	return metaread_home(r->gw->nc, s3req_bucket(r), &r->bucket,
	    s3req_read_by(r), err);
}

/* Asked before the client hears of a bucket that is not there: who may not
 * look learns nothing.  Keys of a list are judged one by one, later. */
static enum s3error
judge(struct s3req *r, bool found)
{
	const char *version = s3req_param(r, "versionId");
	const char *action = r->row->action;

	if (s3req_needs(r, S3NEED_EACH_KEY))
		return S3E_NONE;
	if (version && r->row->version_action)
		action = r->row->version_action;
	else
		version = NULL;
	return s3req_judge(r, action, s3req_bucket(r), s3req_key(r), version,
	    found ? &r->bucket : NULL);
}

/* Bucket and judge.  False: failed and replied. */
static bool
may_go_on(struct s3req *r)
{
	bool wanted = s3req_needs(r, S3NEED_BUCKET);
	struct error err = { 0 };
	uint64_t began_us = s3req_now_us(r);
	int rc = wanted ? look_up(r, &err) : 0;
	enum s3error e;

	if (wanted)
		s3req_looked_up(r, began_us);
	e = judge(r, wanted && rc == 0);

	if (e == S3E_NONE && rc < 0)
		e = s3commit_error(r, rc, &err);
	/* The look-up told the log's time: an id older than that would be
	 * refused (protocol.md 1, "id time"). */
	if (e == S3E_NONE && wanted)
		s3req_freshen(r);
	if (e != S3E_NONE)
		s3req_fail(r, e);
	r->allowed = e == S3E_NONE;
	return r->allowed;
}

/* The operation of a path that is no bucket's; S3OP_INVALID: it may be one. */
static enum s3op
own_operation(const char *path)
{
	if (strcmp(path, "/health") == 0)
		return S3OP_HEALTH;
	return strcmp(path, "/metrics") == 0 ? S3OP_METRICS : S3OP_INVALID;
}

void
s3funnel_begin(struct s3req *r)
{
	assert(r->account != NULL && r->topology != NULL);
	r->op = own_operation(httpd_path(r->http));
	if (r->op != S3OP_INVALID) {
		s3status_reply(r);
		return;
	}
	if (!parse_target(r))
		return;
	if (!r->row->handler) {
		s3req_fail(r,
		    r->op == S3OP_METHOD_NOT_ALLOWED ? S3E_METHOD_NOT_ALLOWED :
						       S3E_NOT_IMPLEMENTED);
		return;
	}
	if (may_go_on(r) && s3body_begin(r) && r->row->handler->begin)
		r->row->handler->begin(r);
}
