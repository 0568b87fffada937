/* SPDX-License-Identifier: MIT */

#include "s3/gateway.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/logfile.h"
#include "client/bucketfollow.h"
#include "client/nodeclient.h"
#include "client/nodewatch.h"
#include "http/httpd.h"
#include "s3/s3access.h"
#include "s3/s3shared.h"
#include "s3/s3body.h"
#include "s3/s3funnel.h"
#include "s3/s3ops.h"
#include "s3/s3owner.h"
#include "session/session.h"

/* Credentials are not known yet: in the access log nobody has a name. */
#define ANYBODY "anonymous"

static struct s3req *
request_new(struct gateway *gw, struct httpd_request *http)
{
	struct s3req *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->magic = S3REQ_MAGIC;
	r->gw = gw;
	r->hold = nodeclient_enter(gw->nc);
	r->http = http;
	r->head = strcmp(httpd_method(http), "HEAD") == 0;
	r->id = reqid_new(nodeclient_clock(gw->nc), nodeclient_random(gw->nc));
	reqid_format(r->id_text, r->id);
	memcpy(r->trace.id, r->id_text, sizeof(r->trace.id));
	trace_begin(&r->trace);
	r->started_us = s3req_now_us(r);
	/* Credentials are not known yet: there is one account. */
	r->account = S3OWNER_ID;
	r->topology = nodeclient_topology(gw->nc);
	httpd_set_user(http, r);
	return r;
}

static void
on_begin(void *ctx, struct httpd_request *http)
{
	struct gateway *gw = ctx;
	struct s3req *r = request_new(gw, http);

	if (r) {
		s3funnel_begin(r);
	} else {
		s3metric_count(&gw->metric, S3OP_INVALID, 503);
		httpd_reply(http, 503, "", 0);
	}
}

static struct s3req *
request_of(struct httpd_request *http)
{
	struct s3req *r = httpd_user(http);

	assert(!r || r->magic == S3REQ_MAGIC);
	return r;
}

static int
on_body(void *ctx, struct httpd_request *http, const uint8_t *p, size_t n)
{
	struct s3req *r = request_of(http);

	(void)ctx;
	if (!r || s3req_replied(r))
		return -1;
	return s3body_feed(r, p, n);
}

static void
on_end(void *ctx, struct httpd_request *http)
{
	struct s3req *r = request_of(http);

	(void)ctx;
	if (!r || s3req_replied(r) || !s3body_finish(r))
		return;
	assert(r->allowed);
	r->row->handler->end(r);
}

/* What to call it that the client did not get all of an answer that was good:
 * the client's leave, not a fault of ours. */
static int
status_of(const struct s3req *r, bool completed)
{
	if (r->broken)
		return s3error_status(S3E_INTERNAL_ERROR);
	return completed || r->status >= 400 ? r->status : S3METRIC_CUT;
}

static void
count(struct s3req *r, int status, uint64_t us)
{
	struct s3metric *m = &r->gw->metric;

	s3metric_count(m, r->op, status);
	s3metric_time(m, r->op, S3METRIC_WHOLE, us);
	if (r->replied_us != 0)
		s3metric_time(m, r->op, S3METRIC_FIRST_BYTE,
		    r->replied_us - r->started_us);
	if (r->metadata_us != 0)
		s3metric_time(m, r->op, S3METRIC_METADATA, r->metadata_us);
	if (r->trace.fetches > 0)
		s3metric_time(m, r->op, S3METRIC_QUEUE, r->trace.queued_us);
	atomic_fetch_add_explicit(&m->received_bytes, r->got,
	    memory_order_relaxed);
	atomic_fetch_add_explicit(&m->sent_bytes, r->sent,
	    memory_order_relaxed);
}

/* A line that does not fit anywhere is counted by the file. */
static void
access_write(struct gateway *gw, const struct s3access *line)
{
	struct buf out = buf_make(S3ACCESS_LINE_MAX);

	s3access_print(&out, line, log_is_json());
	if (!buf_failed(&out))
		(void)logfile_write(gw->access, out.p, out.n);
	buf_fini(&out);
}

static void
access_line(struct s3req *r, int status, uint64_t us)
{
	struct s3access line = {
		.time_ms = clock_real_ms(nodeclient_clock(r->gw->nc)),
		.id = r->id_text,
		.account = ANYBODY,
		.operation = s3op_name(r->op),
		.method = httpd_method(r->http),
		.bucket = s3req_bucket(r),
		.key = s3req_key(r),
		.status = status,
		.error = r->error != S3E_NONE ? s3error_code(r->error) : NULL,
		.received_bytes = r->got,
		.sent_bytes = r->sent,
		.queue_us = r->trace.queued_us,
		.metadata_us = r->metadata_us,
		.first_byte_us = r->replied_us != 0 ?
		    r->replied_us - r->started_us :
		    0,
		.whole_us = us,
		.client = httpd_peer(r->http),
		.agent = s3req_header(r, "user-agent"),
	};

	access_write(r->gw, &line);
}

