/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CODEC_DIGEST_H
#define KOOP_CODEC_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * Message digests, by libcrypto: streaming (struct digest) and in one call.
 * md5_thread.h has MD5 on a thread of its own.
 *
 * A struct digest belongs to one thread at a time.  All-zero is a valid,
 * unused one.
 */

struct error;

#define DIGEST_MD5_BYTES 16
#define DIGEST_SHA1_BYTES 20
#define DIGEST_SHA256_BYTES 32
#define DIGEST_BYTES_MAX 32

enum digest_kind {
	DIGEST_MD5,
	DIGEST_SHA1,
	DIGEST_SHA256,
};

struct digest {
	void *context;
};

/* Begin (again, if it was begun before).  Fails with ERRC_NOMEM. */
KOOP_MUST int digest_init(struct digest *d, enum digest_kind kind,
    struct error *err);
void digest_update(struct digest *d, const void *p, size_t n);
/* Writes the digest of what was added; digest_init() must come before more. */
void digest_final(struct digest *d, uint8_t *out);
void digest_fini(struct digest *d);

/* In one call.  They fail with ERRC_NOMEM only. */
KOOP_MUST int digest_md5(uint8_t out[static DIGEST_MD5_BYTES], const void *p,
    size_t n, struct error *err);
KOOP_MUST int digest_sha256(uint8_t out[static DIGEST_SHA256_BYTES],
    const void *p, size_t n, struct error *err);

#endif
