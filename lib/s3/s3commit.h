/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3COMMIT_H
#define KOOP_S3_S3COMMIT_H

#include "base/compiler.h"
#include "s3/s3error.h"

/*
 * One record about the request's object, from the operation to its outcome:
 * placement and bucket are the funnel's, the commit rolls a half-made bucket
 * forward, and what comes back is an error of S3.  Used by everything that
 * writes; so what a refusal means is said once.
 */

struct error;
struct record;
struct s3made;
struct s3req;

/*
 * Fills the record's bucket, key and incarnation and commits it.  S3E_NONE:
 * done, and *made (may be NULL) is the version that it made.  A 5xx is logged,
 * and may yet take effect; a 4xx takes none.
 */
KOOP_MUST enum s3error s3commit(struct s3req *r, struct record *record,
    struct s3made *made);

/* The error for what failed between the gateway and the nodes about a bucket
 * or a write into it; logs what only the operator can mend. */
KOOP_MUST enum s3error s3commit_error(struct s3req *r, int rc,
    const struct error *err);

#endif
