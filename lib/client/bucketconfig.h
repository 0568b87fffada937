/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_BUCKETCONFIG_H
#define KOOP_CLIENT_BUCKETCONFIG_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "commit/outcome.h"

/*
 * Settings of a bucket (protocol.md 5, "Buckets"): the home partition decides
 * and numbers them, the others are told.  The two halves; client/buckets.h
 * puts them together.
 */

struct buf;
struct error;
struct nodeclient;

/*
 * Make new settings, a JSON object, from those that are there ("{}" when none
 * were set), in out, which is empty.  May be called again when somebody else's
 * came first.  A negative return ends it.
 */
typedef int bucketconfig_edit_fn(void *arg, struct bytes settings,
    struct buf *out, struct error *err);

/* The edit that sets one of them, a text, and leaves all others as they are;
 * arg is a struct bucketconfig_text. */
struct bucketconfig_text {
	const char *setting, *value;
};
KOOP_MUST int bucketconfig_set_text(void *arg, struct bytes settings,
    struct buf *out, struct error *err);

/* Decide at home.  OUTCOME_DONE, with the revision; OUTCOME_NO_SUCH_BUCKET.
 * ERRC_UNAVAILABLE also when the cluster's level does not allow settings. */
KOOP_MUST int bucketconfig_decide(struct nodeclient *nc, struct bytes name,
    bucketconfig_edit_fn *edit, void *arg, enum outcome *out,
    uint64_t *revision, uint64_t deadline, struct error *err);

/* Tell what home has now to those partitions.  behind, NULL or as long, gets
 * which of them do not hold the bucket yet. */
KOOP_MUST int bucketconfig_tell(struct nodeclient *nc, struct bytes name,
    const uint32_t *partitions, size_t count, bool *behind, uint64_t deadline,
    struct error *err);

#endif
