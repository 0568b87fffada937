/* SPDX-License-Identifier: MIT */

/*
 * Some stripes are read, encoded, and written by a thread of its own while the
 * next are read; MD5 has a thread, too.  So there are two blocks of stripes,
 * each used again when both threads are done with it.
 */

#include "shard/encode.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/progress.h"
#include "shard/encode_writer.h"
#include "shard/encoder.h"
#include "shard/frame.h"
#include "shard/outfile.h"
#include "shard/stream.h"

#define PIPE_BYTES (1024 * 1024)
/* Small stripes are read and written some at a time, up to these. */
#define BLOCK_BYTES (256 * 1024)
#define BLOCK_STRIPES 64
/* Then a block ends with the stripe that is being read. */
#define SLOW_MS 2000
/* A second block of larger stripes would cost more memory than it is worth. */
#define TWO_BLOCKS_BYTES (4 * 1024 * 1024)

/* Some stripes: read together, written together. */
struct block {
	uint8_t *data, *parity;
	struct encoded_stripe *stripe;
	uint64_t md5_ticket, write_ticket;
};

struct encode_run {
	const struct encode_options *options;
	struct encoder *encoder;
	int in;
	size_t stripe_bytes, parity_bytes, block_stripes;
	bool threaded; /* blocks are written by a thread of its own */
	struct block block[2];
	size_t blocks;
};

static void
run_fini(struct encode_run *run)
{
	/* First: its thread may be reading the blocks. */
	encoder_free(run->encoder);
	for (size_t i = 0; i < run->blocks; i++) {
		free(run->block[i].data);
		if (i == 0 || run->threaded)
			free(run->block[i].parity);
		free(run->block[i].stripe);
	}
}

static int
block_init(struct encode_run *run, struct block *b, bool share)
{
	assert(!share || (b != &run->block[0] && !run->threaded));
	b->data = encoder_memory(run->block_stripes * run->stripe_bytes);
	if (share)
		b->parity = run->block[0].parity;
	else
		b->parity = encoder_memory(
		    run->block_stripes * run->parity_bytes);
	b->stripe = calloc(run->block_stripes, sizeof(b->stripe[0]));
	return b->data != NULL && b->parity != NULL && b->stripe != NULL ? 0 :
									   -1;
}

static int
run_init(struct encode_run *run, int in, const struct encode_options *options,
    struct error *err)
{
	const struct geometry *g = &options->geometry;
	int rc;

