/* SPDX-License-Identifier: MIT */
#include "client/namelist.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "cluster/jsontext.h"
#include "commit/objectname.h"
#include "commit/versionid.h"

#define NAME_BYTES (OBJECTNAME_BUCKET_MAX + 1 + OBJECTNAME_KEY_MAX)
/* A name that is all escapes, and what else stands in koop-list's line. */
#define LINE_BYTES (8u * NAME_BYTES)
#define READ_BYTES (64u << 10)
#define JSON_DEPTH 8

struct namelist {
	bool null_ended;
	const struct namelist_taker *taker;
	uint64_t line; /* from 1 */
	bool bad;      /* it is the list that failed, not its taker */
	struct error *err;
};

static int
namelist_bad(struct namelist *l, const char *why)
{
	l->bad = true;
	return error_set(l->err, ERRC_CORRUPT,
	    "standard input: line %" PRIu64 ": %s", l->line, why);
}

/* The name in koop-list's line of JSON; *json holds it. */
static int
namelist_json(struct namelist *l, struct bytes line, json_t **json,
    struct bytes *name, struct bytes *version)
{
	struct error why;

	if (jsontext_load(json, line, LINE_BYTES, JSON_DEPTH, &why) < 0)
		return namelist_bad(l, why.text);
	if (!jsontext_string(*json, "key", name))
		return namelist_bad(l, "a line of JSON without a key");
	if (!jsontext_string(*json, "version", version))
		*version = BYTES_NONE;
	return 0;
}

static int
namelist_line(struct namelist *l, struct bytes line)
{
	struct bytes name = line, version = BYTES_NONE, bucket, key;
	struct versionid id;
	json_t *json = NULL;
	struct error why;
	int rc = 0;

	assert(line.p != NULL);
	l->line++;
	/* A bucket's name never begins with a brace. */
	if (!l->null_ended && line.n > 0 && line.p[0] == '{')
		rc = namelist_json(l, line, &json, &name, &version);
	if (rc == 0 && objectname_split(name, &bucket, &key, &why) < 0)
		rc = namelist_bad(l, why.text);
	if (rc == 0 && version.n > 0 && !versionid_parse(&id, version))
		rc = namelist_bad(l, "a line of JSON with a bad version");
	if (rc == 0)
		rc = l->taker->name(l->taker->arg, name,
		    version.n > 0 ? &id : NULL);
	json_decref(json);
	return rc;
}

/* The whole lines of what was read. */
static int
namelist_lines(struct namelist *l, struct buf *text)
{
	int end = l->null_ended ? '\0' : '\n';
	const char *at;
	int rc = 0;

	while (rc == 0 && text->n > 0 &&
	    (at = memchr(text->p, end, text->n)) != NULL) {
		size_t n = (size_t)(at - text->p);

		assert(n < text->n);
		rc = namelist_line(l, bytes_of(text->p, n));
		buf_consume(text, n + 1);
	}
	return rc;
}

/* What came before a line that is no name stands on lines of its own: it counts
 * all the same. */
static int
namelist_pause(struct namelist *l, int rc)
{
	struct error kept = { 0 };
	int failed;

	if (l->taker->pause == NULL || (rc < 0 && !l->bad))
		return rc;
	if (l->err != NULL)
		kept = *l->err;
	failed = l->taker->pause(l->taker->arg);
	if (failed == 0 && l->err != NULL)
		*l->err = kept;
	return failed < 0 ? failed : rc;
}

int
namelist_read(int fd, bool null_ended, const struct namelist_taker *taker,
    struct error *err)
{
	struct buf text = buf_make(LINE_BYTES + READ_BYTES);
	struct namelist l = {
		.null_ended = null_ended,
		.taker = taker,
		.err = err,
	};
	ssize_t n = 1;
	int rc = 0;

	assert(fd >= 0);
	while (rc == 0 && n > 0) {
		char *room = text.n <= LINE_BYTES ?
		    buf_reserve(&text, READ_BYTES) :
		    NULL;

		l.line += room == NULL;
		if (room == NULL) {
			rc = namelist_bad(&l, "too long for a name");
			break;
		}
		n = io_read_some(fd, room, READ_BYTES, err);
		if (n < 0) {
			rc = error_wrap(err, "standard input");
			break;
		}
		text.n += (size_t)n;
		rc = namelist_pause(&l, namelist_lines(&l, &text));
	}
	if (rc == 0 && text.n > 0)
		rc = error_set(err, ERRC_CORRUPT,
		    "standard input: it ends in the middle of a name");
	buf_fini(&text);
	return rc;
}
