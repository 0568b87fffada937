/* SPDX-License-Identifier: MIT */
#include "client/pipeput.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/progress.h"
#include "base/random.h"
#include "client/buckets.h"
#include "client/nodeclient.h"
#include "client/shardsend.h"
#include "cluster/placement.h"
#include "shard/frame.h"
#include "shard/headertext.h"
#include "shard/receipt.h"
#include "shard/stream.h"
#include "wire/nodeproto.h"

#define ID_AGE_MS (UINT64_C(24) * 60 * 60 * 1000)
/* Nobody sends the rest on after a command has ended, so it waits longer than
 * a gateway for shards beyond the quorum. */
#define OTHERS_MS 1000
#define SLICE_MS 100

struct pipeput {
	struct nodeclient *nc;
	const struct pipeput_options *options;
	struct placement place;
	uint64_t incarnation;
	bool new_id; /* ids and header CRCs are written anew */
	struct stream_reader *reader;
	struct frame_begin begin;
	struct reqid id;
	uint32_t n;
	struct shardsend *sends;
	struct shardblock *block;
	/* The stripe that is being read. */
	uint64_t stripe;
	uint32_t cell_bytes;
	uint32_t got; /* bit j: its cell of shard j came */
	struct blob_totals totals;
	struct buf headers; /* shard/headertext.h: they go to the receipts */
};

static int
find_bucket(struct pipeput *p, struct error *err)
{
	const struct pipeput_options *o = p->options;
	int rc;

	rc = bucket_ensure(p->nc, &p->place, o->bucket, &p->incarnation,
	    nodeclient_now(p->nc) + NODECLIENT_READ_MS, err);
	if (rc == -ERRC_NOTFOUND)
		return error_set(err, ERRC_NOTFOUND,
		    "bucket \"%.*s\" does not exist; make it with: "
		    "koop-bucket make %.*s",
		    (int)o->bucket.n, (const char *)o->bucket.p,
		    (int)o->bucket.n, (const char *)o->bucket.p);
	return rc;
}

static int
check_id(struct pipeput *p, struct error *err)
{
	uint64_t now = clock_real_ms(nodeclient_clock(p->nc));
	uint64_t made = reqid_time_ms(p->begin.id);

	/* A record of this id is in the log already, and in the partition of
	 * that one another would be taken for the same (protocol.md 2). */
	if (p->begin.stored) {
		p->new_id = true;
		return 0;
	}
	/*
	 * Old for the log, but not for the clock of this machine: then it is a
	 * clock that was wrong, and not the stream (protocol.md 1).
	 */
	p->new_id = p->options->new_id ||
	    (reqid_heard_ms() > made + ID_AGE_MS && now < made + ID_AGE_MS);
	if (p->new_id || now < made || now - made <= ID_AGE_MS)
		return 0;
	return error_set(err, ERRC_CORRUPT,
	    "standard input: this stream was made %" PRIu64
	    " hours ago, and a record with its id could be refused as a "
	    "late duplicate: use --new-id",
	    (now - made) / (60 * 60 * 1000));
}

static int
check_geometry(const struct pipeput *p, struct error *err)
{
	const struct geometry *g = &p->begin.geometry;
	const struct erasure_set *set = p->place.set;

	if (p->begin.parts != 1)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: part %u of an object of %u streams: "
		    "koop-decode all of them, and koop-encode the object",
		    p->begin.part, p->begin.parts);
	if (p->begin.range.size > 0)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: a range of an object: koop-decode it, "
		    "and koop-encode what comes out");
	if (g->data_shards == set->data_shards && geometry_shards(g) == set->n)
		return 0;
	return error_set(err, ERRC_CORRUPT,
	    "standard input: encoded as %u+%u, but erasure set %u is %u+%u: "
	    "use koop-encode -k %u -m %u",
	    g->data_shards, g->parity_shards, set->number, set->data_shards,
	    set->n - set->data_shards, set->data_shards,
	    set->n - set->data_shards);
}

