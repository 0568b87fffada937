/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_ROWHASH_H
#define KOOP_STORE_ROWHASH_H

#include <stdint.h>

#include "base/compiler.h"
#include "store/rows.h"

/*
 * The set hash D of a partition: the sum modulo 2^256 of the SHA-256 of each
 * replicated row's canonical bytes: buckets, objects, older versions,
 * uploads, parts and decided ids.  Tombstones are outside of it: when one goes
 * away depends on what this node knows of its peers, so it is no function of
 * the log alone.
 *
 * Canonical bytes are a tag, then every replicated field in the order of the
 * struct: integers as 64 bits little-endian, strings after their length.
 */

struct buf;
struct error;

#define ROWHASH_ROW_MAX (256u << 10) /* what scratch must be able to hold */

/* SHA-256 of a row's canonical bytes, which are made in scratch. */
#define ROWHASH(kind)                                          \
	KOOP_MUST int rowhash_##kind(uint8_t out[static 32],   \
	    const struct kind##_row *row, struct buf *scratch, \
	    struct error *err)
ROWHASH(bucket);
ROWHASH(object);
ROWHASH(upload);
ROWHASH(part);
ROWHASH(decided);
/* An older version: an object row under another tag. */
KOOP_MUST int rowhash_version(uint8_t out[static 32],
    const struct object_row *row, struct buf *scratch, struct error *err);

/* digest += or -= hash, modulo 2^256 (little-endian numbers). */
void rowhash_add(uint8_t digest[static 32], const uint8_t hash[static 32]);
void rowhash_sub(uint8_t digest[static 32], const uint8_t hash[static 32]);

#endif
