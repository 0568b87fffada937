/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_PIPEGET_H
#define KOOP_CLIENT_PIPEGET_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * koop-shard-get(1): a version of an object as interleaved shard streams, the
 * very bytes that koop-encode made: cells are fetched and verified like for any
 * read, parity is computed anew.  An object of k parts is k streams; inline
 * bytes are a stream like any other.
 *
 * END is written only when the content's CRC-64 is that of the record.
 *
 * Of a range only the stripes that it touches are fetched and written; BEGIN
 * says which bytes of them it is.  Streams of parts outside are left out, and
 * the others counted from 1.
 */

struct error;
struct nodeclient;
struct progress;
struct versionid;

/* Is it first-last, first- or -last bytes? */
KOOP_MUST bool pipeget_range_valid(const char *text);

/* The version of that name, NULL: the newest; those bytes of it, NULL: all.
 * ERRC_NOTFOUND, ERRC_UNAVAILABLE, ERRC_CORRUPT, ERRC_IO; ERRC_MISMATCH: no
 * byte of it is in the range. */
KOOP_MUST int pipeget_run(struct nodeclient *nc, int out, struct bytes bucket,
    struct bytes key, const struct versionid *version, const char *range,
    struct progress *progress, struct error *err);

#endif
