/* SPDX-License-Identifier: MIT */

#include "s3/s3deletelist.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "commit/objectname.h"
#include "s3/s3name.h"
#include "s3/s3xml.h"

struct reading {
	struct s3deletelist *list;
	struct s3deletelist_item now; /* the object being read */
	bool root, nomem;
};

/* Twice in one object it would be a guess which is meant. */
static int
keep_text(struct reading *d, char **out, struct bytes text)
{
	if (*out)
		return -1;
	*out = malloc(text.n + 1);
	if (!*out) {
		d->nomem = true;
		return -1;
	}
	memcpy(*out, text.p, text.n);
	(*out)[text.n] = '\0';
	return 0;
}

static void
item_error(struct reading *d, enum s3error e)
{
	if (d->now.error == S3E_NONE)
		d->now.error = e;
}

static int
element_key(struct reading *d, struct bytes text)
{
	if (keep_text(d, &d->now.key, text) < 0)
		return -1;
	d->now.key_n = text.n;
	if (text.n > S3NAME_KEY_MAX)
		item_error(d, S3E_KEY_TOO_LONG);
	else if (!objectname_key_valid(text))
		return -1;
	return 0;
}

/* An empty one is taken for none: tools send it for objects of lists without
 * versions. */
static int
element_version(struct reading *d, struct bytes text)
{
	if (text.n == 0)
		return 0;
	if (keep_text(d, &d->now.version_text, text) < 0)
		return -1;
	if (strlen(d->now.version_text) != text.n ||
	    !s3version_parse(&d->now.version, d->now.version_text))
		item_error(d, S3E_NO_SUCH_VERSION);
	return 0;
}

/* A condition that is not understood must not be passed over: the object
 * would be gone. */
static void
element_condition(struct reading *d, const char *path, struct bytes text)
{
	if (strcmp(path, "Delete/Object/ETag") == 0)
		item_error(d, s3put_if_match(d->now.if_match, text));
	else if (strcmp(path, "Delete/Object/LastModifiedTime") == 0 ||
	    strcmp(path, "Delete/Object/Size") == 0)
		item_error(d, S3E_NOT_IMPLEMENTED);
}

static int
element_object(struct reading *d)
{
	struct s3deletelist *list = d->list;

	assert(list->count <= S3DELETELIST_MAX);
	if (!d->now.key || list->count == S3DELETELIST_MAX)
		return -1;
	list->items[list->count++] = d->now;
	d->now = (struct s3deletelist_item){ 0 };
	return 0;
}

static int
element(void *arg, const char *path, struct bytes text)
{
	struct reading *d = arg;

	if (strcmp(path, "Delete/Object/Key") == 0)
		return element_key(d, text);
	if (strcmp(path, "Delete/Object/VersionId") == 0)
		return element_version(d, text);
	if (strcmp(path, "Delete/Object") == 0)
		return element_object(d);
	if (strcmp(path, "Delete/Quiet") == 0)
		d->list->quiet = bytes_is(text, "true");
	else if (strcmp(path, "Delete") == 0)
		d->root = true;
	else
		element_condition(d, path, text);
	return 0;
}

static void
item_fini(struct s3deletelist_item *item)
{
	free(item->key);
	free(item->version_text);
}

enum s3error
s3deletelist_parse(struct s3deletelist *out, struct bytes document)
{
	struct reading d = { .list = out };
	bool good;

	*out = (struct s3deletelist){ 0 };
	out->items = calloc(S3DELETELIST_MAX, sizeof(*out->items));
	if (!out->items)
		return S3E_SLOW_DOWN;
	good = s3xml_read(document, element, &d);
	item_fini(&d.now);
	if (d.nomem)
		return S3E_SLOW_DOWN;
	return good && d.root && out->count > 0 ? S3E_NONE : S3E_MALFORMED_XML;
}

void
s3deletelist_fini(struct s3deletelist *list)
{
	for (size_t i = 0; i < list->count; i++)
		item_fini(&list->items[i]);
	free(list->items);
	*list = (struct s3deletelist){ 0 };
}