static int
read_begin(struct pipeput *p, struct error *err)
{
	uint8_t shard = 0;
	int rc;

	rc = stream_reader_begin(p->reader, &p->begin, &shard, err);
	if (rc < 0)
		return error_wrap(err, "standard input");
	if (rc == 0)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: empty: want a shard stream");
	if (shard != FRAME_INTERLEAVED)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: one shard's file: want the stream of "
		    "all shards that koop-encode writes");
	p->n = geometry_shards(&p->begin.geometry);
	rc = check_geometry(p, err);
	if (rc == 0)
		rc = check_id(p, err);
	p->id = p->begin.id;
	if (p->new_id)
		p->id = reqid_new(nodeclient_clock(p->nc),
		    nodeclient_random(p->nc));
	return rc;
}

static int
start_sends(struct pipeput *p, struct error *err)
{
	struct frame_begin begin = p->begin;
	uint8_t(*frames)[FRAME_BEGIN_BYTES];
	struct shardsend_options options = {
		.nc = p->nc,
		.place = &p->place,
		.bucket = p->options->bucket,
		.key = p->options->key,
		.id = p->id,
		.geometry = p->begin.geometry,
		.size = UINT64_MAX,
	};
	int rc;

	rc = shardsend_new(&p->sends, &options, err);
	if (rc < 0)
		return rc;
	frames = calloc(p->n, sizeof(*frames));
	if (frames == NULL)
		return error_set(err, ERRC_NOMEM, "stream: out of memory");
	begin.id = p->id;
	begin.stored = false;
	for (uint32_t j = 0; j < p->n; j++)
		frame_begin_encode(frames[j], &begin, (uint8_t)j);
	rc = shardsend_start(p->sends, UINT32_MAX, frames, err);
	free(frames);
	return rc;
}

static int
push_block(struct pipeput *p, bool slow, struct error *err)
{
	if (FAULT(WRITE_SHARD))
		return error_set(err, ERRC_UNAVAILABLE, "injected: shard");
	shardsend_push(p->sends, p->block);
	p->block = NULL;
	if (slow)
		return shardsend_flush(p->sends, -1, err);
	return shardsend_poll(p->sends, -1, nodeclient_now(p->nc), err);
}

static int
need_block(struct pipeput *p, struct error *err)
{
	if (p->block != NULL)
		return 0;
	while ((p->block = shardsend_space(p->sends)) == NULL) {
		int rc = shardsend_poll(p->sends, -1,
		    nodeclient_now(p->nc) + SLICE_MS, err);

		if (rc < 0)
			return rc;
	}
	p->block->stripes = 0;
	return 0;
}

static int
missing_cell(const struct pipeput *p, struct error *err)
{
	uint32_t shard = 0;

	while ((p->got >> shard & 1) != 0)
		shard++;
	return error_set(err, ERRC_CORRUPT,
	    "standard input: stripe %" PRIu64 ": no good cell of shard %u",
	    p->stripe, shard);
}

/* All cells of the stripe are there. */
static int
end_stripe(struct pipeput *p, struct error *err)
{
	struct encoded_stripe *e = &p->block->encoded[p->block->stripes];

	assert((uint32_t)__builtin_popcount(p->got) == p->n);
	assert(p->block->stripes < SHARDSEND_STRIPES_MAX);
	e->cell_bytes = p->cell_bytes;
	e->stripe = p->stripe;
	p->block->stripes++;
	p->stripe++;
	p->got = 0;
	p->cell_bytes = 0;
	progress_add(p->options->progress,
	    (uint64_t)e->cell_bytes * p->begin.geometry.data_shards);
	/* A live stream may be slow: what waited goes out as it is. */
	if (!shardsend_due(p->sends, p->block, p->block->stripes))
		return 0;
	return push_block(p,
	    p->block->stripes < shardsend_block_stripes(&p->begin.geometry),
	    err);
}

/* Where a cell of the present stripe goes. */
static uint8_t *
cell_at(const struct pipeput *p, uint32_t shard)
{
	const struct geometry *g = &p->begin.geometry;
	size_t i = p->block->stripes;
	size_t parity = (size_t)g->parity_shards * g->cell_bytes;

	assert(shard < p->n && i < shardsend_block_stripes(g));
	if (shard < g->data_shards)
		return p->block->data + i * stripe_full_bytes(g) +
		    (size_t)shard * g->cell_bytes;
	return p->block->parity + i * parity +
	    (size_t)(shard - g->data_shards) * g->cell_bytes;
}

