/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3SINK_H
#define KOOP_S3_S3SINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "commit/outcome.h"

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
struct gateway;
struct s3sink;

struct s3sink_options {
	struct bytes bucket, key; /* copied */
	struct reqid id;          /* the blob's; see s3sink_id() */
	bool known;               /* the size is, in: */
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

/* Before a body is read.  ERRC_NOTFOUND: no such bucket.  ERRC_MISMATCH: it
 * is being deleted. */
KOOP_MUST int s3sink_open(struct s3sink **out, struct gateway *gw,
    const struct s3sink_options *options, struct error *err);
void s3sink_close(struct s3sink *s); /* NULL is fine */
/* The blob's: another than in the options, if that was too old for its
 * partition. */
struct reqid s3sink_id(const struct s3sink *s);

KOOP_MUST int s3sink_write(struct s3sink *s, const void *p, size_t n,
    struct error *err);
/* All content is durable on a write quorum; the totals are known. */
KOOP_MUST int s3sink_finish(struct s3sink *s, struct error *err);
/* After finish. */
const struct blob_totals *s3sink_totals(const struct s3sink *s);
const char *s3sink_etag(const struct s3sink *s); /* without quotes */

/* ERRC_UNAVAILABLE: unknown, may yet take effect. */
KOOP_MUST int s3sink_commit(struct s3sink *s, enum outcome *out,
    struct error *err);

#endif
