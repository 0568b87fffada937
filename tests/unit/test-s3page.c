/* SPDX-License-Identifier: MIT */

#include "s3/s3page.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "http/httpreq.h"
#include "tap.h"

static struct s3page page;
static struct httpreq_query query;

static const char *
parse(enum s3page_kind kind, const char *raw)
{
	struct error err;
	const char *why;

	httpreq_query_fini(&query);
	if (httpreq_query_parse(&query, bytes_str(raw), &err) < 0)
		return "bad query";
	return s3error_code(s3page_parse(&page, kind, &query, &why));
}

static void
maxima_are_clamped_and_checked(void)
{
	CHECK_STR(parse(S3PAGE_V2, ""), "");
	CHECK(page.max == 1000);
	CHECK_STR(parse(S3PAGE_V2, "max-keys="), "");
	CHECK(page.max == 1000);
	CHECK_STR(parse(S3PAGE_V2, "max-keys=7"), "");
	CHECK(page.max == 7);
	CHECK_STR(parse(S3PAGE_V2, "max-keys=0"), "");
	CHECK(page.max == 0);
	CHECK_STR(parse(S3PAGE_V2, "max-keys=2147483647"), "");
	CHECK(page.max == 1000);
	CHECK_STR(parse(S3PAGE_V2, "max-keys=-1"), "InvalidArgument");
	CHECK_STR(parse(S3PAGE_V2, "max-keys=blah"), "InvalidArgument");
	CHECK_STR(parse(S3PAGE_V2, "max-keys=100000000000000000000"),
	    "InvalidArgument");
	CHECK_STR(parse(S3PAGE_UPLOADS, "max-uploads=2&max-keys=x"), "");
	CHECK(page.max == 2);
	CHECK_STR(parse(S3PAGE_PARTS, "max-parts=3&part-number-marker=9"), "");
	CHECK(page.max == 3 && page.part_marker == 9);
	CHECK_STR(parse(S3PAGE_PARTS, "part-number-marker=x"),
	    "InvalidArgument");
}

static void
each_kind_starts_where_its_marker_says(void)
{
	CHECK_STR(parse(S3PAGE_V1, "marker=a%2Fb&start-after=x"), "");
	CHECK(bytes_is(page.after, "a/b"));
	CHECK_STR(parse(S3PAGE_V2, "start-after=c+d&marker=x"), "");
	CHECK(bytes_is(page.after, "c d"));
	CHECK_STR(parse(S3PAGE_UPLOADS, "key-marker=k&upload-id-marker=u"), "");
	CHECK(bytes_is(page.after, "k"));
	CHECK(bytes_is(page.upload_marker, "u"));
}

static void
versions_go_on_within_a_key(void)
{
	static const char id[] = "00112233445566778899aabbccddeeff";
	char raw[128];

	CHECK_STR(parse(S3PAGE_VERSIONS, ""), "");
	CHECK(page.after.n == 0 && page.version_marker.n == 0);
	snprintf(raw, sizeof(raw), "key-marker=a%%2Fb&version-id-marker=%s",
	    id);
	CHECK_STR(parse(S3PAGE_VERSIONS, raw), "");
	CHECK(bytes_is(page.after, "a/b"));
	CHECK(bytes_is(page.version_marker, id));
	CHECK_STR(parse(S3PAGE_VERSIONS, "key-marker=k&version-id-marker=null"),
	    "");
	CHECK_STR(parse(S3PAGE_VERSIONS, "key-marker=k&version-id-marker="),
	    "");
	CHECK(page.version_marker.n == 0);
	/* Of which key? */
	snprintf(raw, sizeof(raw), "version-id-marker=%s", id);
	CHECK_STR(parse(S3PAGE_VERSIONS, raw), "InvalidArgument");
	CHECK_STR(parse(S3PAGE_VERSIONS, "key-marker=&version-id-marker=null"),
	    "InvalidArgument");
	CHECK_STR(parse(S3PAGE_VERSIONS, "key-marker=k&version-id-marker=x"),
	    "InvalidArgument");
	/* Means something to versions only. */
	CHECK_STR(parse(S3PAGE_V1, "version-id-marker=x"), "");
}

static void
a_token_continues_after_any_key(void)
{
	char token[S3PAGE_TOKEN_BYTES];
	char raw[S3PAGE_TOKEN_BYTES + 64];
	uint8_t key[S3NAME_KEY_MAX];

	memset(key, 'k', sizeof(key));
	key[0] = '\n';
	s3page_token(token, bytes_of(key, sizeof(key)));
	snprintf(raw, sizeof(raw), "continuation-token=%s&start-after=a",
	    token);
	CHECK_STR(parse(S3PAGE_V2, raw), "");
	CHECK(bytes_equal(page.after, bytes_of(key, sizeof(key))));
	CHECK(page.has_token && page.has_start_after);
	CHECK(bytes_is(page.marker, "a"));
	CHECK_STR(parse(S3PAGE_V2, "continuation-token="), "");
	CHECK(page.has_token && page.after.n == 0);
	CHECK_STR(parse(S3PAGE_V2, "continuation-token=abc"),
	    "InvalidArgument");
	CHECK_STR(parse(S3PAGE_V2, "continuation-token=k6"), "InvalidArgument");
	CHECK_STR(parse(S3PAGE_V2, "continuation-token=kff"),
	    "InvalidArgument");
	CHECK_STR(parse(S3PAGE_V2, "continuation-token=k61"), "");
	CHECK(bytes_is(page.after, "a"));
}

static void
other_parameters(void)
{
	CHECK_STR(parse(S3PAGE_V2,
		      "encoding-type=url&fetch-owner=true&prefix=p%2F"
		      "&delimiter=%2F"),
	    "");
	CHECK(page.url && page.fetch_owner);
	CHECK(bytes_is(page.prefix, "p/") && bytes_is(page.delimiter, "/"));
	CHECK_STR(parse(S3PAGE_V2, "encoding-type=base64"), "InvalidArgument");
	CHECK_STR(parse(S3PAGE_V2, "prefix=%ff"), "InvalidArgument");
	CHECK_STR(parse(S3PAGE_V2, "fetch-owner=false&encoding-type="), "");
	CHECK(!page.url && !page.fetch_owner);
}

int
main(void)
{
	RUN(maxima_are_clamped_and_checked);
	RUN(each_kind_starts_where_its_marker_says);
	RUN(versions_go_on_within_a_key);
	RUN(a_token_continues_after_any_key);
	RUN(other_parameters);
	httpreq_query_fini(&query);
	return tap_done();
}
