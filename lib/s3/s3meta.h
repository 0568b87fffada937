/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3META_H
#define KOOP_S3_S3META_H

#include "base/compiler.h"
#include "commit/objectmeta.h"
#include "s3/s3error.h"

/*
 * commit/objectmeta.h for a request: the first error sticks and has S3's name.
 */

struct s3meta {
	struct objectmeta kept;
	enum s3error error; /* the first one sticks */
};

void s3meta_init(struct s3meta *m);
void s3meta_fini(struct s3meta *m);
/* Any header of the request: takes what is to be kept. */
void s3meta_add(struct s3meta *m, const char *name, const char *value);
/* The JSON texts, on the heap.  "{}" when there is none. */
KOOP_MUST enum s3error s3meta_finish(struct s3meta *m, char **headers,
    char **meta);

#endif
