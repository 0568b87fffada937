/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_VERSIONID_H
#define KOOP_COMMIT_VERSIONID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"

/*
 * The name of one version of a key, protocol.md 5 "Versions": a function of
 * the record that made it, so every node and the writer come to the same.
 *
 *      0  16  2^63 - 1 - seq, hex: of two versions of a key the newer one
 *             has the smaller text, so names sort newest first
 *      16 16  the last 8 bytes, hex, of the id that the version's row has
 *             (blob, upload, or the record that made a delete marker)
 *
 * The seq finds the version, since a key's versions are all of one partition;
 * the id makes the name good for nothing else, as two partitions have the
 * same seqs.  Where the bucket says so the name is "null": there is one such
 * version of a key at most.  Clients must treat all of it as opaque.
 */

#define VERSIONID_TEXT 32
#define VERSIONID_NULL "null"
#define VERSIONID_SEQ_MAX ((uint64_t)INT64_MAX - 1)

struct versionid {
	bool is_null;  /* "null": the rest is 0 */
	uint64_t seq;  /* of the record that made it, at least 1 */
	uint64_t mark; /* of the id, big-endian */
};

struct versionid versionid_of(uint64_t seq, struct reqid id);
void versionid_format(char out[static VERSIONID_TEXT + 1],
    const struct versionid *version);
/* "null", or 32 lower-case hex digits as they are formatted; else false. */
KOOP_MUST bool versionid_parse(struct versionid *out, struct bytes text);
/* Is it the name of a version with that seq and id (not for "null")? */
bool versionid_names(const struct versionid *version, uint64_t seq,
    struct reqid id);

#endif
