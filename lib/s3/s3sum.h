/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3SUM_H
#define KOOP_S3_S3SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "codec/digest.h"
#include "s3/s3error.h"

/*
 * The checksums that a request declares of its body, and their check.
 *
 * Content-MD5, one x-amz-checksum-* (as a header, or announced by
 * x-amz-trailer and sent after an aws-chunked body) and x-amz-content-sha256.
 * Only what was declared is computed, while the body streams.  MD5 and
 * CRC-64/NVME are not computed here at all: the encoder has them anyway.
 */

enum s3sum_kind {
	S3SUM_CRC32,
	S3SUM_CRC32C,
	S3SUM_CRC64NVME,
	S3SUM_SHA1,
	S3SUM_SHA256,
	S3SUM_KINDS,
};

struct s3sum {
	bool has_md5;
	bool has_kind;     /* kind is declared */
	bool has_expected; /* its value is known; else the trailer tells */
	bool has_payload;  /* x-amz-content-sha256 is a hash */
	enum s3sum_kind kind;
	uint8_t md5[16];
	uint8_t expected[32];
	uint8_t payload[32];
	uint32_t crc;
	bool has_sha; /* kind is one of the two */
	struct digest sha;
	struct digest payload_sha;
};

typedef const char *s3sum_get_fn(void *arg, const char *name);

/* From the request's headers.  *why gets a text when it is not obvious. */
KOOP_MUST enum s3error s3sum_init(struct s3sum *s, s3sum_get_fn *get, void *arg,
    const char **why);
void s3sum_fini(struct s3sum *s);

void s3sum_update(struct s3sum *s, const void *p, size_t n);
/* A trailer; one that was not announced is an error. */
KOOP_MUST enum s3error s3sum_trailer(struct s3sum *s, const char *name,
    const char *value);
/* Does all that was declared hold?  Once, at the end. */
KOOP_MUST enum s3error s3sum_check(struct s3sum *s, const uint8_t md5[16],
    uint64_t crc64nvme);
/* The same for a body in memory, that was not fed to s3sum_update(). */
KOOP_MUST enum s3error s3sum_check_bytes(struct s3sum *s, struct bytes body);

/* The checked value as a header to answer with: name and base64. */
KOOP_MUST bool s3sum_header(const struct s3sum *s, const char **name,
    char value[static BASE64_BYTES(32)]);

/* Base64 of a CRC-64/NVME, big-endian, as S3 writes it. */
void s3sum_print_crc64nvme(char out[static BASE64_BYTES(8)], uint64_t crc);

#endif
