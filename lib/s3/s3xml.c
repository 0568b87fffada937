/* SPDX-License-Identifier: MIT */

#include "s3/s3xml.h"

#include <assert.h>
#include <expat.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

#define S3XML_NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"

void
s3xml_root(struct s3xml *x, struct buf *out, const char *root, bool ns)
{
	*x = (struct s3xml){ .out = out };
	if (!ns) {
		s3xml_open(x, root);
		return;
	}
	buf_printf(out, "<%s xmlns=\"" S3XML_NAMESPACE "\">", root);
	x->open[x->depth++] = root;
}

void
s3xml_begin(struct s3xml *x, struct buf *out, const char *root, bool ns)
{
	buf_addstr(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	s3xml_root(x, out, root, ns);
}

void
s3xml_open(struct s3xml *x, const char *name)
{
	assert(x->depth < S3XML_DEPTH_MAX);
	buf_printf(x->out, "<%s>", name);
	x->open[x->depth++] = name;
}

void
s3xml_close(struct s3xml *x)
{
	assert(x->depth > 0);
	buf_printf(x->out, "</%s>", x->open[--x->depth]);
}

void
s3xml_end(struct s3xml *x)
{
	while (x->depth > 0)
		s3xml_close(x);
}

/*
 * Raw targets and headers may hold any byte: what is no UTF-8 is written
 * percent-encoded, so that the document stays readable.
 */
static void
escape_byte(struct buf *out, uint8_t c, bool utf8)
{
	switch (c) {
	case '&':
		buf_addstr(out, "&amp;");
		break;
	case '<':
		buf_addstr(out, "&lt;");
		break;
	case '>':
		buf_addstr(out, "&gt;");
		break;
	case '"':
		buf_addstr(out, "&quot;");
		break;
	default:
		if (c < 0x20)
			buf_printf(out, "&#x%X;", c);
		else if (c >= 0x80 && !utf8)
			buf_printf(out, "%%%02X", c);
		else
			buf_addch(out, (char)c);
	}
}

static void
escape(struct buf *out, struct bytes s)
{
	bool utf8 = utf8_valid(s.p, s.n);

	for (size_t i = 0; i < s.n; i++) {
		/* U+FFFE and U+FFFF, which XML forbids like control bytes. */
		if (utf8 && s.n - i >= 3 && s.p[i] == 0xef &&
		    s.p[i + 1] == 0xbf && s.p[i + 2] >= 0xbe) {
			buf_printf(out, "&#xFFF%X;", s.p[i + 2] - 0xb0);
			i += 2;
		} else {
			escape_byte(out, s.p[i], utf8);
		}
	}
}

void
s3xml_text(struct s3xml *x, const char *name, struct bytes value)
{
	s3xml_open(x, name);
	escape(x->out, value);
	s3xml_close(x);
}

void
s3xml_name(struct s3xml *x, const char *name, struct bytes value, bool url)
{
	char *room;

	if (!url) {
		s3xml_text(x, name, value);
		return;
	}
	s3xml_open(x, name);
	room = buf_reserve(x->out, 3 * value.n + 1);
	if (room)
		x->out->n += percent_encode(room, value.p, value.n, true);
	s3xml_close(x);
}

void
s3xml_str(struct s3xml *x, const char *name, const char *value)
{
	s3xml_text(x, name, bytes_str(value));
}

void
s3xml_u64(struct s3xml *x, const char *name, uint64_t value)
{
	buf_printf(x->out, "<%s>%" PRIu64 "</%s>", name, value, name);
}

void
s3xml_bool(struct s3xml *x, const char *name, bool value)
{
	s3xml_str(x, name, value ? "true" : "false");
}

void
s3xml_date(struct s3xml *x, const char *name, uint64_t real_ms)
{
	char text[32];

	clock_iso8601(text, real_ms);
	s3xml_str(x, name, text);
}

void
s3xml_etag(struct s3xml *x, const char *name, const char *etag)
{
	s3xml_open(x, name);
	buf_addstr(x->out, "&quot;");
	escape(x->out, bytes_str(etag));
	buf_addstr(x->out, "&quot;");
	s3xml_close(x);
}

/*
 * The reader.  Only the innermost element's text is kept: what stands before
 * a child ends there, which is all that the documents of S3 need.
 */
struct reader {
	XML_Parser parser;
	s3xml_element_fn *fn;
	void *arg;
	char path[S3XML_DEPTH_MAX * (S3XML_NAME_MAX + 1)];
	size_t path_n;
	unsigned depth;
	char *text; /* S3XML_TEXT_MAX bytes */
	size_t text_n;
	bool bad;
};

static void
stop(struct reader *r)
{
	r->bad = true;
	XML_StopParser(r->parser, XML_FALSE);
}

static void
element_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *r = arg;
	const char *colon = strrchr(name, ':');
	size_t n;

	(void)attributes;
	if (r->bad)
		return;
	if (colon)
		name = colon + 1;
	n = strlen(name);
	if (r->depth == S3XML_DEPTH_MAX || n == 0 || n >= S3XML_NAME_MAX) {
		stop(r);
		return;
	}
	if (r->depth > 0)
		r->path[r->path_n++] = '/';
	memcpy(r->path + r->path_n, name, n);
	r->path_n += n;
	r->path[r->path_n] = '\0';
	r->depth++;
	r->text_n = 0;
}

static void
element_end(void *arg, const XML_Char *name)
{
	struct reader *r = arg;
	char *slash;

	(void)name;
	if (r->bad)
		return;
	assert(r->depth > 0);
	if (r->fn(r->arg, r->path, bytes_of(r->text, r->text_n)) != 0) {
		stop(r);
		return;
	}
	slash = strrchr(r->path, '/');
	r->path_n = slash ? (size_t)(slash - r->path) : 0;
	r->path[r->path_n] = '\0';
	r->depth--;
	r->text_n = 0;
}

static void
element_text(void *arg, const XML_Char *s, int len)
{
	struct reader *r = arg;
	size_t n = (size_t)len;

	if (r->bad)
		return;
	if (n > S3XML_TEXT_MAX - r->text_n) {
		stop(r);
		return;
	}
	memcpy(r->text + r->text_n, s, n);
	r->text_n += n;
}

static void
doctype(void *arg, const XML_Char *name, const XML_Char *sysid,
    const XML_Char *pubid, int internal)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)internal;
	stop(arg);
}

bool
s3xml_read(struct bytes doc, s3xml_element_fn *fn, void *arg)
{
	struct reader r = { .fn = fn, .arg = arg };
	bool good = false;

	if (doc.n == 0 || doc.n > S3XML_DOC_MAX)
		return false;
	r.parser = XML_ParserCreate(NULL);
	r.text = malloc(S3XML_TEXT_MAX);
	if (!r.parser || !r.text)
		goto out;
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, element_start, element_end);
	XML_SetCharacterDataHandler(r.parser, element_text);
	XML_SetStartDoctypeDeclHandler(r.parser, doctype);
	good = XML_Parse(r.parser, (const char *)doc.p, (int)doc.n, 1) ==
		XML_STATUS_OK &&
	    !r.bad;
out:
	if (r.parser)
		XML_ParserFree(r.parser);
	free(r.text);
	return good;
}
