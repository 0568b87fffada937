/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_PIPEBUCKET_H
#define KOOP_CLIENT_PIPEBUCKET_H

#include "base/compiler.h"

/*
 * koop-bucket(1): what it came to is a line on a descriptor.
 *
 *      bucket v=1 name=videos outcome=done
 *
 * Lists are the JSON of pipestat.h.
 */

struct error;
struct nodeclient;

/* done or exists: 0.  ERRC_DENIED: another's.  ERRC_RETRY: it is being
 * deleted, or it is not known whether it was made; the same again is safe. */
KOOP_MUST int pipebucket_make(struct nodeclient *nc, const char *name, int out,
    struct error *err);
/* ERRC_NOTFOUND: no such bucket.  ERRC_MISMATCH: not empty.  ERRC_RETRY. */
KOOP_MUST int pipebucket_remove(struct nodeclient *nc, const char *name,
    int out, struct error *err);
/* All of them, by name. */
KOOP_MUST int pipebucket_list(struct nodeclient *nc, int out,
    struct error *err);
/* One of them.  ERRC_NOTFOUND. */
KOOP_MUST int pipebucket_get(struct nodeclient *nc, const char *name, int out,
    struct error *err);

/* ERRC_USAGE: no name for a bucket. */
KOOP_MUST int pipebucket_check(const char *name, struct error *err);

#endif
