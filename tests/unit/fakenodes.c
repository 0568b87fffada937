/* SPDX-License-Identifier: MIT */
#include "fakenodes.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"
#include "client/nodeclient.h"
#include "cluster/topology_source.h"
#include "commit/commitlog.h"
#include "commit/commitlog_reader.h"
#include "commit/positions.h"
#include "commit/record.h"
#include "http/httpd.h"
#include "http/range.h"
#include "wire/nodehealth.h"
#include "wire/nodeline.h"

#define SHARD_MAX (64u << 20)

const char *fakenodes_log = "";

static void
put_header(void *arg, const char *name, const char *value)
{
	httpd_reply_header(arg, name, value);
}

/* Take the request and say nothing until the client is gone. */
static void
be_silent(struct fake_node *node, struct httpd_request *req)
{
	while (!node->all->stopping && node->mode != FAKE_OK) {
		struct pollfd fd = {
			.fd = httpd_client_fd(req),
			.events = POLLRDHUP,
		};

		if (poll(&fd, 1, 20) > 0)
			break;
	}
	httpd_reply_close(req);
	httpd_reply(req, 500, "", 0);
}

static void
serve_shard(struct fake_node *node, struct httpd_request *req)
{
	struct range range = { 0 };
	uint8_t *copy;
	size_t n;

	pthread_mutex_lock(&node->all->lock);
	n = node->shard.n;
	copy = malloc(n + 1);
	assert(copy != NULL);
	memcpy(copy, node->shard.p != NULL ? node->shard.p : "", n);
	pthread_mutex_unlock(&node->all->lock);
	if (n == 0 || node->mode == FAKE_MISSING) {
		httpd_reply(req, 404, "", 0);
	} else {
		if (node->mode == FAKE_CORRUPT)
			for (size_t i = 600; i < n; i += 1000)
				copy[i] ^= 1;
		switch (range_parse(&range, httpd_header(req, "Range"), n)) {
		case RANGE_OK:
			httpd_reply(req, 206, copy + range.first,
			    range.last - range.first + 1);
			break;
		case RANGE_NONE:
			httpd_reply(req, 200, copy, n);
			break;
		case RANGE_UNSATISFIABLE:
			httpd_reply(req, 416, "", 0);
			break;
		}
	}
	free(copy);
}

/* (partition + i) mod n, i = 0 .. n - m. */
static bool
is_holder(const struct fake_node *node)
{
	return node->index <= 3;
}

/* Inline bytes by request id: of the present version or of the one before. */
static void
serve_inline(struct fake_node *node, struct httpd_request *req)
{
	struct fakenodes *f = node->all;
	const char *id = strstr(httpd_query(req), "requestId=") + 10;
	const struct buf *bytes = NULL;
	char newer[REQID_HEX + 1];

	node->inline_gets++;
	reqid_format(newer, f->newer.id);
	if (is_holder(node) && node->ahead && strcmp(id, newer) == 0)
		bytes = &f->newer_bytes;
	else if (is_holder(node) && !node->collected && strcmp(id, newer) != 0)
		bytes = &f->inline_bytes;
	if (bytes != NULL)
		httpd_reply(req, 200, bytes->p, bytes->n);
	else
		httpd_reply(req, 404, "", 0);
}

static void
serve_row(struct fake_node *node, struct httpd_request *req)
{
	struct fakenodes *f = node->all;
	struct object_info info = node->ahead ? f->newer : f->info;
	const struct buf *bytes = node->ahead ? &f->newer_bytes :
						&f->inline_bytes;
	bool holder = is_holder(node);

	info.at.voting = node->voting;
	info.at.applied = node->applied;
	info.at.row_seq = node->row_seq;
	info.at.epoch = f->epoch;
	memcpy(info.at.disk, FAKE_CLUSTER, sizeof(info.at.disk));
	info.bucket = NODEPROTO_OPEN;
	info.incarnation = 1;
	info.found = node->found;
	info.missing = info.found && info.kind == NODEPROTO_INLINE && !holder;
	assert(nodeproto_info_print(&info, put_header, req, NULL) == 0);
	if (!info.found || info.missing)
		httpd_reply(req, 404, "no", 2);
	else if (info.kind == NODEPROTO_INLINE)
		httpd_reply(req, 200, bytes->p, bytes->n);
	else
		httpd_reply(req, 200, "", 0);
}

