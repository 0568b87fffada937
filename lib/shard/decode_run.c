/* SPDX-License-Identifier: MIT */

#include "shard/decode_run.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/io.h"
#include "base/progress.h"
#include "shard/encoder.h"

#define PIPE_BYTES (1024 * 1024)

int
decode_run_init(struct decode_run *run, const struct frame_begin *begin,
    int out, const struct decode_options *options, struct error *err)
{
	int rc;

	*run = (struct decode_run){ .options = options,
		.out = out,
		.begin = *begin,
		.left = UINT64_MAX };
	if (begin->range.size > 0) {
		run->first = frame_range_stripe(begin);
		run->skip = begin->range.first -
		    run->first * stripe_full_bytes(&begin->geometry);
		run->left = begin->range.last - begin->range.first + 1;
	}
	rc = decoder_new(&run->decoder, &begin->geometry, begin->id, err);
	if (rc < 0)
		return rc;
	run->memory = encoder_memory((size_t)geometry_shards(&begin->geometry) *
	    begin->geometry.cell_bytes);
	if (run->memory == NULL) {
		decode_run_fini(run);
		return error_set(err, ERRC_NOMEM, "decode: out of memory");
	}
	io_pipe_size(out, PIPE_BYTES);
	decode_run_layout(run, begin->geometry.cell_bytes);
	return 0;
}

void
decode_run_fini(struct decode_run *run)
{
	decoder_free(run->decoder);
	free(run->memory);
	*run = (struct decode_run){ 0 };
}

void
decode_run_layout(struct decode_run *run, uint32_t cell_bytes)
{
	assert(cell_bytes <= run->begin.geometry.cell_bytes);
	for (uint32_t j = 0; j < geometry_shards(&run->begin.geometry); j++)
		run->cell[j] = run->memory + (size_t)j * cell_bytes;
}

/* All data cells of a stripe, rebuilt where they are missing. */
static int
complete(struct decode_run *run, uint64_t stripe, uint32_t cell_bytes,
    uint32_t have, struct error *err)
{
	const uint32_t k = run->begin.geometry.data_shards;
	const uint32_t want = (uint32_t)((UINT64_C(1) << k) - 1);

	assert(cell_bytes <= run->begin.geometry.cell_bytes);
	return decoder_stripe(run->decoder, stripe, cell_bytes, run->cell, have,
	    want, err);
}

static int
decode_run_put(struct decode_run *run, size_t n, struct error *err)
{
	size_t from = KOOP_MIN(n, run->skip);
	int rc;

	assert(n <= stripe_full_bytes(&run->begin.geometry));
	n = KOOP_MIN(n - from, run->left);
	run->skip -= from;
	run->left -= n;
	rc = io_write_full(run->out, run->memory + from, n, err);
	if (rc == 0 && run->options->progress != NULL)
		progress_add(run->options->progress, n);
	return rc;
}

int
decode_run_totals(const struct decode_run *run,
    const struct blob_totals *totals, struct error *err)
{
	uint64_t want = frame_range_bytes(&run->begin);

	assert((want > 0) == (run->begin.range.size > 0));
	if (want == 0 || totals->size == want)
		return 0;
	return error_set(err, ERRC_CORRUPT,
	    "stream: END tells of %llu bytes, the range in BEGIN of %llu",
	    (unsigned long long)totals->size, (unsigned long long)want);
}

int
decode_run_stripe(struct decode_run *run, uint64_t stripe, uint32_t cell_bytes,
    uint32_t have, struct error *err)
{
	const struct geometry *g = &run->begin.geometry;
	int rc = complete(run, stripe, cell_bytes, have, err);

	if (rc < 0)
		return rc;
	if (cell_bytes != g->cell_bytes)
		return error_set(err, ERRC_CORRUPT,
		    "stripe %llu: cells of %u bytes before the last stripe",
		    (unsigned long long)stripe, cell_bytes);
	decoder_content(run->decoder, run->memory, stripe_full_bytes(g));
	return decode_run_put(run, stripe_full_bytes(g), err);
}

int
decode_run_last(struct decode_run *run, uint32_t cell_bytes, uint32_t have,
    const struct blob_totals *totals, struct error *err)
{
	const struct geometry *g = &run->begin.geometry;
	const uint64_t last = totals->stripes - 1;
	const uint64_t stripe = run->first + last;
	size_t content, padded;
	int rc;

	if (totals->stripes == 0)
		return decoder_finish(run->decoder, totals, err);
	rc = complete(run, stripe, cell_bytes, have, err);
	if (rc < 0)
		return rc;
	content = stripe_content_bytes(g, totals->size, last);
	padded = (size_t)g->data_shards * cell_bytes;
	assert(content >= 1);
	if (cell_bytes != stripe_cell_bytes(g, totals->size, last) ||
	    !decoder_padding_good(run->memory + content, padded - content))
		return error_set(err, ERRC_CORRUPT,
		    "stripe %llu: does not end where an object of %llu bytes "
		    "does",
		    (unsigned long long)stripe,
		    (unsigned long long)totals->size);
	decoder_content(run->decoder, run->memory, content);
	rc = decoder_finish(run->decoder, totals, err);
	return rc < 0 ? rc : decode_run_put(run, content, err);
}

void
decode_warn(const struct decode_options *options, const char *fmt, ...)
{
	char text[sizeof(((struct error *)NULL)->text)];
	va_list ap;

	if (options->warn == NULL)
		return;
	va_start(ap, fmt);
	error_format(text, sizeof(text), fmt, ap);
	va_end(ap);
	options->warn(options->arg, text);
}
