/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_METAREAD_PARTS_H
#define KOOP_CLIENT_METAREAD_PARTS_H

#include "client/metaread.h"
#include "codec/stripe.h"

/*
 * Parts: of an open upload, and of a multipart version.  Rules and deadline as
 * in client/metaread.h.
 */

enum upload_state { UPLOAD_OPEN, UPLOAD_COMPLETED, UPLOAD_ABORTED };

struct part_entry {
	uint32_t number;
	uint32_t set; /* parts of one object may be of different epochs */
	struct reqid id;
	uint64_t size;
	char etag[NODEPROTO_ETAG_MAX + 1];
	uint64_t modified_ms;
	struct geometry geometry; /* manifest only, like what follows */
	uint64_t crc64nvme;
	uint64_t shard_crc64[32];
};
/* Negative: ERRC_NOMEM, or the parts make no sense; words are found. */
typedef int metaread_part_fn(void *arg, const struct part_entry *part);

struct parts_end {
	enum upload_state state;
	bool truncated;
	uint32_t next; /* number of the last part given */
};

/* Parts of an upload after number `after`, at most max.  ERRC_NOTFOUND: no
 * such upload of bucket/key. */
KOOP_MUST int metaread_parts(struct nodeclient *nc,
    const struct placement *place, struct bytes bucket, struct bytes key,
    struct reqid upload, uint32_t after, uint32_t max, metaread_part_fn *fn,
    void *arg, struct parts_end *end, uint64_t deadline, struct error *err);

/* A version (NULL: the newest) and its parts, if any, as of one moment; read
 * again when it is replaced or deleted in between.  fn gets NULL before each
 * try: forget what was told. */
KOOP_MUST int metaread_whole(struct nodeclient *nc,
    const struct placement *place, struct bytes bucket, struct bytes key,
    const struct versionid *version, struct object_info *out,
    struct buf *inline_bytes, metaread_part_fn *fn, void *arg,
    uint64_t deadline, struct error *err);

/* The parts of a multipart version, in order, from its upload id. */
KOOP_MUST int metaread_manifest(struct nodeclient *nc,
    const struct placement *place, struct bytes bucket, struct bytes key,
    struct reqid upload, metaread_part_fn *fn, void *arg, uint64_t deadline,
    struct error *err);

#endif
