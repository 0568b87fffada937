/* SPDX-License-Identifier: MIT */
#include "client/shardsend.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/number.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "http/httpreq.h"
#include "wire/nodecall.h"
#include "wire/nodeanswer.h"
#include "wire/nodehealth.h"
#include "wire/nodeproto.h"

#define POOL_WAIT_MS 500
/* Some disks are full: the other nodes get this long to say the same. */
#define FULL_OTHERS_MS 200
#define FULL_TEXT_MAX 4096

static_assert(SHARDSEND_STRIPES_MAX * 2 <= HTTPC_IOV_MAX, "a block is queued");

struct shard {
	struct nodecall call; /* closed: not begun, or over */
	uint32_t machine;
	uint64_t next_block; /* the next one to queue */
	bool ended;          /* END was queued */
	bool durable;
	bool over; /* failed or given up */
	bool full; /* over, because the node's disk has no room */
	uint64_t free_bytes;
};

struct shardsend {
	struct nodeclient *nc;
	struct placement place;
	struct topology_hold *hold; /* it outlives the request */
	struct buf bucket_key;      /* bucket, then key */
	size_t bucket_bytes;
	struct reqid id;
	struct geometry geometry;
	uint64_t size;
	uint32_t n, write_quorum;
	bool started, ended;
	struct shard shard[STRIPE_SHARDS_MAX];

	struct shardblock block[SHARDSEND_BLOCKS];
	size_t block_bytes; /* data and parity together */
	uint64_t pushed, freed;
	uint64_t full_since_ms;  /* the ring is full; 0: it is not */
	uint64_t moved_ms;       /* when anything moved last */
	uint64_t short_since_ms; /* fewer than the quorum are live; 0: never */
	char reason[200];

	uint8_t begin[STRIPE_SHARDS_MAX][FRAME_BEGIN_BYTES];
	uint8_t end[STRIPE_SHARDS_MAX][FRAME_END_BYTES];
};

uint32_t
shardsend_block_stripes(const struct geometry *g)
{
	uint64_t stripes = SHARDSEND_BLOCK_BYTES / stripe_full_bytes(g);

	stripes = KOOP_MIN(stripes, SHARDSEND_STRIPES_MAX);
	return (uint32_t)KOOP_MAX(stripes, 1);
}

int
shardsend_new(struct shardsend **out, const struct shardsend_options *options,
    struct error *err)
{
	const struct geometry *g = &options->geometry;
	struct shardsend *s;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return error_set(err, ERRC_NOMEM, "blob: out of memory");
	s->nc = options->nc;
	s->place = *options->place;
	s->hold = nodeclient_enter(s->nc);
	s->bucket_key = buf_make(NODEPROTO_BUCKET_MAX + NODEPROTO_KEY_MAX + 1);
	buf_add(&s->bucket_key, options->bucket.p, options->bucket.n);
	buf_add(&s->bucket_key, options->key.p, options->key.n);
	s->bucket_bytes = options->bucket.n;
	s->id = options->id;
	s->geometry = *g;
	s->size = options->size;
	s->n = geometry_shards(g);
	s->write_quorum = options->place->set->write_quorum;
	s->block_bytes = (size_t)shardsend_block_stripes(g) * s->n *
	    g->cell_bytes;
	assert(s->n == options->place->set->n);
	if (buf_failed(&s->bucket_key)) {
		shardsend_free(s);
		return error_set(err, ERRC_NOMEM, "blob: out of memory");
	}
	for (uint32_t j = 0; j < s->n; j++)
		s->shard[j].machine = placement_machine(&s->place, j);
	*out = s;
	return 0;
}

void
shardsend_free(struct shardsend *s)
{
	if (s == NULL)
		return;
	for (uint32_t j = 0; j < s->n; j++)
		nodecall_close(&s->shard[j].call);
	for (size_t i = 0; i < SHARDSEND_BLOCKS; i++)
		nodeclient_buffer_put(s->nc, s->block[i].data, s->block_bytes);
	buf_fini(&s->bucket_key);
	nodeclient_leave(s->nc, s->hold);
	free(s);
}

static void
note_reason(struct shardsend *s, uint32_t j, const char *text)
{
	if (s->reason[0] == '\0')
		snprintf(s->reason, sizeof(s->reason),
		    "shard %u on node %u/%u: %.150s", j, s->place.set->number,
		    s->shard[j].machine, text);
}

