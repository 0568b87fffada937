/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3VERSION_H
#define KOOP_S3_S3VERSION_H

#include <stdbool.h>

#include "base/compiler.h"
#include "commit/versionid.h"
#include "s3/s3req.h"
#include "wire/nodeproto_info.h"

/*
 * Names of versions in requests and answers.  Which version is meant is
 * parsed once, here; what a name looks like is in commit/versionid.h, and
 * clients must take it for opaque.
 *
 * An answer names a version only where the bucket has, or once had, versions:
 * clients take the header itself for a sign of that.
 */

/* Which version of a key a request means. */
struct s3version {
	bool given; /* else the newest */
	struct versionid id;
};

/* text is the value of a versionId, NULL when there is none.  False: it is
 * there, and cannot be the name of a version. */
KOOP_MUST bool s3version_parse(struct s3version *out, const char *text);
/* The versionId of the request; false: failed and replied. */
KOOP_MUST bool s3version_param(struct s3version *out, struct s3req *r);
/* As the layers below take it: NULL for the newest. */
const struct versionid *s3version_name(const struct s3version *version);

/* The header `name` with the version that info tells of, if it has a name that
 * may be shown. */
void s3version_header(struct s3req *r, const char *name,
    const struct object_info *info);

/* The answer to a read that found no version (ERRC_NOTFOUND): no bucket, no
 * key, no such version of it, or a delete marker in its place. */
void s3version_missing(struct s3req *r, const struct s3version *version,
    const struct object_info *info);

#endif
