/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_OUTCOME_H
#define KOOP_COMMIT_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

/*
 * What applying a record came to: the same on every node, because apply is a
 * pure function.  Not struct error's codes: this is an answer, not a failure.
 */

/*      enum                 name on the wire */
#define OUTCOME_MAP(X)                                \
	X(DONE, "done")                               \
	X(EXISTS, "exists")                           \
	X(NO_SUCH_BUCKET, "no_such_bucket")           \
	X(SEALED, "sealed")                           \
	X(SEALED_EMPTY, "sealed_empty")               \
	X(NOT_OWNER, "not_owner")                     \
	X(PRECONDITION_FAILED, "precondition_failed") \
	X(NO_SUCH_KEY, "no_such_key")                 \
	X(NO_SUCH_UPLOAD, "no_such_upload")           \
	X(INVALID_PART, "invalid_part")               \
	X(ABORTED, "aborted")                         \
	X(EXPIRED, "expired")                         \
	X(STALE_EPOCH, "stale_epoch")                 \
	X(NOT_YET_HERE, "not_yet_here")               \
	X(STALE_REVISION, "stale_revision")           \
	X(IGNORED, "ignored")

enum outcome {
#define X(id, name) OUTCOME_##id,
	OUTCOME_MAP(X)
#undef X
	    OUTCOME_MAX,
};

const char *outcome_name(enum outcome outcome);
KOOP_MUST bool outcome_parse(enum outcome *out, const char *name, size_t len);
/* Does it decide the request id?  stale_epoch, not_yet_here, stale_revision
 * and ignored do not, and are never turned into a 4xx. */
bool outcome_decides(enum outcome outcome);

#endif
