/* SPDX-License-Identifier: MIT */
#include "upkeep/rebuild.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "codec/crc.h"
#include "codec/stripe.h"
#include "http/httpc_request.h"
#include "http/httpreq.h"
#include "member/nodecore.h"
#include "member/room.h"
#include "shard/decoder.h"
#include "shard/frame.h"
#include "store/shardfile.h"
#include "wire/nodecall.h"
#include "wire/nodeproto.h"

/*
 * data_shards peers are read side by side, stripe by stripe, each from the
 * beginning of its file (BEGIN, cells, END).  One that fails, or whose cell
 * is bad, is given up for good, and another peer takes its place from the
 * frame that is wanted now.  Slow peers count as failed after SILENCE_MS.
 */
#define SILENCE_MS 15000

struct source {
	struct nodecall call;
	uint32_t shard;
	bool ready;      /* the frame that is wanted now is here, and good */
	uint8_t *memory; /* a header and a cell, or END */
};

struct rebuild {
	struct nodecore *core;
	const struct rebuild_job *job;
	struct decoder *decoder;
	struct shardfile_upload *upload;
	uint32_t mine;
	uint32_t tried; /* bit: shard whose holder was asked */
	struct source source[STRIPE_SHARDS_MAX];
	uint32_t sources; /* = data shards */
	uint8_t *cell;    /* a header and the cell that is rebuilt */
	uint64_t crc64;
	struct error last; /* why a peer was given up */
};

static void
give_up(struct rebuild *r, struct source *s, const char *why)
{
	const struct error *err = NULL;

	if (s->call.http != NULL && nodecall_state(&s->call) == HTTPC_FAILED)
		err = httpc_error(s->call.http);
	error_set(&r->last, ERRC_UNAVAILABLE, "shard %" PRIu32 ": %s", s->shard,
	    err != NULL ? err->text : why);
	nodecall_close(&s->call);
	s->ready = false;
}

/* The next holder that was not asked.  One that is down costs SILENCE_MS, or
 * a connection that is refused: it is asked when no other is left (protocol.md
 * 8, health: it is skipped while enough others remain). */
static bool
choose_holder(struct rebuild *r, uint32_t *shard, struct peer *peer)
{
	const struct rebuild_job *job = r->job;

	for (int all = 0; all < 2; all++) {
		for (uint32_t j = 0; j < job->place.set->n; j++) {
			if (j == r->mine || (r->tried >> j & 1) != 0)
				continue;
			*peer = peers_machine(job->place.set,
			    placement_machine(&job->place, j));
			if (all == 0 && !peers_usable(r->core->peers, peer))
				continue;
			assert(j < STRIPE_SHARDS_MAX);
			r->tried |= 1u << j;
			*shard = j;
			return true;
		}
	}
	return false;
}

/* Ask the next peer, from that byte of its file on. */
static bool
open_source(struct rebuild *r, struct source *s, uint64_t offset)
{
	const struct rebuild_job *job = r->job;
	struct buf target = buf_make(HTTPREQ_TARGET_MAX);
	struct nodecall_request request = {
		.method = "GET",
		.ranged = true,
		.from = offset,
		.to = NODECALL_END,
	};
	struct error err = { 0 };
	struct peer peer;
	bool good = false;

	assert(offset <= INT64_MAX);
	nodeproto_target_blob(&target, job->place.partition, job->bucket,
	    job->key, job->id);
	request.target = buf_cstr(&target);
	while (!good && choose_holder(r, &s->shard, &peer)) {
		good = nodecall_open(&s->call, r->core->peers, &peer, &request,
			   &err) == 0;
		if (!good)
			r->last = err;
	}
	buf_fini(&target);
	return good;
}

/* Has the call brought all n bytes of the frame?  Negative: it cannot. */
static int
source_progress(struct source *s, size_t n)
{
	enum httpc_state state = nodecall_state(&s->call);

	if (state == HTTPC_FAILED)
		return -1;
	if (state == HTTPC_SENDING || state == HTTPC_WAITING)
		return 0;
	if (httpc_status(s->call.http) != 206)
		return -1;
	if (httpc_received(s->call.http) == n)
		return 1;
	return state == HTTPC_DONE ? -1 : 0;
}

