/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3META_H
#define KOOP_S3_S3META_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "s3/s3error.h"

/*
 * What is kept of a request's headers with an object, and given back with it:
 * Content-Type and its like, and the user's own x-amz-meta-*.  In a record
 * both are JSON objects of strings, names in lower case without the prefix
 * x-amz-meta-.
 *
 * Values are UTF-8 without control characters; they are checked when they
 * come in, and again before they go out as headers.
 */

#define S3META_USER_MAX 2048 /* names and values of x-amz-meta-* */
#define S3META_SYSTEM_MAX 8192

struct s3meta {
	void *headers; /* json_t */
	void *meta;    /* json_t */
	size_t headers_bytes;
	size_t meta_bytes;
	enum s3error error; /* the first one sticks */
};

void s3meta_init(struct s3meta *m);
void s3meta_fini(struct s3meta *m);
/* Any header of the request: takes what is to be kept. */
void s3meta_add(struct s3meta *m, const char *name, const char *value);
/* The JSON texts, on the heap.  "{}" when there is none. */
KOOP_MUST enum s3error s3meta_finish(struct s3meta *m, char **headers,
    char **meta);

/* A header to answer with; value is safe to send. */
typedef void s3meta_fn(void *arg, const char *name, const char *value);

/*
 * The headers of a stored version.  Content-Type always comes (S3's default
 * when none was kept).  What does not read as it should is left out.
 */
void s3meta_each(const char *headers, const char *meta, s3meta_fn *fn,
    void *arg);

/* May this be sent as a header value? */
KOOP_MUST bool s3meta_value_safe(const char *value);

#endif