static void
serve_applied(struct fake_node *node, struct httpd_request *req)
{
	const char *seq = strstr(httpd_query(req), "seq=");
	struct nodeline_ack ack = { .kind = NODELINE_OUTCOME };
	struct nodeproto_position at = {
		.applied = node->applied,
		.epoch = 1,
		.voting = node->voting,
		.disk = FAKE_CLUSTER,
	};
	struct buf body = buf_make(NODELINE_MAX);
	struct commitlog_entry entry = { 0 };
	struct buf line = buf_make(COMMITLOG_LINE_MAX);

	nodeproto_position_print(&at, put_header, req);
	node->all->by_id += seq == NULL;
	if (seq == NULL ||
	    !number_parse(&ack.seq, seq + 4, strcspn(seq + 4, "&"), 0,
		UINT64_MAX) ||
	    ack.seq > node->applied ||
	    commitlog_get(node->all->log, 0, ack.seq, &entry, &line, UINT64_MAX,
		NULL) < 0) {
		httpd_reply(req, 504, "", 0);
	} else {
		ack.id = entry.request_id;
		if (node->mode == FAKE_OTHER_ID)
			ack.id = reqid_new(&clock_system, &random_system);
		ack.outcome = node->all->outcome;
		if (ack.seq < 32 &&
		    (node->all->not_yet_here >> ack.seq & 1) != 0)
			ack.outcome = OUTCOME_NOT_YET_HERE;
		nodeline_applied_print(&body, &ack);
		httpd_reply(req, 200, body.p, body.n);
	}
	buf_fini(&line);
	buf_fini(&body);
}

/* Two parts of half the object each, but for a torn answer: the version was
 * replaced meanwhile, and the sweep took the second. */
static void
serve_manifest(struct fake_node *node, struct httpd_request *req)
{
	struct fakenodes *f = node->all;
	struct nodeproto_position at = {
		.applied = node->applied,
		.epoch = 1,
		.voting = node->voting,
		.disk = FAKE_CLUSTER,
	};
	struct nodeline_part line = {
		.kind = NODELINE_ITEM,
		.size = f->info.size / 2,
		.etag = "0123456789abcdef0123456789abcdef",
		.geometry = { 6, 3, 65536 },
		.set = 1,
		.shard_crc64_count = 9,
	};
	struct buf body = buf_make(1 << 16);
	unsigned torn = f->torn;

	while (torn > 0 &&
	    !atomic_compare_exchange_weak(&f->torn, &torn, torn - 1))
		;
	f->manifests++;
	nodeproto_position_print(&at, put_header, req);
	for (line.part = 1; line.part <= (torn > 0 ? 1 : 2); line.part++) {
		line.id = f->info.id;
		line.id.b[15] = (uint8_t)line.part;
		nodeline_manifest_print(&body, &line);
	}
	line.kind = NODELINE_END;
	nodeline_manifest_print(&body, &line);
	httpd_reply(req, 200, body.p, body.n);
	buf_fini(&body);
}

/* The one bucket, open since seq 1; others are not there. */
static void
serve_bucket(struct fake_node *node, struct httpd_request *req)
{
	struct nodeline_bucket line = {
		.kind = NODELINE_ITEM,
		.state = NODEPROTO_OPEN,
		.incarnation = 1,
		.created_ms = 1,
		.name = "bucket",
		.owner = "koop",
	};
	struct nodeproto_position at = {
		.applied = node->applied,
		.epoch = 1,
		.voting = node->voting,
		.disk = FAKE_CLUSTER,
	};
	struct buf body = buf_make(NODELINE_MAX);

	node->buckets++;
	if (node->all->sealed) {
		line.state = NODEPROTO_SEALED;
		line.attempt = 2;
		line.sealed_ms = node->all->sealed_ms;
	}
	nodeproto_position_print(&at, put_header, req);
	nodeline_bucket_print(&body, &line);
	if (strcmp(httpd_path(req), "/bucket/0/bucket") == 0)
		httpd_reply(req, 200, body.p, body.n);
	else
		httpd_reply(req, 404, "", 0);
	buf_fini(&body);
}

/* GET /applied: where the node is. */
static void
serve_positions(struct fake_node *node, struct httpd_request *req)
{
	struct nodeline_ack line = {
		.kind = NODELINE_VOTING,
		.voting = node->voting,
	};
	struct buf body = buf_make(NODELINE_MAX);

	nodeline_ack_print(&body, &line);
	line.kind = NODELINE_POSITION;
	line.seq = node->applied;
	nodeline_ack_print(&body, &line);
	httpd_reply(req, 200, body.p, body.n);
	buf_fini(&body);
}

/* GET /health */
static void
serve_health(struct fake_node *node, struct httpd_request *req)
{
	struct nodehealth h = {
		.cluster = FAKE_CLUSTER,
		.set = 1,
		.index = node->index,
		.reasons = node->reasons,
		.partitions = 1,
		.voting = 1,
		.free_bytes = 1000,
		.total_bytes = 5000,
	};
	struct buf body = buf_make(NODEHEALTH_BYTES_MAX);

	buf_addch(&body, '{');
	nodehealth_print(&h, &body);
	buf_addch(&body, '}');
	node->healths++;
	httpd_reply(req, 200, body.p, body.n);
	buf_fini(&body);
}

