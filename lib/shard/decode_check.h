/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_DECODE_CHECK_H
#define KOOP_SHARD_DECODE_CHECK_H

#include <stddef.h>

#include "base/compiler.h"
#include "shard/decode.h"

/*
 * koop-decode --check and --list: what shard files, or a stream, hold, as
 * lines on a descriptor; koop-decode(1) has them.  Nothing is decoded.
 */

/*
 * List what their ends say.  Of a stream, which is read to its end, count is
 * 0 and the stream is in.  ERRC_NOINPUT, ERRC_CORRUPT.
 */
KOOP_MUST int decode_list(char *const path[], size_t count, int in, int out,
    const struct decode_options *options, struct error *err);

/*
 * Read and verify everything.  0: all shards are whole.  ERRC_MISMATCH: some
 * are not, and the message tells how many more may go; ERRC_CORRUPT: the
 * object is lost, or what decode_files() says.
 */
KOOP_MUST int decode_check(char *const path[], size_t count, int in, int out,
    const struct decode_options *options, struct error *err);

#endif
