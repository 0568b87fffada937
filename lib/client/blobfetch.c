/* SPDX-License-Identifier: MIT */
#include "client/blobfetch.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/clientstats.h"
#include "client/nodeclient.h"
#include "client/nodenotice.h"
#include "shard/decoder.h"
#include "shard/frame.h"
#include "wire/nodecall.h"

#define FETCHES_MAX (2 * STRIPE_SHARDS_MAX)
#define BUFFER_MIN (64u << 10)
/* Nodes that could not be reached are tried so many times more. */
#define ROUNDS_MAX 3
#define ROUND_MS 150

static_assert(BLOBPLAN_STRIPES_MAX * 2 <= HTTPC_IOV_MAX, "a fetch is one call");

struct fetch {
	struct nodecall call; /* closed: the slot is free */
	struct blobplan_fetch want;
	uint64_t moved_ms;
	size_t received;
	uint32_t cells; /* verified or found bad so far */
	size_t bytes;   /* of those cells' frames */
	size_t expected;
};

struct window {
	const struct blobsource *source;
	struct blobplan *plan;
	uint32_t n;
	/* Where each cell and its header goes; [stripe * n + shard]. */
	uint8_t *wanted; /* the caller's contiguous memory */
	uint32_t from;   /* its first cell's shard */
	uint8_t *extra;  /* cells that are only decoded from */
	size_t extra_room;
	uint8_t (*header)[FRAME_HEADER_BYTES];
	struct fetch fetch[FETCHES_MAX];
	uint32_t unreached; /* shards whose node could not be reached */
	uint64_t began_ms;
	uint64_t half_ms; /* half of the fetches were done: took so long */
	unsigned opened, ended;
	bool degraded; /* a cell was rebuilt */
};

static uint32_t
cell_length(const struct window *w, uint32_t i)
{
	assert(i < w->plan->stripes);
	return stripe_cell_bytes(&w->source->geometry, w->source->size,
	    w->plan->first + i);
}

/* Power-of-two classes, so that idle buffers fit the next window. */
static size_t
buffer_class(size_t bytes)
{
	size_t class = BUFFER_MIN;

	assert(bytes <= SIZE_MAX / 2);
	while (class < bytes)
		class *= 2;
	return class;
}

static bool
is_wanted(const struct window *w, uint32_t i, uint32_t shard)
{
	return (w->plan->want[i] >> shard & 1) != 0;
}

static uint8_t *
blobfetch_cell_at(const struct window *w, uint32_t i, uint32_t shard)
{
	const struct geometry *g = &w->source->geometry;

	assert(i < w->plan->stripes && shard < w->n);
	/* Wanted cells are data, back to back; the first stripe's from `from`.
	 */
	assert(!is_wanted(w, i, shard) || shard < g->data_shards);
	assert(!is_wanted(w, i, shard) || i > 0 || shard >= w->from);
	if (is_wanted(w, i, shard))
		return w->wanted + (uint64_t)i * stripe_full_bytes(g) +
		    (uint64_t)shard * cell_length(w, i) -
		    (uint64_t)w->from * cell_length(w, 0);
	assert(w->extra != NULL);
	return w->extra + ((uint64_t)i * w->n + shard) * g->cell_bytes;
}

static uint8_t *
header_at(const struct window *w, uint32_t i, uint32_t shard)
{
	assert(i < w->plan->stripes && shard < w->n);
	return w->header[i * w->n + shard];
}

/* Memory for cells outside the range; only damage or an absent node asks. */
static int
need_extra(struct window *w, const struct blobplan_fetch *f, struct error *err)
{
	const struct geometry *g = &w->source->geometry;
	bool needed = false;

	assert(f->first + f->count <= w->plan->stripes);
	for (uint32_t i = 0; i < f->count; i++)
		needed |= !is_wanted(w, f->first + i, f->shard);
	if (!needed || w->extra != NULL)
		return 0;
	w->extra_room = buffer_class(
	    (size_t)w->plan->stripes * w->n * g->cell_bytes);
	w->extra = nodeclient_buffer_get(w->source->nc, w->extra_room);
	if (w->extra == NULL)
		return error_set(err, ERRC_NOMEM, "window: out of memory");
	return 0;
}

static uint32_t
usable_shards(const struct window *w)
{
	uint32_t mask = 0;

	for (uint32_t j = 0; j < w->n; j++) {
		if (nodeclient_usable(w->source->nc, &w->source->place,
			placement_machine(&w->source->place, j)))
			mask |= 1u << j;
	}
	return mask;
}

