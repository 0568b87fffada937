/* SPDX-License-Identifier: MIT */

#include "s3/s3meta.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

static char *headers;
static char *meta;

/* Collect name, value, ..., NULL; the result is in headers and meta. */
static enum s3error
collect(const char *const *pairs)
{
	struct s3meta m;
	enum s3error e;

	free(headers);
	free(meta);
	headers = meta = NULL;
	s3meta_init(&m);
	for (; pairs[0]; pairs += 2)
		s3meta_add(&m, pairs[0], pairs[1]);
	e = s3meta_finish(&m, &headers, &meta);
	s3meta_fini(&m);
	return e;
}

#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
what_is_kept_and_what_is_not(void)
{
	CHECK(
	    collect(PAIRS("Host", "x", "content-type", "text/plain",
		"Cache-Control", "no-cache", "X-Koop-Set", "7", "Authorization",
		"secret", "EXPIRES", "whenever", "X-Amz-Meta-Color", "blue",
		"x-amz-meta-\x41", "\xc3\xa4")) == S3E_NONE);
	CHECK_STR(headers,
	    "{\"Content-Type\":\"text/plain\",\"Cache-Control\":\"no-cache\","
	    "\"Expires\":\"whenever\"}");
	CHECK_STR(meta, "{\"color\":\"blue\",\"a\":\"\xc3\xa4\"}");
}

static void
nothing_gives_empty_objects(void)
{
	CHECK(collect((const char *const[]){ NULL }) == S3E_NONE);
	CHECK_STR(headers, "{}");
	CHECK_STR(meta, "{}");
}

static void
aws_chunked_is_no_encoding_of_the_object(void)
{
	static const char *const cases[][2] = {
		{ "aws-chunked", "{}" },
		{ "aws-chunked,aws-chunked", "{}" },
		{ "gzip", "{\"Content-Encoding\":\"gzip\"}" },
		{ "aws-chunked,gzip", "{\"Content-Encoding\":\"gzip\"}" },
		{ "gzip, AWS-chunked", "{\"Content-Encoding\":\"gzip\"}" },
		{ "deflate, aws-chunked , gzip",
		    "{\"Content-Encoding\":\"deflate,gzip\"}" },
		{ "xaws-chunked", "{\"Content-Encoding\":\"xaws-chunked\"}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK(collect(PAIRS("Content-Encoding", cases[i][0])) ==
		    S3E_NONE);
		CHECK_STR(headers, cases[i][1]);
	}
}

static void
a_name_that_comes_twice_is_joined(void)
{
	CHECK(collect(PAIRS("x-amz-meta-a", "1", "X-AMZ-META-A", "2")) ==
	    S3E_NONE);
	CHECK_STR(meta, "{\"a\":\"1,2\"}");
}

static void
two_kibibytes_and_no_more(void)
{
	char value[OBJECTMETA_USER_MAX + 1];

	memset(value, 'v', sizeof(value));
	value[OBJECTMETA_USER_MAX - 1] = '\0';
	CHECK(collect(PAIRS("x-amz-meta-k", value)) == S3E_NONE);
	CHECK(collect(PAIRS("x-amz-meta-kk", value)) == S3E_METADATA_TOO_LARGE);
	CHECK(collect(PAIRS("x-amz-meta-k", value, "x-amz-meta-l", "")) ==
	    S3E_METADATA_TOO_LARGE);
}

static void
values_are_text(void)
{
	CHECK(collect(PAIRS("x-amz-meta-a", "\xff")) == S3E_INVALID_ARGUMENT);
	CHECK(collect(PAIRS("x-amz-meta-a", "a\rb")) == S3E_INVALID_ARGUMENT);
	CHECK(collect(PAIRS("x-amz-meta-a", "a\x01")) == S3E_INVALID_ARGUMENT);
	CHECK(collect(PAIRS("Content-Type", "a\nb")) == S3E_INVALID_ARGUMENT);
	CHECK(collect(PAIRS("x-amz-meta-", "a")) == S3E_INVALID_ARGUMENT);
}

int
main(void)
{
	RUN(what_is_kept_and_what_is_not);
	RUN(nothing_gives_empty_objects);
	RUN(aws_chunked_is_no_encoding_of_the_object);
	RUN(a_name_that_comes_twice_is_joined);
	RUN(two_kibibytes_and_no_more);
	RUN(values_are_text);
	free(headers);
	free(meta);
	return tap_done();
}
