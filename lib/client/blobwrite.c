/* SPDX-License-Identifier: MIT */
#include "client/blobwrite.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "client/committer.h"
#include "client/finisher.h"
#include "client/clientstats.h"
#include "client/nodeclient.h"
#include "client/shardsend.h"
#include "cluster/placement.h"
#include "commit/record.h"
#include "shard/encoder.h"
#include "wire/nodeproto.h"

/* With write_quorum durable, healthy others get this long. */
#define OTHERS_MS 20
#define ABORT_MS 5000
/* A poll that waits for room or for answers looks up so often. */
#define SLICE_MS 100

struct blobwrite {
	struct nodeclient *nc;
	struct placement place;
	struct buf names; /* bucket, then key */
	size_t bucket_bytes;
	struct reqid id;
	struct geometry geometry;
	uint64_t size; /* as told */
	size_t inline_limit;
	int client_fd;
	uint64_t written;
	struct encoder *encoder;
	struct shardsend *sends;  /* NULL: handed on, or aborted */
	struct shardblock *block; /* being filled; NULL: none */
	struct blob_totals totals;
	bool finished;
	bool begun; /* bytes may have reached a node */
	int failed; /* the first -ERRC_x; then nothing more is done */
};

int
blobwrite_open(struct blobwrite **out, struct nodeclient *nc,
    const struct blobwrite_options *options, struct error *err)
{
	struct shardsend_options sends = {
		.nc = nc,
		.place = options->place,
		.bucket = options->bucket,
		.key = options->key,
		.id = options->id,
		.geometry = options->geometry,
		.size = options->size,
	};
	struct blobwrite *w;
	int rc;

	rc = geometry_check(&options->geometry, err);
	if (rc < 0)
		return rc;
	if (geometry_shards(&options->geometry) != options->place->set->n ||
	    options->geometry.data_shards != options->place->set->data_shards)
		return error_set(err, ERRC_USAGE,
		    "geometry: %u + %u shards, but erasure set %u has %u "
		    "machines and %u data shards",
		    options->geometry.data_shards,
		    options->geometry.parity_shards,
		    options->place->set->number, options->place->set->n,
		    options->place->set->data_shards);
	if (FAULT(WRITE_BEGIN))
		return error_set(err, ERRC_UNAVAILABLE, "injected: begin");
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return error_set(err, ERRC_NOMEM, "blob: out of memory");
	w->nc = nc;
	w->place = *options->place;
	w->names = buf_make(NODEPROTO_BUCKET_MAX + NODEPROTO_KEY_MAX + 1);
	buf_add(&w->names, options->bucket.p, options->bucket.n);
	buf_add(&w->names, options->key.p, options->key.n);
	w->bucket_bytes = options->bucket.n;
	w->id = options->id;
	w->geometry = options->geometry;
	w->size = options->size;
	w->inline_limit = options->inline_limit;
	w->client_fd = options->client_fd;
	rc = shardsend_new(&w->sends, &sends, err);
	if (rc == 0)
		rc = encoder_new(&w->encoder, &w->geometry, w->id,
		    options->md5 ? ENCODER_MD5 : 0, err);
	if (rc == 0 && buf_failed(&w->names))
		rc = error_set(err, ERRC_NOMEM, "blob: out of memory");
	if (rc < 0) {
		blobwrite_close(w);
		return rc;
	}
	*out = w;
	return 0;
}

static int
blobwrite_fail(struct blobwrite *w, int rc)
{
	assert(rc < 0);
	if (w->failed == 0)
		w->failed = rc;
	return rc;
}

static int
refuse_failed(const struct blobwrite *w, struct error *err)
{
	assert(w->failed < 0);
	return error_set(err, (enum errc) - w->failed,
	    "blob: the write has failed before");
}

