/* SPDX-License-Identifier: MIT */
#include "node/nodeserver.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/number.h"
#include "codec/stripe.h"
#include "member/nodecore.h"
#include "member/room.h"
#include "member/watermark.h"
#include "node/nodeserver_call.h"
#include "store/metaquery.h"
#include "wire/nodehealth.h"
#include "wire/nodeline.h"
#include "wire/nodetime.h"

/* A gateway keeps one connection for each of its transfers.  A thread's
 * stack and MHD's pool are what a connection costs; see koop-node(8). */
#define CONNECTIONS 512
#define REFUSAL_MAX 600
/* What else may hold up a gateway between two stripes. */
#define BODY_MARGIN_MS 60000
/* A query with the positions of 4,096 partitions and three names. */
#define FORM_MAX (256u << 10)
/* Log lines of refusals in one second. */
#define REFUSALS_TOLD 10

struct nodeserver {
	struct nodecore *core;
	struct applier *applier;
	struct httpd *httpd;
	unsigned bodies_max;
	_Atomic unsigned bodies; /* shards that are arriving */
	_Atomic uint64_t refusal_second;
	_Atomic unsigned refusals; /* in that second */
	struct nodemetric metric;
};

enum route_flags {
	PARTITION = 1, /* /ROUTE/PARTITION[/...] */
	OPEN = 2,      /* needs no X-Koop-To */
	BODY = 4,      /* handled as its body comes */
	STORE = 8,     /* /store/PARTITION/BUCKET/KEY */
	FORM = 16,     /* the query is the body */
	PAST = 32,     /* a blob: also of a partition that was ours once */
};

typedef void route_fn(struct nodeserver_call *call);

struct route {
	const char *method;
	const char *name;
	unsigned flags;
	enum nodeop op;
	route_fn *fn;
};

static const struct route routes[] = {
	{ "PUT", "store", STORE | BODY, NODEOP_PUT_SHARD,
	    nodeserver_put_begin },
	{ "GET", "store", STORE | PAST, NODEOP_GET_ROW, nodeserver_get },
	{ "HEAD", "store", STORE | PAST, NODEOP_GET_ROW, nodeserver_get },
	{ "DELETE", "store", STORE, NODEOP_DELETE, nodeserver_delete },
	{ "GET", "bucket", PARTITION, NODEOP_BUCKET, nodeserver_bucket },
	{ "GET", "buckets", 0, NODEOP_LIST, nodeserver_buckets },
	{ "GET", "applied", 0, NODEOP_STREAM, nodeserver_stream },
	{ "GET", "applied", PARTITION, NODEOP_APPLIED, nodeserver_applied },
	{ "POST", "buckets", FORM, NODEOP_LIST, nodeserver_buckets },
	{ "GET", "list", 0, NODEOP_LIST, nodeserver_list },
	{ "POST", "list", FORM, NODEOP_LIST, nodeserver_list },
	{ "GET", "uploads", 0, NODEOP_LIST, nodeserver_uploads },
	{ "POST", "uploads", FORM, NODEOP_LIST, nodeserver_uploads },
	{ "GET", "versions", 0, NODEOP_LIST, nodeserver_versions },
	{ "POST", "versions", FORM, NODEOP_LIST, nodeserver_versions },
	{ "GET", "parts", PARTITION, NODEOP_LIST, nodeserver_parts },
	{ "PUT", "lease", PARTITION | PAST, NODEOP_LEASE, nodeserver_lease },
	{ "POST", "repair", PARTITION, NODEOP_REPAIR, nodeserver_repair },
	{ "GET", "oplog", PARTITION, NODEOP_CATCH_UP, nodeserver_oplog },
	{ "GET", "snapshot", PARTITION, NODEOP_CATCH_UP, nodeserver_snapshot },
	{ "GET", "health", OPEN, NODEOP_HEALTH, nodeserver_health },
	{ "HEAD", "health", OPEN, NODEOP_HEALTH, nodeserver_health },
	{ "GET", "metrics", OPEN, NODEOP_METRICS, nodeserver_metrics },
};

