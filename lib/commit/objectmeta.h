/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_OBJECTMETA_H
#define KOOP_COMMIT_OBJECTMETA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

/*
 * What a record keeps for the headers of an object's answers: Content-Type and
 * its like, and the user's own x-amz-meta-*.  In a record both are JSON
 * objects of strings, those of the user in lower case without x-amz-meta-.
 * One place for the gateway and koop-commit: what one would refuse the other
 * must not store.
 *
 * Values are UTF-8 without control characters; they are checked when they
 * come in, and again before they go out as headers.
 */

#define OBJECTMETA_USER_MAX 2048 /* names and values of x-amz-meta-* */
#define OBJECTMETA_NAME_MAX 255  /* of one name */
#define OBJECTMETA_SYSTEM_MAX 8192

enum objectmeta_result {
	OBJECTMETA_OK,
	OBJECTMETA_BAD,   /* no name or no value of a header */
	OBJECTMETA_LARGE, /* more than the limits above */
	OBJECTMETA_NOMEM,
};

struct objectmeta {
	void *headers; /* json_t */
	void *meta;    /* json_t */
	size_t headers_bytes;
	size_t meta_bytes;
};

/* False: no memory; fini is due all the same. */
KOOP_MUST bool objectmeta_init(struct objectmeta *m);
void objectmeta_fini(struct objectmeta *m);

/* Any header of a request: takes what is to be kept, passes over the rest.  A
 * user's name that comes twice gets both values, as a list. */
KOOP_MUST enum objectmeta_result objectmeta_header(struct objectmeta *m,
    const char *name, const char *value);
/* The JSON texts, on the heap; "{}" when there is none.  False: no memory. */
KOOP_MUST bool objectmeta_print(const struct objectmeta *m, char **headers,
    char **meta);

/* A header to answer with; value is safe to send. */
typedef void objectmeta_fn(void *arg, const char *name, const char *value);
/*
 * The headers of a stored version.  Content-Type always comes (S3's default
 * when none was kept).  What does not read as it should is left out.
 */
void objectmeta_each(const char *headers, const char *meta, objectmeta_fn *fn,
    void *arg);

/* The same, without S3's default. */
void objectmeta_stored(const char *headers, const char *meta, objectmeta_fn *fn,
    void *arg);

/* May this be sent as a header value? */
KOOP_MUST bool objectmeta_value_safe(const char *value);

#endif
