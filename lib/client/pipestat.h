/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_PIPESTAT_H
#define KOOP_CLIENT_PIPESTAT_H

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * What there is to know of an object or of a bucket, as one line of JSON: for
 * koop-stat(1) and koop-bucket(1).  Read as HEAD reads it.
 */

struct bucket_info;
struct buf;
struct error;
struct nodeclient;
struct versionid;

/* The version of that name, NULL: the newest.  ERRC_NOTFOUND (no such object,
 * version or bucket: the message tells), ERRC_UNAVAILABLE. */
KOOP_MUST int pipestat_object(struct nodeclient *nc, struct bytes bucket,
    struct bytes key, const struct versionid *version, struct buf *out,
    struct error *err);
KOOP_MUST int pipestat_bucket(struct nodeclient *nc, struct bytes bucket,
    struct buf *out, struct error *err);
/* The line of a bucket that has been read. */
void pipestat_print_bucket(struct nodeclient *nc, struct bytes bucket,
    const struct bucket_info *info, struct buf *out);

#endif
