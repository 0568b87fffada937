/* SPDX-License-Identifier: MIT */
#include "shard/headeroption.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/io.h"
#include "shard/headertext.h"

static bool
has_no_value(struct bytes line)
{
	const uint8_t *colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;

	if (colon == NULL)
		return false;
	while (++colon < line.p + line.n)
		if (*colon != ' ' && *colon != '\t' && *colon != '\r')
			return false;
	return true;
}

static int
headeroption_line(struct buf *headers, struct buf *without, struct bytes line,
    struct error *err)
{
	assert(headers != NULL);
	if (!has_no_value(line))
		return headertext_add_line(headers, line, err);
	if (without == NULL)
		return error_set(err, ERRC_USAGE, "%.*s want a value",
		    (int)KOOP_MIN(line.n, (size_t)HEADERTEXT_NAME_MAX),
		    (const char *)line.p);
	return headertext_add_line(without, line, err);
}

static int
add_file(struct buf *headers, struct buf *without, const char *path,
    struct error *err)
{
	struct bytes rest;
	char *text = NULL;
	size_t n = 0;
	int rc = io_read_file(&text, &n, path, HEADERTEXT_MAX, err);

	if (rc < 0)
		return rc;
	rest = bytes_of(text, n);
	while (rc == 0 && rest.n > 0) {
		const uint8_t *lf = memchr(rest.p, '\n', rest.n);
		size_t len = lf != NULL ? (size_t)(lf - rest.p) : rest.n;
		struct bytes line = bytes_of(rest.p, len);

		if (len > 0 && !bytes_is(line, "\r"))
			rc = headeroption_line(headers, without, line, err);
		len += lf != NULL;
		rest = bytes_of(rest.p + len, rest.n - len);
	}
	free(text);
	return rc < 0 ? error_wrap(err, "%s", path) : 0;
}

int
headeroption_add(struct buf *headers, struct buf *without, const char *item,
    struct error *err)
{
	int rc;

	if (item[0] == '@')
		rc = add_file(headers, without, item + 1, err);
	else
		rc = headeroption_line(headers, without, bytes_str(item), err);
	return rc < 0 ? error_wrap(err, "--header") : 0;
}
