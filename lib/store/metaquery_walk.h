/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_METAQUERY_WALK_H
#define KOOP_STORE_METAQUERY_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "store/metaquery_all.h"

/*
 * A walk over all rows of a partition that may refer to a blob, objects
 * first, then older versions, then parts, in key order and by pages: each page
 * is a read of its own, and the place between two is a key, so that a walk may
 * take hours.
 *
 * Rows that are there from beginning to end are met once.  A row that is put
 * meanwhile may be missed: whoever applied it has looked at it.  A version that
 * is superseded meanwhile is met, perhaps twice; one that becomes the newest
 * again, because that was deleted by its name, may wait for the next walk.
 */

#define WALK_BUCKET_MAX 255
#define WALK_KEY_MAX 1024

/* Begin with zeros. */
struct metaquery_place {
	enum { WALK_OBJECTS, WALK_VERSIONS, WALK_PARTS, WALK_OVER } table;
	uint8_t bucket[WALK_BUCKET_MAX], key[WALK_KEY_MAX];
	size_t bucket_bytes, key_bytes; /* the last object or version */
	uint64_t seq;                   /* the last version */
	struct reqid upload;            /* the last part */
	uint32_t number;
};

/*
 * Up to max rows after *place, which moves on with them.  A nonzero return of
 * fn ends the page before that row, and is returned if negative.  Over when
 * place->table is WALK_OVER.
 */
KOOP_MUST int metaquery_walk(struct metaquery *read, uint32_t partition,
    struct metaquery_place *place, size_t max, metaquery_snapshot_fn *fn,
    void *arg, struct error *err);

#endif
