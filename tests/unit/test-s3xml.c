/* SPDX-License-Identifier: MIT */

#include "s3/s3xml.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tap.h"

static void
a_document_has_the_name_space_and_closes_what_is_open(void)
{
	struct buf b = buf_make(4096);
	struct s3xml x;

	s3xml_begin(&x, &b, "ListBucketResult", true);
	s3xml_open(&x, "Contents");
	s3xml_str(&x, "Key", "a");
	s3xml_u64(&x, "Size", 18446744073709551615u);
	s3xml_bool(&x, "IsLatest", true);
	s3xml_etag(&x, "ETag", "abc-2");
	s3xml_end(&x);
	CHECK_STR(buf_cstr(&b),
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<ListBucketResult "
	    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
	    "<Contents><Key>a</Key><Size>18446744073709551615</Size>"
	    "<IsLatest>true</IsLatest><ETag>&quot;abc-2&quot;</ETag>"
	    "</Contents></ListBucketResult>");
	buf_fini(&b);
}

static void
an_error_document_has_no_name_space(void)
{
	struct buf b = buf_make(4096);
	struct s3xml x;

	s3xml_begin(&x, &b, "Error", false);
	s3xml_end(&x);
	CHECK(strstr(buf_cstr(&b), "xmlns") == NULL);
	CHECK(strstr(buf_cstr(&b), "<Error></Error>") != NULL);
	buf_fini(&b);
}

static void
markup_and_control_bytes_are_escaped(void)
{
	struct buf b = buf_make(4096);
	struct s3xml x = { .out = &b };

	s3xml_text(&x, "K", bytes_of("<a&b>\"\n\r\t\x01\xc3\xa4", 12));
	CHECK_STR(buf_cstr(&b),
	    "<K>&lt;a&amp;b&gt;&quot;&#xA;&#xD;&#x9;&#x1;\xc3\xa4</K>");
	buf_fini(&b);
}

static void
what_xml_cannot_hold_is_written_in_other_ways(void)
{
	struct buf b = buf_make(4096);
	struct s3xml x = { .out = &b };

	s3xml_str(&x, "K", "a\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd");
	s3xml_str(&x, "R", "/b/\xff\xc3\xa4<");
	CHECK_STR(buf_cstr(&b),
	    "<K>a&#xFFFE;&#xFFFF;\xef\xbf\xbd</K><R>/b/%FF%C3%A4&lt;</R>");
	buf_fini(&b);
}

static void
url_encoding_keeps_slashes_and_nothing_else(void)
{
	struct buf b = buf_make(4096);
	struct s3xml x = { .out = &b };

	s3xml_name(&x, "K", bytes_str("a/b c+d\n"), true);
	CHECK_STR(buf_cstr(&b), "<K>a/b%20c%2Bd%0A</K>");
	buf_fini(&b);
}

static int
collect(void *arg, const char *path, struct bytes text)
{
	struct buf *b = arg;

	buf_printf(b, "%s=%.*s;", path, (int)text.n, (const char *)text.p);
	return 0;
}

static const char *
read_all(struct buf *b, const char *doc)
{
	buf_clear(b);
	if (!s3xml_read(bytes_str(doc), collect, b))
		return "refused";
	return buf_cstr(b);
}

static void
elements_come_with_their_path_when_they_end(void)
{
	struct buf b = buf_make(4096);

	CHECK_STR(read_all(&b,
		      "<?xml version='1.0'?>\n<D xmlns='x' a='b'> <O><K>a&amp;"
		      "&#34;b</K></O><n:O><K><![CDATA[<c>]]></K></n:O></D>"),
	    "D/O/K=a&\"b;D/O=;D/O/K=<c>;D/O=;D=;");
	CHECK_STR(read_all(&b, "\xef\xbb\xbf<D/>"), "D=;");
	buf_fini(&b);
}

static void
what_is_not_well_formed_is_refused(void)
{
	static const char *const bad[] = { "", " ", "x", "<a>", "<a></b>",
		"<a/><b/>", "<a>&nbsp;</a>", "<a b='1' b='2'/>", "<a>\x01</a>",
		"<a>\xff</a>" };
	struct buf b = buf_make(4096);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_STR(read_all(&b, bad[i]), "refused");
	buf_fini(&b);
}

static void
a_doctype_is_refused_so_entities_cannot_grow(void)
{
	struct buf b = buf_make(4096);

	CHECK_STR(read_all(&b, "<!DOCTYPE a><a/>"), "refused");
	CHECK_STR(read_all(&b,
		      "<!DOCTYPE a [<!ENTITY x 'lol'>"
		      "<!ENTITY y '&x;&x;&x;'>]><a>&y;</a>"),
	    "refused");
	CHECK_STR(read_all(&b, "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>"),
	    "refused");
	buf_fini(&b);
}

static void
depth_name_and_text_are_bounded(void)
{
	struct buf doc = buf_make(8 << 20);
	struct buf b = buf_make(64 * 1024);

	for (int i = 0; i < S3XML_DEPTH_MAX; i++)
		buf_addstr(&doc, "<a>");
	for (int i = 0; i < S3XML_DEPTH_MAX; i++)
		buf_addstr(&doc, "</a>");
	CHECK(s3xml_read(buf_bytes(&doc), collect, &b));
	buf_clear(&doc);
	for (int i = 0; i < 100000; i++)
		buf_addstr(&doc, "<a>");
	CHECK(!s3xml_read(buf_bytes(&doc), collect, &b));

	for (size_t n = S3XML_TEXT_MAX; n <= S3XML_TEXT_MAX + 1; n++) {
		buf_clear(&doc);
		buf_clear(&b);
		buf_addstr(&doc, "<a>");
		for (size_t i = 0; i < n; i++)
			buf_addch(&doc, 'x');
		buf_addstr(&doc, "</a>");
		CHECK(s3xml_read(buf_bytes(&doc), collect, &b) ==
		    (n == S3XML_TEXT_MAX));
	}
	buf_clear(&doc);
	buf_addstr(&doc, "<a>");
	while (doc.n <= S3XML_DOC_MAX)
		buf_addstr(&doc, "<b>text</b>");
	buf_addstr(&doc, "</a>");
	CHECK(!s3xml_read(buf_bytes(&doc), collect, &b));
	buf_clear(&doc);
	buf_addch(&doc, '<');
	for (int i = 0; i < S3XML_NAME_MAX; i++)
		buf_addch(&doc, 'x');
	buf_addstr(&doc, "/>");
	CHECK(!s3xml_read(buf_bytes(&doc), collect, &b));
	buf_fini(&doc);
	buf_fini(&b);
}

int
main(void)
{
	RUN(a_document_has_the_name_space_and_closes_what_is_open);
	RUN(an_error_document_has_no_name_space);
	RUN(markup_and_control_bytes_are_escaped);
	RUN(what_xml_cannot_hold_is_written_in_other_ways);
	RUN(url_encoding_keeps_slashes_and_nothing_else);
	RUN(elements_come_with_their_path_when_they_end);
	RUN(what_is_not_well_formed_is_refused);
	RUN(a_doctype_is_refused_so_entities_cannot_grow);
	RUN(depth_name_and_text_are_bounded);
	return tap_done();
}
