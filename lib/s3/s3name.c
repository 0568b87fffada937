/* SPDX-License-Identifier: MIT */

#include "s3/s3name.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
	    !objectname_bucket_valid(bytes_of(name.bucket, name.bucket_n)))
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
