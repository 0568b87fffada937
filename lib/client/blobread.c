/* SPDX-License-Identifier: MIT */
#include "client/blobread.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "client/blobfetch.h"
#include "client/nodeclient.h"
#include "client/nodenotice.h"
#include "cluster/placement.h"
#include "http/httpreq.h"
#include "shard/decoder.h"
#include "wire/nodehealth.h"
#include "wire/nodeproto.h"

#define WINDOW_BYTES (1536u << 10)
/* A caller that takes a window at least this fast is a quick one; the
 * allowance keeps small windows from being judged by scheduling noise. */
#define QUICK_BYTES_PER_MS 4096
#define QUICK_ALLOWANCE_MS 20
/* A slow one gets about as much as it drains in that time. */
#define SLOW_WINDOW_MS 500

enum pace {
	PACE_FIRST, /* nothing read yet: one stripe */
	PACE_FAST,  /* has a token: large windows */
	PACE_QUICK, /* would be fast, but the tokens are out: one stripe */
	PACE_SLOW,
};

struct blobread {
	struct nodeclient *nc;
	struct blobsource source;
	struct buf target;
	uint64_t at, end; /* of the range; at: the next byte to hand out */
	struct blobwindow window;
	uint64_t window_from, window_to; /* of the blob; equal: none */
	enum pace pace;
	uint64_t window_ready_ms; /* when it was fetched */
	uint64_t slow_bytes;      /* window of a slow caller */
	uint64_t leased_ms;
};

static int
make_source(struct blobread *r, const struct blob_ref *ref, struct error *err)
{
	const struct topology *topology = nodeclient_topology(r->nc);
	struct placement *place = &r->source.place;
	uint32_t n = geometry_shards(&ref->geometry);

	assert(ref->size <= STRIPE_SIZE_MAX);
	place->partition = ref->partition;
	place->set = topology_set(topology, ref->set);
	if (place->set == NULL)
		return error_set(err, ERRC_UNAVAILABLE,
		    "erasure set %u: not in the topology", ref->set);
	place->set_index = (size_t)(place->set - topology->sets);
	if (place->set->n != n)
		return error_set(err, ERRC_PROTOCOL,
		    "erasure set %u: %u machines, but the blob has %u shards",
		    ref->set, place->set->n, n);
	r->source.nc = r->nc;
	r->source.id = ref->id;
	r->source.geometry = ref->geometry;
	r->source.size = ref->size;
	nodeproto_target_blob(&r->target, ref->partition, ref->bucket, ref->key,
	    ref->id);
	if (buf_failed(&r->target))
		return error_set(err, ERRC_NOMEM, "blob: out of memory");
	r->source.target = buf_cstr(&r->target);
	return decoder_new(&r->source.decoder, &r->source.geometry,
	    r->source.id, err);
}

int
blobread_open(struct blobread **out, struct nodeclient *nc,
    const struct blob_ref *ref, struct error *err)
{
	struct blobread *r;
	int rc;

	rc = geometry_check(&ref->geometry, err);
	if (rc < 0)
		return rc;
	if (ref->size > STRIPE_SIZE_MAX)
		return error_set(err, ERRC_PROTOCOL, "blob: size too large");
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return error_set(err, ERRC_NOMEM, "blob: out of memory");
	r->nc = nc;
	r->target = buf_make(HTTPREQ_TARGET_MAX);
	r->end = ref->size;
	r->leased_ms = nodeclient_now(nc);
	rc = make_source(r, ref, err);
	if (rc < 0) {
		blobread_close(r);
		return rc;
	}
	*out = r;
	return 0;
}

static void
drop_window(struct blobread *r)
{
	blobwindow_release(r->nc, &r->window);
	r->window_from = r->window_to = 0;
}

void
blobread_close(struct blobread *r)
{
	if (r == NULL)
		return;
	drop_window(r);
	if (r->pace == PACE_FAST)
		nodeclient_fast_give(r->nc);
	decoder_free(r->source.decoder);
	buf_fini(&r->target);
	free(r);
}

void
blobread_range(struct blobread *r, uint64_t offset, uint64_t length)
{
	assert(offset <= r->source.size);
	assert(length <= r->source.size - offset);
	r->at = offset;
	r->end = offset + length;
	if (r->window.content == NULL || r->at < r->window_from ||
	    r->at >= r->window_to)
		drop_window(r);
}

/* How quickly did the caller take the window before?  That chooses the size
 * of the next one. */
