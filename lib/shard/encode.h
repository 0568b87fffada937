/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_ENCODE_H
#define KOOP_SHARD_ENCODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "codec/stripe.h"

/*
 * koop-encode(1): an object on one descriptor, its shards on another, or in
 * files.  Memory is two stripes and a constant.
 */

struct error;
struct progress;

struct encode_options {
	struct geometry geometry;
	struct reqid id;
	bool no_md5;
	struct bytes headers;      /* of a stream: shard/headertext.h */
	struct progress *progress; /* or NULL */
};

/* All shards interleaved.  ERRC_USAGE, ERRC_IO, ERRC_NOMEM. */
KOOP_MUST int encode_stream(int in, int out,
    const struct encode_options *options, struct error *err);

/*
 * One file a shard: pattern with its one %d replaced by the shard's number.
 * The files appear under their names once all are complete, and on failure
 * none does.  ERRC_USAGE for a bad pattern, ERRC_CANTCREATE.
 */
KOOP_MUST int encode_split(int in, const char *pattern,
    const struct encode_options *options, struct error *err);

#endif