/* Answers. */

void
nodeserver_put_header(void *arg, const char *name, const char *value)
{
	struct nodeserver_call *call = arg;

	assert(call->magic == NODESERVER_MAGIC);
	assert(!httpd_replied(call->req));
	httpd_reply_header(call->req, name, value);
}

/*
 * What went wrong here is looked for by whoever has the id of a client's
 * request.  A node that catches up, or whose disk is full, refuses by the
 * hundred: of those so many a second are told, and how many were not.
 */
static void
log_refusal(const struct nodeserver_call *call, int status, const char *text)
{
	struct nodeserver *server = call->server;
	uint64_t second = clock_mono_ms(call->core->clock) / 1000;
	unsigned untold = 0;

	assert(status >= 500);
	if (atomic_exchange(&server->refusal_second, second) != second) {
		unsigned seen = atomic_exchange(&server->refusals, 0);

		untold = seen > REFUSALS_TOLD ? seen - REFUSALS_TOLD : 0;
	}
	if (atomic_fetch_add(&server->refusals, 1) >= REFUSALS_TOLD)
		return;
	if (untold > 0)
		log_warn("node", "%u refusals more were not logged", untold);
	/* That its disk is full the node says once, when it fills up. */
	log_line(status == 507 ? LOG_INFO : LOG_WARN, "node",
	    "%s %.200s: %d: %s request=%s", httpd_method(call->req),
	    httpd_path(call->req), status, status == 507 ? "no room" : text,
	    call->client[0] != '\0' ? call->client : "-");
}

