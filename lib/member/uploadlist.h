/* SPDX-License-Identifier: MIT */
#ifndef KOOP_MEMBER_UPLOADLIST_H
#define KOOP_MEMBER_UPLOADLIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "wire/nodeproto.h"

/*
 * The uploads that have no record yet, and where they belong: partition, bucket
 * and key of each shard that began to arrive here.  A shard file is named by
 * its request id alone, and only a record in its own partition may abort it.
 *
 * DIR/uploads, a text file, one line an upload, appended without a sync: a
 * power failure may lose lines, and what they spoke of is then counted, never
 * deleted.  uploadlist_visit() writes it anew with the lines that are still
 * wanted.
 */

struct clock;
struct error;
struct uploadlist;

struct uploadlist_entry {
	struct reqid id;
	uint32_t shard;
	struct nodeproto_store store;
	uint64_t since_ms; /* CLOCK_BOOTTIME; not before this program began */
};

/* dirfd stays the caller's. */
KOOP_MUST int uploadlist_open(struct uploadlist **out, int dirfd,
    const struct clock *clock, struct error *err);
void uploadlist_close(struct uploadlist *list);
KOOP_MUST int uploadlist_add(struct uploadlist *list, struct reqid id,
    uint32_t shard, const struct nodeproto_store *store, struct error *err);
uint64_t uploadlist_bytes(struct uploadlist *list);

/* Each entry; kept while fn says so.  A negative fn ends the visit, which
 * then changes nothing, and is returned. */
typedef int uploadlist_fn(void *arg,
    struct uploadlist_entry *entry); /* 1 keep, 0 drop */
KOOP_MUST int uploadlist_visit(struct uploadlist *list, uploadlist_fn *fn,
    void *arg, struct error *err);

#endif