typedef bool check_fn(struct rebuild *r, struct source *s, uint64_t stripe,
    size_t n);

struct wanted {
	uint64_t offset; /* in each shard file */
	uint64_t stripe;
	size_t n;
	check_fn *check;
};

static void
start_frame(struct source *s, const struct wanted *w)
{
	struct iovec iov = { .iov_base = s->memory, .iov_len = w->n };

	assert(w->n > 0);
	s->ready = false;
	httpc_recv_into(s->call.http, &iov, 1);
}

/* Replace what failed, take what is complete; true when all are ready. */
static int
tend_sources(struct rebuild *r, const struct wanted *w, struct error *err)
{
	bool all = true;
	int rc;

	assert(r->sources > 0);
	assert(r->sources <= STRIPE_SHARDS_MAX);
	for (uint32_t i = 0; i < r->sources; i++) {
		struct source *s = &r->source[i];

		if (s->ready)
			continue;
		rc = s->call.http == NULL ? -1 : source_progress(s, w->n);
		if (rc > 0 && !w->check(r, s, w->stripe, w->n))
			rc = -1;
		s->ready = rc > 0;
		if (rc < 0) {
			if (s->call.http != NULL)
				give_up(r, s, "missing or damaged");
			if (!open_source(r, s, w->offset))
				return error_set(err, ERRC_UNAVAILABLE,
				    "too few good shards: %s", r->last.text);
			start_frame(s, w);
		}
		all &= s->ready;
	}
	return all;
}

/* Get one frame of every source. */
static int
fetch_frames(struct rebuild *r, const struct wanted *w, struct error *err)
{
	struct httpc_call *calls[STRIPE_SHARDS_MAX];
	struct httpc_wake wake = { .client_fd = -1,
		.event_fd = r->core->stop_fd };
	uint64_t deadline = nodecore_deadline(r->core, SILENCE_MS);
	int rc;

	for (uint32_t i = 0; i < r->sources; i++)
		if (r->source[i].call.http != NULL)
			start_frame(&r->source[i], w);
	while ((rc = tend_sources(r, w, err)) == 0) {
		for (uint32_t i = 0; i < r->sources; i++)
			calls[i] = r->source[i].ready ? NULL :
							r->source[i].call.http;
		rc = httpc_poll(calls, r->sources, &wake, deadline);
		if (rc == HTTPC_WOKEN || rc < 0)
			return error_set(err, ERRC_RETRY,
			    "repair: interrupted");
		if (rc == HTTPC_PROGRESS)
			continue;
		for (uint32_t i = 0; i < r->sources; i++) {
			if (r->source[i].ready)
				continue;
			nodecall_bad(&r->source[i].call);
			give_up(r, &r->source[i], "silent");
		}
		deadline = nodecore_deadline(r->core, SILENCE_MS);
	}
	return rc < 0 ? rc : 0;
}

static bool
check_begin(struct rebuild *r, struct source *s, uint64_t stripe, size_t n)
{
	struct frame_begin begin;
	uint8_t shard;

	(void)stripe;
	(void)n;
	return frame_begin_decode(&begin, &shard, s->memory, NULL) == 0 &&
	    shard == s->shard && reqid_equal(begin.id, r->job->id) &&
	    geometry_equal(&begin.geometry, &r->job->info.geometry);
}

static bool
check_cell(struct rebuild *r, struct source *s, uint64_t stripe, size_t n)
{
	assert(n > FRAME_HEADER_BYTES);
	return decoder_check_cell(&r->job->id, (uint8_t)s->shard, stripe,
	    (uint32_t)(n - FRAME_HEADER_BYTES), s->memory,
	    s->memory + FRAME_HEADER_BYTES);
}

/* END must say what the record says. */
static bool
check_end(struct rebuild *r, struct source *s, uint64_t stripe, size_t n)
{
	const struct rebuild_job *job = r->job;
	struct blob_totals totals;
	uint8_t shard;

	(void)stripe;
	(void)n;
	return frame_end_decode(&totals, &shard, s->memory, &job->id, NULL) ==
	    0 &&
	    shard == s->shard && totals.size == job->size &&
	    totals.crc64nvme == job->info.crc64nvme &&
	    totals.shards == job->info.shard_count &&
	    memcmp(totals.shard_crc64, job->info.shard_crc64,
		totals.shards * sizeof(totals.shard_crc64[0])) == 0;
}

