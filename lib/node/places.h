/* SPDX-License-Identifier: MIT */
#ifndef KOOP_NODE_PLACES_H
#define KOOP_NODE_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "node/nodeproto.h"

/*
 * Where uploads that have no record yet belong: partition, bucket and key of
 * each shard that began to arrive here.  A shard file is named by its request
 * id alone, and only a record in its own partition may abort it.
 *
 * DIR/uploads, a text file, one line an upload, appended without a sync: a
 * power failure may lose lines, and what they spoke of is then counted, never
 * deleted.  places_visit() writes it anew with the lines that are still
 * wanted.
 */

struct clock;
struct error;
struct places;

struct place {
	struct reqid id;
	uint32_t shard;
	struct nodeproto_store store;
	uint64_t since_ms; /* CLOCK_BOOTTIME; not before this program began */
};

/* dirfd stays the caller's. */
KOOP_MUST int places_open(struct places **out, int dirfd,
    const struct clock *clock, struct error *err);
void places_close(struct places *places);
KOOP_MUST int places_add(struct places *places, struct reqid id, uint32_t shard,
    const struct nodeproto_store *store, struct error *err);
uint64_t places_bytes(struct places *places);

/* Each place; kept while fn says so.  A negative fn ends the visit, which
 * then changes nothing, and is returned. */
typedef int place_fn(void *arg, struct place *place); /* 1 keep, 0 drop */
KOOP_MUST int places_visit(struct places *places, place_fn *fn, void *arg,
    struct error *err);

#endif
