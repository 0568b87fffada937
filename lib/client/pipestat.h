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

/* ERRC_NOTFOUND (no such object, or no such bucket: the message tells),
 * ERRC_UNAVAILABLE. */
KOOP_MUST int pipestat_object(struct nodeclient *nc, struct bytes bucket,
    struct bytes key, struct buf *out, struct error *err);
KOOP_MUST int pipestat_bucket(struct nodeclient *nc, struct bytes bucket,
    struct buf *out, struct error *err);
/* The line of a bucket that has been read. */
void pipestat_print_bucket(struct nodeclient *nc, struct bytes bucket,
    const struct bucket_info *info, struct buf *out);

#endif