/* This shard will not come.  Closing an exchange that has not ended cancels
 * it; the node drops what it has of the file. */
static void
shard_over(struct shardsend *s, uint32_t j, const char *text)
{
	struct shard *shard = &s->shard[j];

	note_reason(s, j, text);
	assert(!shard->durable);
	nodecall_close(&shard->call);
	shard->over = true;
}

static int
open_call(struct shardsend *s, uint32_t j, bool again, struct error *err)
{
	struct shard *shard = &s->shard[j];
	struct peer peer = nodeclient_peer(&s->place, shard->machine);
	struct bytes both = buf_bytes(&s->bucket_key);
	struct buf target = buf_make(HTTPREQ_TARGET_MAX);
	/* The node waits for the body: its time is not the node's. */
	struct nodecall_request request = {
		.method = "PUT",
		.body_bytes = HTTPC_CHUNKED,
		.room_ms = POOL_WAIT_MS,
		.untimed = true,
	};
	int rc;

	if (s->size != UINT64_MAX)
		request.body_bytes = stripe_file_bytes(&s->geometry, s->size);
	nodeproto_target_put(&target, s->place.partition,
	    bytes_of(both.p, s->bucket_bytes),
	    bytes_of(both.p + s->bucket_bytes, both.n - s->bucket_bytes), s->id,
	    j);
	request.target = buf_cstr(&target);
	if (buf_failed(&target))
		rc = error_set(err, ERRC_NOMEM, "blob: out of memory");
	else if (again)
		rc = nodecall_reopen(&shard->call, &request, err);
	else
		rc = nodecall_open(&shard->call, nodeclient_peers(s->nc), &peer,
		    &request, err);
	buf_fini(&target);
	return rc;
}

static void
start_shard(struct shardsend *s, uint32_t j, bool again)
{
	struct shard *shard = &s->shard[j];
	struct iovec iov = {
		.iov_base = s->begin[j],
		.iov_len = FRAME_BEGIN_BYTES,
	};
	struct error err = { 0 };

	shard->next_block = 0;
	shard->ended = false;
	if (open_call(s, j, again, &err) < 0)
		shard_over(s, j, err.text);
	else if (httpc_send(shard->call.http, &iov, 1) < 0)
		shard_over(s, j, "the request cannot be begun");
}

int
shardsend_start(struct shardsend *s, uint32_t shards,
    uint8_t (*begin)[FRAME_BEGIN_BYTES], struct error *err)
{
	uint32_t wanted = 0;

	assert(!s->started);
	s->started = true;
	s->moved_ms = nodeclient_now(s->nc);
	memcpy(s->begin, begin, s->n * sizeof(s->begin[0]));
	/* Health is advice: a quorum of suspects is still tried. */
	for (uint32_t j = 0; j < s->n; j++) {
		if ((shards >> j & 1) != 0 &&
		    nodeclient_usable(s->nc, &s->place, s->shard[j].machine))
			wanted |= 1u << j;
	}
	if ((uint32_t)__builtin_popcount(wanted) < s->write_quorum)
		wanted = shards;
	for (uint32_t j = 0; j < s->n; j++) {
		if ((wanted >> j & 1) != 0)
			start_shard(s, j, false);
		else
			shard_over(s, j, "the node is down");
	}
	if ((uint32_t)__builtin_popcount(shardsend_live(s)) < s->write_quorum)
		return error_set(err, ERRC_UNAVAILABLE,
		    "too few nodes to write to: %s", s->reason);
	return 0;
}

bool
shardsend_started(const struct shardsend *s)
{
	return s->started;
}

void
shardsend_set_size(struct shardsend *s, uint64_t size)
{
	assert(!s->started);
	s->size = size;
}

/* Has the shard no more use for that block? */
static bool
has_sent(const struct shard *shard, uint64_t block)
{
	if (shard->over || shard->durable)
		return true;
	if (shard->next_block <= block)
		return false;
	return shard->next_block > block + 1 || shard->call.http == NULL ||
	    httpc_queued(shard->call.http) == 0;
}

