/* SPDX-License-Identifier: MIT */
#include "commit/objectname.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"

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
objectname_bucket_valid(struct bytes name)
{
	if (name.n < 3 || name.n > OBJECTNAME_BUCKET_MAX)
		return false;
	if (!alnum(name.p[0]) || !alnum(name.p[name.n - 1]))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];

		if (!alnum(c) && c != '-' && c != '.')
			return false;
		/* The last one is alphanumeric, so there is a next. */
		assert(c != '.' || i + 1 < name.n);
		if (c == '.' && name.p[i + 1] == '.')
			return false;
	}
	if (ipv4_like(name))
		return false;
	return !bytes_is(name, "health") && !bytes_is(name, "metrics");
}

bool
objectname_key_valid(struct bytes key)
{
	return key.n >= 1 && key.n <= OBJECTNAME_KEY_MAX &&
	    memchr(key.p, '\0', key.n) == NULL && utf8_valid(key.p, key.n);
}

/* A name in a message: short, whatever it is. */
#define SHOWN_MAX 80
#define SHOWN(text)                                 \
	(int)KOOP_MIN((text).n, (size_t)SHOWN_MAX), \
	    (text).n > 0 ? (const char *)(text).p : ""

int
objectname_prefix(struct bytes text, struct bytes *bucket, struct bytes *prefix,
    struct error *err)
{
	const uint8_t *slash = text.n > 0 ? memchr(text.p, '/', text.n) : NULL;
	size_t n = slash != NULL ? (size_t)(slash - text.p) : text.n;
	struct bytes name = bytes_of(text.p, n);
	struct bytes rest = BYTES_NONE;

	if (slash != NULL)
		rest = bytes_of(slash + 1, text.n - n - 1);
	if (!objectname_bucket_valid(name))
		return error_set(err, ERRC_USAGE,
		    "%.*s: no name of a bucket: want 3 to %d of a-z, 0-9, - "
		    "and .",
		    SHOWN(name), OBJECTNAME_BUCKET_MAX);
	if (rest.n > 0 && !objectname_key_valid(rest))
		return error_set(err, ERRC_USAGE,
		    "%.*s: a key has at most %d bytes, of UTF-8", SHOWN(text),
		    OBJECTNAME_KEY_MAX);
	assert(name.n + rest.n <= text.n);
	*bucket = name;
	*prefix = rest;
	return 0;
}

int
objectname_split(struct bytes text, struct bytes *bucket, struct bytes *key,
    struct error *err)
{
	struct bytes name, rest;
	int rc;

	if (text.n == 0 || memchr(text.p, '/', text.n) == NULL)
		return error_set(err, ERRC_USAGE,
		    "%.*s: not of the form bucket/key", SHOWN(text));
	rc = objectname_prefix(text, &name, &rest, err);
	if (rc < 0)
		return rc;
	if (rest.n == 0)
		return error_set(err, ERRC_USAGE,
		    "%.*s: not of the form bucket/key", SHOWN(text));
	assert(name.n + 1 + rest.n == text.n);
	*bucket = name;
	*key = rest;
	return 0;
}