static void
on_done(void *ctx, struct httpd_request *http, bool completed)
{
	struct s3req *r = request_of(http);
	uint64_t us;
	int status;

	(void)ctx;
	if (!r)
		return;
	us = s3req_now_us(r) - r->started_us;
	status = status_of(r, completed);
	count(r, status, us);
	log_debug("s3",
	    "%s %s %s status=%d%s in=%" PRIu64 " out=%" PRIu64 " ms=%" PRIu64
	    " request=%s",
	    httpd_peer(http), httpd_method(http), s3op_name(r->op), status,
	    completed ? "" : " cut", r->got, r->sent, us / 1000, r->id_text);
	if (r->gw->access)
		access_line(r, status, us);
	if (r->row && r->row->handler && r->row->handler->drop)
		r->row->handler->drop(r);
	s3sum_fini(&r->sum);
	buf_fini(&r->body);
	httpreq_query_fini(&r->query);
	httpd_set_user(http, NULL);
	trace_end();
	nodeclient_leave(r->gw->nc, r->hold);
	r->magic = 0;
	free(r);
}

/* What no operation came of. */
static void
access_refused(struct gateway *gw, struct httpd_request *http, const char *id,
    int status)
{
	struct s3access line = {
		.time_ms = clock_real_ms(nodeclient_clock(gw->nc)),
		.id = id,
		.account = ANYBODY,
		.operation = s3op_name(S3OP_INVALID),
		.method = httpd_method(http),
		.status = status,
		.error = s3error_code(s3error_from_status(status)),
		.client = httpd_peer(http),
	};

	access_write(gw, &line);
}

/* What the HTTP layer refuses never becomes a request of ours. */
static void
on_reject(void *ctx, struct httpd_request *http, int status, const char *reason)
{
	struct gateway *gw = ctx;
	struct s3error_detail detail = { .message = reason };
	struct buf xml = buf_make(4096);
	char id[REQID_HEX + 1];

	reqid_format(id,
	    reqid_new(nodeclient_clock(gw->nc), nodeclient_random(gw->nc)));
	detail.request_id = id;
	s3metric_count(&gw->metric, S3OP_INVALID, status);
	if (gw->access)
		access_refused(gw, http, id, status);
	s3error_print(&xml, s3error_from_status(status), &detail);
	httpd_reply_header(http, "x-amz-request-id", id);
	httpd_reply_header(http, "Content-Type", "application/xml");
	httpd_reply(http, status, xml.p, xml.n);
	buf_fini(&xml);
}

struct httpd_service
gateway_service(struct gateway *gw)
{
	return (struct httpd_service){
		.ctx = gw,
		.begin = on_begin,
		.body = on_body,
		.end = on_end,
		.done = on_done,
		.reject = on_reject,
	};
}

/* It is only a cache: whatever is wrong with it but its URL, the gateway serves
 * without it, and the nodes are asked about uploads instead. */
static int
open_session(struct gateway *gw, const char *url, struct error *err)
{
	int rc = session_open(&gw->session, url, NULL, err);

	if (rc == 0 || rc == -ERRC_CONFIG)
		return rc;
	log_warn("s3", "%s: serving without a session cache", err->text);
	gw->session = NULL;
	return 0;
}

int
gateway_open(struct gateway **out, const struct gateway_options *options,
    struct error *err)
{
	struct nodeclient_options nco = {
		.topology_url = options->topology_url,
		.commit_log_url = options->commit_log_url,
		.tcp_congestion = options->tcp_congestion,
		.ack_streams = true,
		.per_request = true,
		.durability_os = options->durability_os,
	};
	struct gateway *gw = calloc(1, sizeof(*gw));
	int rc;

	if (!gw)
		return error_set(err, ERRC_NOMEM, "gateway: out of memory");
	gw->inline_limit = options->inline_limit;
	gw->cell_bytes = options->cell_bytes;
	gw->judge = options->judge ? options->judge : s3auth_allow;
	gw->judge_arg = options->judge_arg;
	gw->region = strdup(options->region);
	if (!gw->region) {
		rc = error_set(err, ERRC_NOMEM, "gateway: out of memory");
		goto out;
	}
	rc = nodeclient_open(&gw->nc, &nco, err);
	if (rc == 0)
		rc = bucketfollow_open(&gw->follow, nodeclient_buckets(gw->nc),
		    nodeclient_log(gw->nc), nodeclient_clock(gw->nc), err);
	if (rc == 0)
		rc = nodewatch_open(&gw->watch, gw->nc, err);
	if (rc == 0 && options->access_log)
		rc = logfile_open(&gw->access, options->access_log, err);
	if (rc == 0 && options->session_url)
		rc = open_session(gw, options->session_url, err);
	if (rc == 0) {
		*out = gw;
		gw = NULL;
	}
out:
	gateway_close(gw);
	return rc;
}

void
gateway_close(struct gateway *gw)
{
	if (!gw)
		return;
	logfile_close(gw->access);
	session_close(gw->session);
	nodewatch_close(gw->watch);
	bucketfollow_close(gw->follow);
	if (gw->nc)
		nodeclient_close(gw->nc);
	free(gw->region);
	free(gw);
}

int
gateway_reload(struct gateway *gw, struct error *err)
{
	int rc = gw->access ? logfile_reopen(gw->access, err) : 0;

	return rc < 0 ? rc : nodeclient_reload(gw->nc, err);
}

void
gateway_log_status(struct gateway *gw, unsigned connections)
{
	const struct s3metric *m = &gw->metric;

	log_info("s3",
	    "status connections=%u 2xx=%" PRIu64 " 4xx=%" PRIu64
	    " 5xx=%" PRIu64,
	    connections, s3metric_class(m, 2), s3metric_class(m, 4),
	    s3metric_class(m, 5));
}

void
gateway_tick(struct gateway *gw)
{
	struct error err;

	if (gw->session && session_expire(gw->session, NULL, &err) < 0)
		log_warn("s3", "session cache: %s", err.text);
}