static int
copy_begin(struct rebuild *r, struct error *err)
{
	struct wanted w = { 0, 0, FRAME_BEGIN_BYTES, check_begin };
	struct frame_begin begin;
	uint8_t text[FRAME_BEGIN_BYTES];
	uint8_t shard;
	int rc = fetch_frames(r, &w, err);

	if (rc != 0)
		return rc;
	rc = frame_begin_decode(&begin, &shard, r->source[0].memory, err);
	if (rc != 0)
		return rc;
	frame_begin_encode(text, &begin, (uint8_t)r->mine);
	return shardfile_write(r->upload, text, sizeof(text), err);
}

static int
copy_end(struct rebuild *r, struct error *err)
{
	const struct rebuild_job *job = r->job;
	struct wanted w = { stripe_end_offset(&job->info.geometry, job->size),
		0, FRAME_END_BYTES, check_end };
	struct blob_totals totals;
	uint8_t text[FRAME_END_BYTES];
	uint8_t shard;
	int rc;

	assert(r->mine < job->info.shard_count);
	if (r->crc64 != job->info.shard_crc64[r->mine])
		return error_set(err, ERRC_CORRUPT,
		    "shard %" PRIu32 ": rebuilt, but its CRC-64 is not the "
		    "record's",
		    r->mine);
	rc = fetch_frames(r, &w, err);
	if (rc != 0)
		return rc;
	rc = frame_end_decode(&totals, &shard, r->source[0].memory, &job->id,
	    err);
	if (rc != 0)
		return rc;
	frame_end_encode(text, &totals, &job->id, (uint8_t)r->mine);
	return shardfile_write(r->upload, text, sizeof(text), err);
}

static int
rebuild_stripe(struct rebuild *r, uint64_t stripe, struct error *err)
{
	const struct geometry *g = &r->job->info.geometry;
	uint32_t n = stripe_cell_bytes(g, r->job->size, stripe);
	struct wanted w = { stripe_cell_offset(g, stripe), stripe,
		FRAME_HEADER_BYTES + n, check_cell };
	uint8_t *cell[STRIPE_SHARDS_MAX] = { NULL };
	struct frame frame = {
		.kind = FRAME_CELL,
		.shard = (uint8_t)r->mine,
		.length = n,
		.stripe = stripe,
	};
	uint32_t have = 0;
	int rc = fetch_frames(r, &w, err);

	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < r->sources; i++) {
		cell[r->source[i].shard] = r->source[i].memory +
		    FRAME_HEADER_BYTES;
		have |= 1u << r->source[i].shard;
	}
	/* As many others as there are data shards, and not the one that is
	 * rebuilt. */
	assert((have >> r->mine & 1) == 0);
	assert((uint32_t)__builtin_popcount(have) == r->sources);
	cell[r->mine] = r->cell + FRAME_HEADER_BYTES;
	rc = decoder_stripe(r->decoder, stripe, n, cell, have, 1u << r->mine,
	    err);
	if (rc != 0)
		return rc;
	frame.payload_crc = crc32c(0, cell[r->mine], n);
	r->crc64 = crc64_xz(r->crc64, cell[r->mine], n);
	frame_encode(r->cell, &frame, &r->job->id);
	return shardfile_write(r->upload, r->cell, w.n, err);
}

