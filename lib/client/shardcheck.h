/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_SHARDCHECK_H
#define KOOP_CLIENT_SHARDCHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "client/blobread.h"

/*
 * What each node has of one blob, or of one inline object: all of them are
 * asked at once.  Either END of each shard alone, which tells its length and
 * its CRC-64, or every byte, verified as it comes.  Both are held against the
 * record.
 *
 * Memory is SHARDCHECK_BYTES for each machine of the set.  Any threads.
 */

#define SHARDCHECK_BYTES (64u << 10)

struct erasure_set;
struct nodeclient;

enum shardcheck_state {
	SHARDCHECK_GOOD,
	SHARDCHECK_ABSENT,    /* the node answers, and has none */
	SHARDCHECK_BAD,       /* what it has is not what was committed */
	SHARDCHECK_UNREACHED, /* nobody knows: no answer */
};

struct shardcheck_blob {
	struct blob_ref ref; /* of inline bytes: no geometry */
	bool is_inline;
	uint64_t crc64nvme;
	const uint64_t *shard_crc64; /* of each shard */
};

struct shardcheck_shard {
	uint32_t shard; /* of inline bytes: which copy, from 0 */
	uint32_t machine;
	enum shardcheck_state state;
	uint64_t bytes; /* of its file or copy, if the node told it */
	char why[160];  /* "" for a good one */
};

struct shardcheck {
	const struct erasure_set *set; /* as long as the request's topology */
	uint32_t n;                    /* of shard[] */
	uint32_t count[4];             /* by state */
	uint64_t read_bytes;
	struct shardcheck_shard shard[STRIPE_SHARDS_MAX];
};

/* "present", "absent", "damaged", "down". */
const char *shardcheck_word(enum shardcheck_state state);

/* Where they belong, without asking: all count as unreached. */
KOOP_MUST int shardcheck_place(struct shardcheck *out, struct nodeclient *nc,
    const struct shardcheck_blob *blob, struct error *err);
/* Ask.  What nodes do not do is in *out; negative: it could not be tried
 * (ERRC_NOMEM, ERRC_PROTOCOL: no such erasure set). */
KOOP_MUST int shardcheck_run(struct shardcheck *out, struct nodeclient *nc,
    const struct shardcheck_blob *blob, bool every_byte, struct error *err);

#endif
