/* SPDX-License-Identifier: MIT */

#include "s3/s3meta.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "http/httpreq.h"

#define USER_PREFIX "x-amz-meta-"
#define USER_PREFIX_N (sizeof(USER_PREFIX) - 1)
#define DEFAULT_TYPE "binary/octet-stream"

/* Kept as they come; the left-hand form is how they are sent back. */
static const char *const kept[] = {
	"Cache-Control",
	"Content-Disposition",
	"Content-Encoding",
	"Content-Language",
	"Content-Type",
	"Expires",
	"x-amz-website-redirect-location",
};

void
s3meta_init(struct s3meta *m)
{
	*m = (struct s3meta){ .headers = json_object(), .meta = json_object() };
	if (!m->headers || !m->meta)
		m->error = S3E_SLOW_DOWN;
}

void
s3meta_fini(struct s3meta *m)
{
	json_decref(m->headers);
	json_decref(m->meta);
	*m = (struct s3meta){ 0 };
}

bool
s3meta_value_safe(const char *value)
{
	struct bytes text = bytes_str(value);

	return httpreq_is_field_value(text) && utf8_valid(text.p, text.n);
}

/*
 * "aws-chunked,gzip" is how the body travelled and what it is: only the
 * latter is kept.  NULL when nothing is left.
 */
static char *
strip_aws_chunked(const char *value)
{
	char *out = malloc(strlen(value) + 1);
	size_t n = 0;

	if (!out)
		return NULL;
	while (value[0] != '\0') {
		size_t len;

		value += strspn(value, " \t,");
		len = strcspn(value, ",");
		while (len > 0 &&
		    (value[len - 1] == ' ' || value[len - 1] == '\t'))
			len--;
		if (len > 0 &&
		    !(len == 11 &&
			strncasecmp(value, "aws-chunked", 11) == 0)) {
			if (n > 0)
				out[n++] = ',';
			memcpy(out + n, value, len);
			n += len;
		}
		value += strcspn(value, ",");
	}
	out[n] = '\0';
	if (n == 0) {
		free(out);
		return NULL;
	}
	return out;
}

static void
keep(struct s3meta *m, json_t *object, const char *name, const char *value)
{
	if (!s3meta_value_safe(value))
		m->error = S3E_INVALID_ARGUMENT;
	else if (json_object_set_new(object, name, json_string(value)) < 0)
		m->error = S3E_SLOW_DOWN;
}

static void
add_user(struct s3meta *m, const char *name, const char *value)
{
	char lower[256];
	const char *before;
	char *joined = NULL;
	size_t n = strlen(name);

	if (n == 0 || n >= sizeof(lower)) {
		m->error = n ? S3E_METADATA_TOO_LARGE : S3E_INVALID_ARGUMENT;
		return;
	}
	for (size_t i = 0; i <= n; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	m->meta_bytes += n + strlen(value);
	if (m->meta_bytes > S3META_USER_MAX) {
		m->error = S3E_METADATA_TOO_LARGE;
		return;
	}
	/* A name that comes twice is one with a list, as everywhere in HTTP. */
	before = json_string_value(json_object_get(m->meta, lower));
	if (before && asprintf(&joined, "%s,%s", before, value) < 0) {
		m->error = S3E_SLOW_DOWN;
		return;
	}
	keep(m, m->meta, lower, joined ? joined : value);
	free(joined);
}

void
s3meta_add(struct s3meta *m, const char *name, const char *value)
{
	char *stripped = NULL;

	if (m->error != S3E_NONE)
		return;
	if (strncasecmp(name, USER_PREFIX, USER_PREFIX_N) == 0) {
		add_user(m, name + USER_PREFIX_N, value);
		return;
	}
	for (size_t i = 0; i < nitems(kept); i++) {
		if (strcasecmp(name, kept[i]) != 0)
			continue;
		if (strcasecmp(name, "content-encoding") == 0) {
			stripped = strip_aws_chunked(value);
			if (!stripped)
				return;
			value = stripped;
		}
		m->headers_bytes += strlen(value);
		if (m->headers_bytes > S3META_SYSTEM_MAX)
			m->error = S3E_METADATA_TOO_LARGE;
		else if (value[0] != '\0')
			keep(m, m->headers, kept[i], value);
		free(stripped);
		return;
	}
}

enum s3error
s3meta_finish(struct s3meta *m, char **headers, char **meta)
{
	char *h;
	char *u;

	if (m->error != S3E_NONE)
		return m->error;
	h = json_dumps(m->headers, JSON_COMPACT);
	u = json_dumps(m->meta, JSON_COMPACT);
	if (!h || !u) {
		free(h);
		free(u);
		return S3E_SLOW_DOWN;
	}
	*headers = h;
	*meta = u;
	return S3E_NONE;
}

static json_t *
parse(const char *text)
{
	return json_loads(text ? text : "{}", JSON_REJECT_DUPLICATES, NULL);
}

/* Only names that are kept: a record written by another program must not be
 * able to set Content-Length. */
static const char *
kept_name(const char *name)
{
	for (size_t i = 0; i < nitems(kept); i++)
		if (strcasecmp(name, kept[i]) == 0)
			return kept[i];
	return NULL;
}

void
s3meta_each(const char *headers, const char *meta, s3meta_fn *fn, void *arg)
{
	json_t *h = parse(headers);
	json_t *u = parse(meta);
	bool typed = false;
	const char *name;
	json_t *item;

	/* The loop goes on from name: it must stay the object's own. */
	json_object_foreach(h, name, item)
	{
		const char *value = json_string_value(item);
		const char *header = kept_name(name);

		if (!header || !value || !s3meta_value_safe(value))
			continue;
		typed = typed || strcmp(header, "Content-Type") == 0;
		fn(arg, header, value);
	}
	if (!typed)
		fn(arg, "Content-Type", DEFAULT_TYPE);
	json_object_foreach(u, name, item)
	{
		const char *value = json_string_value(item);
		char full[256 + USER_PREFIX_N];

		if (!value || strlen(name) >= 256 ||
		    !httpreq_is_token(bytes_str(name)) ||
		    !s3meta_value_safe(value))
			continue;
		snprintf(full, sizeof(full), USER_PREFIX "%s", name);
		fn(arg, full, value);
	}
	json_decref(h);
	json_decref(u);
}
