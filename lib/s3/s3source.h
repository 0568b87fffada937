/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3SOURCE_H
#define KOOP_S3_S3SOURCE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/compiler.h"
#include "wire/nodeproto_info.h"

/*
 * The bytes of one version, whatever its kind: inline, a blob, or the parts
 * of a multipart upload one after another.  The version is pinned when it is
 * looked up, so what is read later is of that one, whatever is written in
 * between.  Used by one thread.
 */

struct error;
struct gateway;
struct placement;
struct s3source;
struct versionid;

/*
 * Look up the version of bucket/key that has the name, NULL: the newest.  With
 * bytes they may be read afterwards, without it is only looked at.
 * ERRC_NOTFOUND: info says whether the bucket is there, and whether a delete
 * marker is; then *out is set all the same.
 */
KOOP_MUST int s3source_open(struct s3source **out, struct gateway *gw,
    const struct placement *place, struct bytes bucket, struct bytes key,
    const struct versionid *version, bool bytes, struct error *err);
void s3source_close(struct s3source *s); /* NULL is fine */

const struct object_info *s3source_info(const struct s3source *s);

/*
 * Choose what to read, and fetch its first bytes, so that failing can still
 * be a status.  client_fd (or -1) is watched: a hang-up there cancels.
 */
KOOP_MUST int s3source_range(struct s3source *s, uint64_t offset,
    uint64_t length, int client_fd, struct error *err);

/* 1 to max bytes; 0 at the end of the range. */
KOOP_MUST ssize_t s3source_read(struct s3source *s, uint8_t *p, size_t max,
    struct error *err);

#endif
