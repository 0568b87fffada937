/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_PIPECOMMIT_H
#define KOOP_CLIENT_PIPECOMMIT_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * koop-commit(1): receipts from a descriptor become one PutMessage, and a
 * line about it goes to another.
 *
 *      commit v=1 cluster=ID partition=29 seq=42 name=videos/film.mp4
 *          object=ID size=67108864 etag=HEX outcome=done      (on one line)
 *
 * Receipts older than 10 minutes, or of another epoch, are not believed: the
 * shards are looked for first.  Committing the same receipts again changes
 * nothing and prints the first outcome.
 */

#define PIPECOMMIT_RECHECK_MS (10u * 60 * 1000)

struct error;
struct nodeclient;

struct pipecommit_options {
	/* Instead of the headers of the same names that come with the receipts,
	 * and of which none is wanted: shard/headertext.h. */
	struct bytes headers;
	struct bytes without;
	struct bytes if_match; /* an ETag; BYTES_NONE: no condition */
	bool if_none_match;    /* only if there is no such object */
};

/*
 * ERRC_CORRUPT: no receipts that can be committed (no end, no md5, or they
 * contradict each other).  ERRC_UNAVAILABLE: fewer than write_quorum shards.
 * ERRC_RETRY: not known whether it took effect; the same again is safe.
 * ERRC_NOTFOUND, ERRC_MISMATCH: refused, and printed as the outcome.
 * ERRC_USAGE: more headers than an object may have.
 */
KOOP_MUST int pipecommit_run(struct nodeclient *nc, int in, int out,
    const struct pipecommit_options *options, struct error *err);

#endif