/* Content is past the inline limit (or there is none): open the calls. */
static int
blobwrite_start_sends(struct blobwrite *w, struct error *err)
{
	uint32_t n = geometry_shards(&w->geometry);
	uint8_t(*begin)[FRAME_BEGIN_BYTES];
	int rc;

	assert(!w->begun && n == w->place.set->n);
	begin = calloc(n, sizeof(*begin));
	if (begin == NULL)
		return error_set(err, ERRC_NOMEM, "blob: out of memory");
	for (uint32_t j = 0; j < n; j++)
		encoder_begin(w->encoder, (uint8_t)j, begin[j]);
	w->begun = true;
	rc = shardsend_start(w->sends, UINT32_MAX, begin, err);
	free(begin);
	return rc;
}

static size_t
block_room(const struct blobwrite *w)
{
	return shardsend_block_stripes(&w->geometry) *
	    (size_t)stripe_full_bytes(&w->geometry);
}

static void
blobwrite_encode_block(struct blobwrite *w, struct shardblock *block)
{
	size_t full = (size_t)stripe_full_bytes(&w->geometry);
	size_t parity = (size_t)w->geometry.parity_shards *
	    w->geometry.cell_bytes;

	assert(block->fill <= block_room(w));
	block->stripes = 0;
	for (size_t at = 0; at < block->fill; at += full) {
		uint32_t i = block->stripes++;

		assert(i < SHARDSEND_STRIPES_MAX);
		encoder_stripe(w->encoder, block->data + at,
		    KOOP_MIN(full, block->fill - at),
		    block->parity + i * parity, &block->encoded[i]);
		block->ticket = block->encoded[i].ticket;
	}
}

/* Where the stripe ends that is being filled. */
static size_t
stripe_end(const struct blobwrite *w)
{
	size_t full = (size_t)stripe_full_bytes(&w->geometry);

	return (w->block->fill / full + 1) * full;
}

/* Encode what the block holds and let the shards have it. */
static int
send_block(struct blobwrite *w, bool slow, struct error *err)
{
	assert(w->block->fill > 0);
	if (FAULT(WRITE_SHARD))
		return error_set(err, ERRC_UNAVAILABLE, "injected: shard");
	if (!shardsend_started(w->sends)) {
		int rc = blobwrite_start_sends(w, err);

		if (rc < 0)
			return rc;
	}
	blobwrite_encode_block(w, w->block);
	shardsend_push(w->sends, w->block);
	w->block = NULL;
	/* A slow client: we may not be back here for minutes. */
	if (slow)
		return shardsend_flush(w->sends, w->client_fd, err);
	/* Start the sends; the sockets take what they have room for. */
	return shardsend_poll(w->sends, w->client_fd, nodeclient_now(w->nc),
	    err);
}

/* A block to fill, waiting for the shards when the ring is full. */
static int
blobwrite_need_block(struct blobwrite *w, struct error *err)
{
	while (w->block == NULL) {
		uint64_t until = nodeclient_now(w->nc) + SLICE_MS;
		int rc;

		w->block = shardsend_space(w->sends);
		if (w->block != NULL)
			break;
		if (!shardsend_started(w->sends))
			return error_set(err, ERRC_NOMEM,
			    "blob: out of memory");
		rc = shardsend_poll(w->sends, w->client_fd, until, err);
		if (rc < 0)
			return rc;
	}
	if (w->block->ticket != 0)
		encoder_wait(w->encoder, w->block->ticket);
	w->block->fill = 0;
	return 0;
}

/* Where the next content goes: up to the end of a stripe. */
static int
reserve(struct blobwrite *w, uint8_t **p, size_t *n, struct error *err)
{
	int rc = 0;

	if (w->block == NULL)
		rc = blobwrite_need_block(w, err);
	if (rc < 0)
		return rc;
	*p = w->block->data + w->block->fill;
	*n = stripe_end(w) - w->block->fill;
	assert(*n > 0 && w->block->fill + *n <= block_room(w));
	return 0;
}

/* n bytes were put there.  A node must hear of us more often than a slow
 * client fills a block, so whole stripes that have waited go out alone. */
