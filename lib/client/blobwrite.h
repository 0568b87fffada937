/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_BLOBWRITE_H
#define KOOP_CLIENT_BLOBWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "codec/stripe.h"
#include "shard/frame.h"

/*
 * Writing one blob: content is pushed in, hashed and encoded in blocks of a
 * few stripes, and n shards are sent at once, by poll in the caller's thread.
 *
 *      open  write...  finish  [then commit the record]  close
 *      open  write...  abort   close          (whatever went wrong)
 *
 * Memory is a ring of a few blocks; whole stripes of a slow client do not wait
 * for a block to be full.  A shard that falls more than the ring
 * behind for a second, or whose node fails, is given up while write_quorum
 * shards remain; below that every call returns ERRC_UNAVAILABLE, or
 * ERRC_FULL with the nodes whose disks have no room.  finish
 * returns once write_quorum shards are durable, after 20 ms more for healthy
 * others; what is then merely behind is sent on in the background, bounded in
 * number and time.
 *
 * Content of at most inline_limit bytes is sent nowhere: it is kept for the
 * record.  Nothing is ever deleted here: abort appends an AbortMessage, and
 * the log says what came first.  A struct blobwrite is used by one thread.
 */

#define BLOBWRITE_UNKNOWN UINT64_MAX

struct blobwrite;
struct error;
struct nodeclient;
struct placement;

struct blobwrite_options {
	const struct placement *place;
	struct bytes bucket, key; /* copied */
	struct reqid id;
	struct geometry geometry;
	uint64_t size;       /* BLOBWRITE_UNKNOWN: chunked */
	size_t inline_limit; /* 0: never inline */
	bool md5;
	int client_fd; /* whose hang-up cancels; -1: none */
};

struct blobwrite_result {
	struct blob_totals totals;
	bool is_inline; /* then bytes is the content, until close */
	struct bytes bytes;
	uint32_t durable; /* bit j: shard j is durable */
};

KOOP_MUST int blobwrite_open(struct blobwrite **out, struct nodeclient *nc,
    const struct blobwrite_options *options, struct error *err);
/* ERRC_USAGE when more comes than the size that was told. */
KOOP_MUST int blobwrite_write(struct blobwrite *w, const void *p, size_t n,
    struct error *err);
/* ERRC_USAGE when less came than was told. */
KOOP_MUST int blobwrite_finish(struct blobwrite *w,
    struct blobwrite_result *out, struct error *err);
/* Cut all sends; if any shard was begun, append an AbortMessage in the
 * background.  After finish too (the caller decided not to commit). */
void blobwrite_abort(struct blobwrite *w);
/* Frees.  NULL is fine. */
void blobwrite_close(struct blobwrite *w);

#endif