static bool
path_is(struct httpd_request *req, const char *prefix)
{
	return strncmp(httpd_path(req), prefix, strlen(prefix)) == 0;
}

static void
on_get(struct fake_node *node, struct httpd_request *req)
{
	node->gets++;
	node->stores += path_is(req, "/store/");
	if (strcmp(httpd_path(req), "/applied") == 0)
		serve_positions(node, req);
	else if (strcmp(httpd_path(req), "/health") == 0)
		serve_health(node, req);
	else if (path_is(req, "/applied/"))
		serve_applied(node, req);
	else if (path_is(req, "/bucket/0/"))
		serve_bucket(node, req);
	else if (!path_is(req, "/store/0/"))
		httpd_reply(req, 404, "", 0);
	else if (strstr(httpd_query(req), "requestId=") == NULL &&
	    node->rowless)
		httpd_reply(req, 500, "", 0);
	else if (strncmp(httpd_query(req), "manifest", 8) == 0)
		serve_manifest(node, req);
	else if (strstr(httpd_query(req), "requestId=") == NULL)
		serve_row(node, req);
	else if (node->all->info.kind == NODEPROTO_INLINE)
		serve_inline(node, req);
	else
		serve_shard(node, req);
}

static void
keep_notice(struct fake_node *node, struct httpd_request *req)
{
	pthread_mutex_lock(&node->all->lock);
	snprintf(node->notice, sizeof(node->notice), "%s %s", httpd_method(req),
	    httpd_target(req));
	pthread_mutex_unlock(&node->all->lock);
}

static void
on_begin(void *ctx, struct httpd_request *req)
{
	struct fake_node *node = ctx;
	bool put = strcmp(httpd_method(req), "PUT") == 0;
	char to[80];

	nodeproto_to_print(to, FAKE_CLUSTER, 1, node->index);
	if (httpd_header(req, NODEPROTO_TO) == NULL ||
	    strcmp(httpd_header(req, NODEPROTO_TO), to) != 0) {
		httpd_reply(req, 421, "", 0);
	} else if (node->mode == FAKE_SILENT ||
	    (put && node->mode == FAKE_STUCK)) {
		be_silent(node, req);
	} else if (node->mode == FAKE_ERROR) {
		httpd_reply(req, 500, "", 0);
	} else if (put && atomic_exchange(&node->hang_up, false)) {
		httpd_set_user(req, node); /* what comes of it is dropped */
		(void)shutdown(httpd_client_fd(req), SHUT_RDWR);
	} else if (put && node->mode == FAKE_CUT) {
		while (node->mode == FAKE_CUT && !node->all->stopping)
			(void)poll(NULL, 0, 5);
		httpd_set_user(req, node);
		(void)shutdown(httpd_client_fd(req), SHUT_RDWR);
	} else if (path_is(req, "/repair/")) {
		keep_notice(node, req);
		node->repairs++;
		httpd_reply(req, 200, "", 0);
	} else if (path_is(req, "/lease/")) {
		keep_notice(node, req);
		node->leases++;
		httpd_reply(req, 200, "", 0);
	} else if (put && node->mode == FAKE_FULL) {
		httpd_reply(req, 507, "", 0);
	} else if (put && node->mode == FAKE_EAGER) {
		httpd_reply(req, 200, "", 0);
	} else if (put) {
		pthread_mutex_lock(&node->all->lock);
		buf_clear(&node->shard);
		pthread_mutex_unlock(&node->all->lock);
	} else {
		on_get(node, req);
	}
}

static int
on_body(void *ctx, struct httpd_request *req, const uint8_t *p, size_t n)
{
	struct fake_node *node = ctx;

	if (httpd_user(req) != NULL)
		return -1;
	while (node->mode == FAKE_PAUSED && !node->all->stopping)
		(void)poll(NULL, 0, 5);
	pthread_mutex_lock(&node->all->lock);
	buf_add(&node->shard, p, n);
	pthread_mutex_unlock(&node->all->lock);
	return 0;
}

static void
on_end(void *ctx, struct httpd_request *req)
{
	struct fake_node *node = ctx;

	if (httpd_replied(req))
		return;
	node->puts++;
	httpd_reply(req, 200, "", 0);
}

static void
on_done(void *ctx, struct httpd_request *req, bool completed)
{
	(void)ctx;
	(void)req;
	(void)completed;
}