static void
free_blocks(struct shardsend *s)
{
	assert(s->freed <= s->pushed);
	assert(s->pushed - s->freed <= SHARDSEND_BLOCKS);
	while (s->freed < s->pushed) {
		for (uint32_t j = 0; j < s->n; j++) {
			if (!has_sent(&s->shard[j], s->freed))
				return;
		}
		s->freed++;
		s->full_since_ms = 0;
	}
}

struct shardblock *
shardsend_space(struct shardsend *s)
{
	struct shardblock *block = &s->block[s->pushed % SHARDSEND_BLOCKS];
	uint32_t stripes = shardsend_block_stripes(&s->geometry);

	free_blocks(s);
	if (s->pushed - s->freed == SHARDSEND_BLOCKS)
		return NULL;
	if (block->data == NULL) {
		block->data = nodeclient_buffer_get(s->nc, s->block_bytes);
		if (block->data == NULL)
			return NULL;
		block->parity = block->data +
		    stripes * stripe_full_bytes(&s->geometry);
	}
	block->begun_ms = nodeclient_now(s->nc);
	return block;
}

bool
shardsend_due(const struct shardsend *s, const struct shardblock *block,
    uint32_t stripes)
{
	uint32_t most = shardsend_block_stripes(&s->geometry);

	assert(stripes > 0 && stripes <= most);
	return stripes == most ||
	    nodeclient_now(s->nc) - block->begun_ms >= SHARDSEND_BLOCK_MS;
}

/* Whoever was waited for until now had nothing to do: its time begins. */
static void
wake_shards(struct shardsend *s)
{
	if (shardsend_idle(s))
		s->moved_ms = nodeclient_now(s->nc);
}

void
shardsend_push(struct shardsend *s, struct shardblock *block)
{
	assert(block == &s->block[s->pushed % SHARDSEND_BLOCKS]);
	assert(block->stripes > 0);
	assert(block->stripes <= shardsend_block_stripes(&s->geometry));
	assert(!s->ended);
	assert(s->pushed - s->freed < SHARDSEND_BLOCKS);
	wake_shards(s);
	s->pushed++;
}

void
shardsend_end(struct shardsend *s, uint8_t (*end)[FRAME_END_BYTES])
{
	assert(!s->ended);
	wake_shards(s);
	memcpy(s->end, end, s->n * sizeof(s->end[0]));
	s->ended = true;
}

static void
queue_block(struct shardsend *s, uint32_t j)
{
	struct shard *shard = &s->shard[j];
	struct shardblock
	    *block = &s->block[shard->next_block % SHARDSEND_BLOCKS];
	struct iovec iov[SHARDSEND_STRIPES_MAX * 2];
	int count = 0;

	/* Its memory is the block's that is wanted, and of no later one. */
	assert(shard->next_block >= s->freed);
	assert(shard->next_block < s->pushed);
	for (uint32_t i = 0; i < block->stripes; i++) {
		assert(block->encoded[i].cell_bytes > 0);
		assert(block->encoded[i].cell_bytes <= s->geometry.cell_bytes);
		iov[count].iov_base = block->encoded[i].header[j];
		iov[count++].iov_len = FRAME_HEADER_BYTES;
		iov[count].iov_base = block->encoded[i].cell[j];
		iov[count++].iov_len = block->encoded[i].cell_bytes;
	}
	if (httpc_send(shard->call.http, iov, count) < 0) {
		shard_over(s, j, "the body has another length than was told");
		return;
	}
	shard->next_block++;
}

static void
queue_end(struct shardsend *s, uint32_t j)
{
	struct shard *shard = &s->shard[j];
	struct iovec iov = {
		.iov_base = s->end[j],
		.iov_len = FRAME_END_BYTES,
	};

	if (httpc_send(shard->call.http, &iov, 1) < 0) {
		shard_over(s, j, "the body has another length than was told");
		return;
	}
	httpc_finish(shard->call.http);
	shard->ended = true;
}

