/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_BLOBFETCH_H
#define KOOP_CLIENT_BLOBFETCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "client/blobplan.h"
#include "cluster/placement.h"
#include "codec/stripe.h"

/*
 * Fetching one window of a blob: the cells that its plan names, from their
 * nodes at once, straight into place, verified; then the missing wanted cells
 * are rebuilt.  Every connection is given back or closed before it returns.
 */

struct decoder;
struct error;
struct nodeclient;

/* What all windows of a blob share. */
struct blobsource {
	struct nodeclient *nc;
	struct placement place;
	struct reqid id;
	struct geometry geometry;
	uint64_t size;
	const char *target; /* of the shard by request id */
	struct decoder *decoder;
};

struct blobwindow {
	struct blobplan plan;
	uint8_t *data; /* the wanted cells in order: contiguous content */
	size_t data_room;
	uint8_t *content; /* the first byte of the range, in data */
};

/*
 * Fetch and verify offset, length of the blob (BLOBPLAN_STRIPES_MAX stripes at
 * most).  On success the window has memory: blobwindow_release() it.
 * ERRC_UNAVAILABLE: too few good cells by the deadline.  ERRC_IO: client_fd
 * (or -1) hung up.
 */
KOOP_MUST int blobfetch_window(const struct blobsource *source, uint64_t offset,
    uint64_t length, int client_fd, uint64_t deadline, struct blobwindow *out,
    struct error *err);
void blobwindow_release(struct nodeclient *nc, struct blobwindow *window);

#endif
