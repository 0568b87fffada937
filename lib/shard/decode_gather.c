/* SPDX-License-Identifier: MIT */

#include "shard/decode_gather.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"

const char *
source_state_name(enum source_state state)
{
	static const char *const name[] = {
		[SOURCE_WHOLE] = "whole",
		[SOURCE_UNREADABLE] = "unreadable",
		[SOURCE_DAMAGED] = "damaged",
		[SOURCE_CUT] = "cut",
		[SOURCE_FOREIGN] = "foreign",
		[SOURCE_STREAM] = "stream",
	};

	assert((size_t)state < nitems(name));
	return name[state];
}

/* Open a file and read its BEGIN.  What cannot be is told, and left out. */
static void
open_source(struct source *s, const struct decode_options *options)
{
	uint8_t in[FRAME_BEGIN_BYTES];
	struct error err;
	struct stat st;

	s->shard = SHARD_UNKNOWN;
	s->state = SOURCE_UNREADABLE;
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
	s->state = SOURCE_WHOLE;
	if (io_pread_full(s->fd, in, sizeof(in), 0, &err) !=
	    (ssize_t)sizeof(in))
		error_set(&err, ERRC_CORRUPT, "ends within BEGIN");
	else if (frame_begin_decode(&s->begin, &s->shard, in, &err) == 0)
		s->has_begin = true;
	if (s->has_begin)
		return;
	s->state = SOURCE_DAMAGED;
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
	if (s->has_end && s->shard == SHARD_UNKNOWN)
		s->shard = shard;
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
		s->state = SOURCE_FOREIGN;
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
		s->state = SOURCE_FOREIGN;
	}
	return 0;
}

/* Read one cell from one file into its place. */
bool
gather_cell(struct source *s, struct decode_run *run, uint64_t stripe,
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
	s->state = SOURCE_STREAM;
}

/* A file ends with its END, where the totals say. */
static void
mark_cut(struct gather *g)
{
	uint64_t bytes = stripe_file_bytes(&g->begin.geometry, g->totals.size);

	for (size_t i = 0; i < g->count; i++) {
		struct source *s = &g->source[i];

		assert(s->usable || s->state != SOURCE_WHOLE);
		if (s->state == SOURCE_WHOLE &&
		    (!s->has_end || s->bytes != bytes))
			s->state = SOURCE_CUT;
	}
}

/* Everything up to the first stripe. */
int
gather_prepare(struct gather *g, struct error *err)
{
	size_t usable = 0;
	int rc;

	assert(g->count > 0);
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
		mark_cut(g);
	if (rc == 0)
		qsort(g->source, g->count, sizeof(g->source[0]), by_shard);
	return rc;
}

int
gather_open(struct gather *g, char *const path[], size_t count,
    const struct decode_options *options, struct error *err)
{
	*g = (struct gather){ .options = options };
	if (count == 0 || count > DECODE_FILES_MAX)
		return error_set(err, ERRC_USAGE, "%zu files: want 1 to %d",
		    count, DECODE_FILES_MAX);
	g->source = calloc(count, sizeof(g->source[0]));
	if (g->source == NULL)
		return error_set(err, ERRC_NOMEM, "decode: out of memory");
	g->count = count;
	for (size_t i = 0; i < count; i++) {
		g->source[i].path = path[i];
		open_source(&g->source[i], options);
	}
	return 0;
}

void
gather_close(struct gather *g)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->source[i].fd >= 0)
			close(g->source[i].fd);
	free(g->source);
	*g = (struct gather){ 0 };
}

bool
gather_is_stream(const struct gather *g)
{
	return g->count == 1 && g->source[0].has_begin &&
	    g->source[0].shard == FRAME_INTERLEAVED;
}
