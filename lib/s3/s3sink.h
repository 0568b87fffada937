/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3SINK_H
#define KOOP_S3_S3SINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "s3/s3error.h"

/*
 * Storing one object or one part: content streams in, is hashed, encoded and
 * sent; then, if the caller is content with the totals, one record commits
 * it.
 *
 *      open  write...  finish  [check]  commit  close
 *
 * Closing before commit aborts.  Used by one thread.
 */

struct blob_totals;
struct error;
struct s3made;
struct s3req;
struct s3sink;

/* Of the request's object; the blob has the request's id. */
struct s3sink_options {
	bool known; /* the size is, in: */
	uint64_t size;
	bool part; /* of upload, with this number */
	struct reqid upload;
	uint32_t number;
	int client_fd; /* whose hang-up cancels; -1: none */
	/* Objects only; JSON texts, borrowed until commit. */
	const char *headers, *meta;
	struct bytes if_match;
	bool if_none_match;
};

/* Before a body is read; the funnel has seen to the bucket.  r stays. */
KOOP_MUST int s3sink_open(struct s3sink **out, struct s3req *r,
    const struct s3sink_options *options, struct error *err);
void s3sink_close(struct s3sink *s); /* NULL is fine */

KOOP_MUST int s3sink_write(struct s3sink *s, const void *p, size_t n,
    struct error *err);
/* All content is durable on a write quorum; the totals are known. */
KOOP_MUST int s3sink_finish(struct s3sink *s, struct error *err);
/* After finish. */
const struct blob_totals *s3sink_totals(const struct s3sink *s);
const char *s3sink_etag(const struct s3sink *s); /* without quotes */

/* As s3commit(). */
KOOP_MUST enum s3error s3sink_commit(struct s3sink *s, struct s3made *made);

#endif
