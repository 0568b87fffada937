/* SPDX-License-Identifier: MIT */

#include "s3/s3name.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool
alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Four groups of digits: what looks like an address is no bucket. */
static bool
ipv4_like(struct bytes s)
{
	unsigned dots = 0;
	unsigned digits = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.') {
			if (digits == 0)
				return false;
			dots++;
			digits = 0;
		} else if (s.p[i] >= '0' && s.p[i] <= '9') {
			if (++digits > 3)
				return false;
		} else {
			return false;
		}
	}
	return dots == 3 && digits > 0;
}

bool
s3name_bucket_valid(struct bytes name)
{
	if (name.n < 3 || name.n > S3NAME_BUCKET_MAX)
		return false;
	if (!alnum(name.p[0]) || !alnum(name.p[name.n - 1]))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];

		if (!alnum(c) && c != '-' && c != '.')
			return false;
		if (c == '.' && name.p[i + 1] == '.')
			return false;
	}
	if (ipv4_like(name))
		return false;
	return !bytes_is(name, "health") && !bytes_is(name, "metrics");
}

bool
s3name_key_valid(struct bytes key)
{
	return key.n >= 1 && key.n <= S3NAME_KEY_MAX &&
	    memchr(key.p, '\0', key.n) == NULL && utf8_valid(key.p, key.n);
}

/* Decode one part of the path, at most max bytes of result, into out. */
static enum s3name_result
decode(char *out, size_t *out_n, size_t max, const char *in, size_t len)
{
	enum s3name_result result = S3NAME_BAD_URI;
	char *text = malloc(len + 1);
	size_t n = 0;

	if (!text || !percent_decode(text, &n, in, len, false) ||
	    memchr(text, '\0', n) || !utf8_valid(text, n))
		goto out;
	result = S3NAME_LONG_KEY;
	if (n > max)
		goto out;
	memcpy(out, text, n);
	out[n] = '\0';
	*out_n = n;
	result = S3NAME_OK;
out:
	free(text);
	return result;
}

enum s3name_result
s3name_parse(struct s3name *out, const char *path)
{
	struct s3name name = { 0 };
	enum s3name_result result;
	const char *slash;

	if (path[0] != '/')
		return S3NAME_BAD_URI;
	path++;
	if (path[0] == '\0') {
		*out = name;
		return S3NAME_OK;
	}
	slash = strchr(path, '/');
	result = decode(name.bucket, &name.bucket_n, S3NAME_BUCKET_MAX, path,
	    slash ? (size_t)(slash - path) : strlen(path));
	if (result == S3NAME_BAD_URI)
		return result;
	if (result == S3NAME_LONG_KEY ||
	    !s3name_bucket_valid(bytes_of(name.bucket, name.bucket_n)))
		return S3NAME_BAD_BUCKET;
	if (slash) {
		result = decode(name.key, &name.key_n, S3NAME_KEY_MAX,
		    slash + 1, strlen(slash + 1));
		if (result != S3NAME_OK)
			return result;
	}
	*out = name;
	return S3NAME_OK;
}
