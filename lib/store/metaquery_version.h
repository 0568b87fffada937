/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_METAQUERY_VERSION_H
#define KOOP_STORE_METAQUERY_VERSION_H

#include "store/metaquery.h"

/*
 * Versions of keys: the rest of store/metaquery.h.  The strings of a row live
 * until the next call of any of these two or of metaquery_object().
 */

/* The version of a key that the record at seq made, newest or older.  This is
 * how a blob is found: a key's newest version is soon another one. */
KOOP_MUST int metaquery_version(struct metaquery *read, uint32_t partition,
    struct bytes bucket, struct bytes key, uint64_t seq, struct object_row *out,
    struct error *err);
/* The version whose name is "null", newest or older. */
KOOP_MUST int metaquery_version_null(struct metaquery *read, uint32_t partition,
    struct bytes bucket, struct bytes key, struct object_row *out,
    struct error *err);

/*
 * A page of versions and delete markers of a bucket: by key, then newest
 * first; query->after with after_seq 0: behind all versions of that key, else
 * behind the one of that seq.  latest: it is the newest of its key.
 * With after_null: behind the one that is named "null" now; when there is none
 * all versions of the key are given, rather twice than not at all.
 */
typedef int metaquery_versions_fn(void *arg, const struct object_row *row,
    bool latest, struct bytes prefix);
KOOP_MUST int metaquery_versions(struct metaquery *read,
    const struct list_query *query, struct list_end *end,
    metaquery_versions_fn *fn, void *arg, struct error *err);

#endif
