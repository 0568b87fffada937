/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_DECODE_GATHER_H
#define KOOP_SHARD_DECODE_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "shard/decode_run.h"
#include "shard/frame.h"

/*
 * Shard files, in any order, some of them bad: which object they are of, and
 * what can be read of each.  For decode_files.c and decode_check.c.
 *
 * The object is what most of the files say, the first of them when as many
 * say otherwise; the others are not used.
 */

#define SHARD_UNKNOWN 254

enum source_state {
	SOURCE_WHOLE,      /* as far as its ends tell */
	SOURCE_UNREADABLE, /* not opened, or no file */
	SOURCE_DAMAGED,    /* its BEGIN is; cells may be good */
	SOURCE_CUT,        /* no END, or too short or too long */
	SOURCE_FOREIGN,    /* of another object */
	SOURCE_STREAM,     /* all shards, beside shard files */
};
/* "whole" and so on. */
const char *source_state_name(enum source_state state);

struct source {
	const char *path;
	int fd;
	uint64_t bytes;
	enum source_state state;
	bool usable, has_begin, has_end;
	uint8_t shard; /* what its ends say: an order to try, no more */
	struct frame_begin begin;
	struct blob_totals totals;
	uint64_t bad;   /* cells */
	uint64_t crc64; /* decode_check.c: of its cells */
};

struct gather {
	struct source *source;
	size_t count;
	const struct decode_options *options;
	struct frame_begin begin;
	struct blob_totals totals;
};

/* Open the files and read their BEGINs; what cannot be is told, and left out.
 * ERRC_USAGE, ERRC_NOMEM; close is due all the same. */
KOOP_MUST int gather_open(struct gather *g, char *const path[], size_t count,
    const struct decode_options *options, struct error *err);
void gather_close(struct gather *g);
/* One file, which is a whole stream? */
bool gather_is_stream(const struct gather *g);
/* Choose the object; data shards come first from now on.  ERRC_NOINPUT,
 * ERRC_CORRUPT. */
KOOP_MUST int gather_prepare(struct gather *g, struct error *err);
/* Read the cell of a stripe from one file into its place in run, and set its
 * bit in have; true also when that was set. */
bool gather_cell(struct source *s, struct decode_run *run, uint64_t stripe,
    uint32_t cell_bytes, uint32_t *have);

#endif
