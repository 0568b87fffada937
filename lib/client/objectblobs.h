/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_OBJECTBLOBS_H
#define KOOP_CLIENT_OBJECTBLOBS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "client/metaread_parts.h"
#include "cluster/placement.h"

/*
 * A version of an object and what its bytes are: one blob, one for each part,
 * or bytes in its record.
 */

struct buf;
struct error;
struct nodeclient;
struct shardcheck_blob;
struct versionid;

struct objectblobs {
	struct bytes bucket, key; /* the caller's */
	struct placement place;
	struct object_info info;
	struct part_entry *part; /* of a multipart object, in order */
	uint32_t count, room;
};

/* The version of that name, NULL: the newest; inline_bytes as for
 * metaread_version().  ERRC_NOTFOUND with a message that says what is not
 * there.  To be ended by objectblobs_fini() in any case. */
KOOP_MUST int objectblobs_read(struct objectblobs *out, struct nodeclient *nc,
    struct bytes bucket, struct bytes key, const struct versionid *version,
    struct buf *inline_bytes, struct error *err);
void objectblobs_fini(struct objectblobs *blobs);

/* How many pieces nodes keep of it: 0 for an empty object that travels in its
 * record; and the i'th, borrowed from blobs. */
uint32_t objectblobs_pieces(const struct objectblobs *blobs);
void objectblobs_piece(const struct objectblobs *blobs, uint32_t i,
    struct shardcheck_blob *out);

/* "blob", "inline", "multipart". */
const char *objectblobs_kind(const struct objectblobs *blobs);

#endif
