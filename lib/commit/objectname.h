/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_OBJECTNAME_H
#define KOOP_COMMIT_OBJECTNAME_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * What a bucket and a key may be called, the same for the gateway and for the
 * programs of a shell: else one could make what the other cannot name.  Pure.
 */

#define OBJECTNAME_BUCKET_MAX 63
#define OBJECTNAME_KEY_MAX 1024

struct error;

/* 3 to 63 of [a-z0-9.-], ends alphanumeric, no "..", no IPv4 address, and
 * neither "health" nor "metrics", which are paths of the gateway itself. */
bool objectname_bucket_valid(struct bytes name);
/* 1 to OBJECTNAME_KEY_MAX bytes of UTF-8 without NUL. */
bool objectname_key_valid(struct bytes key);

/* "bucket/key" split at its first slash; both borrow from text.  ERRC_USAGE
 * when it is not that. */
KOOP_MUST int objectname_split(struct bytes text, struct bytes *bucket,
    struct bytes *key, struct error *err);
/* The same where the key may be missing, or be the beginning of one:
 * "bucket", "bucket/", "bucket/pre". */
KOOP_MUST int objectname_prefix(struct bytes text, struct bytes *bucket,
    struct bytes *prefix, struct error *err);

#endif
