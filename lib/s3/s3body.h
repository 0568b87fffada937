/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3BODY_H
#define KOOP_S3_S3BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * The body of a request on its way to the operation: taken out of its
 * aws-chunked framing, its length compared with what was announced, content
 * given on as it comes, a document collected.
 */

struct s3req;

/* The headers that speak of the body.  False: failed and replied. */
KOOP_MUST bool s3body_begin(struct s3req *r);
/* Bytes as they came; negative: failed, and replied unless it is the
 * client's connection that broke. */
KOOP_MUST int s3body_feed(struct s3req *r, const uint8_t *p, size_t n);
/* Is all there that was announced?  False: failed and replied. */
KOOP_MUST bool s3body_finish(struct s3req *r);

#endif