static int
take_cell(struct pipeput *p, const struct frame *frame, struct error *err)
{
	struct encoded_stripe *e;
	int rc;

	rc = need_block(p, err);
	if (rc < 0)
		return rc;
	if (frame->stripe != p->stripe && p->got != 0)
		return missing_cell(p, err);
	if (frame->stripe != p->stripe || frame->shard >= p->n ||
	    (p->got >> frame->shard & 1) != 0 ||
	    frame->length > p->begin.geometry.cell_bytes ||
	    frame->length == 0 ||
	    (p->got != 0 && frame->length != p->cell_bytes))
		return error_set(err, ERRC_CORRUPT,
		    "standard input: stripe %" PRIu64 ": a cell of shard %u "
		    "that does not belong there",
		    frame->stripe, frame->shard);
	p->cell_bytes = frame->length;
	e = &p->block->encoded[p->block->stripes];
	e->cell[frame->shard] = cell_at(p, frame->shard);
	rc = stream_reader_payload(p->reader, e->cell[frame->shard], err);
	if (rc < 0)
		return error_wrap(err, "standard input");
	if (rc == 0)
		return missing_cell(p, err);
	frame_encode(e->header[frame->shard], frame, &p->id);
	p->got |= 1u << frame->shard;
	if ((uint32_t)__builtin_popcount(p->got) < p->n)
		return 0;
	return end_stripe(p, err);
}

static int
take_end(struct pipeput *p, struct error *err)
{
	uint8_t(*frames)[FRAME_END_BYTES];
	int rc;

	if (p->got != 0)
		return missing_cell(p, err);
	rc = stream_reader_end(p->reader, &p->totals, err);
	if (rc < 0)
		return error_wrap(err, "standard input");
	if (p->totals.stripes != p->stripe ||
	    stream_reader_damage(p->reader) > 0)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: damaged: not all frames are good");
	if (p->block != NULL && p->block->stripes > 0) {
		rc = push_block(p, false, err);
		if (rc < 0)
			return rc;
	}
	assert(p->block == NULL || p->block->stripes == 0);
	frames = calloc(p->n, sizeof(*frames));
	if (frames == NULL)
		return error_set(err, ERRC_NOMEM, "stream: out of memory");
	for (uint32_t j = 0; j < p->n; j++)
		frame_end_encode(frames[j], &p->totals, &p->id, (uint8_t)j);
	shardsend_end(p->sends, frames);
	free(frames);
	return 0;
}

/* Right behind BEGIN, once. */
static int
take_headers(struct pipeput *p, struct error *err)
{
	int rc;

	if (p->stripe > 0 || p->got != 0 || p->headers.n > 0)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: HEADERS in the middle");
	rc = stream_reader_headers(p->reader, &p->headers, err);
	if (rc < 0)
		return error_wrap(err, "standard input");
	if (rc == 0)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: damaged: the headers are not good");
	assert(p->headers.n > 0);
	return 0;
}

static int
copy_frames(struct pipeput *p, struct error *err)
{
	struct frame frame;
	int rc;

	for (;;) {
		rc = stream_reader_next(p->reader, &frame, err);
		if (rc < 0)
			return error_wrap(err, "standard input");
		if (rc == 0)
			return error_set(err, ERRC_CORRUPT,
			    "standard input: ends without an END frame: "
			    "whatever wrote it failed");
		if (frame.kind == FRAME_END)
			return take_end(p, err);
		if (frame.kind == FRAME_HEADERS)
			rc = take_headers(p, err);
		else if (frame.kind == FRAME_CELL)
			rc = take_cell(p, &frame, err);
		else
			rc = error_set(err, ERRC_CORRUPT,
			    "standard input: BEGIN in the middle");
		if (rc < 0)
			return rc;
	}
}

static int
print_shards(struct pipeput *p, int out, uint32_t durable, uint32_t *count,
    struct error *err)
{
	char line[RECEIPT_LINE_MAX];

	for (uint32_t j = 0; j < p->n; j++) {
		struct receipt_shard shard = {
			.object = p->id,
			.index = j,
			.set = p->place.set->number,
			.machine = placement_machine(&p->place, j),
			.bytes = stripe_file_bytes(&p->begin.geometry,
			    p->totals.size),
			.crc64 = p->totals.shard_crc64[j],
		};
		size_t n;
		int rc;

		if ((durable >> j & 1) == 0)
			continue;
		n = receipt_print_shard(line, &shard);
		rc = io_write_full(out, line, n, err);
		if (rc < 0)
			return rc;
		++*count;
	}
	return 0;
}