static void
judge_pace(struct blobread *r)
{
	uint64_t took = nodeclient_now(r->nc) - r->window_ready_ms;
	uint64_t bytes = r->window_to - r->window_from;
	uint64_t cell = r->source.geometry.cell_bytes;

	assert(r->window_from <= r->window_to && r->window_to <= r->end);
	if (r->window_to == r->window_from)
		return;
	if (took <= bytes / QUICK_BYTES_PER_MS + QUICK_ALLOWANCE_MS) {
		if (r->pace == PACE_FAST)
			return;
		r->pace = nodeclient_fast_take(r->nc) ? PACE_FAST : PACE_QUICK;
		return;
	}
	if (r->pace == PACE_FAST)
		nodeclient_fast_give(r->nc);
	r->pace = PACE_SLOW;
	r->slow_bytes = bytes * SLOW_WINDOW_MS / KOOP_MAX(took, 1);
	r->slow_bytes = KOOP_MAX(r->slow_bytes, cell);
}

/* The end of the window that begins at r->at: at a stripe's end, or for a slow
 * caller at a cell's, since whole cells are fetched. */
static uint64_t
window_end(const struct blobread *r)
{
	const struct geometry *g = &r->source.geometry;
	uint64_t full = stripe_full_bytes(g);
	uint64_t stripe = r->at / full;
	uint64_t stripes = 1;
	uint64_t end;

	assert(r->at < r->end && r->end <= r->source.size);
	if (r->pace == PACE_SLOW) {
		struct stripe_place place = stripe_place(g, r->source.size,
		    r->at);
		uint64_t cell = stripe_cell_bytes(g, r->source.size, stripe);
		uint64_t cells = KOOP_MAX(r->slow_bytes / cell, 1);

		end = stripe * full + (place.shard + cells) * cell;
		end = KOOP_MIN(end, (stripe + 1) * full);
		return KOOP_MIN(end, r->end);
	}
	if (r->pace == PACE_FAST) {
		stripes = KOOP_MAX(WINDOW_BYTES / full, 1);
		stripes = KOOP_MIN(stripes, BLOBPLAN_STRIPES_MAX);
	}
	return KOOP_MIN((stripe + stripes) * full, r->end);
}

static int
next_window(struct blobread *r, int client_fd, struct error *err)
{
	uint64_t now, end;
	int rc;

	judge_pace(r);
	drop_window(r);
	nodeclient_fetch_enter(r->nc);
	now = nodeclient_now(r->nc);
	assert(now >= r->leased_ms);
	/* protocol.md 7.4: the pin of a long read, on all n nodes.  Without it
	 * a blob that was overwritten meanwhile is collected an hour after its
	 * last read, under a viewer who pauses (8, garbage; why: S18). */
	if (now - r->leased_ms >= NODEHEALTH_LEASE_MS) {
		nodenotice_lease(r->nc, &r->source.place, r->source.id);
		r->leased_ms = now;
	}
	end = window_end(r);
	assert(end > r->at && end <= r->end);
	rc = blobfetch_window(&r->source, r->at, end - r->at, client_fd,
	    now + NODECLIENT_READ_MS, &r->window, err);
	nodeclient_fetch_leave(r->nc);
	if (rc < 0)
		return rc;
	r->window_from = r->at;
	r->window_to = end;
	r->window_ready_ms = nodeclient_now(r->nc);
	return 0;
}

int
blobread_prefetch(struct blobread *r, int client_fd, struct error *err)
{
	if (r->at == r->end || r->window_to > r->at)
		return 0;
	return next_window(r, client_fd, err);
}

ssize_t
blobread_read(struct blobread *r, uint8_t *p, size_t max, int client_fd,
    struct error *err)
{
	uint64_t n;
	int rc;

	assert(max > 0);
	if (r->at == r->end)
		return 0;
	if (r->at >= r->window_to) {
		rc = next_window(r, client_fd, err);
		if (rc < 0)
			return rc;
	}
	n = KOOP_MIN(r->window_to - r->at, r->end - r->at);
	n = KOOP_MIN(n, max);
	assert(n > 0 && r->at >= r->window_from);
	assert(r->window.content != NULL);
	memcpy(p, r->window.content + (r->at - r->window_from), n);
	r->at += n;
	/* Handed out: a caller that drains slowly does not keep the memory;
	 * from and to stay, to judge its pace by. */
	if (r->at == r->window_to)
		blobwindow_release(r->nc, &r->window);
	return (ssize_t)n;
}