static int
rebuild_prepare(struct rebuild *r, struct error *err)
{
	const struct rebuild_job *job = r->job;
	size_t n = FRAME_HEADER_BYTES +
	    KOOP_MAX((size_t)job->info.geometry.cell_bytes,
		(size_t)FRAME_END_BYTES);
	bool good;

	assert(job->info.shard_count > 0);
	assert(job->info.geometry.data_shards <= STRIPE_SHARDS_MAX);
	r->mine = nodecore_shard(r->core, job->place.partition);
	r->sources = job->info.geometry.data_shards;
	/* One block: cells stay aligned to 64 bytes as the codec likes. */
	n = (n + 63) / 64 * 64;
	r->cell = aligned_alloc(64, n);
	good = r->cell != NULL;
	for (uint32_t i = 0; i < r->sources; i++) {
		r->source[i].memory = aligned_alloc(64, n);
		good &= r->source[i].memory != NULL;
	}
	if (!good)
		return error_set(err, ERRC_NOMEM, "repair: no memory");
	return decoder_new(&r->decoder, &job->info.geometry, job->id, err);
}

static void
rebuild_fini(struct rebuild *r)
{
	for (uint32_t i = 0; i < r->sources; i++) {
		nodecall_close(&r->source[i].call);
		free(r->source[i].memory);
	}
	shardfile_abort(r->upload);
	decoder_free(r->decoder);
	free(r->cell);
}

int
rebuild_shard(struct nodecore *core, const struct rebuild_job *job,
    struct error *err)
{
	struct rebuild r = { .core = core, .job = job };
	struct shardfile_upload *upload;
	uint64_t stripes = stripe_count(&job->info.geometry, job->size);
	uint64_t bytes = stripe_file_bytes(&job->info.geometry, job->size);
	bool existed;
	int rc;

	assert(job->info.shard_count > 0);
	assert(bytes > 0);
	/* What is rebuilt is data: it waits in the queue until there is room
	 * (protocol.md 8: the reserve is for records). */
	rc = room_take(core->room, bytes, err);
	if (rc != 0)
		return error_wrap(err, "the disk of this node is full");
	rc = rebuild_prepare(&r, err);
	if (rc == 0)
		rc = shardfile_begin(&r.upload, core->files, job->id, r.mine,
		    err);
	if (rc == 0)
		rc = copy_begin(&r, err);
	for (uint64_t i = 0; i < stripes && rc == 0; i++)
		rc = rebuild_stripe(&r, i, err);
	if (rc == 0)
		rc = copy_end(&r, err);
	if (rc == 0 && FAULT(REPAIR_PUBLISH))
		rc = error_set(err, ERRC_IO, "repair: fault");
	if (rc == 0) {
		upload = r.upload;
		r.upload = NULL;
		rc = shardfile_finish(upload, &existed, err);
	}
	if (rc == 0)
		atomic_fetch_add(&core->counters.repaired_bytes, bytes);
	rebuild_fini(&r);
	room_give(core->room, bytes);
	return rc;
}

static bool
fetch_inline(struct nodecore *core, const struct rebuild_job *job,
    uint32_t machine, uint8_t *out, struct error *err)
{
	struct peer peer = peers_machine(job->place.set, machine);
	struct buf target = buf_make(HTTPREQ_TARGET_MAX);
	struct nodecall_request request = { .method = "GET" };
	struct httpc_response response = { 0 };
	bool good;

	assert(machine != core->index);
	nodeproto_target_blob(&target, job->place.partition, job->bucket,
	    job->key, job->id);
	request.target = buf_cstr(&target);
	good = nodecall_exchange(core->peers, &peer, &request, &response,
		   job->size, nodecore_deadline(core, SILENCE_MS), err) == 0;
	if (good) {
		good = response.status == 200 && response.body.n == job->size &&
		    crc64_nvme(0, response.body.p, response.body.n) ==
			job->info.crc64nvme;
		if (good)
			memcpy(out, response.body.p, response.body.n);
		httpc_response_fini(&response);
	}
	buf_fini(&target);
	return good;
}

int
rebuild_inline(struct nodecore *core, const struct rebuild_job *job,
    uint8_t *out, struct error *err)
{
	struct error why = { 0 };

	assert(job->info.shard_count == 0);
	for (uint32_t i = 0; i < job->place.set->n; i++) {
		if (i == core->index ||
		    !placement_inline_holder(&job->place, i))
			continue;
		if (fetch_inline(core, job, i, out, &why))
			return 0;
	}
	return error_set(err, ERRC_UNAVAILABLE,
	    "inline bytes: no holder has them: %s",
	    why.text[0] != '\0' ? why.text : "missing or damaged");
}