/* 507.  The disks of other nodes may be full, too: see shardsend_shortage(). */
static void
shard_full(struct shardsend *s, uint32_t j)
{
	struct shard *shard = &s->shard[j];
	const char *text = httpc_response_header(shard->call.http,
	    NODEHEALTH_FREE);
	struct buf reason = buf_make(sizeof(s->reason));

	assert(!shard->over && !shard->durable);
	shard->full = true;
	if (text == NULL ||
	    !number_parse(&shard->free_bytes, text, strlen(text), 0, INT64_MAX))
		shard->free_bytes = 0;
	nodehealth_add_full(&reason, s->place.set->number, shard->machine,
	    shard->free_bytes);
	if (s->reason[0] == '\0')
		snprintf(s->reason, sizeof(s->reason), "%s", buf_cstr(&reason));
	buf_fini(&reason);
	shard_over(s, j, "the disk is full");
}

static void
shard_answered(struct shardsend *s, uint32_t j)
{
	struct shard *shard = &s->shard[j];
	int status = httpc_status(shard->call.http);

	if (status == 200 && shard->ended) {
		assert(shard->next_block == s->pushed);
		shard->durable = true;
		nodecall_close(&shard->call);
		return;
	}
	if (status == 507) {
		shard_full(s, j);
		return;
	}
	shard_over(s, j, nodeanswer_text(status));
}

/* What became of the call, and what it may send next. */
static void
feed_shard(struct shardsend *s, uint32_t j)
{
	struct shard *shard = &s->shard[j];

	if (shard->call.http == NULL)
		return;
	switch (nodecall_state(&shard->call)) {
	case HTTPC_FAILED:
		/* As long as the ring has all of it, it can go out anew. */
		if (nodecall_is_stale(&shard->call) && s->freed == 0)
			start_shard(s, j, true);
		else
			shard_over(s, j, httpc_error(shard->call.http)->text);
		return;
	case HTTPC_DONE:
		shard_answered(s, j);
		return;
	case HTTPC_BODY:
		/* The answer's text is of no interest, its status is. */
		if (httpc_status(shard->call.http) != 200)
			shard_answered(s, j);
		return;
	case HTTPC_SENDING:
	case HTTPC_WAITING:
		break;
	}
	if (httpc_queued(shard->call.http) > 0)
		return;
	if (shard->next_block < s->pushed)
		queue_block(s, j);
	else if (s->ended && !shard->ended)
		queue_end(s, j);
}

void
shardsend_moved(struct shardsend *s)
{
	s->moved_ms = nodeclient_now(s->nc);
	for (uint32_t j = 0; j < s->n; j++)
		feed_shard(s, j);
	free_blocks(s);
}

size_t
shardsend_calls(struct shardsend *s,
    struct httpc_call *out[static STRIPE_SHARDS_MAX])
{
	for (uint32_t j = 0; j < s->n; j++)
		out[j] = s->shard[j].call.http;
	return s->n;
}

uint32_t
shardsend_durable(const struct shardsend *s)
{
	uint32_t mask = 0;

	for (uint32_t j = 0; j < s->n; j++)
		mask |= (uint32_t)s->shard[j].durable << j;
	return mask;
}

uint32_t
shardsend_live(const struct shardsend *s)
{
	uint32_t mask = 0;

	for (uint32_t j = 0; j < s->n; j++)
		mask |= (uint32_t)!s->shard[j].over << j;
	return mask;
}

uint32_t
shardsend_healthy(const struct shardsend *s)
{
	uint32_t mask = shardsend_live(s);

	for (uint32_t j = 0; j < s->n; j++) {
		/* Still sending when others are done: merely behind. */
		if (s->shard[j].call.http != NULL && !s->shard[j].ended)
			mask &= ~(1u << j);
	}
	return mask;
}

bool
shardsend_idle(const struct shardsend *s)
{
	for (uint32_t j = 0; j < s->n; j++) {
		const struct shard *shard = &s->shard[j];

		if (shard->call.http == NULL)
			continue;
		if (shard->next_block < s->pushed ||
		    httpc_queued(shard->call.http) > 0 ||
		    (s->ended && !shard->durable))
			return false;
	}
	return true;
}

uint32_t
shardsend_quorum(const struct shardsend *s)
{
	return s->write_quorum;
}

struct nodeclient *
shardsend_client(const struct shardsend *s)
{
	return s->nc;
}

bool
shardsend_done(const struct shardsend *s)
{
	return shardsend_durable(s) == shardsend_live(s);
}