static uint32_t
late_shards(const struct window *w)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < FETCHES_MAX; i++) {
		if (w->fetch[i].call.http != NULL && w->fetch[i].call.late)
			mask |= 1u << w->fetch[i].want.shard;
	}
	return mask;
}

static int
open_call(struct window *w, struct fetch *f)
{
	const struct blobsource *source = w->source;
	uint64_t first = w->plan->first + f->want.first;
	uint64_t from = stripe_cell_offset(&source->geometry, first);
	uint32_t last = f->want.first + f->want.count - 1;
	uint64_t to = stripe_cell_offset(&source->geometry,
			  w->plan->first + last) +
	    FRAME_HEADER_BYTES + cell_length(w, last);
	struct peer peer = nodeclient_peer(&source->place,
	    placement_machine(&source->place, f->want.shard));
	struct nodecall_request request = {
		.method = "GET",
		.target = source->target,
		.ranged = true,
		.from = from,
		.to = to - 1,
	};

	assert(from < to);
	f->expected = to - from;
	return nodecall_open(&f->call, nodeclient_peers(source->nc), &peer,
	    &request, NULL);
}

static void
receive_cells(struct window *w, struct fetch *f)
{
	struct iovec iov[BLOBPLAN_STRIPES_MAX * 2];
	int count = 0;

	for (uint32_t i = 0; i < f->want.count; i++) {
		uint32_t stripe = f->want.first + i;

		iov[count].iov_base = header_at(w, stripe, f->want.shard);
		iov[count++].iov_len = FRAME_HEADER_BYTES;
		iov[count].iov_base = blobfetch_cell_at(w, stripe,
		    f->want.shard);
		iov[count++].iov_len = cell_length(w, stripe);
	}
	assert(count > 0 && count <= HTTPC_IOV_MAX);
	httpc_recv_into(f->call.http, iov, count);
}

static struct fetch *
free_slot(struct window *w)
{
	for (size_t i = 0; i < FETCHES_MAX; i++) {
		if (w->fetch[i].call.http == NULL)
			return &w->fetch[i];
	}
	return NULL;
}

/* Ask for what the plan still needs. */
static int
start_fetches(struct window *w, uint32_t usable, struct error *err)
{
	struct blobplan_fetch want;
	struct fetch *f;
	int rc;

	while ((f = free_slot(w)) != NULL &&
	    blobplan_next(w->plan, usable, late_shards(w), &want)) {
		rc = need_extra(w, &want, err);
		if (rc < 0)
			return rc;
		assert(f->call.http == NULL && want.count > 0);
		assert(want.count <= BLOBPLAN_STRIPES_MAX);
		memset(f, 0, sizeof(*f));
		f->want = want;
		f->moved_ms = nodeclient_now(w->source->nc);
		w->opened++;
		if (open_call(w, f) < 0) {
			w->unreached |= 1u << want.shard;
			w->ended++;
			blobplan_failed(w->plan, &want);
			continue;
		}
		receive_cells(w, f);
	}
	return 0;
}

static void
end_fetch(struct window *w, struct fetch *f)
{
	assert(w->ended < w->opened);
	nodecall_close(&f->call);
	blobplan_failed(w->plan, &f->want);
	w->ended++;
	if (w->half_ms == 0 && w->ended * 2 >= w->opened)
		w->half_ms = nodeclient_now(w->source->nc) - w->began_ms + 1;
}

/* Check the cells that are whole by now. */
static void
check_cells(struct window *w, struct fetch *f)
{
	const struct blobsource *source = w->source;

	while (f->cells < f->want.count) {
		uint32_t i = f->want.first + f->cells;
		uint32_t length = cell_length(w, i);

		if (f->received < f->bytes + FRAME_HEADER_BYTES + length)
			return;
		f->bytes += FRAME_HEADER_BYTES + length;
		assert(f->bytes <= f->expected);
		f->cells++;
		if (decoder_check_cell(&source->id, (uint8_t)f->want.shard,
			w->plan->first + i, length,
			header_at(w, i, f->want.shard),
			blobfetch_cell_at(w, i, f->want.shard))) {
			blobplan_good(w->plan, f->want.shard, i);
			continue;
		}
		blobplan_bad(w->plan, f->want.shard, i);
		clientstats_add(&nodeclient_stats(source->nc)->bad_cells, 1);
		/* protocol.md 7.3: an erasure here, and its node repairs it:
		 * unsaid, the blob would be short of it until the scrub. */
		nodenotice_repair(source->nc, &source->place, source->id,
		    f->want.shard);
	}
}

/* RFC 9110, 15.3.7: the part that was asked for, all of it.  A 200 is the whole
 * shard: its BEGIN would be checked as a cell, found bad, and a good shard
 * repaired. */
