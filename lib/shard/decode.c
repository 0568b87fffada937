/* SPDX-License-Identifier: MIT */

/*
 * Cells are taken as they come.  Once data_shards of a stripe are good the
 * rest of it is let go unread, which for a whole stripe is its parity.  A
 * stripe is written when the first frame after it is seen, because END may
 * say that the stripe was the last and holds padding.
 */

#include "shard/decode.h"

#include <assert.h>

#include "base/buf.h"
#include "base/error.h"
#include "shard/decode_run.h"
#include "shard/stream.h"

/* The stripe that is being collected. */
struct collect {
	uint64_t stripe;
	uint32_t cell_bytes; /* 0 before the first frame */
	uint32_t have;
};

/* Write what was collected, and go to the next stripe. */
static int
finish_stripe(struct decode_run *run, struct collect *c, struct error *err)
{
	int rc = decode_run_stripe(run, c->stripe, c->cell_bytes, c->have, err);

	assert((c->have == 0) || c->cell_bytes > 0);
	*c = (struct collect){ .stripe = c->stripe + 1 };
	return rc;
}

static int
take_cell(struct decode_run *run, struct stream_reader *in,
    const struct frame *f, struct collect *c, struct error *err)
{
	const struct geometry *g = &run->begin.geometry;
	int rc = 0;

	if (f->stripe < c->stripe || f->shard >= geometry_shards(g) ||
	    f->length > g->cell_bytes)
		return 0;
	while (rc == 0 && c->stripe < f->stripe)
		rc = finish_stripe(run, c, err);
	if (rc < 0)
		return rc;
	assert(c->stripe == f->stripe);
	if (c->cell_bytes == 0) {
		c->cell_bytes = f->length;
		decode_run_layout(run, f->length);
	}
	if (f->length != c->cell_bytes || (c->have >> f->shard & 1) != 0 ||
	    (uint32_t)__builtin_popcount(c->have) >= g->data_shards)
		return 0;
	assert(f->length <= g->cell_bytes);
	rc = stream_reader_payload(in, run->cell[f->shard], err);
	if (rc == 1)
		c->have |= UINT32_C(1) << f->shard;
	return rc < 0 ? rc : 0;
}

static int
take_end(struct decode_run *run, struct stream_reader *in, struct collect *c,
    struct error *err)
{
	struct blob_totals totals;
	uint64_t end;
	int rc = stream_reader_end(in, &totals, err);

	if (rc < 0)
		return rc;
	rc = decode_run_totals(run, &totals, err);
	if (rc < 0)
		return rc;
	end = run->first + totals.stripes;
	if (c->stripe + (c->cell_bytes > 0) > end)
		return error_set(err, ERRC_CORRUPT,
		    "stream: more than the %llu stripes that END tells",
		    (unsigned long long)totals.stripes);
	while (rc == 0 && c->stripe + 1 < end)
		rc = finish_stripe(run, c, err);
	if (rc < 0)
		return rc;
	assert(totals.stripes == 0 || c->stripe + 1 == end);
	return decode_run_last(run, c->cell_bytes, c->have, &totals, err);
}

/* Nothing of the object depends on them: damage is told, no more. */
static int
take_headers(struct decode_run *run, struct stream_reader *in,
    struct error *err)
{
	struct buf *headers = run->options->headers;
	int rc;

	if (headers == NULL || headers->n > 0)
		return 0;
	rc = stream_reader_headers(in, headers, err);
	if (rc == 0)
		decode_warn(run->options, "stream: the headers are damaged");
	return rc < 0 ? rc : 0;
}

/* From behind BEGIN to END. */
static int
decode_blob(struct decode_run *run, struct stream_reader *in, struct error *err)
{
	struct collect c = { .stripe = run->first };

	for (;;) {
		struct frame f;
		int rc = stream_reader_next(in, &f, err);

		if (rc < 0)
			return rc;
		if (rc == 0)
			return error_set(err, ERRC_CORRUPT,
			    "stream: ends without END in stripe %llu",
			    (unsigned long long)c.stripe);
		if (f.kind == FRAME_END)
			return take_end(run, in, &c, err);
		if (f.kind == FRAME_CELL)
			rc = take_cell(run, in, &f, &c, err);
		else
			rc = take_headers(run, in, err);
		if (rc < 0)
			return rc;
	}
}

/* One stream; part and parts are what BEGIN must say, 0 for any. */
static int
decode_part(struct stream_reader *in, int out, uint32_t *part, uint32_t *parts,
    const struct decode_options *options, struct error *err)
{
	struct frame_begin begin;
	struct decode_run run;
	uint8_t shard;
	int rc = stream_reader_begin(in, &begin, &shard, err);

	if (rc == 0)
		return error_set(err, ERRC_CORRUPT,
		    *part == 0 ? "stream: empty, without BEGIN" :
				 "stream: ends after part %u of %u",
		    *part, *parts);
	if (rc < 0)
		return rc;
	if (begin.part != *part + 1 || (*part > 0 && begin.parts != *parts))
		return error_set(err, ERRC_CORRUPT,
		    "stream: part %u of %u where part %u had to be", begin.part,
		    begin.parts, *part + 1);
	if (shard != FRAME_INTERLEAVED && begin.geometry.data_shards > 1)
		return error_set(err, ERRC_CORRUPT,
		    "stream: shard %u alone; %u are needed: give the files as "
		    "operands",
		    shard, begin.geometry.data_shards);
	assert(begin.part >= 1 && begin.part <= begin.parts);
	*part = begin.part;
	*parts = begin.parts;
	rc = decode_run_init(&run, &begin, out, options, err);
	if (rc < 0)
		return rc;
	rc = decode_blob(&run, in, err);
	if (rc < 0 && begin.parts > 1)
		(void)error_wrap(err, "part %u of %u", begin.part, begin.parts);
	decode_run_fini(&run);
	return rc;
}

int
decode_stream(int in, int out, const struct decode_options *options,
    struct error *err)
{
	struct stream_reader *reader = NULL;
	uint32_t part = 0, parts = 1;
	int rc = stream_reader_new(&reader, in, err);

	while (rc == 0 && part < parts)
		rc = decode_part(reader, out, &part, &parts, options, err);
	if (rc == 0 && stream_reader_damage(reader) > 0)
		decode_warn(options, "stream: %llu damaged place%s rebuilt",
		    (unsigned long long)stream_reader_damage(reader),
		    stream_reader_damage(reader) == 1 ? "," : "s, all");
	stream_reader_free(reader);
	return rc;
}
