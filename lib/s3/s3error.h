/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3ERROR_H
#define KOOP_S3_S3ERROR_H

#include "commit/outcome.h"
#include "s3/s3errortable.h"

/*
 * What S3 clients know as errors: one table of code, HTTP status and text,
 * and the two maps into it, from errc (what a function of ours failed with)
 * and from outcome (what the nodes decided about a record).
 *
 * Pure: no memory is held.
 */

struct buf;

enum s3error {
	S3E_NONE = 0,
#define X(name, code, http, text) S3E_##name,
	S3ERROR_MAP(X)
#undef X
	    S3E_MAX,
};

const char *s3error_code(enum s3error e);
int s3error_status(enum s3error e);
const char *s3error_message(enum s3error e);

/*
 * The error for a negative errc.  NOTFOUND means different things at
 * different places, so the caller says which.
 */
enum s3error s3error_from_errc(int rc, enum s3error notfound);

/* DONE (and EXISTS) are S3E_NONE.  What decides nothing is a 503. */
enum s3error s3error_from_outcome(enum outcome outcome);

/* The error of the HTTP layer's own refusals, by status. */
enum s3error s3error_from_status(int status);

struct s3error_detail {
	const char *message;    /* NULL: the table's */
	const char *resource;   /* the raw path of the request */
	const char *request_id; /* as in x-amz-request-id */
	const char *bucket;     /* or NULL */
	const char *key;        /* or NULL */
	/* More members, name and value in turn, ended by NULL; or NULL. */
	const char *const *more;
};

/* The XML document of an error. */
void s3error_print(struct buf *out, enum s3error e,
    const struct s3error_detail *detail);

#endif