	/* Beside MD5, which takes a core and all the time, it gains nothing. */
	*run = (struct encode_run){ .options = options,
		.in = in,
		.threaded = options->no_md5 };
	rc = encoder_new(&run->encoder, g, options->id,
	    options->no_md5 ? 0 : ENCODER_MD5, err);
	if (rc < 0)
		return rc;
	run->stripe_bytes = stripe_full_bytes(g);
	run->parity_bytes = (size_t)g->parity_shards * g->cell_bytes;
	run->block_stripes = KOOP_MIN((size_t)BLOCK_STRIPES,
	    KOOP_MAX((size_t)1, BLOCK_BYTES / run->stripe_bytes));
	/* Only the writer's thread still needs parity when the next block is
	 * encoded. */
	run->blocks = run->stripe_bytes > TWO_BLOCKS_BYTES ? 1 : 2;
	assert(run->block_stripes >= 1 && run->block_stripes <= BLOCK_STRIPES);
	for (size_t i = 0; i < run->blocks; i++)
		if (block_init(run, &run->block[i], i > 0 && !run->threaded) <
		    0) {
			run_fini(run);
			return error_set(err, ERRC_NOMEM,
			    "encode: out of memory");
		}
	io_pipe_size(in, PIPE_BYTES);
	(void)posix_fadvise(in, 0, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

/* Encode what was read into the block. */
static size_t
encode_block(struct encode_run *run, struct block *block, size_t len)
{
	size_t count = 0;

	for (size_t at = 0; at < len; at += run->stripe_bytes) {
		encoder_stripe(run->encoder, block->data + at,
		    KOOP_MIN(len - at, run->stripe_bytes),
		    block->parity + count * run->parity_bytes,
		    &block->stripe[count]);
		count++;
	}
	assert(count <= run->block_stripes);
	return count;
}

/*
 * As much as the block holds; *last at the end of the input.  Of an input that
 * is slow (a live one) whole stripes are not kept back until the block is full:
 * who reads us, and the nodes behind, would hear nothing for long.
 */
static ssize_t
read_block(struct encode_run *run, struct block *block, bool *last,
    struct error *err)
{
	const size_t full = run->block_stripes * run->stripe_bytes;
	const uint64_t began = clock_mono_ms(&clock_system);
	size_t got = 0;

	while (got < full) {
		bool slow = clock_mono_ms(&clock_system) - began >= SLOW_MS;
		size_t rest = run->stripe_bytes - got % run->stripe_bytes;
		ssize_t n;

		if (slow && got > 0 && rest == run->stripe_bytes)
			break;
		n = io_read_some(run->in, block->data + got,
		    slow ? rest : full - got, err);
		if (n < 0)
			return n;
		*last = n == 0;
		if (*last)
			break;
		got += (size_t)n;
	}
	assert(got <= full);
	return (ssize_t)got;
}

/* Fill one block and have it written; *last when the input is at its end. */
static int
run_block(struct encode_run *run, struct block *block,
    struct encode_writer *writer, bool *last, struct error *err)
{
	int rc = encode_writer_wait(writer, block->write_ticket, err);
	ssize_t got;
	size_t count;

	if (rc < 0)
		return rc;
	encoder_wait(run->encoder, block->md5_ticket);
	got = read_block(run, block, last, err);
	if (got < 0)
		return (int)got;
	count = encode_block(run, block, (size_t)got);
	if (count == 0)
		return 0;
	assert(*last || (size_t)got % run->stripe_bytes == 0);
	block->md5_ticket = block->stripe[count - 1].ticket;
	block->write_ticket = encode_writer_push(writer, block->stripe, count);
	if (run->options->progress != NULL)
		progress_add(run->options->progress, (uint64_t)got);
	return 0;
}

/* All of the input. */
static int
run_stripes(struct encode_run *run, encode_sink_fn *sink, void *arg,
    struct error *err)
{
	struct encode_writer *writer = NULL;
	bool last = false;
	int rc = encode_writer_new(&writer, run->threaded, sink, arg, err);

	for (size_t i = 0; rc == 0 && !last; i++)
		rc = run_block(run, &run->block[i % run->blocks], writer, &last,
		    err);
	for (size_t i = 0; rc == 0 && i < run->blocks; i++)
		rc = encode_writer_wait(writer, run->block[i].write_ticket,
		    err);
	encode_writer_free(writer);
	return rc;
}

struct stream_sink {
	int fd;
	uint32_t shards;
};

static int
stream_stripes(void *arg, struct encoded_stripe *stripe, size_t count,
    struct error *err)
{
	struct stream_sink *sink = arg;

	return stream_write_stripes(sink->fd, stripe, count, sink->shards, err);
}

int
encode_stream(int in, int out, const struct encode_options *options,
    struct error *err)
{
	struct stream_sink sink = { out, geometry_shards(&options->geometry) };
	uint8_t text[FRAME_END_BYTES];
	struct blob_totals totals;
	struct encode_run run;
	int rc = run_init(&run, in, options, err);

	if (rc < 0)
		return rc;
	io_pipe_size(out, PIPE_BYTES);
	encoder_begin(run.encoder, FRAME_INTERLEAVED, text);
	rc = io_write_full(out, text, FRAME_BEGIN_BYTES, err);
	if (rc == 0)
		rc = stream_write_headers(out, options->headers, options->id,
		    err);
	if (rc == 0)
		rc = run_stripes(&run, stream_stripes, &sink, err);
	if (rc == 0) {
		encoder_totals(run.encoder, &totals);
		assert(totals.stripes ==
		    stripe_count(&options->geometry, totals.size));
		encoder_end(run.encoder, FRAME_INTERLEAVED, text);
		rc = io_write_full(out, text, FRAME_END_BYTES, err);
	}
	run_fini(&run);
	return rc;
}

/*
 * One file a shard.
 */

struct split {
	uint32_t shards;
	char *path[STRIPE_SHARDS_MAX];
	struct outfile file[STRIPE_SHARDS_MAX];
};

static void
split_fini(struct split *split, bool keep)
{
	for (uint32_t j = 0; j < split->shards; j++) {
		if (keep)
			outfile_close(&split->file[j]);
		else
			outfile_discard(&split->file[j]);
		free(split->path[j]);
	}
}

/* The pattern comes from outside: it is never a format. */
static int
split_init(struct split *split, const char *pattern, uint32_t shards,
    struct error *err)
{
	const char *where = strstr(pattern, "%d");
	int rc = 0;

	assert(shards >= 1 && shards <= STRIPE_SHARDS_MAX);
	if (where == NULL || strchr(pattern, '%') != where ||
	    strchr(where + 1, '%') != NULL)
		return error_set(err, ERRC_USAGE,
		    "--split %s: want exactly one %%d, as in film.%%d.shard",
		    pattern);
	*split = (struct split){ 0 };
	for (uint32_t j = 0; j < shards && rc == 0; j++) {
		split->shards = j + 1;
		if (asprintf(&split->path[j], "%.*s%u%s",
			(int)(where - pattern), pattern, j, where + 2) < 0) {
			split->path[j] = NULL;
			rc = error_set(err, ERRC_NOMEM,
			    "encode: out of memory");
		} else {
			rc = outfile_open(&split->file[j], split->path[j], err);
		}
	}
	if (rc < 0)
		split_fini(split, false);
	return rc;
}

static int
split_stripes(void *arg, struct encoded_stripe *stripe, size_t count,
    struct error *err)
{
	struct split *split = arg;
	struct iovec iov[2 * BLOCK_STRIPES];

	assert(count <= BLOCK_STRIPES);
	for (uint32_t j = 0; j < split->shards; j++) {
		int n = 0;
		int rc;

		for (size_t i = 0; i < count; i++) {
			iov[n++] = (struct iovec){ stripe[i].header[j],
				FRAME_HEADER_BYTES };
			iov[n++] = (struct iovec){ stripe[i].cell[j],
				stripe[i].cell_bytes };
		}
		assert(split->file[j].open && n == (int)(2 * count));
		rc = io_writev_full(split->file[j].fd, iov, n, err);
		if (rc < 0)
			return error_wrap(err, "%s", split->path[j]);
	}
	return 0;
}

static int
split_begin(struct split *split, const struct encode_run *run,
    struct error *err)
{
	uint8_t text[FRAME_BEGIN_BYTES];

	for (uint32_t j = 0; j < split->shards; j++) {
		encoder_begin(run->encoder, (uint8_t)j, text);
		if (io_write_full(split->file[j].fd, text, sizeof(text), err) <
		    0)
			return error_wrap(err, "%s", split->path[j]);
	}
	return 0;
}

static int
split_end(struct split *split, struct encode_run *run, struct error *err)
{
	uint8_t text[FRAME_END_BYTES];
	struct blob_totals totals;

	encoder_totals(run->encoder, &totals);
	assert(totals.shards == split->shards);
	for (uint32_t j = 0; j < split->shards; j++) {
		encoder_end(run->encoder, (uint8_t)j, text);
		if (io_write_full(split->file[j].fd, text, sizeof(text), err) <
		    0)
			return error_wrap(err, "%s", split->path[j]);
	}
	return outfile_publish(split->file, split->shards, err);
}

int
encode_split(int in, const char *pattern, const struct encode_options *options,
    struct error *err)
{
	struct encode_run run;
	struct split split;
	int rc = run_init(&run, in, options, err);

	if (rc < 0)
		return rc;
	rc = split_init(&split, pattern, geometry_shards(&options->geometry),
	    err);
	if (rc == 0) {
		rc = split_begin(&split, &run, err);
		if (rc == 0)
			rc = run_stripes(&run, split_stripes, &split, err);
		if (rc == 0)
			rc = split_end(&split, &run, err);
		split_fini(&split, rc == 0);
	}
	run_fini(&run);
	return rc;
}
