/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3NAME_H
#define KOOP_S3_S3NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "commit/objectname.h"

/*
 * Names of buckets and objects, out of the raw request target.
 *
 * The path is decoded once; '+' is a plus there.  What follows the second
 * slash is the key, whatever it holds: slashes, dots, control characters.
 * What names are allowed is in commit/objectname.h.
 */

#define S3NAME_BUCKET_MAX OBJECTNAME_BUCKET_MAX
#define S3NAME_KEY_MAX OBJECTNAME_KEY_MAX

struct s3name {
	char bucket[S3NAME_BUCKET_MAX + 1]; /* "" for the service itself */
	size_t bucket_n;
	char key[S3NAME_KEY_MAX + 1]; /* "" for the bucket itself */
	size_t key_n;
};

enum s3name_result {
	S3NAME_OK,
	S3NAME_BAD_URI,    /* an escape, a NUL, or no UTF-8 */
	S3NAME_BAD_BUCKET, /* the rules for bucket names */
	S3NAME_LONG_KEY,
};

/* path is the raw path of the target, before any '?'. */
KOOP_MUST enum s3name_result s3name_parse(struct s3name *out, const char *path);

#endif
