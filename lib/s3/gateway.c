/* SPDX-License-Identifier: MIT */

#include "s3/gateway.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/log.h"
#include "base/number.h"
#include "client/nodeclient.h"
#include "codec/stripe.h"
#include "http/httpd.h"
#include "s3/s3ops.h"
#include "session/session.h"

static const struct s3handler *const handlers[S3OP_MAX] = {
	[S3OP_LIST_BUCKETS] = &s3bucket_list,
	[S3OP_CREATE_BUCKET] = &s3bucket_create,
	[S3OP_HEAD_BUCKET] = &s3bucket_head,
	[S3OP_DELETE_BUCKET] = &s3bucket_delete,
	[S3OP_GET_BUCKET_LOCATION] = &s3bucket_location,
	[S3OP_GET_BUCKET_SETTING] = &s3bucket_setting,
	[S3OP_GET_ACL] = &s3bucket_acl,
	[S3OP_LIST_OBJECTS] = &s3list_objects,
	[S3OP_LIST_OBJECTS_V2] = &s3list_objects,
	[S3OP_LIST_OBJECT_VERSIONS] = &s3list_objects,
	[S3OP_DELETE_OBJECTS] = &s3delete_objects,
	[S3OP_LIST_UPLOADS] = &s3list_uploads,
	[S3OP_GET_OBJECT] = &s3get_object,
	[S3OP_HEAD_OBJECT] = &s3get_object,
	[S3OP_PUT_OBJECT] = &s3put_object,
	[S3OP_COPY_OBJECT] = &s3copy_object,
	[S3OP_DELETE_OBJECT] = &s3delete_object,
	[S3OP_GET_OBJECT_TAGGING] = &s3get_tagging,
	[S3OP_CREATE_UPLOAD] = &s3multipart_create,
	[S3OP_UPLOAD_PART] = &s3put_part,
	[S3OP_UPLOAD_PART_COPY] = &s3copy_part,
	[S3OP_COMPLETE_UPLOAD] = &s3complete_upload,
	[S3OP_ABORT_UPLOAD] = &s3multipart_abort,
	[S3OP_LIST_PARTS] = &s3multipart_parts,
};

static const char *
get_header(void *arg, const char *name)
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
body_data(void *arg, const uint8_t *p, size_t n)
{
	struct s3req *r = arg;

	if ((r->known && n > r->length - r->got) ||
	    n > S3REQ_PUT_MAX - r->got) {
		s3req_fail(r,
		    r->known ? S3E_INCOMPLETE_BODY : S3E_ENTITY_TOO_LARGE);
		return -1;
	}
	r->got += n;
	if (r->handler->data) {
		s3sum_update(&r->sum, p, n);
		return r->handler->data(r, p, n);
	}
	if (r->handler->document) {
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

/* How long is the body, and is it framed?  Only for those that have one. */
static void
begin_body(struct s3req *r)
{
	const char *decoded = s3req_header(r, "x-amz-decoded-content-length");
	int64_t length = httpd_content_length(r->http);
	const char *why = NULL;
	enum s3error e;

	e = s3sum_init(&r->sum, get_header, r->http, &why);
	if (e != S3E_NONE) {
		s3req_fail_why(r, e, why);
		return;
	}
	if (r->handler->data && !httpd_has_content_length(r->http) &&
	    !httpd_chunked(r->http)) {
		s3req_fail(r, S3E_MISSING_CONTENT_LENGTH);
		return;
	}
	/* Of a Complete these are the checksums of the object, not of this
	 * body; every part was checked when it came. */
	if (r->op == S3OP_COMPLETE_UPLOAD)
		r->sum.has_kind = false;
	/* 10,000 parts, or a thousand of the longest keys, are long. */
	r->body = buf_make(
	    r->op == S3OP_COMPLETE_UPLOAD || r->op == S3OP_DELETE_OBJECTS ?
		S3XML_DOC_MAX :
		S3XML_SMALL_MAX);
	r->framed = is_framed(r);
	r->chunked = (struct s3chunked){ .data = body_data,
		.trailer = body_trailer,
		.arg = r };
	r->known = r->framed ? decoded != NULL : length >= 0;
	/* What a GET or DELETE carries is thrown away by the server, and it
	 * never comes here. */
	if (strcmp(httpd_method(r->http), "PUT") != 0 &&
	    strcmp(httpd_method(r->http), "POST") != 0)
		r->known = r->framed = false;
	if (!r->framed && length >= 0)
		r->length = (uint64_t)length;
	if (r->framed && decoded &&
	    !number_parse(&r->length, decoded, strlen(decoded), 0, INT64_MAX)) {
		s3req_fail_why(r, S3E_INVALID_ARGUMENT,
		    "x-amz-decoded-content-length is no number");
		return;
	}
	if (r->known && r->length > S3REQ_PUT_MAX)
		s3req_fail(r, S3E_ENTITY_TOO_LARGE);
}

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
	return true;
}

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
	r->started_ms = nodeclient_now(gw->nc);
	httpd_set_user(http, r);
	return r;
}

static bool
is_own_path(const char *path)
{
	return strcmp(path, "/health") == 0 || strcmp(path, "/metrics") == 0;
}

