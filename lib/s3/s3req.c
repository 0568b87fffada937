/* SPDX-License-Identifier: MIT */

#include "s3/s3req.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "client/nodeclient.h"
#include "http/httpd.h"
#include "s3/s3shared.h"
#include "wire/nodetime.h"

const char *
s3req_header(struct s3req *r, const char *name)
{
	return httpd_header(r->http, name);
}

const char *
s3req_param(const struct s3req *r, const char *name)
{
	return httpreq_query_get(&r->query, name);
}

void
s3req_freshen(struct s3req *r)
{
	assert(!s3req_replied(r));
	nodetime_freshen(&r->id, nodeclient_clock(r->gw->nc),
	    nodeclient_random(r->gw->nc));
	reqid_format(r->id_text, r->id);
	memcpy(r->trace.id, r->id_text, sizeof(r->trace.id));
}

uint64_t
s3req_now_us(const struct s3req *r)
{
	return clock_mono_us(nodeclient_clock(r->gw->nc));
}

void
s3req_looked_up(struct s3req *r, uint64_t began_us)
{
	uint64_t now_us = s3req_now_us(r);

	assert(now_us >= began_us);
	r->metadata_us += now_us - began_us;
}

bool
s3req_left(struct s3req *r)
{
	struct pollfd client = {
		.fd = httpd_client_fd(r->http),
		.events = POLLRDHUP,
	};

	if (s3req_replied(r) || poll(&client, 1, 0) <= 0)
		return false;
	s3req_reply(r, S3METRIC_CUT);
	return true;
}

uint64_t
s3req_read_by(const struct s3req *r)
{
	return nodeclient_now(r->gw->nc) + NODECLIENT_READ_MS;
}

uint64_t
s3req_write_by(const struct s3req *r)
{
	return nodeclient_now(r->gw->nc) + NODECLIENT_WRITE_MS;
}

bool
s3req_replied(const struct s3req *r)
{
	return r->status != 0;
}

bool
s3req_needs(const struct s3req *r, unsigned needs)
{
	assert(r->row != NULL);
	return (r->row->needs & needs) != 0;
}

enum s3error
s3req_judge(const struct s3req *r, const char *action, struct bytes bucket,
    struct bytes key, const char *version, const struct bucket_info *found)
{
	struct s3auth_question q = {
		.account = r->account,
		.action = action,
		.bucket = bucket,
		.key = key,
		.version = version,
		.found = found,
	};

	assert(action != NULL);
	if (r->gw->judge(r->gw->judge_arg, &q))
		return S3E_NONE;
	return S3E_ACCESS_DENIED;
}

void
s3req_common(struct s3req *r, int status)
{
	r->status = status;
	r->replied_us = s3req_now_us(r);
	httpd_reply_header(r->http, "x-amz-request-id", r->id_text);
}

void
s3req_header_etag(struct s3req *r, const char *etag)
{
	char quoted[80];

	snprintf(quoted, sizeof(quoted), "\"%s\"", etag);
	httpd_reply_header(r->http, "ETag", quoted);
}

void
s3req_reply(struct s3req *r, int status)
{
	if (s3req_replied(r))
		return;
	s3req_common(r, status);
	httpd_reply(r->http, status, "", 0);
}

void
s3req_reply_xml(struct s3req *r, struct buf *xml)
{
	if (s3req_replied(r))
		return;
	if (buf_failed(xml)) {
		s3req_fail(r, S3E_SLOW_DOWN);
		return;
	}
	s3req_common(r, 200);
	r->sent = xml->n;
	httpd_reply_header(r->http, "Content-Type", "application/xml");
	httpd_reply(r->http, 200, xml->p, xml->n);
}

/* A 503 while a clock is wrong: say so, the reader of the answer may be the
 * only one who looks. */
static const char *
add_clock(const struct s3req *r, enum s3error e, const char *why, char *out,
    size_t room)
{
	const struct clock *clock = nodeclient_clock(r->gw->nc);

	if (s3error_status(e) != 503 || !nodetime_is_skewed(clock))
		return why;
	snprintf(out, room,
	    "%s (" NODETIME_WORD ": the time of the log is %llu s ahead of "
	    "this gateway's clock)",
	    why != NULL ? why : s3error_message(e),
	    (unsigned long long)(reqid_skew_ms(clock) / 1000));
	return out;
}

/* All failures end here.  A HEAD has no body, whatever there is to say. */
static void
s3req_fail_with(struct s3req *r, enum s3error e, const char *why,
    const char *const *more)
{
	char text[600];
	struct s3error_detail detail = {
		.message = add_clock(r, e, why, text, sizeof(text)),
		.resource = httpd_path(r->http),
		.request_id = r->id_text,
		.bucket = r->name.bucket_n > 0 ? r->name.bucket : NULL,
		.key = r->name.key_n > 0 ? r->name.key : NULL,
		.more = more,
	};
	struct buf xml = buf_make(64 * 1024);
	int status = s3error_status(e);

	if (s3req_replied(r))
		return;
	r->error = e;
	s3req_common(r, status);
	if (status == 503)
		httpd_reply_header(r->http, "Retry-After", "1");
	if (r->head) {
		httpd_reply(r->http, status, "", 0);
		return;
	}
	s3error_print(&xml, e, &detail);
	r->sent = xml.n;
	httpd_reply_header(r->http, "Content-Type", "application/xml");
	httpd_reply(r->http, status, xml.p, xml.n);
	buf_fini(&xml);
}

void
s3req_fail(struct s3req *r, enum s3error e)
{
	s3req_fail_with(r, e, NULL, NULL);
}

void
s3req_fail_why(struct s3req *r, enum s3error e, const char *why)
{
	s3req_fail_with(r, e, why, NULL);
}

void
s3req_fail_more(struct s3req *r, enum s3error e, const char *const *more)
{
	s3req_fail_with(r, e, NULL, more);
}

void
s3req_fail_errc(struct s3req *r, int rc, const struct error *err,
    enum s3error notfound)
{
	enum s3error e = s3error_from_errc(rc, notfound);

	/* What went wrong among the nodes is for the operator; a client gets
	 * the code, and the request id that finds this line. */
	if (s3error_status(e) >= 500 && !s3req_replied(r))
		log_warn("s3", "%s: %s request=%s", s3op_name(r->op), err->text,
		    r->id_text);
	/* Which disks are full is for whoever wants to write: waiting does not
	 * help. */
	s3req_fail_with(r, e, e == S3E_INSUFFICIENT_STORAGE ? err->text : NULL,
	    NULL);
}