static void
start_nodes(struct fakenodes *f, struct buf *json)
{
	buf_addstr(json,
	    "{\"erasure_sets\":[{\"number\":1,\"n\":9,\"m\":6,"
	    "\"write_quorum\":7,\"machines\":[");
	for (uint32_t i = 0; i < FAKE_NODES; i++) {
		struct fake_node *node = &f->node[i];
		struct httpd_options options = {
			.ip = "127.0.0.1",
			.drain_ms = 2000,
		};
		struct httpd_service service = {
			.ctx = node,
			.begin = on_begin,
			.body = on_body,
			.end = on_end,
			.done = on_done,
		};

		node->all = f;
		node->index = i;
		node->voting = true;
		node->shard = buf_make(SHARD_MAX);
		assert(
		    httpd_start(&node->httpd, &options, &service, NULL) == 0);
		node->port = httpd_port(node->httpd);
		buf_printf(json, "%s{\"ip\":\"127.0.0.1\",\"port\":%u}",
		    i > 0 ? "," : "", node->port);
	}
	buf_addstr(json,
	    "]}],\"partition_spread\":[{\"erasure_set\":1,"
	    "\"partitions\":[0]}]}");
}

void
fakenodes_start(struct fakenodes *f)
{
	fakenodes_start_clock(f, &clock_system);
}

void
fakenodes_start_clock(struct fakenodes *f, const struct clock *clock)
{
	static atomic_int number;
	uint32_t partition = 0;
	struct commitlog_genesis genesis = {
		.cluster = FAKE_CLUSTER,
		.partitions = &partition,
		.count = 1,
	};
	struct nodeclient_options options = {
		.topology_url = f->url,
		.commit_log_url = f->url,
		.clock = clock,
	};
	struct buf json = buf_make(1 << 16);
	struct error err = { 0 };
	int n = number++;

	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	f->inline_bytes = buf_make(1 << 20);
	f->newer_bytes = buf_make(1 << 20);
	f->epoch = 1;
	snprintf(f->url, sizeof(f->url), "mem:fake-%d%s", n, fakenodes_log);
	start_nodes(f, &json);
	assert(topology_mem_set(f->url, buf_bytes(&json), &err) == 0);
	assert(commitlog_create(f->url, &genesis, NULL, &err) == 0);
	assert(commitlog_open(&f->log, f->url, NULL, &err) == 0);
	if (nodeclient_open(&f->nc, &options, &err) < 0) {
		printf("# %s\n", err.text);
		abort();
	}
	buf_fini(&json);
	fakenodes_at(f, 0);
}

void
fakenodes_stop(struct fakenodes *f)
{
	f->stopping = true;
	nodeclient_close(f->nc);
	for (uint32_t i = 0; i < FAKE_NODES; i++) {
		httpd_stop(f->node[i].httpd);
		buf_fini(&f->node[i].shard);
	}
	commitlog_close(f->log);
	buf_fini(&f->inline_bytes);
	buf_fini(&f->newer_bytes);
	pthread_mutex_destroy(&f->lock);
	topology_mem_clear();
}

void
fakenodes_publish(struct fakenodes *f, uint32_t machine, uint64_t seq)
{
	/* Where nothing is shared, they are asked. */
	if (!positions_shared(nodeclient_positions(f->nc)))
		return;
	positions_publish(nodeclient_positions(f->nc),
	    (struct positions_member){ 1, machine }, 0, seq);
}

void
fakenodes_at(struct fakenodes *f, uint64_t seq)
{
	for (uint32_t i = 0; i < FAKE_NODES; i++) {
		f->node[i].voting = true;
		f->node[i].applied = seq;
		fakenodes_publish(f, i, seq);
	}
}

void
fakenodes_append(struct fakenodes *f, uint64_t seq)
{
	struct commitlog *log = nodeclient_log(f->nc);
	struct commitlog_span span = { .partition = 0 };

	assert(commitlog_stored(log, &span, 1, UINT64_MAX, NULL) == 0);
	for (uint64_t end = span.last; end < seq; end++) {
		struct record record = {
			.type = RECORD_NOOP,
			.cluster = FAKE_CLUSTER,
			.epoch = 1,
			.request_id = reqid_new(&clock_system, &random_system),
			.sender = bytes_str("test"),
		};
		struct buf line = buf_make(RECORD_BYTES_MAX);
		struct commitlog_item item = {
			.request_id = record.request_id,
		};

		assert(record_build(&line, &record, NULL) == 0);
		item.line = buf_bytes(&line);
		assert(commitlog_append(log, &item, 1,
			   clock_mono_ms(&clock_system) + 5000, NULL) == 0);
		buf_fini(&line);
	}
}
