/* SPDX-License-Identifier: MIT */

/*
 * Shard files, in any order.  First it is found out which object they are of:
 * what most of them say, the first of them when as many say otherwise; the
 * others are not used.  Then each stripe is put together from any good cells,
 * data shards first.  A cell's header, bound to the request id, says what it
 * is, so a file with a damaged BEGIN still serves.
 */

#include "shard/decode.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "shard/decode_run.h"

#define SHARD_UNKNOWN 254

struct source {
	const char *path;
	int fd;
	uint64_t bytes;
	bool usable, has_begin, has_end;
	uint8_t shard; /* what BEGIN says: an order to try, no more */
	struct frame_begin begin;
	struct blob_totals totals;
	uint64_t bad; /* cells */
};

struct gather {
	struct source *source;
	size_t count;
	const struct decode_options *options;
	struct frame_begin begin;
	struct blob_totals totals;
};

/* Open a file and read its BEGIN.  What cannot be is told, and left out. */
static void
open_source(struct source *s, const struct decode_options *options)
{
	uint8_t in[FRAME_BEGIN_BYTES];
	struct error err;
	struct stat st;

	s->shard = SHARD_UNKNOWN;
	s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) != 0) {
		decode_warn(options, "%s: %s", s->path, strerror(errno));
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		decode_warn(options,
		    "%s: not a regular file; a stream comes on standard input",
		    s->path);
		return;
	}
	(void)posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	s->bytes = (uint64_t)st.st_size;
	s->usable = true;
	if (io_pread_full(s->fd, in, sizeof(in), 0, &err) !=
	    (ssize_t)sizeof(in))
		error_set(&err, ERRC_CORRUPT, "ends within BEGIN");
	else if (frame_begin_decode(&s->begin, &s->shard, in, &err) == 0)
		s->has_begin = true;
	if (!s->has_begin)
		decode_warn(options, "%s: %s", s->path, err.text);
}

static void
read_end(struct source *s, const struct reqid *id)
{
	uint8_t in[FRAME_END_BYTES], shard;

	assert(!s->has_end);
	if (!s->usable || s->bytes < sizeof(in) ||
	    io_pread_full(s->fd, in, sizeof(in), (off_t)(s->bytes - sizeof(in)),
		NULL) != (ssize_t)sizeof(in))
		return;
	s->has_end = frame_end_decode(&s->totals, &shard, in, id, NULL) == 0;
}

static bool
same_object(const struct frame_begin *a, const struct frame_begin *b)
{
	return reqid_equal(a->id, b->id) &&
	    geometry_equal(&a->geometry, &b->geometry);
}

/* Which object?  Leaves out the files of others. */
static int
choose_object(struct gather *g, struct error *err)
{
	const struct source *best = NULL;
	size_t most = 0;

	for (size_t i = 0; i < g->count; i++) {
		const struct source *s = &g->source[i];
		size_t n = 0;

		for (size_t j = 0; j < g->count && s->has_begin; j++)
			n += g->source[j].has_begin &&
			    same_object(&s->begin, &g->source[j].begin);
		if (n > most) {
			most = n;
			best = s;
		}
	}
	if (best == NULL)
		return error_set(err, ERRC_CORRUPT,
		    "none of the files has a good BEGIN");
	assert(best->has_begin && most >= 1);
	g->begin = best->begin;
	for (size_t i = 0; i < g->count; i++) {
		struct source *s = &g->source[i];
		char id[REQID_HEX + 1];

		if (!s->has_begin || same_object(&s->begin, &g->begin))
			continue;
		reqid_format(id, s->begin.id);
		decode_warn(g->options,
		    "%s: a shard of another object, %s: not used", s->path, id);
		s->usable = false;
	}
	return 0;
}

/* The totals, by the same rule: one id may have been used for two objects. */
static int
choose_totals(struct gather *g, struct error *err)
{
	const struct source *best = NULL;
	size_t most = 0;

	for (size_t i = 0; i < g->count; i++)
		read_end(&g->source[i], &g->begin.id);
	for (size_t i = 0; i < g->count; i++) {
		const struct source *s = &g->source[i];
		size_t n = 0;

		if (!s->has_end ||
		    frame_totals_check(&s->totals, &g->begin.geometry, NULL) <
			0)
			continue;
		for (size_t j = 0; j < g->count; j++)
			n += g->source[j].has_end &&
			    frame_totals_equal(&s->totals,
				&g->source[j].totals);
		if (n > most) {
			most = n;
			best = s;
		}
	}
	if (best == NULL)
		return error_set(err, ERRC_CORRUPT,
		    "none of the files has a good END");
	assert(best->has_end && most >= 1);
	g->totals = best->totals;
	for (size_t i = 0; i < g->count; i++) {
		struct source *s = &g->source[i];

		if (!s->has_end || frame_totals_equal(&s->totals, &g->totals))
			continue;
		decode_warn(g->options,
		    "%s: its totals are of another object: not used", s->path);
		s->usable = false;
	}
	return 0;
}

