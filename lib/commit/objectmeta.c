/* SPDX-License-Identifier: MIT */
#include "commit/objectmeta.h"

#include <assert.h>
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "http/httpreq.h"
#include "shard/headertext.h"

#define USER_PREFIX HEADERTEXT_USER
#define USER_PREFIX_N (sizeof(USER_PREFIX) - 1)
#define DEFAULT_TYPE "binary/octet-stream"

bool
objectmeta_init(struct objectmeta *m)
{
	*m = (struct objectmeta){ .headers = json_object(),
		.meta = json_object() };
	return m->headers != NULL && m->meta != NULL;
}

void
objectmeta_fini(struct objectmeta *m)
{
	json_decref(m->headers);
	json_decref(m->meta);
	*m = (struct objectmeta){ 0 };
}

bool
objectmeta_value_safe(const char *value)
{
	return headertext_value_good(bytes_str(value));
}

/*
 * "aws-chunked,gzip" is how the body travelled and what it is: only the
 * latter is kept.  NULL when nothing is left.
 */
static char *
strip_aws_chunked(const char *value)
{
	size_t room = strlen(value) + 1;
	char *out = malloc(room);
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
			assert(n + len < room);
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

static enum objectmeta_result
objectmeta_keep(json_t *object, const char *name, const char *value)
{
	if (!objectmeta_value_safe(value))
		return OBJECTMETA_BAD;
	/* The value is UTF-8, so what may fail is memory. */
	if (json_object_set_new(object, name, json_string(value)) < 0)
		return OBJECTMETA_NOMEM;
	return OBJECTMETA_OK;
}

/* A name in lower case, counted. */
static enum objectmeta_result
objectmeta_take_name(struct objectmeta *m,
    char lower[static OBJECTMETA_NAME_MAX + 1], const char *name, size_t n,
    const char *value)
{
	if (n == 0)
		return OBJECTMETA_BAD;
	if (n > OBJECTMETA_NAME_MAX)
		return OBJECTMETA_LARGE;
	for (size_t i = 0; i < n; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	lower[n] = '\0';
	m->meta_bytes += n + strlen(value);
	return m->meta_bytes > OBJECTMETA_USER_MAX ? OBJECTMETA_LARGE :
						     OBJECTMETA_OK;
}

/* A name that comes twice is one with a list, as everywhere in HTTP. */
static enum objectmeta_result
add_user(struct objectmeta *m, const char *name, const char *value)
{
	char lower[OBJECTMETA_NAME_MAX + 1];
	enum objectmeta_result result;
	const char *before;
	char *joined = NULL;

	result = objectmeta_take_name(m, lower, name, strlen(name), value);
	if (result != OBJECTMETA_OK)
		return result;
	before = json_string_value(json_object_get(m->meta, lower));
	if (before && asprintf(&joined, "%s,%s", before, value) < 0)
		return OBJECTMETA_NOMEM;
	result = objectmeta_keep(m->meta, lower, joined ? joined : value);
	free(joined);
	return result;
}

static enum objectmeta_result
add_kept(struct objectmeta *m, const char *name, const char *value)
{
	assert(headertext_kept(bytes_str(name)) == name);
	m->headers_bytes += strlen(value);
	if (m->headers_bytes > OBJECTMETA_SYSTEM_MAX)
		return OBJECTMETA_LARGE;
	return value[0] != '\0' ? objectmeta_keep(m->headers, name, value) :
				  OBJECTMETA_OK;
}

enum objectmeta_result
objectmeta_header(struct objectmeta *m, const char *name, const char *value)
{
	const char *header = headertext_kept(bytes_str(name));
	enum objectmeta_result result;
	char *stripped;

	assert(m->headers != NULL && m->meta != NULL);
	if (strncasecmp(name, USER_PREFIX, USER_PREFIX_N) == 0)
		return add_user(m, name + USER_PREFIX_N, value);
	if (header == NULL)
		return OBJECTMETA_OK;
	if (strcmp(header, "Content-Encoding") != 0)
		return add_kept(m, header, value);
	stripped = strip_aws_chunked(value);
	result = stripped != NULL ? add_kept(m, header, stripped) :
				    OBJECTMETA_OK;
	free(stripped);
	return result;
}

bool
objectmeta_print(const struct objectmeta *m, char **headers, char **meta)
{
	char *h = json_dumps(m->headers, JSON_COMPACT);
	char *u = json_dumps(m->meta, JSON_COMPACT);

	if (!h || !u) {
		free(h);
		free(u);
		return false;
	}
	*headers = h;
	*meta = u;
	return true;
}

static json_t *
objectmeta_parse(const char *text)
{
	return json_loads(text ? text : "{}", JSON_REJECT_DUPLICATES, NULL);
}

void
objectmeta_stored(const char *headers, const char *meta, objectmeta_fn *fn,
    void *arg)
{
	json_t *h = objectmeta_parse(headers);
	json_t *u = objectmeta_parse(meta);
	const char *name;
	json_t *item;

	/* The loop goes on from name: it must stay the object's own. */
	json_object_foreach(h, name, item)
	{
		const char *value = json_string_value(item);
		/* Only names that are kept: a record written by another
		 * program must not be able to set Content-Length. */
		const char *header = headertext_kept(bytes_str(name));

		if (!header || !value || !objectmeta_value_safe(value))
			continue;
		fn(arg, header, value);
	}
	json_object_foreach(u, name, item)
	{
		const char *value = json_string_value(item);
		char full[256 + USER_PREFIX_N];

		if (!value || strlen(name) >= 256 ||
		    !httpreq_is_token(bytes_str(name)) ||
		    !objectmeta_value_safe(value))
			continue;
		snprintf(full, sizeof(full), USER_PREFIX "%s", name);
		fn(arg, full, value);
	}
	json_decref(h);
	json_decref(u);
}

struct each {
	objectmeta_fn *fn;
	void *arg;
	bool typed;
};

static void
each_header(void *arg, const char *name, const char *value)
{
	struct each *each = arg;

	each->typed = each->typed || strcmp(name, "Content-Type") == 0;
	each->fn(each->arg, name, value);
}

void
objectmeta_each(const char *headers, const char *meta, objectmeta_fn *fn,
    void *arg)
{
	struct each each = { fn, arg, false };

	objectmeta_stored(headers, meta, each_header, &each);
	if (!each.typed)
		fn(arg, "Content-Type", DEFAULT_TYPE);
}
