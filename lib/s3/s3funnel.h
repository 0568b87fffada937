/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3FUNNEL_H
#define KOOP_S3_S3FUNNEL_H

/*
 * What every request passes once its headers came, in this order:
 *
 *      target   names, query, operation, placement of its object
 *      bucket   looked up, if the operation needs it
 *      judge    may this account do this?  (s3/s3auth.h)
 *      body     its framing and length; then the operation's begin()
 *
 * Whatever refuses, refuses before a byte of the body is read, and the judge
 * before the client learns whether a bucket is there.
 */

struct s3req;

/* The request goes on, or it was replied to. */
void s3funnel_begin(struct s3req *r);

#endif