static void
on_begin(void *ctx, struct httpd_request *http)
{
	struct gateway *gw = ctx;
	struct s3req *r = request_new(gw, http);

	if (!r) {
		httpd_reply(http, 503, "", 0);
		return;
	}
	if (is_own_path(httpd_path(http))) {
		s3status_reply(r, httpd_path(http));
		return;
	}
	if (!parse_target(r))
		return;
	r->handler = handlers[r->op];
	if (!r->handler) {
		s3req_fail(r,
		    r->op == S3OP_METHOD_NOT_ALLOWED ? S3E_METHOD_NOT_ALLOWED :
						       S3E_NOT_IMPLEMENTED);
		return;
	}
	begin_body(r);
	if (!s3req_replied(r) && r->handler->begin)
		r->handler->begin(r);
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
	int rc;

	(void)ctx;
	if (!r || s3req_replied(r))
		return -1;
	if (!r->framed)
		return body_data(r, p, n);
	rc = s3chunked_feed(&r->chunked, p, n);
	if (rc == S3CHUNKED_MALFORMED)
		s3req_fail_why(r, S3E_INCOMPLETE_BODY,
		    "The aws-chunked framing of the body is not well-formed");
	return rc;
}

static void
on_end(void *ctx, struct httpd_request *http)
{
	struct s3req *r = request_of(http);

	(void)ctx;
	if (!r || s3req_replied(r))
		return;
	if ((r->known && r->got != r->length) ||
	    (r->framed && !s3chunked_finished(&r->chunked))) {
		s3req_fail(r, S3E_INCOMPLETE_BODY);
		return;
	}
	if (r->handler->document) {
		enum s3error e = s3sum_check_bytes(&r->sum,
		    buf_bytes(&r->body));

		if (e != S3E_NONE) {
			s3req_fail(r, e);
			return;
		}
	}
	r->handler->end(r);
}

static void
count(struct s3req *r, bool completed)
{
	struct metric *m = r->gw->metrics;
	int class = r->status / 100;

	metric_add(&m[S3METRIC_OPS + r->op], 1);
	metric_add(&m[S3METRIC_BYTES_IN], (int64_t)r->got);
	metric_add(&m[S3METRIC_BYTES_OUT], (int64_t)r->sent);
	if (!completed)
		metric_add(&m[S3METRIC_CUT], 1);
	if (class >= 2 && class <= 5)
		metric_add(&m[S3METRIC_2XX + class - 2], 1);
}

static void
on_done(void *ctx, struct httpd_request *http, bool completed)
{
	struct s3req *r = request_of(http);

	(void)ctx;
	if (!r)
		return;
	count(r, completed);
	log_debug("s3",
	    "%s %s %s status=%d%s in=%" PRIu64 " out=%" PRIu64 " ms=%" PRIu64
	    " request=%s",
	    httpd_peer(http), httpd_method(http), s3route_name(r->op),
	    r->status, completed ? "" : " cut", r->got, r->sent,
	    nodeclient_now(r->gw->nc) - r->started_ms, r->id_text);
	if (r->handler && r->handler->drop)
		r->handler->drop(r);
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
	metric_add(&gw->metrics[S3METRIC_2XX + status / 100 - 2], 1);
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

static void
metrics_init(struct gateway *gw)
{
	static const struct metric fixed[S3METRIC_OPS] = {
		[S3METRIC_BYTES_IN] = { "koop_gw_received_bytes_total",
		    "Bytes of bodies received", METRIC_COUNTER, "", 0 },
		[S3METRIC_BYTES_OUT] = { "koop_gw_sent_bytes_total",
		    "Bytes of bodies sent", METRIC_COUNTER, "", 0 },
		[S3METRIC_CONNECTIONS] = { "koop_gw_connections",
		    "Open client connections", METRIC_GAUGE, "", 0 },
		[S3METRIC_CUT] = { "koop_gw_cut_total",
		    "Requests whose connection was cut", METRIC_COUNTER, "",
		    0 },
		[S3METRIC_2XX] = { "koop_gw_responses_total",
		    "Responses by class of status", METRIC_COUNTER,
		    "class=\"2xx\"", 0 },
		[S3METRIC_3XX] = { "koop_gw_responses_total", "",
		    METRIC_COUNTER, "class=\"3xx\"", 0 },
		[S3METRIC_4XX] = { "koop_gw_responses_total", "",
		    METRIC_COUNTER, "class=\"4xx\"", 0 },
		[S3METRIC_5XX] = { "koop_gw_responses_total", "",
		    METRIC_COUNTER, "class=\"5xx\"", 0 },
	};

	for (int i = 0; i < S3METRIC_OPS; i++) {
		gw->metrics[i].name = fixed[i].name;
		gw->metrics[i].help = fixed[i].help;
		gw->metrics[i].kind = fixed[i].kind;
		gw->metrics[i].labels = fixed[i].labels;
	}
	for (int i = 0; i < S3OP_MAX; i++) {
		struct metric *m = &gw->metrics[S3METRIC_OPS + i];

		snprintf(gw->labels[i], sizeof(gw->labels[i]), "op=\"%s\"",
		    s3route_name((enum s3op)i));
		m->name = "koop_gw_requests_total";
		m->help = "Requests by operation";
		m->kind = METRIC_COUNTER;
		m->labels = gw->labels[i];
	}
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
	metrics_init(gw);
	gw->region = strdup(options->region);
	if (!gw->region) {
		rc = error_set(err, ERRC_NOMEM, "gateway: out of memory");
		goto out;
	}
	rc = nodeclient_open(&gw->nc, &nco, err);
	if (rc == 0 && options->session_url)
		rc = session_open(&gw->session, options->session_url, NULL,
		    err);
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
	struct metric *m = gw->metrics;

	log_info("s3", "status connections=%u 2xx=%lld 4xx=%lld 5xx=%lld",
	    connections, (long long)metric_get(&m[S3METRIC_2XX]),
	    (long long)metric_get(&m[S3METRIC_4XX]),
	    (long long)metric_get(&m[S3METRIC_5XX]));
}

void
gateway_tick(struct gateway *gw)
{
	struct error err;

	if (gw->session && session_expire(gw->session, NULL, &err) < 0)
		log_warn("s3", "session cache: %s", err.text);
}