/* A long value takes several lines. */
static int
print_header(struct pipeput *p, int out, struct bytes name, struct bytes value,
    uint32_t *count, struct error *err)
{
	struct receipt_header h = { .object = p->id, .name_bytes = name.n };
	char line[RECEIPT_LINE_MAX];
	int rc;

	assert(name.n >= 1 && name.n <= sizeof(h.name));
	memcpy(h.name, name.p, name.n);
	do {
		h.value_bytes = KOOP_MIN(value.n - h.at, sizeof(h.value));
		memcpy(h.value, value.p + h.at, h.value_bytes);
		rc = io_write_full(out, line, receipt_print_header(line, &h),
		    err);
		h.at += (uint32_t)h.value_bytes;
		++*count;
	} while (rc == 0 && h.at < value.n);
	return rc;
}

static int
print_headers(struct pipeput *p, int out, uint32_t *count, struct error *err)
{
	struct bytes rest = buf_bytes(&p->headers);
	struct bytes name, value;
	int rc = 0;

	assert(rest.n <= HEADERTEXT_MAX);
	while (rc == 0 && headertext_next(&rest, &name, &value))
		rc = print_header(p, out, name, value, count, err);
	return rc;
}

static int
print_end(struct pipeput *p, int out, uint32_t count, uint32_t headers,
    struct error *err)
{
	const struct pipeput_options *o = p->options;
	char line[RECEIPT_LINE_MAX];
	struct receipt_end end = {
		.partition = p->place.partition,
		.epoch = nodeclient_topology(p->nc)->epoch,
		.set = p->place.set->number,
		.incarnation = p->incarnation,
		.key_bytes = o->key.n,
		.object = p->id,
		.geometry = p->begin.geometry,
		.totals = p->totals,
		.shards = count,
		.headers = headers,
		.written_ms = clock_real_ms(nodeclient_clock(p->nc)),
	};

	assert(o->bucket.n <= RECEIPT_BUCKET_MAX);
	assert(o->key.n <= RECEIPT_KEY_MAX);
	strncpy(end.cluster, nodeclient_cluster(p->nc), 32);
	memcpy(end.bucket, o->bucket.p, o->bucket.n);
	memcpy(end.key, o->key.p, o->key.n);
	return io_write_full(out, line, receipt_print_end(line, &end), err);
}

/* Receipts for what is durable; the end line only if that is enough. */
static int
print_receipts(struct pipeput *p, int out, int failed, struct error *err)
{
	uint32_t durable = shardsend_durable(p->sends);
	uint32_t count = 0, headers = 0;
	int rc;

	rc = print_shards(p, out, durable, &count, err);
	if (rc < 0 || failed < 0)
		return rc < 0 ? rc : failed;
	if (count < p->place.set->write_quorum) {
		rc = shardsend_shortage(p->sends, err);
		(void)error_wrap(err, "%u shards are durable, %u are needed",
		    count, p->place.set->write_quorum);
		return rc;
	}
	if (FAULT(WRITE_DURABLE))
		return error_set(err, ERRC_UNAVAILABLE, "injected: durable");
	rc = print_headers(p, out, &headers, err);
	return rc < 0 ? rc : print_end(p, out, count, headers, err);
}

static int
run(struct pipeput *p, int in, int out, struct error *err)
{
	int rc;

	rc = find_bucket(p, err);
	if (rc == 0)
		rc = stream_reader_new(&p->reader, in, err);
	if (rc == 0)
		rc = read_begin(p, err);
	if (rc == 0)
		rc = start_sends(p, err);
	if (rc == 0)
		rc = copy_frames(p, err);
	if (rc < 0)
		return rc;
	rc = shardsend_wait(p->sends, OTHERS_MS, true, -1, err);
	return print_receipts(p, out, rc, err);
}

int
pipeput_run(struct nodeclient *nc, int in, int out,
    const struct pipeput_options *options, struct error *err)
{
	struct pipeput p = {
		.nc = nc,
		.options = options,
		.place = placement_of(nodeclient_topology(nc), options->bucket,
		    options->key),
		.headers = buf_make(HEADERTEXT_MAX),
	};
	int rc;

	rc = run(&p, in, out, err);
	buf_fini(&p.headers);
	shardsend_free(p.sends);
	stream_reader_free(p.reader);
	return rc;
}
