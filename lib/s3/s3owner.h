/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3OWNER_H
#define KOOP_S3_S3OWNER_H

#include "client/buckets.h"
#include "s3/s3xml.h"

/*
 * Who owns what.  Credentials are not known to this version, so there is one
 * owner, whose name stands in the records of buckets and uploads; a later
 * version with users keeps reading them.
 */

#define S3OWNER_ID BUCKET_OWNER

static inline void
s3owner_print(struct s3xml *x, const char *name)
{
	s3xml_open(x, name);
	s3xml_str(x, "ID", S3OWNER_ID);
	s3xml_str(x, "DisplayName", S3OWNER_ID);
	s3xml_close(x);
}

#endif