void
shardsend_give_up(struct shardsend *s, uint32_t shards)
{
	for (uint32_t j = 0; j < s->n; j++) {
		if ((shards >> j & 1) != 0 && !s->shard[j].over &&
		    !s->shard[j].durable)
			shard_over(s, j, "given up");
	}
}

/* The ring is full: who holds its oldest block has a second, if enough others
 * are past it (protocol.md 6.1): memory is bounded, and one slow disk of nine
 * must not set the pace of all. */
static void
drop_stragglers(struct shardsend *s)
{
	uint64_t now = nodeclient_now(s->nc);
	uint32_t behind = 0;

	if (s->pushed - s->freed < SHARDSEND_BLOCKS)
		return;
	if (s->full_since_ms == 0)
		s->full_since_ms = now;
	if (now - s->full_since_ms < SHARDSEND_BEHIND_MS)
		return;
	for (uint32_t j = 0; j < s->n; j++) {
		if (!has_sent(&s->shard[j], s->freed))
			behind |= 1u << j;
	}
	if ((uint32_t)__builtin_popcount(shardsend_live(s) & ~behind) <
	    s->write_quorum)
		return;
	for (uint32_t j = 0; j < s->n; j++) {
		if ((behind >> j & 1) == 0)
			continue;
		nodecall_bad(&s->shard[j].call);
		shard_over(s, j, "too slow");
	}
	free_blocks(s);
}

/*
 * Too few are left.  With more full disks than can be done without, trying
 * again does not help, whoever comes back, and who wants to write is told
 * which disks they are.
 */
int
shardsend_shortage(const struct shardsend *s, struct error *err)
{
	struct buf full = buf_make(FULL_TEXT_MAX);
	uint32_t count = 0;
	int rc;

	assert(
	    (uint32_t)__builtin_popcount(shardsend_live(s)) < s->write_quorum);
	for (uint32_t j = 0; j < s->n; j++) {
		if (!s->shard[j].full)
			continue;
		count++;
		nodehealth_add_full(&full, s->place.set->number,
		    s->shard[j].machine, s->shard[j].free_bytes);
	}
	if (count > s->n - s->write_quorum)
		rc = error_set(err, ERRC_FULL, "%s", buf_cstr(&full));
	else
		rc = error_set(err, ERRC_UNAVAILABLE,
		    "too few nodes to write to: %s", s->reason);
	buf_fini(&full);
	return rc;
}

/* Nodes with a full disk say so at once, and one after the other: the others
 * may answer, too, before it is said who they are. */
static bool
more_may_answer(struct shardsend *s, uint64_t now)
{
	bool full = false;
	bool open = false;

	if (s->short_since_ms == 0)
		s->short_since_ms = now;
	for (uint32_t j = 0; j < s->n; j++) {
		full = full || s->shard[j].full;
		open = open || s->shard[j].call.http != NULL;
	}
	return full && open && now - s->short_since_ms < FULL_OTHERS_MS;
}

static int
check_quorum(struct shardsend *s, struct error *err)
{
	uint64_t now = nodeclient_now(s->nc);

	if ((uint32_t)__builtin_popcount(shardsend_live(s)) < s->write_quorum)
		return more_may_answer(s, now) ? 0 : shardsend_shortage(s, err);
	if (now - s->moved_ms > SHARDSEND_STALL_MS)
		return error_set(err, ERRC_UNAVAILABLE,
		    "too few nodes to write to: no progress for %d s",
		    SHARDSEND_STALL_MS / 1000);
	return 0;
}

int
shardsend_poll(struct shardsend *s, int client_fd, uint64_t until,
    struct error *err)
{
	struct httpc_wake wake = { .client_fd = client_fd, .event_fd = -1 };
	struct httpc_call *calls[STRIPE_SHARDS_MAX];
	size_t count;
	int event;

	for (uint32_t j = 0; j < s->n; j++)
		feed_shard(s, j);
	count = shardsend_calls(s, calls);
	event = httpc_poll(calls, count, &wake, until);
	if (event < 0)
		return error_errno(err, ERRC_IO, "poll");
	if (event == HTTPC_CLIENT_GONE)
		return error_set(err, ERRC_IO, "the client went away");
	if (event == HTTPC_PROGRESS)
		shardsend_moved(s);
	drop_stragglers(s);
	return check_quorum(s, err);
}