/* Read one cell from one file into its place. */
static bool
read_cell(struct source *s, struct decode_run *run, uint64_t stripe,
    uint32_t cell_bytes, uint32_t *have)
{
	const struct geometry *g = &run->begin.geometry;
	const off_t at = (off_t)stripe_cell_offset(g, stripe);
	uint8_t header[FRAME_HEADER_BYTES];
	struct frame f;

	assert(s->usable);
	assert(cell_bytes >= 1 && cell_bytes <= g->cell_bytes);
	if (io_pread_full(s->fd, header, sizeof(header), at, NULL) !=
		(ssize_t)sizeof(header) ||
	    frame_decode(&f, header, &run->begin.id, NULL) < 0 ||
	    f.kind != FRAME_CELL || f.stripe != stripe ||
	    f.length != cell_bytes || f.shard >= geometry_shards(g))
		return false;
	if ((*have >> f.shard & 1) != 0)
		return true; /* a second copy */
	if (io_pread_full(s->fd, run->cell[f.shard], cell_bytes,
		at + FRAME_HEADER_BYTES, NULL) != (ssize_t)cell_bytes ||
	    !frame_payload_good(&f, run->cell[f.shard]))
		return false;
	assert((*have >> f.shard & 1) == 0);
	*have |= UINT32_C(1) << f.shard;
	return true;
}

/* As many good cells of a stripe as are needed, if there are. */
static uint32_t
gather_stripe(struct gather *g, struct decode_run *run, uint64_t stripe,
    uint32_t cell_bytes)
{
	const uint32_t k = g->begin.geometry.data_shards;
	uint32_t have = 0;

	decode_run_layout(run, cell_bytes);
	for (size_t i = 0;
	     i < g->count && (uint32_t)__builtin_popcount(have) < k; i++) {
		struct source *s = &g->source[i];

		if (!s->usable ||
		    (s->shard < STRIPE_SHARDS_MAX &&
			(have >> s->shard & 1) != 0) ||
		    read_cell(s, run, stripe, cell_bytes, &have))
			continue;
		if (s->bad++ == 0)
			decode_warn(g->options, "%s: stripe %llu: bad cell",
			    s->path, (unsigned long long)stripe);
	}
	assert((uint32_t)__builtin_popcount(have) <= k);
	return have;
}

static int
gather_all(struct gather *g, struct decode_run *run, struct error *err)
{
	const uint64_t stripes = g->totals.stripes;
	uint32_t have = 0, cell = 0;

	for (uint64_t stripe = 0; stripe < stripes; stripe++) {
		cell = stripe_cell_bytes(&g->begin.geometry, g->totals.size,
		    stripe);
		have = gather_stripe(g, run, stripe, cell);
		if (stripe + 1 < stripes) {
			int rc = decode_run_stripe(run, stripe, cell, have,
			    err);

			if (rc < 0)
				return rc;
		}
	}
	assert((stripes == 0) == (cell == 0));
	return decode_run_last(run, cell, have, &g->totals, err);
}

/* Data shards first: from them alone nothing need be rebuilt. */
static int
by_shard(const void *a, const void *b)
{
	const struct source *x = a, *y = b;

	return (x->shard > y->shard) - (x->shard < y->shard);
}

/* A whole stream in a file is no shard file. */
static void
refuse_stream(struct source *s, const struct decode_options *options)
{
	if (!s->has_begin || s->shard != FRAME_INTERLEAVED)
		return;
	decode_warn(options,
	    "%s: a stream of all shards: not used beside others", s->path);
	s->usable = false;
	s->has_begin = false;
}

/* Everything up to the first stripe. */
static int
prepare(struct gather *g, struct error *err)
{
	size_t usable = 0;
	int rc;

	for (size_t i = 0; i < g->count; i++) {
		refuse_stream(&g->source[i], g->options);
		usable += g->source[i].usable;
	}
	if (usable == 0)
		return error_set(err, ERRC_NOINPUT,
		    "none of the files can be read");
	rc = choose_object(g, err);
	if (rc == 0)
		rc = choose_totals(g, err);
	if (rc == 0 && g->begin.parts > 1)
		rc = error_set(err, ERRC_CORRUPT,
		    "the files are part %u of %u: parts come as a stream",
		    g->begin.part, g->begin.parts);
	if (rc == 0 && g->begin.range.size > 0)
		rc = error_set(err, ERRC_CORRUPT,
		    "the files are a range of an object: a range comes as a "
		    "stream");
	if (rc == 0)
		qsort(g->source, g->count, sizeof(g->source[0]), by_shard);
	return rc;
}

static int
decode_gathered(struct gather *g, int out, struct error *err)
{
	struct decode_run run;
	int rc = decode_run_init(&run, &g->begin, out, g->options, err);

	assert(g->begin.parts == 1);
	if (rc < 0)
		return rc;
	rc = gather_all(g, &run, err);
	decode_run_fini(&run);
	for (size_t i = 0; i < g->count; i++)
		if (g->source[i].bad > 0)
			decode_warn(g->options, "%s: %llu bad cells",
			    g->source[i].path,
			    (unsigned long long)g->source[i].bad);
	return rc;
}

int
decode_files(char *const path[], size_t count, int out,
    const struct decode_options *options, struct error *err)
{
	struct gather g = { .count = count, .options = options };
	int rc;

	if (count == 0 || count > DECODE_FILES_MAX)
		return error_set(err, ERRC_USAGE, "%zu files: want 1 to %d",
		    count, DECODE_FILES_MAX);
	g.source = calloc(count, sizeof(g.source[0]));
	if (g.source == NULL)
		return error_set(err, ERRC_NOMEM, "decode: out of memory");
	for (size_t i = 0; i < count; i++) {
		g.source[i].path = path[i];
		open_source(&g.source[i], options);
	}
	if (count == 1 && g.source[0].has_begin &&
	    g.source[0].shard == FRAME_INTERLEAVED) {
		rc = decode_stream(g.source[0].fd, out, options, err);
	} else {
		rc = prepare(&g, err);
		if (rc == 0)
			rc = decode_gathered(&g, out, err);
	}
	for (size_t i = 0; i < count; i++)
		if (g.source[i].fd >= 0)
			close(g.source[i].fd);
	free(g.source);
	return rc;
}