static bool
answer_fits(const struct fetch *f)
{
	return httpc_status(f->call.http) == 206 &&
	    httpc_body_length(f->call.http) == f->expected;
}

static void
look_at(struct window *w, struct fetch *f)
{
	const struct blobsource *source = w->source;
	uint64_t now = nodeclient_now(source->nc);
	bool answered = f->call.answered_ms != 0;
	enum httpc_state state = nodecall_state(&f->call);
	size_t received;

	if (state == HTTPC_FAILED) {
		w->unreached |= 1u << f->want.shard;
		end_fetch(w, f);
		return;
	}
	if (state != HTTPC_BODY && state != HTTPC_DONE)
		return;
	if (!answered)
		f->moved_ms = now;
	if (!answer_fits(f)) {
		/* It answers, but has no such shard (yet), or not all. */
		if (httpc_status(f->call.http) >= 500)
			w->unreached |= 1u << f->want.shard;
		end_fetch(w, f);
		return;
	}
	received = httpc_received(f->call.http);
	assert(received <= f->expected);
	assert(received >= f->received);
	if (received != f->received) {
		f->received = received;
		f->moved_ms = now;
		f->call.late = false;
		check_cells(w, f);
	}
	if (state == HTTPC_DONE)
		end_fetch(w, f);
}

/*
 * Who has been silent for longer than its p95 is hedged (protocol.md 7.3); and
 * who trickles, while half of the others were done three times as fast.  One
 * slow disk of nine would make every read as slow as itself.  Returns when to
 * look again.
 */
static uint64_t
blobfetch_mark_late(struct window *w, uint64_t deadline)
{
	uint64_t now = nodeclient_now(w->source->nc);
	uint64_t next = deadline;

	for (size_t i = 0; i < FETCHES_MAX; i++) {
		struct fetch *f = &w->fetch[i];
		uint64_t due;

		if (f->call.http == NULL || f->call.late)
			continue;
		due = nodecall_due(&f->call, f->moved_ms);
		if (w->half_ms != 0)
			due = KOOP_MIN(due,
			    nodecall_due(&f->call,
				f->call.opened_ms + 3 * w->half_ms));
		/* The caller starts another one before it waits. */
		f->call.late = now >= due;
		if (f->call.late)
			clientstats_add(&nodeclient_stats(w->source->nc)
					     ->hedged_cells,
			    1);
		next = KOOP_MIN(next, due);
	}
	return next;
}

static bool
any_open(const struct window *w)
{
	for (size_t i = 0; i < FETCHES_MAX; i++) {
		if (w->fetch[i].call.http != NULL)
			return true;
	}
	return false;
}

static int
poll_once(struct window *w, int client_fd, uint64_t until, struct error *err)
{
	struct httpc_wake wake = { .client_fd = client_fd, .event_fd = -1 };
	struct httpc_call *calls[FETCHES_MAX];
	int event;

	for (size_t i = 0; i < FETCHES_MAX; i++)
		calls[i] = w->fetch[i].call.http;
	event = httpc_poll(calls, FETCHES_MAX, &wake, until);
	if (event < 0)
		return error_errno(err, ERRC_IO, "poll");
	if (event == HTTPC_CLIENT_GONE)
		return error_set(err, ERRC_IO, "the client went away");
	for (size_t i = 0; i < FETCHES_MAX; i++) {
		if (w->fetch[i].call.http != NULL)
			look_at(w, &w->fetch[i]);
	}
	return 0;
}

static int
too_few(const struct window *w, const char *why, struct error *err)
{
	uint32_t good = 0;
	uint64_t stripe = blobplan_lacking(w->plan, &good);

	return error_set(err, ERRC_UNAVAILABLE,
	    "stripe %" PRIu64 ": %u of %u cells can be had: %s", stripe, good,
	    w->source->geometry.data_shards, why);
}

/* All were asked and it is not enough.  Those that could not be reached get
 * another chance: a node may be starting. */
static int
next_round(struct window *w, unsigned *rounds, int client_fd, uint64_t deadline,
    struct error *err)
{
	uint64_t now = nodeclient_now(w->source->nc);
	int rc;

	/* What is still open may yet be enough. */
	assert(!any_open(w));
	if (w->unreached == 0 || ++*rounds > ROUNDS_MAX || now >= deadline)
		return too_few(w, "the other nodes have no good ones", err);
	rc = poll_once(w, client_fd, KOOP_MIN(now + ROUND_MS, deadline), err);
	for (uint32_t i = 0; i < w->plan->stripes; i++)
		w->plan->tried[i] &= ~w->unreached;
	w->unreached = 0;
	return rc;
}

