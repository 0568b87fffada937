/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_BLOBREAD_H
#define KOOP_CLIENT_BLOBREAD_H

#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "codec/stripe.h"

/*
 * Reading one blob's bytes from the shards of its erasure set.
 *
 * Works in windows: first one stripe, then about 1.5 MiB while the caller
 * drains quickly (the number of such readers is capped), single cells up to a
 * stripe for slow ones.  A window's cells are received straight into place
 * and verified; while the data cells are good only those that the range
 * touches are fetched, any data_shards cells of a stripe otherwise.  Slow
 * nodes are hedged.  A bad cell is told to its node, which repairs it.
 *
 * Between windows no node connection is held.  Memory is one window.  Every
 * byte handed out was verified; a blob that cannot be decoded is an error,
 * never a short or wrong read.  A struct blobread is used by one thread.
 */

struct blobread;
struct error;
struct nodeclient;

struct blob_ref {
	uint32_t partition;
	uint32_t set; /* erasure set number */
	struct bytes bucket, key;
	struct reqid id;
	struct geometry geometry;
	uint64_t size;
};

/* No I/O; copies what it needs of ref.  The range is the whole blob. */
KOOP_MUST int blobread_open(struct blobread **out, struct nodeclient *nc,
    const struct blob_ref *ref, struct error *err);
void blobread_close(struct blobread *r); /* NULL is fine */

/* Read length bytes from offset on; both within the blob.  Before or after
 * reading (a seek). */
void blobread_range(struct blobread *r, uint64_t offset, uint64_t length);

/*
 * The next bytes: 1 to max, or 0 at the end of the range.  May block up to
 * the read deadline.  client_fd (or -1) is watched meanwhile: a hang-up there
 * cancels the fetch with ERRC_IO.  ERRC_UNAVAILABLE: too few good shards
 * answered; then nothing of that window is handed out.
 */
KOOP_MUST ssize_t blobread_read(struct blobread *r, uint8_t *p, size_t max,
    int client_fd, struct error *err);

/* Fetch the first window now, so that failing can still be a status code. */
KOOP_MUST int blobread_prefetch(struct blobread *r, int client_fd,
    struct error *err);

#endif
