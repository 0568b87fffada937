/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3OP_H
#define KOOP_S3_S3OP_H

#include "s3/s3optable.h"

/*
 * The one table of operations (s3/s3optable.h) as an enum and as rows: what
 * s3route chooses from, what logs and metrics are named by, what the funnel
 * prepares (enum s3need), and what the judge is asked for (s3/s3auth.h).
 */

struct s3handler;

enum s3level { S3LEVEL_SERVICE, S3LEVEL_BUCKET, S3LEVEL_OBJECT };

/* What tells rows of the same method, level and sub-resource apart. */
enum s3when {
	S3WHEN_ALWAYS,
	S3WHEN_COPY,    /* the request has x-amz-copy-source */
	S3WHEN_LIST_V2, /* ?list-type=2 */
};

/* What an operation needs, bit by bit. */
enum s3need {
	/* The bucket is looked up before the body is read; without it the
	 * request fails there. */
	S3NEED_BUCKET = 1 << 0,
	/* The body is a document: collected, its checksums compared, then
	 * given to end().  A long one names up to 10,000 parts. */
	S3NEED_DOCUMENT = 1 << 1,
	S3NEED_LONG_DOCUMENT = 1 << 2,
	/* The body is content: given to data() as it comes.  Its length is
	 * announced, or it is chunked. */
	S3NEED_CONTENT = 1 << 3,
	/* Checksums in the headers are of the object, not of this body. */
	S3NEED_OBJECT_SUMS = 1 << 4,
	/* The judge is asked for each key that the body names, not for the
	 * request. */
	S3NEED_EACH_KEY = 1 << 5,
};

enum s3op {
	S3OP_INVALID,            /* names no operation: a bad URI or bucket */
	S3OP_NOT_IMPLEMENTED,    /* known to S3, not to us: 501 */
	S3OP_METHOD_NOT_ALLOWED, /* 405 */
	S3OP_HEALTH,             /* /health and /metrics are no names of S3's */
	S3OP_METRICS,
#define X(op, ...) S3OP_##op,
	S3OP_TABLE(X)
#undef X
	    S3OP_MAX,
};

struct s3op_row {
	const char *name;
	const char *method; /* NULL: of those that are no row of the table */
	const char *sub;
	const char *action;
	const char *version_action; /* or NULL */
	const struct s3handler *handler;
	enum s3level level;
	enum s3when when;
	unsigned needs; /* of enum s3need */
};

const struct s3op_row *s3op_row(enum s3op op);
/* "PutObject", for logs and metrics. */
const char *s3op_name(enum s3op op);

#endif
