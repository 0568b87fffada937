/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3STORE_H
#define KOOP_S3_S3STORE_H

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
struct s3store;

struct s3store_options {
	struct bytes bucket, key; /* copied */
	struct reqid id;          /* the blob's */
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
KOOP_MUST int s3store_open(struct s3store **out, struct gateway *gw,
    const struct s3store_options *options, struct error *err);
void s3store_close(struct s3store *s); /* NULL is fine */

KOOP_MUST int s3store_write(struct s3store *s, const void *p, size_t n,
    struct error *err);
/* All content is durable on a write quorum; the totals are known. */
KOOP_MUST int s3store_finish(struct s3store *s, struct error *err);
/* After finish. */
const struct blob_totals *s3store_totals(const struct s3store *s);
const char *s3store_etag(const struct s3store *s); /* without quotes */

/* ERRC_UNAVAILABLE: unknown, may yet take effect. */
KOOP_MUST int s3store_commit(struct s3store *s, enum outcome *out,
    struct error *err);

#endif
