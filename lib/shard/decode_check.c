/* SPDX-License-Identifier: MIT */

#include "shard/decode_check.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "base/progress.h"
#include "codec/crc.h"
#include "shard/decode_gather.h"
#include "shard/headertext.h"
#include "shard/shardtally.h"
#include "shard/stream.h"

#define LINE_MAX_BYTES 16384 /* a path, percent-encoded, and some words */

static int
print_line(int out, struct buf *line, struct error *err)
{
	if (buf_failed(line))
		return error_set(err, ERRC_NOMEM, "line: out of memory");
	return io_write_full(out, line->p, line->n, err);
}

static void
decode_add_text(struct buf *line, const char *key, struct bytes value)
{
	char *text = malloc(3 * value.n + 1);

	if (text == NULL) {
		line->failed = true;
		return;
	}
	percent_encode(text, value.p, value.n, true);
	buf_printf(line, " %s=%s", key, text);
	free(text);
}

static void
decode_add_object(struct buf *line, const struct frame_begin *begin)
{
	char id[REQID_HEX + 1];

	reqid_format(id, begin->id);
	buf_printf(line, " object=%s", id);
	if (begin->parts > 1)
		buf_printf(line, " part=%u/%u", begin->part, begin->parts);
	buf_printf(line, " data_shards=%u parity_shards=%u cell_size=%u",
	    begin->geometry.data_shards, begin->geometry.parity_shards,
	    begin->geometry.cell_bytes);
}

/*
 * Shard files.
 */

static int
print_source(const struct source *s, const char *state, bool checked, int out,
    struct error *err)
{
	struct buf line = buf_make(LINE_MAX_BYTES);
	int rc;

	buf_printf(&line, "shard v=1");
	if (s->shard < STRIPE_SHARDS_MAX)
		buf_printf(&line, " index=%u", s->shard);
	buf_printf(&line, " state=%s", state);
	if (checked)
		buf_printf(&line, " bad=%" PRIu64, s->bad);
	if (s->has_begin)
		decode_add_object(&line, &s->begin);
	if (s->has_end)
		buf_printf(&line, " size=%" PRIu64, s->totals.size);
	buf_printf(&line, " bytes=%" PRIu64, s->bytes);
	decode_add_text(&line, "file", bytes_str(s->path));
	buf_addch(&line, '\n');
	rc = print_line(out, &line, err);
	buf_fini(&line);
	return rc;
}

static int
print_sources(const struct gather *g, bool checked, int out, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < g->count && rc == 0; i++) {
		const struct source *s = &g->source[i];
		const char *state = source_state_name(s->state);

		if (s->state == SOURCE_WHOLE && s->bad > 0)
			state = source_state_name(SOURCE_DAMAGED);
		rc = print_source(s, state, checked, out, err);
	}
	return rc;
}

/* Shards of which there is no file. */
static int
print_gone(const struct geometry *g, uint32_t there, int out, struct error *err)
{
	int rc = 0;

	for (uint32_t j = 0; j < geometry_shards(g) && rc == 0; j++) {
		char line[64];
		int n = snprintf(line, sizeof(line),
		    "shard v=1 index=%u state=gone\n", j);

		assert(n > 0 && (size_t)n < sizeof(line));
		if ((there >> j & 1) == 0)
			rc = io_write_full(out, line, (size_t)n, err);
	}
	return rc;
}

/* Every cell of every file. */
static void
check_stripe(struct gather *g, struct decode_run *run, uint64_t stripe,
    uint32_t cell_bytes, struct shardtally *tally)
{
	uint32_t have = 0;

	decode_run_layout(run, cell_bytes);
	for (size_t i = 0; i < g->count; i++) {
		struct source *s = &g->source[i];
		uint32_t one = 0;

		if (!s->usable)
			continue;
		if (!gather_cell(s, run, stripe, cell_bytes, &one)) {
			s->bad++;
			continue;
		}
		assert(one != 0);
		s->crc64 = crc64_xz(s->crc64, run->cell[__builtin_ctz(one)],
		    cell_bytes);
		have |= one;
	}
	shardtally_stripe(tally, stripe, have);
	if (g->options->progress != NULL)
		progress_add(g->options->progress,
		    (uint64_t)cell_bytes * g->begin.geometry.data_shards);
}

/* What END says of all its cells; then which shards are whole. */
static void
judge_sources(struct gather *g, uint32_t *whole, uint32_t *flawed)
{
	*whole = 0;
	*flawed = 0;
	for (size_t i = 0; i < g->count; i++) {
		struct source *s = &g->source[i];

		if (!s->usable || s->shard >= g->totals.shards)
			continue;
		assert(s->shard < STRIPE_SHARDS_MAX);
		if (s->state == SOURCE_WHOLE && s->bad == 0 &&
		    s->crc64 != g->totals.shard_crc64[s->shard])
			s->state = SOURCE_DAMAGED;
		if (s->state == SOURCE_WHOLE && s->bad == 0)
			*whole |= UINT32_C(1) << s->shard;
		else
			*flawed |= UINT32_C(1) << s->shard;
	}
	*flawed &= ~*whole;
}

