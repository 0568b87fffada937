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
/*
 * Its settings, an object of JSON on a line; or the value of one, bare.
 * ERRC_NOTFOUND: no such bucket, or that was never set.
 */
KOOP_MUST int pipebucket_get(struct nodeclient *nc, const char *name,
    const char *setting, int out, struct error *err);
/* ERRC_USAGE: no such setting, or no value of it.  ERRC_NOTFOUND.
 * ERRC_RETRY: not known whether it was set; the same again is safe. */
KOOP_MUST int pipebucket_set(struct nodeclient *nc, const char *name,
    const char *setting, const char *value, int out, struct error *err);
/* ERRC_USAGE; without a cluster. */
KOOP_MUST int pipebucket_check_setting(const char *setting, const char *value,
    struct error *err);

/* ERRC_USAGE: no name for a bucket. */
KOOP_MUST int pipebucket_check(const char *name, struct error *err);

#endif