static int
advance(struct blobwrite *w, size_t n, struct error *err)
{
	size_t full = (size_t)stripe_full_bytes(&w->geometry);

	assert(w->block != NULL && n <= block_room(w) - w->block->fill);
	w->block->fill += n;
	w->written += n;
	assert(w->written <= STRIPE_SIZE_MAX);
	assert(w->size == BLOBWRITE_UNKNOWN || w->written <= w->size);
	if (w->block->fill % full != 0)
		return 0;
	if (w->block->fill < block_room(w) && w->written <= w->inline_limit)
		return 0;
	if (!shardsend_due(w->sends, w->block,
		(uint32_t)(w->block->fill / full)))
		return 0;
	return send_block(w, w->block->fill < block_room(w), err);
}

static int
check_more(const struct blobwrite *w, size_t n, struct error *err)
{
	if (w->size != BLOBWRITE_UNKNOWN && n > w->size - w->written)
		return error_set(err, ERRC_USAGE,
		    "blob: more content than was told");
	if (n > STRIPE_SIZE_MAX - w->written)
		return error_set(err, ERRC_USAGE, "blob: too large");
	return 0;
}

int
blobwrite_write(struct blobwrite *w, const void *p, size_t n, struct error *err)
{
	const uint8_t *from = p;

	assert(!w->finished);
	while (n > 0) {
		uint8_t *to = NULL;
		size_t room = 0;
		int rc;

		if (w->failed != 0)
			return refuse_failed(w, err);
		rc = check_more(w, n, err);
		if (rc == 0)
			rc = reserve(w, &to, &room, err);
		room = KOOP_MIN(room, n);
		if (rc == 0) {
			memcpy(to, from, room);
			rc = advance(w, room, err);
		}
		if (rc < 0)
			return blobwrite_fail(w, rc);
		from += room;
		n -= room;
	}
	return 0;
}

/* Every shard gets its END; then wait until enough are durable. */
static int
end_sends(struct blobwrite *w, struct error *err)
{
	uint32_t n = geometry_shards(&w->geometry);
	uint8_t(*end)[FRAME_END_BYTES];

	end = calloc(n, sizeof(*end));
	if (end == NULL)
		return error_set(err, ERRC_NOMEM, "blob: out of memory");
	for (uint32_t j = 0; j < n; j++)
		encoder_end(w->encoder, (uint8_t)j, end[j]);
	shardsend_end(w->sends, end);
	free(end);
	return 0;
}

static int
finish_shards(struct blobwrite *w, struct error *err)
{
	int rc = 0;

	if (!shardsend_started(w->sends))
		shardsend_set_size(w->sends, w->written);
	if (w->block != NULL && w->block->fill > 0)
		rc = send_block(w, false, err);
	if (rc == 0 && !shardsend_started(w->sends))
		rc = blobwrite_start_sends(w, err);
	if (rc < 0)
		return rc;
	encoder_totals(w->encoder, &w->totals);
	rc = end_sends(w, err);
	if (rc == 0)
		rc = shardsend_wait(w->sends, OTHERS_MS, false, w->client_fd,
		    err);
	if (rc == 0 && FAULT(WRITE_DURABLE))
		rc = error_set(err, ERRC_UNAVAILABLE, "injected: durable");
	return rc;
}

/* Small content stays in its block, which the result points at. */
static int
finish_inline(struct blobwrite *w, struct blobwrite_result *out,
    struct error *err)
{
	struct shardblock *block;
	int rc;

	if (w->block == NULL) {
		rc = blobwrite_need_block(w, err);
		if (rc < 0)
			return rc;
	}
	block = w->block;
	/* protocol.md 6: it travels in the record, and nothing went out. */
	assert(!w->begun && block->fill == w->written);
	blobwrite_encode_block(w, block);
	encoder_totals(w->encoder, &w->totals);
	out->is_inline = true;
	out->bytes = bytes_of(block->data, block->fill);
	return 0;
}

int
blobwrite_finish(struct blobwrite *w, struct blobwrite_result *out,
    struct error *err)
{
	struct blobwrite_result result = { 0 };
	bool is_inline;
	int rc;