/* A shard that is flawed beside a whole copy of it, or a file of another
 * object, is worth a look, too. */
static int
judge_others(const struct gather *g, struct error *err)
{
	for (size_t i = 0; i < g->count; i++) {
		const struct source *s = &g->source[i];

		if (s->state != SOURCE_WHOLE || s->bad > 0)
			return error_set(err, ERRC_MISMATCH,
			    "%s: not whole, but the object has all its shards",
			    s->path);
	}
	return 0;
}

static int
check_files(struct gather *g, int out, struct error *err)
{
	const struct geometry *geometry = &g->begin.geometry;
	struct shardtally tally;
	struct decode_run run;
	uint32_t whole, flawed;
	int rc = decode_run_init(&run, &g->begin, out, g->options, err);

	if (rc < 0)
		return rc;
	shardtally_init(&tally, geometry);
	for (uint64_t i = 0; i < g->totals.stripes; i++)
		check_stripe(g, &run, i,
		    stripe_cell_bytes(geometry, g->totals.size, i), &tally);
	decode_run_fini(&run);
	judge_sources(g, &whole, &flawed);
	assert(tally.stripes == g->totals.stripes);
	/* Without stripes there is nothing of which too little can be left. */
	if (tally.stripes == 0)
		tally.least = (uint32_t)KOOP_MAX(__builtin_popcount(whole),
		    (int)geometry->data_shards);
	rc = print_sources(g, true, out, err);
	if (rc == 0)
		rc = print_gone(geometry, whole | flawed, out, err);
	if (rc == 0)
		rc = shardtally_judge(&tally, whole, flawed, err);
	return rc < 0 ? rc : judge_others(g, err);
}

/*
 * Streams.
 */

struct look {
	struct stream_reader *in;
	int out;
	bool check;
	const struct decode_options *options;
	struct frame_begin begin;
	uint64_t first; /* stripe of the stream */
	struct shardtally tally;
	uint64_t stripe; /* that is being counted */
	uint32_t have;
	uint8_t *cell;
	struct buf headers;
};

static void
look_to(struct look *l, uint64_t stripe)
{
	for (; l->stripe < stripe; l->stripe++) {
		shardtally_stripe(&l->tally, l->stripe, l->have);
		l->have = 0;
	}
}

static int
look_at_cell(struct look *l, const struct frame *f, struct error *err)
{
	const struct geometry *g = &l->begin.geometry;
	int rc;

	if (!l->check || f->shard >= geometry_shards(g) ||
	    f->stripe < l->stripe || f->length > g->cell_bytes)
		return 0;
	look_to(l, f->stripe);
	rc = stream_reader_payload(l->in, l->cell, err);
	if (rc == 1)
		l->have |= UINT32_C(1) << f->shard;
	if (rc == 1 && l->options->progress != NULL &&
	    f->shard < g->data_shards)
		progress_add(l->options->progress, f->length);
	return rc < 0 ? rc : 0;
}

static int
print_stream(const struct look *l, const struct blob_totals *totals,
    struct error *err)
{
	struct bytes rest = buf_bytes(&l->headers);
	struct buf line = buf_make(LINE_MAX_BYTES);
	struct bytes name, value;
	int rc;

	buf_printf(&line, "stream v=1");
	decode_add_object(&line, &l->begin);
	if (l->begin.range.size > 0)
		buf_printf(&line, " range=%" PRIu64 "-%" PRIu64 "/%" PRIu64,
		    l->begin.range.first, l->begin.range.last,
		    l->begin.range.size);
	buf_printf(&line, " size=%" PRIu64 " stripes=%" PRIu64 "\n",
	    totals->size, totals->stripes);
	rc = print_line(l->out, &line, err);
	while (rc == 0 && headertext_next(&rest, &name, &value)) {
		buf_clear(&line);
		buf_printf(&line, "header v=1");
		decode_add_text(&line, "name", name);
		decode_add_text(&line, "value", value);
		buf_addch(&line, '\n');
		rc = print_line(l->out, &line, err);
	}
	buf_fini(&line);
	return rc;
}

static int
print_tally(const struct look *l, struct error *err)
{
	uint32_t whole = shardtally_whole(&l->tally);
	uint32_t some = shardtally_some(&l->tally);
	int rc = 0;

	if (l->tally.stripes == 0)
		return 0;
	for (uint32_t j = 0; j < geometry_shards(&l->begin.geometry) && rc == 0;
	     j++) {
		char line[96];
		int n = snprintf(line, sizeof(line),
		    "shard v=1 index=%u state=%s bad=%" PRIu64 "\n", j,
		    (whole >> j & 1) != 0    ? "whole" :
			(some >> j & 1) != 0 ? "damaged" :
					       "gone",
		    l->tally.stripes - l->tally.good[j]);

		assert(n > 0 && (size_t)n < sizeof(line));
		rc = io_write_full(l->out, line, (size_t)n, err);
	}
	return rc < 0 ? rc :
			shardtally_judge(&l->tally, whole, some & ~whole, err);
}

