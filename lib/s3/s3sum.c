/* SPDX-License-Identifier: MIT */

#include "s3/s3sum.h"

#include <string.h>
#include <strings.h>

#include "codec/crc.h"

static const struct kind {
	const char *header;
	size_t bytes;
} kinds[S3SUM_KINDS] = {
	[S3SUM_CRC32] = { "x-amz-checksum-crc32", 4 },
	[S3SUM_CRC32C] = { "x-amz-checksum-crc32c", 4 },
	[S3SUM_CRC64NVME] = { "x-amz-checksum-crc64nvme", 8 },
	[S3SUM_SHA1] = { "x-amz-checksum-sha1", 20 },
	[S3SUM_SHA256] = { "x-amz-checksum-sha256", 32 },
};

/* Known to S3, not to us: not to be ignored, for nobody would check them. */
static const char *const unknown[] = {
	"x-amz-checksum-md5",
	"x-amz-checksum-sha512",
	"x-amz-checksum-xxhash3",
	"x-amz-checksum-xxhash64",
	"x-amz-checksum-xxhash128",
};

static void
store_be(uint8_t *out, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

/* Exactly n bytes of base64. */
static bool
decode(uint8_t *out, size_t n, const char *text)
{
	uint8_t raw[64];
	size_t len = strlen(text);
	size_t got = sizeof(raw);

	if (len >= sizeof(raw) || !base64_decode(raw, &got, text, len) ||
	    got != n)
		return false;
	memcpy(out, raw, n);
	return true;
}

static enum s3error
declare_kind(struct s3sum *s, s3sum_get_fn *get, void *arg, const char **why)
{
	const char *trailer = get(arg, "x-amz-trailer");
	unsigned count = 0;

	for (size_t i = 0; i < nitems(unknown); i++)
		if (get(arg, unknown[i]))
			return S3E_NOT_IMPLEMENTED;
	for (int k = 0; k < S3SUM_KINDS; k++) {
		const char *value = get(arg, kinds[k].header);

		if (value) {
			count++;
			s->kind = (enum s3sum_kind)k;
			s->has_kind = s->has_expected = true;
			*why = "The x-amz-checksum- header is not valid";
			if (!decode(s->expected, kinds[k].bytes, value))
				return S3E_INVALID_REQUEST;
		} else if (trailer &&
		    strcasecmp(trailer, kinds[k].header) == 0) {
			s->kind = (enum s3sum_kind)k;
			s->has_kind = true;
		}
	}
	*why = "Expecting a single x-amz-checksum- header";
	if (count > 1 || (count == 1 && trailer))
		return S3E_INVALID_REQUEST;
	*why = "The value of x-amz-trailer is not supported";
	if (trailer && !s->has_kind)
		return S3E_INVALID_REQUEST;
	*why = "x-amz-sdk-checksum-algorithm without a checksum";
	if (get(arg, "x-amz-sdk-checksum-algorithm") && !s->has_kind)
		return S3E_INVALID_REQUEST;
	*why = NULL;
	return S3E_NONE;
}

static enum s3error
declare_payload(struct s3sum *s, const char *value, const char **why)
{
	if (!value || strcmp(value, "UNSIGNED-PAYLOAD") == 0 ||
	    strncmp(value, "STREAMING-", 10) == 0)
		return S3E_NONE;
	if (!hex_decode(s->payload, sizeof(s->payload), value, strlen(value))) {
		*why = "x-amz-content-sha256 is not a valid value";
		return S3E_INVALID_ARGUMENT;
	}
	s->has_payload = true;
	if (digest_init(&s->payload_sha, DIGEST_SHA256, NULL) < 0)
		return S3E_SLOW_DOWN;
	return S3E_NONE;
}

enum s3error
s3sum_init(struct s3sum *s, s3sum_get_fn *get, void *arg, const char **why)
{
	const char *md5 = get(arg, "content-md5");
	enum s3error e;

	*s = (struct s3sum){ 0 };
	*why = NULL;
	if (md5) {
		if (!decode(s->md5, sizeof(s->md5), md5))
			return S3E_INVALID_DIGEST;
		s->has_md5 = true;
	}
	e = declare_kind(s, get, arg, why);
	if (e == S3E_NONE)
		e = declare_payload(s, get(arg, "x-amz-content-sha256"), why);
	if (e == S3E_NONE && s->has_kind &&
	    (s->kind == S3SUM_SHA1 || s->kind == S3SUM_SHA256)) {
		s->has_sha = true;
		if (digest_init(&s->sha,
			s->kind == S3SUM_SHA1 ? DIGEST_SHA1 : DIGEST_SHA256,
			NULL) < 0)
			e = S3E_SLOW_DOWN;
	}
	if (e != S3E_NONE)
		s3sum_fini(s);
	return e;
}

void
s3sum_fini(struct s3sum *s)
{
	digest_fini(&s->sha);
	digest_fini(&s->payload_sha);
}

void
s3sum_update(struct s3sum *s, const void *p, size_t n)
{
	if (s->has_sha)
		digest_update(&s->sha, p, n);
	if (s->has_payload)
		digest_update(&s->payload_sha, p, n);
	if (s->has_kind && s->kind == S3SUM_CRC32)
		s->crc = crc32_zlib(s->crc, p, n);
	if (s->has_kind && s->kind == S3SUM_CRC32C)
		s->crc = crc32c(s->crc, p, n);
}

enum s3error
s3sum_trailer(struct s3sum *s, const char *name, const char *value)
{
	/* Its signature covers what is not checked in this version. */
	if (strcasecmp(name, "x-amz-trailer-signature") == 0)
		return S3E_NONE;
	if (!s->has_kind || s->has_expected ||
	    strcasecmp(name, kinds[s->kind].header) != 0 ||
	    !decode(s->expected, kinds[s->kind].bytes, value))
		return S3E_MALFORMED_TRAILER;
	s->has_expected = true;
	return S3E_NONE;
}

enum s3error
s3sum_check(struct s3sum *s, const uint8_t md5[16], uint64_t crc64nvme)
{
	uint8_t got[DIGEST_BYTES_MAX] = { 0 };

	if (s->has_payload) {
		digest_final(&s->payload_sha, got);
		if (memcmp(got, s->payload, sizeof(s->payload)) != 0)
			return S3E_SHA256_MISMATCH;
	}
	if (s->has_md5 && memcmp(s->md5, md5, sizeof(s->md5)) != 0)
		return S3E_BAD_DIGEST;
	if (!s->has_kind)
		return S3E_NONE;
	if (!s->has_expected)
		return S3E_MALFORMED_TRAILER;
	if (s->has_sha)
		digest_final(&s->sha, got);
	else if (s->kind == S3SUM_CRC64NVME)
		store_be(got, crc64nvme, 8);
	else
		store_be(got, s->crc, 4);
	if (memcmp(got, s->expected, kinds[s->kind].bytes) != 0)
		return S3E_BAD_DIGEST;
	return S3E_NONE;
}

enum s3error
s3sum_check_bytes(struct s3sum *s, struct bytes body)
{
	uint8_t md5[DIGEST_MD5_BYTES];

	if (digest_md5(md5, body.p, body.n, NULL) < 0)
		return S3E_SLOW_DOWN;
	s3sum_update(s, body.p, body.n);
	return s3sum_check(s, md5, crc64_nvme(0, body.p, body.n));
}

bool
s3sum_header(const struct s3sum *s, const char **name,
    char value[static BASE64_BYTES(32)])
{
	if (!s->has_kind || !s->has_expected)
		return false;
	*name = kinds[s->kind].header;
	base64_encode(value, s->expected, kinds[s->kind].bytes);
	return true;
}

void
s3sum_print_crc64nvme(char out[static BASE64_BYTES(8)], uint64_t crc)
{
	uint8_t raw[8];

	store_be(raw, crc, sizeof(raw));
	base64_encode(out, raw, sizeof(raw));
}
