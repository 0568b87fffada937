/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_DECODE_H
#define KOOP_SHARD_DECODE_H

#include <stddef.h>

#include "base/compiler.h"

/*
 * koop-decode(1): shards in, the object out.  Only verified bytes are
 * written; the totals of END are checked before the last stripe is.  Memory
 * is one stripe and a constant.
 */

struct buf;
struct error;
struct progress;

struct decode_options {
	struct progress *progress; /* or NULL */
	/* Gets the headers of a stream (shard/headertext.h); or NULL. */
	struct buf *headers;
	/* Told about input that was not used, and why; or NULL. */
	void (*warn)(void *arg, const char *text);
	void *arg;
};

/* An interleaved stream, or several, part=1/k to k/k.  ERRC_CORRUPT naming
 * the stripe that cannot be rebuilt, or what else is wrong; ERRC_IO. */
KOOP_MUST int decode_stream(int in, int out,
    const struct decode_options *options, struct error *err);

#define DECODE_FILES_MAX 64

/* Shard files, in any order, some of them bad.  ERRC_NOINPUT when none can be
 * opened, ERRC_USAGE for too many. */
KOOP_MUST int decode_files(char *const path[], size_t count, int out,
    const struct decode_options *options, struct error *err);

#endif
