/* SPDX-License-Identifier: MIT */
#include "wire/nodecall.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "http/httpc_request.h"
#include "wire/nodeproto.h"
#include "wire/nodetime.h"
#include "wire/trace.h"

/* The headers of a call, and the memory behind them. */
struct head {
	char to[80];
	char range[64];
	struct httpc_header header[3];
	size_t count;
	struct httpc_addr addr;
};

/* protocol.md 4: every request names cluster, set and index, so that an
 * address that belongs to another by now refuses it (421). */
static void
nodecall_make_head(struct head *head, const struct peers *peers,
    const struct peer *peer, const struct nodecall_request *request)
{
	static_assert(sizeof(head->addr.ip) == sizeof(peer->machine.ip),
	    "addresses");
	memcpy(head->addr.ip, peer->machine.ip, sizeof(head->addr.ip));
	head->addr.port = peer->machine.port;
	nodeproto_to_print(head->to, peers_cluster(peers), peer->set,
	    peer->index);
	head->header[0] = (struct httpc_header){ NODEPROTO_TO, head->to };
	head->count = 1;
	if (trace_id() != NULL)
		head->header[head->count++] = (struct httpc_header){
			NODEPROTO_CLIENT_REQUEST, trace_id()
		};
	if (!request->ranged)
		return;
	assert(request->from <= request->to);
	assert(head->count < nitems(head->header));
	if (request->to == NODECALL_END)
		snprintf(head->range, sizeof(head->range), "bytes=%" PRIu64 "-",
		    request->from);
	else
		snprintf(head->range, sizeof(head->range),
		    "bytes=%" PRIu64 "-%" PRIu64, request->from, request->to);
	head->header[head->count++] = (struct httpc_header){ "Range",
		head->range };
}

static int
nodecall_open_once(struct nodecall *c, const struct head *head,
    const struct nodecall_request *request, struct error *err)
{
	struct httpc_pool *pool = peers_pool(c->peers);
	uint64_t bytes = request->body_bytes > 0 ? request->body_bytes :
						   HTTPC_NO_BODY;

	/* What is here whole may go out twice; what is told in pieces never. */
	assert(request->body.n == 0 || request->body_bytes == 0);
	if (request->body.n > 0)
		return httpc_open_whole(&c->http, pool, &head->addr,
		    request->method, request->target, head->header, head->count,
		    request->body, err);
	if (c->reopened)
		return httpc_open_fresh(&c->http, pool, &head->addr,
		    request->method, request->target, head->header, head->count,
		    bytes, err);
	return httpc_open(&c->http, pool, &head->addr, request->method,
	    request->target, head->header, head->count, bytes, err);
}

static int
nodecall_begin(struct nodecall *c, const struct nodecall_request *request,
    struct error *err)
{
	struct head head;
	int rc;

	nodecall_make_head(&head, c->peers, &c->peer, request);
	assert(c->http == NULL && c->answered_ms == 0);
	c->opened_ms = peers_now(c->peers);
	rc = nodecall_open_once(c, &head, request, err);
	if (rc == -ERRC_RETRY && request->room_ms > 0) {
		rc = httpc_pool_wait(peers_pool(c->peers), &head.addr,
		    c->opened_ms + request->room_ms, err);
		if (rc == 0)
			rc = nodecall_open_once(c, &head, request, err);
	}
	if (rc < 0)
		c->http = NULL;
	return rc;
}

int
nodecall_open(struct nodecall *out, struct peers *peers,
    const struct peer *peer, const struct nodecall_request *request,
    struct error *err)
{
	assert(request->body.n == 0 || request->body_bytes == 0);
	*out = (struct nodecall){
		.peers = peers,
		.peer = *peer,
		.untimed = request->untimed,
		.streams = request->streams,
	};
	return nodecall_begin(out, request, err);
}

/* 421 is an answer, but not of the machine that was meant; 5xx says nothing
 * new: the machine is there and cannot do it now. */
static void
tell_answer(struct nodecall *c, int status)
{
	uint64_t took = c->answered_ms - c->opened_ms;

	assert(status != 0 && c->answered_ms >= c->opened_ms);
	if (status == 421)
		peers_bad(c->peers, &c->peer);
	else if (status < 500)
		peers_good(c->peers, &c->peer,
		    c->untimed ? PEERS_UNTIMED : took);
}

bool
nodecall_is_stale(const struct nodecall *c)
{
	return c->http != NULL && !c->reopened && httpc_is_stale(c->http);
}

enum httpc_state
nodecall_state(struct nodecall *c)
{
	enum httpc_state state;
	int status;

	assert(c->http != NULL);
	state = httpc_state(c->http);
	status = httpc_status(c->http);
	if (status != 0 && c->answered_ms == 0) {
		c->answered_ms = peers_now(c->peers);
		/* Protocol 1: what any answer tells. */
		nodetime_hear(peers_clock(c->peers),
		    nodetime_parse(
			httpc_response_header(c->http, NODETIME_HEADER)));
	}
	if (c->told)
		return state;
	if (state == HTTPC_FAILED) {
		if (!nodecall_is_stale(c))
			nodecall_bad(c);
	} else if (c->streams && status != 0 && !c->greeted) {
		c->greeted = true;
		tell_answer(c, status);
	} else if (!c->streams && state == HTTPC_DONE) {
		c->told = true;
		tell_answer(c, status);
	}
	return state;
}

int
nodecall_reopen(struct nodecall *c, const struct nodecall_request *request,
    struct error *err)
{
	assert(nodecall_is_stale(c));
	assert(!c->reopened); /* once: the second is no news of the node */
	httpc_close(c->http);
	c->http = NULL;
	c->reopened = true;
	c->told = false;
	c->answered_ms = 0;
	return nodecall_begin(c, request, err);
}

uint64_t
nodecall_due(const struct nodecall *c, uint64_t moved_ms)
{
	return moved_ms + peers_hedge_ms(c->peers, &c->peer);
}

void
nodecall_bad(struct nodecall *c)
{
	/* One call is one event for the health of its machine. */
	if (!c->told)
		peers_bad(c->peers, &c->peer);
	c->told = true;
}

void
nodecall_close(struct nodecall *c)
{
	if (c->http == NULL)
		return;
	/* What it answered since the caller looked is news, too. */
	(void)nodecall_state(c);
	if (c->late && c->answered_ms == 0)
		nodecall_bad(c);
	httpc_close(c->http);
	c->http = NULL;
}

int
nodecall_exchange(struct peers *peers, const struct peer *peer,
    const struct nodecall_request *request, struct httpc_response *out,
    size_t body_max, uint64_t deadline_mono_ms, struct error *err)
{
	struct nodecall c = {
		.peers = peers,
		.peer = *peer,
		.untimed = request->untimed,
	};
	struct head head;
	int rc;

	assert(request->body_bytes == 0 && !request->streams);
	nodecall_make_head(&head, peers, peer, request);
	c.opened_ms = peers_now(peers);
	rc = httpc_request_whole(peers_pool(peers), &head.addr, request->method,
	    request->target, head.header, head.count, request->body, out,
	    body_max, deadline_mono_ms, err);
	if (rc == 0) {
		c.answered_ms = peers_now(peers);
		nodetime_hear(peers_clock(peers),
		    nodetime_parse(httpc_response_get(out, NODETIME_HEADER)));
		tell_answer(&c, out->status);
	} else if (rc == -ERRC_UNAVAILABLE || rc == -ERRC_PROTOCOL) {
		nodecall_bad(&c);
	}
	return rc;
}
