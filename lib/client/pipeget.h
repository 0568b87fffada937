/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_PIPEGET_H
#define KOOP_CLIENT_PIPEGET_H

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * koop-shard-get(1): a version of an object as interleaved shard streams, the
 * very bytes that koop-encode made: cells are fetched and verified like for any
 * read, parity is computed anew.  An object of k parts is k streams; inline
 * bytes are a stream like any other.
 *
 * END is written only when the content's CRC-64 is that of the record.
 */

struct error;
struct nodeclient;
struct progress;
struct versionid;

/* The version of that name, NULL: the newest.  ERRC_NOTFOUND, ERRC_UNAVAILABLE,
 * ERRC_CORRUPT, ERRC_IO. */
KOOP_MUST int pipeget_run(struct nodeclient *nc, int out, struct bytes bucket,
    struct bytes key, const struct versionid *version,
    struct progress *progress, struct error *err);

#endif