	assert(!w->finished);
	if (w->failed != 0)
		return refuse_failed(w, err);
	/* RFC 9112, 8: a body that ended before its length is incomplete.  A
	 * record of what came would be a short object that ends cleanly
	 * (protocol.md 7). */
	if (w->size != BLOBWRITE_UNKNOWN && w->written != w->size)
		return blobwrite_fail(w,
		    error_set(err, ERRC_USAGE,
			"blob: less content than was told"));
	is_inline = !shardsend_started(w->sends) && w->inline_limit > 0 &&
	    w->written <= w->inline_limit;
	if (is_inline)
		rc = finish_inline(w, &result, err);
	else
		rc = finish_shards(w, err);
	if (rc < 0)
		return blobwrite_fail(w, rc);
	w->finished = true;
	result.totals = w->totals;
	if (!is_inline) {
		result.durable = shardsend_durable(w->sends);
		/* protocol.md 6.2: no record before w shards are durable. */
		assert((uint32_t)__builtin_popcount(result.durable) >=
		    w->place.set->write_quorum);
		clientstats_add(&nodeclient_stats(w->nc)->missed_shards,
		    geometry_shards(&w->geometry) -
			(uint32_t)__builtin_popcount(result.durable));
		/* MD5 has read all of it: totals waited for that. */
		shardsend_leave(w->sends);
		w->sends = NULL;
	}
	*out = result;
	return 0;
}

struct abort_job {
	struct nodeclient *nc;
	uint32_t partition;
	struct reqid id;
	size_t bucket_bytes;
	struct buf names;
};

static void
drop_abort(void *arg)
{
	struct abort_job *job = arg;

	buf_fini(&job->names);
	free(job);
}

static void
run_abort(void *arg)
{
	struct abort_job *job = arg;
	struct bytes names = buf_bytes(&job->names);
	struct record record = {
		.type = RECORD_ABORT,
		.request_id = job->id,
		.bucket = bytes_of(names.p, job->bucket_bytes),
		.key = bytes_of(names.p + job->bucket_bytes,
		    names.n - job->bucket_bytes),
	};
	struct topology_hold *hold = nodeclient_enter(job->nc);
	int rc;

	assert(job->bucket_bytes <= names.n);
	/* Best effort: a node aborts it after a day otherwise. */
	rc = committer_append(job->nc, job->partition, &record,
	    nodeclient_now(job->nc) + ABORT_MS, NULL);
	(void)rc;
	nodeclient_leave(job->nc, hold);
	drop_abort(job);
}

/* Gateways never delete shards (protocol.md 6): an ABORT in the log is before
 * or after the record that names the blob, on every node alike.  A delete that
 * raced with that record would lose what was acknowledged (why: S8). */
void
blobwrite_abort(struct blobwrite *w)
{
	static const struct finisher_job fns = {
		.run = run_abort,
		.drop = drop_abort,
	};
	struct abort_job *job;

	if (w == NULL || !w->begun)
		return;
	/* Only a write that ended well has handed its sends on. */
	assert(w->sends != NULL || w->finished);
	/* Cut the sends first, so that fewer bytes come after the record. */
	if (w->sends != NULL)
		shardsend_give_up(w->sends, UINT32_MAX);
	if (w->failed == 0)
		w->failed = -ERRC_USAGE;
	w->begun = false;
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return;
	job->nc = w->nc;
	job->partition = w->place.partition;
	job->id = w->id;
	job->bucket_bytes = w->bucket_bytes;
	job->names = w->names;
	w->names = buf_make(1);
	if (!finisher_run(nodeclient_finisher(w->nc), &fns, job))
		drop_abort(job);
}

void
blobwrite_close(struct blobwrite *w)
{
	if (w == NULL)
		return;
	/* The encoder's MD5 thread may still read the blocks. */
	encoder_free(w->encoder);
	shardsend_free(w->sends);
	buf_fini(&w->names);
	free(w);
}
