/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3MADE_H
#define KOOP_S3_S3MADE_H

#include <stdbool.h>
#include <stdint.h>

#include "commit/versionid.h"

/*
 * The version that a write made, and how its answer tells of it: the headers
 * x-amz-version-id and x-amz-delete-marker, or the members of a DeleteResult.
 *
 * The name is computed, not asked for: it is a function of the record and of
 * the settings that the record was applied with (client/buckets.h,
 * bucket_commit).
 */

struct record;
struct s3req;

struct s3made {
	bool named;  /* the bucket has, or once had, versions */
	bool marker; /* it is a delete marker */
	struct versionid version;
};

/* Of a record whose outcome was done, at seq.  Nothing is named in a bucket
 * that never had versions, nor by a record that makes no version. */
struct s3made s3made_of(const struct record *record, uint64_t seq);

/* The headers; none when nothing is named. */
void s3made_headers(struct s3req *r, const struct s3made *made);

#endif