static int
fetch_all(struct window *w, int client_fd, uint64_t deadline, struct error *err)
{
	uint32_t usable = usable_shards(w);
	unsigned rounds = 0;
	int rc = 0;

	while (rc == 0 && !blobplan_complete(w->plan)) {
		uint64_t until = blobfetch_mark_late(w, deadline);

		rc = start_fetches(w, usable, err);
		if (rc < 0)
			break;
		if (!any_open(w)) {
			rc = next_round(w, &rounds, client_fd, deadline, err);
			continue;
		}
		if (nodeclient_now(w->source->nc) >= deadline)
			return too_few(w, "no more in time", err);
		/* Fetches begun just now have their own due time. */
		until = KOOP_MIN(until, blobfetch_mark_late(w, deadline));
		rc = poll_once(w, client_fd, until, err);
	}
	return rc;
}

/* Rebuild the cells of want that are not good. */
static int
rebuild(struct window *w, uint32_t i, uint32_t want, struct error *err)
{
	uint8_t *cell[STRIPE_SHARDS_MAX] = { NULL };
	uint32_t good = w->plan->good[i];

	if ((want & ~good) == 0)
		return 0;
	w->degraded = true;
	/* The plan said that the stripe is complete. */
	assert(blobplan_stripe_complete(w->plan, i));
	for (uint32_t j = 0; j < w->n; j++) {
		if (((good | want) >> j & 1) != 0)
			cell[j] = blobfetch_cell_at(w, i, j);
	}
	return decoder_stripe(w->source->decoder, w->plan->first + i,
	    cell_length(w, i), cell, good, want, err);
}

/* Calls that are still open were not needed.  A node that did not even answer
 * in its time is in trouble. */
static void
close_calls(struct window *w)
{
	for (size_t i = 0; i < FETCHES_MAX; i++)
		nodecall_close(&w->fetch[i].call);
}

static struct window *
new_window(const struct blobsource *source, struct blobplan *plan,
    struct error *err)
{
	struct window *w = calloc(1, sizeof(*w));
	uint32_t n = geometry_shards(&source->geometry);

	if (w != NULL)
		w->header = calloc((size_t)plan->stripes * n,
		    sizeof(*w->header));
	if (w == NULL || w->header == NULL) {
		free(w);
		error_set(err, ERRC_NOMEM, "window: out of memory");
		return NULL;
	}
	w->source = source;
	w->plan = plan;
	w->n = n;
	w->began_ms = nodeclient_now(source->nc);
	return w;
}

static void
free_window(struct window *w)
{
	close_calls(w);
	nodeclient_buffer_put(w->source->nc, w->extra, w->extra_room);
	free(w->header);
	free(w);
}

int
blobfetch_window(const struct blobsource *source, uint64_t offset,
    uint64_t length, int client_fd, uint64_t deadline, struct blobwindow *out,
    struct error *err)
{
	const struct geometry *g = &source->geometry;
	struct stripe_place from = stripe_place(g, source->size, offset);
	struct blobwindow window = { 0 };
	struct window *w;
	int rc;

	assert(length > 0 && offset <= source->size - length);
	blobplan_init(&window.plan, g, source->size, offset, length);
	w = new_window(source, &window.plan, err);
	if (w == NULL)
		return -ERRC_NOMEM;
	/* Whole cells, and in the last one of the blob its padding. */
	window.data_room = buffer_class(
	    length + 2 * (size_t)g->cell_bytes + g->data_shards);
	window.data = nodeclient_buffer_get(source->nc, window.data_room);
	if (window.data == NULL) {
		rc = error_set(err, ERRC_NOMEM, "window: out of memory");
		goto out;
	}
	assert(from.offset + length <= window.data_room);
	window.content = window.data + from.offset;
	w->wanted = window.data;
	w->from = from.shard;
	rc = fetch_all(w, client_fd, deadline, err);
	for (uint32_t i = 0; rc == 0 && i < window.plan.stripes; i++)
		rc = rebuild(w, i, window.plan.want[i], err);
	if (w->degraded)
		clientstats_add(&nodeclient_stats(source->nc)->degraded_reads,
		    1);
out:
	free_window(w);
	if (rc < 0) {
		blobwindow_release(source->nc, &window);
		return rc;
	}
	*out = window;
	return 0;
}

void
blobwindow_release(struct nodeclient *nc, struct blobwindow *window)
{
	nodeclient_buffer_put(nc, window->data, window->data_room);
	window->data = NULL;
	window->content = NULL;
}
