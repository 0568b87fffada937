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
#include "client/bucketfollow.h"
#include "client/nodeclient.h"
#include "client/nodewatch.h"
#include "http/httpd.h"
#include "s3/s3shared.h"
#include "s3/s3body.h"
#include "s3/s3funnel.h"
#include "s3/s3ops.h"
#include "s3/s3owner.h"
#include "session/session.h"

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
	r->started_us = clock_mono_us(nodeclient_clock(gw->nc));
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

	if (r)
		s3funnel_begin(r);
	else
		httpd_reply(http, 503, "", 0);
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
	return completed || r->status >= 400 ? r->status : S3METRIC_CUT;
}

static void
count(struct s3req *r, bool completed, uint64_t us)
{
	struct s3metric *m = &r->gw->metric;

	s3metric_count(m, r->op, status_of(r, completed));
	s3metric_time(m, r->op, S3METRIC_WHOLE, us);
	atomic_fetch_add_explicit(&m->received_bytes, r->got,
	    memory_order_relaxed);
	atomic_fetch_add_explicit(&m->sent_bytes, r->sent,
	    memory_order_relaxed);
}

static void
on_done(void *ctx, struct httpd_request *http, bool completed)
{
	struct s3req *r = request_of(http);
	uint64_t us;

	(void)ctx;
	if (!r)
		return;
	us = clock_mono_us(nodeclient_clock(r->gw->nc)) - r->started_us;
	count(r, completed, us);
	log_debug("s3",
	    "%s %s %s status=%d%s in=%" PRIu64 " out=%" PRIu64 " ms=%" PRIu64
	    " request=%s",
	    httpd_peer(http), httpd_method(http), s3op_name(r->op), r->status,
	    completed ? "" : " cut", r->got, r->sent, us / 1000, r->id_text);
	if (r->row && r->row->handler && r->row->handler->drop)
		r->row->handler->drop(r);
	s3sum_fini(&r->sum);
	buf_fini(&r->body);
	httpreq_query_fini(&r->query);
	httpd_set_user(http, NULL);
	nodeclient_leave(r->gw->nc, r->hold);
	r->magic = 0;
	free(r);
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
	return nodeclient_reload(gw->nc, err);
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
