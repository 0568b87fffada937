/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_BUCKETFOLLOW_H
#define KOOP_CLIENT_BUCKETFOLLOW_H

#include "base/compiler.h"

/*
 * A thread that follows the log for the bucket view (client/bucketcache.h): it
 * reads what came to every partition a few times a second, all of it, and
 * tells the view of the bucket records.  When the log cannot be read the view
 * goes stale, and who asks it waits and then fails; when reading begins anew
 * after that, all that was known is void.
 *
 * For programs that serve; a command asks the nodes instead.
 */

/* Between two readings: well within BUCKETCACHE_FRESH_MS. */
#define BUCKETFOLLOW_MS 200

struct bucketcache;
struct bucketfollow;
struct commitlog;
struct error;
struct clock;

KOOP_MUST int bucketfollow_open(struct bucketfollow **out,
    struct bucketcache *cache, struct commitlog *log, const struct clock *clock,
    struct error *err);
void bucketfollow_close(struct bucketfollow *follow); /* NULL is fine */

#endif
