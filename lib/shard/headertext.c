/* SPDX-License-Identifier: MIT */
#include "shard/headertext.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/error.h"
#include "http/httpreq.h"

#define USER_BYTES (sizeof(HEADERTEXT_USER) - 1)

/* Kept as they come; so they are sent back. */
static const char *const kept[] = {
	"Cache-Control",
	"Content-Disposition",
	"Content-Encoding",
	"Content-Language",
	"Content-Type",
	"Expires",
	"x-amz-website-redirect-location",
};

static bool
headertext_same(struct bytes name, const char *other, size_t n)
{
	return name.n == n && strncasecmp((const char *)name.p, other, n) == 0;
}

const char *
headertext_kept(struct bytes name)
{
	for (size_t i = 0; i < nitems(kept); i++)
		if (headertext_same(name, kept[i], strlen(kept[i])))
			return kept[i];
	return NULL;
}

static bool
is_user(struct bytes name)
{
	return name.n > USER_BYTES &&
	    strncasecmp((const char *)name.p, HEADERTEXT_USER, USER_BYTES) == 0;
}

bool
headertext_value_good(struct bytes value)
{
	return httpreq_is_field_value(value) && utf8_valid(value.p, value.n);
}

bool
headertext_next(struct bytes *rest, struct bytes *name, struct bytes *value)
{
	const uint8_t *lf, *colon;

	if (rest->n == 0)
		return false;
	lf = memchr(rest->p, '\n', rest->n);
	colon = memchr(rest->p, ':', rest->n);
	assert(lf != NULL && colon != NULL && colon + 1 < lf);
	*name = bytes_of(rest->p, (size_t)(colon - rest->p));
	*value = bytes_of(colon + 2, (size_t)(lf - colon - 2));
	*rest = bytes_of(lf + 1, rest->n - (size_t)(lf + 1 - rest->p));
	return true;
}

bool
headertext_has(struct bytes text, struct bytes name)
{
	struct bytes one, value;

	while (headertext_next(&text, &one, &value))
		if (headertext_same(name, (const char *)one.p, one.n))
			return true;
	return false;
}

/* Whole lines "Name: value", of which the first ones are checked. */
static int
check_line(struct bytes line, struct bytes before, struct error *err)
{
	const uint8_t *colon = memchr(line.p, ':', line.n);
	struct bytes name, value;

	if (colon == NULL || colon + 1 == line.p + line.n || colon[1] != ' ')
		return error_set(err, ERRC_CORRUPT,
		    "headers: a line that is no \"Name: value\"");
	name = bytes_of(line.p, (size_t)(colon - line.p));
	value = bytes_of(colon + 2, line.n - name.n - 2);
	if (!httpreq_is_token(name) || name.n > HEADERTEXT_NAME_MAX ||
	    !headertext_value_good(value))
		return error_set(err, ERRC_CORRUPT,
		    "headers: a line that is no header");
	if (headertext_has(before, name))
		return error_set(err, ERRC_CORRUPT, "headers: %.*s twice",
		    (int)name.n, (const char *)name.p);
	return 0;
}

int
headertext_check(struct bytes text, struct error *err)
{
	size_t at = 0;

	if (text.n > HEADERTEXT_MAX)
		return error_set(err, ERRC_CORRUPT,
		    "headers: more than %d bytes", HEADERTEXT_MAX);
	while (at < text.n) {
		const uint8_t *lf = memchr(text.p + at, '\n', text.n - at);
		int rc;

		if (lf == NULL)
			return error_set(err, ERRC_CORRUPT,
			    "headers: the last line is cut");
		rc = check_line(bytes_of(text.p + at,
				    (size_t)(lf - text.p) - at),
		    bytes_of(text.p, at), err);
		if (rc < 0)
			return rc;
		at = (size_t)(lf - text.p) + 1;
		assert(at <= text.n);
	}
	return 0;
}

/* Of a user's own the name is kept in lower case. */
static void
add_name(struct buf *text, struct bytes name)
{
	const char *known = headertext_kept(name);

	if (known != NULL) {
		buf_addstr(text, known);
		return;
	}
	assert(is_user(name));
	for (size_t i = 0; i < name.n; i++)
		buf_addch(text, (char)tolower(name.p[i]));
}

int
headertext_add(struct buf *text, struct bytes name, struct bytes value,
    struct error *err)
{
	const int shown = (int)KOOP_MIN(name.n, (size_t)HEADERTEXT_NAME_MAX);
	const char *p = (const char *)name.p;

	if (!httpreq_is_token(name) || name.n > HEADERTEXT_NAME_MAX)
		return error_set(err, ERRC_USAGE,
		    "%.*s: no name of a header, or longer than %d bytes", shown,
		    p, HEADERTEXT_NAME_MAX);
	if (headertext_kept(name) == NULL && !is_user(name))
		return error_set(err, ERRC_USAGE,
		    "%.*s: objects keep no such header: want Content-Type, "
		    "Cache-Control, Content-Disposition, Content-Encoding, "
		    "Content-Language, Expires or " HEADERTEXT_USER "NAME",
		    shown, p);
	if (!headertext_value_good(value))
		return error_set(err, ERRC_USAGE,
		    "%.*s: want a value that is UTF-8 without control "
		    "characters",
		    shown, p);
	if (headertext_has(buf_bytes(text), name))
		return error_set(err, ERRC_USAGE, "%.*s: given twice", shown,
		    p);
	if (text->n + name.n + value.n + 3 > HEADERTEXT_MAX)
		return error_set(err, ERRC_USAGE,
		    "%.*s: the headers are more than %d bytes together", shown,
		    p, HEADERTEXT_MAX);
	add_name(text, name);
	buf_addstr(text, ": ");
	buf_add(text, value.p, value.n);
	buf_addch(text, '\n');
	if (buf_failed(text))
		return error_set(err, ERRC_NOMEM, "headers: out of memory");
	assert(headertext_has(buf_bytes(text), name));
	return 0;
}

int
headertext_add_line(struct buf *text, struct bytes line, struct error *err)
{
	const uint8_t *colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;
	struct bytes value;

	if (colon == NULL)
		return error_set(err, ERRC_USAGE, "%.*s: want NAME:VALUE",
		    (int)KOOP_MIN(line.n, (size_t)HEADERTEXT_NAME_MAX),
		    (const char *)line.p);
	value = bytes_of(colon + 1, line.n - (size_t)(colon + 1 - line.p));
	while (value.n > 0 && (value.p[0] == ' ' || value.p[0] == '\t'))
		value = bytes_of(value.p + 1, value.n - 1);
	while (value.n > 0 &&
	    (value.p[value.n - 1] == ' ' || value.p[value.n - 1] == '\t' ||
		value.p[value.n - 1] == '\r'))
		value.n--;
	return headertext_add(text, bytes_of(line.p, (size_t)(colon - line.p)),
	    value, err);
}