static int
look_at_end(struct look *l, struct error *err)
{
	struct blob_totals totals;
	int rc = stream_reader_end(l->in, &totals, err);

	if (rc < 0)
		return rc;
	if (l->check && l->stripe > l->first + totals.stripes)
		return error_set(err, ERRC_CORRUPT,
		    "stream: more than the %" PRIu64 " stripes that END tells",
		    totals.stripes);
	rc = print_stream(l, &totals, err);
	if (rc < 0 || !l->check)
		return rc;
	look_to(l, l->first + totals.stripes);
	assert(l->tally.stripes == totals.stripes);
	return print_tally(l, err);
}

/* From behind BEGIN to END. */
static int
look_at_frames(struct look *l, struct error *err)
{
	for (;;) {
		struct frame f;
		int rc = stream_reader_next(l->in, &f, err);

		if (rc < 0)
			return rc;
		if (rc == 0)
			return error_set(err, ERRC_CORRUPT,
			    "stream: ends without END");
		if (f.kind == FRAME_END)
			return look_at_end(l, err);
		if (f.kind == FRAME_CELL)
			rc = look_at_cell(l, &f, err);
		else
			rc = stream_reader_headers(l->in, &l->headers, err);
		if (rc < 0)
			return rc;
	}
}

static int
look_at_part(struct look *l, uint32_t part, struct error *err)
{
	uint8_t shard;
	int rc = stream_reader_begin(l->in, &l->begin, &shard, err);

	if (rc == 0 || (rc > 0 && l->begin.part != part))
		return error_set(err, ERRC_CORRUPT,
		    "stream: part %u is not there", part);
	if (rc < 0)
		return rc;
	if (shard != FRAME_INTERLEAVED)
		return error_set(err, ERRC_CORRUPT,
		    "stream: shard %u alone: give the files as operands",
		    shard);
	assert(l->cell == NULL);
	l->first = l->begin.range.size == 0 ?
	    0 :
	    l->begin.range.first / stripe_full_bytes(&l->begin.geometry);
	l->stripe = l->first;
	l->have = 0;
	buf_clear(&l->headers);
	shardtally_init(&l->tally, &l->begin.geometry);
	l->cell = malloc(l->begin.geometry.cell_bytes);
	if (l->cell == NULL)
		return error_set(err, ERRC_NOMEM, "stream: out of memory");
	rc = look_at_frames(l, err);
	free(l->cell);
	l->cell = NULL;
	return rc;
}

/* All parts, though one may not be whole. */
static int
look_at_stream(int in, int out, bool check,
    const struct decode_options *options, struct error *err)
{
	struct look l = { .out = out,
		.check = check,
		.options = options,
		.headers = buf_make(HEADERTEXT_MAX) };
	int rc = stream_reader_new(&l.in, in, err);
	struct error one;
	int worst = 0;

	for (uint32_t part = 1; rc == 0 && part <= KOOP_MAX(l.begin.parts, 1u);
	     part++) {
		rc = look_at_part(&l, part, &one);
		if (rc < 0 && worst == 0) {
			worst = rc;
			if (err != NULL)
				*err = one;
		}
		if (rc == -ERRC_MISMATCH)
			rc = 0;
	}
	stream_reader_free(l.in);
	buf_fini(&l.headers);
	return worst < 0 ? worst : rc;
}

static int
decode_look_at(char *const path[], size_t count, int in, int out, bool check,
    const struct decode_options *options, struct error *err)
{
	struct gather g;
	int rc;

	if (count == 0)
		return look_at_stream(in, out, check, options, err);
	rc = gather_open(&g, path, count, options, err);
	if (rc == 0 && gather_is_stream(&g)) {
		rc = look_at_stream(g.source[0].fd, out, check, options, err);
	} else if (rc == 0) {
		rc = gather_prepare(&g, err);
		if (rc == 0 && check)
			rc = check_files(&g, out, err);
		else if (!check &&
		    print_sources(&g, false, out, rc == 0 ? err : NULL) < 0 &&
		    rc == 0)
			rc = -ERRC_IO;
	}
	gather_close(&g);
	return rc;
}

int
decode_list(char *const path[], size_t count, int in, int out,
    const struct decode_options *options, struct error *err)
{
	return decode_look_at(path, count, in, out, false, options, err);
}

int
decode_check(char *const path[], size_t count, int in, int out,
    const struct decode_options *options, struct error *err)
{
	return decode_look_at(path, count, in, out, true, options, err);
}