/* Text from outside may be in it: what is no printable ASCII becomes '?'. */
static void
reply_text(struct nodeserver_call *call, int status, char *text)
{
	size_t n = strlen(text);

	assert(n < REFUSAL_MAX + 1);
	for (size_t i = 0; i < n; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	text[n++] = '\n';
	httpd_reply_header(call->req, "Content-Type", "text/plain");
	httpd_reply(call->req, status, text, n);
}

void
nodeserver_refuse(struct nodeserver_call *call, int status, const char *fmt,
    ...)
{
	char text[REFUSAL_MAX + 2];
	va_list ap;

	/* Two answers to one request: the second would be read as the next
	 * one's. */
	assert(!httpd_replied(call->req));
	assert(status >= 200 && status < 600);
	va_start(ap, fmt);
	error_format(text, REFUSAL_MAX, fmt, ap);
	va_end(ap);
	call->status = status;
	if (status >= 500)
		log_refusal(call, status, text);
	reply_text(call, status, text);
}

void
nodeserver_full(struct nodeserver_call *call, const struct error *err)
{
	struct nodecore *core = call->core;
	struct room_state room;
	char text[24];

	assert(err->code == ERRC_FULL);
	nodecore_room(core, &room);
	snprintf(text, sizeof(text), "%" PRIu64, room.free_bytes);
	httpd_reply_header(call->req, NODEHEALTH_FREE, text);
	nodeserver_refuse(call, error_http_status(ERRC_FULL),
	    "the disk of node %" PRIu32 "/%" PRIu32 " is full: %s",
	    core->set.number, core->index, err->text);
}

void
nodeserver_error(struct nodeserver_call *call, const struct error *err)
{
	assert(err->code > ERRC_OK && err->code < ERRC_MAX);
	if (err->code == ERRC_FULL) {
		nodeserver_full(call, err);
		return;
	}
	nodeserver_refuse(call, error_http_status(err->code), "%s", err->text);
}

bool
nodeserver_number(const struct nodeserver_call *call, const char *name,
    uint64_t *out, uint64_t max)
{
	const char *v = httpreq_query_get(&call->query, name);

	return v == NULL || number_parse(out, v, strlen(v), 0, max);
}

bool
nodeserver_deadline(const struct nodeserver_call *call, uint64_t *out)
{
	uint64_t ms = NODESERVER_TIMEOUT_MS;

	if (!nodeserver_number(call, "timeout", &ms, NODESERVER_TIMEOUT_MAX_MS))
		return false;
	assert(ms <= NODESERVER_TIMEOUT_MAX_MS);
	*out = nodecore_deadline(call->core, ms);
	return true;
}

struct metaquery *
nodeserver_read(struct nodeserver_call *call, struct partition_row *row)
{
	struct metaquery *read = NULL;
	struct error err = { 0 };
	int rc;

	assert(call->index < watermark_count(call->core->wm));
	/* Before the row: what was applied when the vote came is in it. */
	call->voted = watermark_voting(call->core->wm, call->index);
	rc = metaquery_begin(&read, call->core->meta, &err);
	if (rc == 0)
		rc = metaquery_partition(read, call->partition, row, &err);
	if (rc == 0)
		return read;
	metaquery_end(read);
	if (rc == -ERRC_NOTFOUND)
		error_set(&err, ERRC_UNAVAILABLE,
		    "partition %u: nothing applied yet", call->partition);
	nodeserver_error(call, &err);
	return NULL;
}

void
nodeserver_position(struct nodeserver_call *call,
    const struct partition_row *row)
{
	struct nodeproto_position position;

	assert(row->partition == call->partition);
	nodecore_position(call->core, row, &position);
	nodeproto_position_print(&position, nodeserver_put_header, call);
}

bool
nodeserver_votes(struct nodeserver_call *call, const struct partition_row *row)
{
	assert(row->partition == call->partition);
	if (call->voted && watermark_voting(call->core->wm, call->index))
		return true;
	nodeserver_position(call, row);
	nodeserver_refuse(call, 503,
	    "partition %u: no vote yet: this node is catching up",
	    call->partition);
	return false;
}

bool
nodeserver_all_vote(struct nodeserver_call *call)
{
	struct watermark *wm = call->core->wm;

	for (size_t i = 0; i < watermark_count(wm); i++) {
		if (watermark_voting(wm, i) || !watermark_mine(wm, i))
			continue;
		httpd_reply_header(call->req, NODEPROTO_VOTING, "0");
		nodeserver_refuse(call, 503,
		    "partition %u: no vote yet: this node is catching up",
		    watermark_partition(wm, i));
		return false;
	}
	return true;
}

static int
wait_at(struct nodeserver_call *call, const struct nodeline_at *at, size_t n,
    uint64_t deadline, struct error *err)
{
	struct watermark *wm = call->core->wm;

	for (size_t i = 0; i < n; i++) {
		int index = watermark_index(wm, at[i].partition);
		int rc;

		if (index < 0 || !watermark_mine(wm, (size_t)index))
			return error_set(err, ERRC_USAGE,
			    "at: partition %u is none of this node's",
			    at[i].partition);
		assert((size_t)index < watermark_count(wm));
		rc = watermark_wait(wm, (size_t)index, at[i].seq, deadline,
		    err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

bool
nodeserver_wait_at(struct nodeserver_call *call)
{
	const char *text = httpreq_query_get(&call->query, "at");
	struct nodeline_at *at = NULL;
	struct error err = { 0 };
	uint64_t deadline;
	size_t n = 0;
	int rc;

	if (!nodeserver_deadline(call, &deadline)) {
		nodeserver_refuse(call, 400, "timeout: bad value");
		return false;
	}
	if (text == NULL)
		return true;
	assert(!httpd_replied(call->req));
	rc = nodeline_at_parse(&at, &n, text, &err);
	if (rc == 0)
		rc = wait_at(call, at, n, deadline, &err);
	free(at);
	if (rc != 0)
		nodeserver_error(call, &err);
	return rc == 0;
}

const struct nodemetric *
nodeserver_counted(const struct nodeserver *server)
{
	return &server->metric;
}

/* Dispatch. */

/* Is path /NAME or /NAME/...?  *rest is what follows, NULL for /NAME. */
static bool
path_is(const char *path, const char *name, const char **rest)
{
	size_t n = strlen(name);

	assert(n > 0 && name[0] != '/');
	if (path[0] != '/' || strncmp(path + 1, name, n) != 0)
		return false;
	path += n + 1;
	*rest = path[0] == '/' ? path + 1 : NULL;
	return path[0] == '/' || path[0] == '\0';
}

static const struct route *
find_route(struct nodeserver_call *call, int *status)
{
	const char *method = httpd_method(call->req);
	const char *path = httpd_path(call->req);
	bool deep;

	assert(call->rest == NULL);
	*status = 404;
	for (size_t i = 0; i < nitems(routes); i++) {
		const struct route *route = &routes[i];

		if (!path_is(path, route->name, &call->rest))
			continue;
		deep = (route->flags & (PARTITION | STORE)) != 0;
		if ((call->rest != NULL) != deep)
			continue;
		if (strcmp(route->method, method) == 0)
			return route;
		*status = 405;
	}
	return NULL;
}

static bool
check_to(struct nodeserver_call *call)
{
	const char *to = httpd_header(call->req, NODEPROTO_TO);

	assert(call->core->to[0] != '\0');
	if (to != NULL && strcmp(to, call->core->to) == 0)
		return true;
	nodeserver_refuse(call, 421, "%s: this is %s, not %s", NODEPROTO_TO,
	    call->core->to, to != NULL ? to : "(nobody named)");
	return false;
}

/*
 * Blobs stay where their record says, whoever has the partition now
 * (protocol.md 8, topology: "old epochs stay known, so that old blobs
 * resolve").  They are named by their id and need no row; refused here, what
 * was acknowledged before a move could not be read after it.
 */
static bool
is_blob_of_old(const struct nodeserver_call *call, const struct route *route)
{
	/* A route without a partition has none that could have moved. */
	assert((route->flags & (PARTITION | STORE)) != 0);
	return (route->flags & PAST) != 0 && call->has_id &&
	    httpreq_query_get(&call->query, "manifest") == NULL;
}

static bool
take_partition(struct nodeserver_call *call, const struct route *route,
    uint32_t partition)
{
	int index = watermark_index(call->core->wm, partition);

	if (index < 0 ||
	    (!watermark_mine(call->core->wm, (size_t)index) &&
		!is_blob_of_old(call, route))) {
		nodeserver_refuse(call, 421, "partition %u: not of set %u",
		    partition, call->core->set.number);
		return false;
	}
	call->partition = partition;
	call->index = (size_t)index;
	return true;
}

static bool
parse_partition(struct nodeserver_call *call, const struct route *route)
{
	size_t len = strcspn(call->rest, "/");
	uint64_t n;

	assert((route->flags & PARTITION) != 0);
	if (!number_parse(&n, call->rest, len, 0, UINT32_MAX)) {
		nodeserver_refuse(call, 400, "path: bad partition");
		return false;
	}
	call->rest += len;
	call->rest += call->rest[0] == '/';
	return take_partition(call, route, (uint32_t)n);
}

static bool
parse_call(struct nodeserver_call *call, const struct route *route)
{
	struct error err = { 0 };
	const char *id;

	assert(!call->has_id && !httpd_replied(call->req));
	if (httpreq_query_parse(&call->query, bytes_str(httpd_query(call->req)),
		&err) != 0) {
		nodeserver_refuse(call, 400, "%s", err.text);
		return false;
	}
	id = httpreq_query_get(&call->query, "requestId");
	if (id != NULL && !reqid_parse(&call->id, id, strlen(id))) {
		nodeserver_refuse(call, 400, "requestId: not a request id");
		return false;
	}
	call->has_id = id != NULL;
	if (route->flags & PARTITION)
		return parse_partition(call, route);
	if ((route->flags & STORE) == 0)
		return true;
	if (nodeproto_store_parse(&call->store, httpd_path(call->req), &err) !=
	    0) {
		nodeserver_refuse(call, 400, "%s", err.text);
		return false;
	}
	return take_partition(call, route, call->store.partition);
}

/*
 * Shards that arrive hold a connection for as long as the slowest client
 * takes, and gateways do not know of each other: the node itself keeps a share
 * for readers, streams and rows, whatever the number of gateways.
 */
bool
nodeserver_admit_body(struct nodeserver_call *call)
{
	struct nodeserver *server = call->server;
	unsigned bodies = atomic_load(&server->bodies);

	assert(!call->admitted);
	while (bodies < server->bodies_max && !call->admitted)
		call->admitted = atomic_compare_exchange_weak(&server->bodies,
		    &bodies, bodies + 1);
	if (call->admitted)
		return true;
	nodeserver_refuse(call, 503,
	    "%u shards are arriving, and the other connections are for reads",
	    server->bodies_max);
	return false;
}

void
nodeserver_body_gone(struct nodeserver_call *call)
{
	if (!call->admitted)
		return;
	assert(call->server->bodies_max > 0);
	assert(atomic_load(&call->server->bodies) > 0);
	atomic_fetch_sub(&call->server->bodies, 1);
	call->admitted = false;
}

static void
begin_form(struct nodeserver_call *call, const struct route *route)
{
	assert((route->flags & FORM) != 0 && call->form_fn == NULL);
	call->form_fn = route->fn;
	call->form = buf_make(FORM_MAX);
}

static int
take_form(struct nodeserver_call *call, const uint8_t *p, size_t n)
{
	assert(call->form_fn != NULL && call->upload == NULL);
	buf_add(&call->form, p, n);
	if (!buf_failed(&call->form))
		return 0;
	nodeserver_refuse(call, 413, "the query is too long");
	return -1;
}

static void
end_form(struct nodeserver_call *call)
{
	struct error err = { 0 };

	assert(call->form_fn != NULL && !httpd_replied(call->req));
	httpreq_query_fini(&call->query);
	if (httpreq_query_parse(&call->query, buf_bytes(&call->form), &err) !=
	    0)
		nodeserver_error(call, &err);
	else
		call->form_fn(call);
}

/* Protocol 1: who is told the time mints no id that is older. */
static void
tell_time(struct nodeserver_call *call)
{
	uint64_t time_ms = atomic_load(&call->core->time_ms);
	char text[24];

	if (time_ms == 0)
		return;
	snprintf(text, sizeof(text), "%" PRIu64, time_ms);
	httpd_reply_header(call->req, NODETIME_HEADER, text);
}

/* Only for the log: whoever may call may say what he likes. */
static void
take_client(struct nodeserver_call *call)
{
	const char *id = httpd_header(call->req, NODEPROTO_CLIENT_REQUEST);
	struct reqid parsed;

	if (id != NULL && reqid_parse(&parsed, id, strlen(id)))
		reqid_format(call->client, parsed);
}

static void
serve_begin(void *ctx, struct httpd_request *req)
{
	struct nodeserver *server = ctx;
	struct nodeserver_call *call = calloc(1, sizeof(*call));
	const struct route *route;
	int status;

	if (call == NULL) {
		httpd_reply(req, 503, "no memory\n", 10);
		return;
	}
	call->magic = NODESERVER_MAGIC;
	call->core = server->core;
	call->applier = server->applier;
	call->server = server;
	call->req = req;
	httpd_set_user(req, call);
	call->began_us = clock_mono_us(call->core->clock);
	take_client(call);
	tell_time(call);
	route = find_route(call, &status);
	if (route == NULL)
		nodeserver_refuse(call, status, "%s",
		    status == 405 ? "method not allowed" : "no such path");
	else if (((route->flags & OPEN) || check_to(call)) &&
	    parse_call(call, route)) {
		call->op = route->op;
		if (route->flags & FORM)
			begin_form(call, route);
		else
			route->fn(call);
	}
}

static struct nodeserver_call *
call_of(struct httpd_request *req)
{
	struct nodeserver_call *call = httpd_user(req);

	assert(call == NULL || call->magic == NODESERVER_MAGIC);
	return call;
}

static int
serve_body(void *ctx, struct httpd_request *req, const uint8_t *p, size_t n)
{
	struct nodeserver_call *call = call_of(req);

	(void)ctx;
	if (call == NULL)
		return -1;
	return call->form_fn != NULL ? take_form(call, p, n) :
				       nodeserver_put_body(call, p, n);
}

static void
serve_end(void *ctx, struct httpd_request *req)
{
	struct nodeserver_call *call = call_of(req);

	(void)ctx;
	if (call == NULL || httpd_replied(req))
		return;
	if (call->form_fn != NULL)
		end_form(call);
	else
		nodeserver_put_end(call);
}

static void
serve_done(void *ctx, struct httpd_request *req, bool completed)
{
	struct nodeserver_call *call = call_of(req);

	(void)ctx;
	if (call == NULL)
		return;
	log_debug("node", "%s %s %.200s%s%s us=%" PRIu64 " request=%s",
	    httpd_peer(req), httpd_method(req), httpd_path(req),
	    call->status != 0 ? " refused" : "", completed ? "" : " cut",
	    clock_mono_us(call->core->clock) - call->began_us,
	    call->client[0] != '\0' ? call->client : "-");
	/* One who leaves early leaves no upload behind: protocol.md 6.2. */
	assert(call->req == req);
	nodemetric_count(&call->server->metric, call->op,
	    completed ? httpd_status(req) : 0,
	    clock_mono_us(call->core->clock) - call->began_us);
	nodeserver_put_done(call);
	httpreq_query_fini(&call->query);
	buf_fini(&call->form);
	call->magic = 0;
	httpd_set_user(req, NULL);
	free(call);
}

/*
 * protocol.md 6.1: a gateway sends whole stripes, and a client may be as slow
 * as 1 KiB/s.  A stripe of 6 x 1 MiB then takes 102 minutes, in which the shard
 * is silent; nothing is wrong with it.  The gateway judges its clients.
 */
static unsigned
body_idle_ms(const struct nodecore *core,
    const struct nodeserver_options *options)
{
	uint64_t ms = options->body_timeout_ms;

	assert(core->set.data_shards > 0);
	if (ms == 0)
		ms = (uint64_t)core->set.data_shards * STRIPE_CELL_MAX * 1000 /
			NODESERVER_CLIENT_RATE +
		    BODY_MARGIN_MS;
	return (unsigned)KOOP_MIN(ms, UINT_MAX);
}

int
nodeserver_start(struct nodeserver **out, struct nodecore *core,
    struct applier *applier, const struct nodeserver_options *options,
    struct error *err)
{
	struct nodeserver *server = calloc(1, sizeof(*server));
	struct httpd_service service = {
		.ctx = server,
		.begin = serve_begin,
		.body = serve_body,
		.end = serve_end,
		.done = serve_done,
	};
	struct httpd_options http = {
		.ip = options->ip,
		.port = options->port,
		.max_connections = options->max_connections > 0 ?
		    options->max_connections :
		    CONNECTIONS,
		.body_idle_ms = body_idle_ms(core, options),
		.tcp_congestion = options->tcp_congestion,
	};
	int rc;

	if (server == NULL)
		return error_set(err, ERRC_NOMEM, "server: no memory");
	/* Half of them, and one at least. */
	server->bodies_max = KOOP_MAX(http.max_connections / 2, 1u);
	server->core = core;
	server->applier = applier;
	rc = httpd_start(&server->httpd, &http, &service, err);
	if (rc != 0) {
		free(server);
		return rc;
	}
	assert(server->bodies_max > 0);
	*out = server;
	return 0;
}

uint16_t
nodeserver_port(const struct nodeserver *server)
{
	return httpd_port(server->httpd);
}

unsigned
nodeserver_connections(struct nodeserver *server)
{
	return httpd_connections(server->httpd);
}

void
nodeserver_stop(struct nodeserver *server)
{
	if (server == NULL)
		return;
	httpd_stop(server->httpd);
	free(server);
}
