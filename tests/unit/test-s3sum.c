/* SPDX-License-Identifier: MIT */

#include "s3/s3sum.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tap.h"

/* Headers of a request: name, value, ..., NULL. */
static const char *
get(void *arg, const char *name)
{
	const char *const *h = arg;

	for (; h[0]; h += 2)
		if (strcasecmp(h[0], name) == 0)
			return h[1];
	return NULL;
}

/* What a request with these headers and the body "123456789" comes to. */
static const char *
outcome(const char *const *headers, const char *trailer)
{
	static const char body[] = "123456789";
	struct s3sum sum;
	const char *why;
	enum s3error e = s3sum_init(&sum, get, (void *)(uintptr_t)headers,
	    &why);

	if (e != S3E_NONE)
		return s3error_code(e);
	if (trailer)
		e = s3sum_trailer(&sum, "x-amz-checksum-crc32", trailer);
	if (e == S3E_NONE)
		e = s3sum_check_bytes(&sum, bytes_of(body, 9));
	s3sum_fini(&sum);
	return s3error_code(e);
}

#define HEADERS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
right_checksums_hold(void)
{
	CHECK_STR(outcome((const char *const[]){ NULL }, NULL), "");
	CHECK_STR(outcome(HEADERS("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
		      NULL),
	    "");
	CHECK_STR(outcome(HEADERS("x-amz-checksum-crc32", "y/Q5Jg=="), NULL),
	    "");
	CHECK_STR(outcome(HEADERS("x-amz-checksum-crc32c", "4waSgw=="), NULL),
	    "");
	CHECK_STR(outcome(HEADERS("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
		      NULL),
	    "");
	CHECK_STR(outcome(HEADERS("x-amz-checksum-sha1",
			      "98O8HYCOBHMq32eZZczDTKeuNEE="),
		      NULL),
	    "");
	CHECK_STR(outcome(HEADERS("x-amz-checksum-sha256",
			      "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
		      NULL),
	    "");
	CHECK_STR(outcome(HEADERS("x-amz-content-sha256",
			      "15e2b0d3c33891ebb0f1ef609ec41942"
			      "0c20e320ce94c65fbc8c3312448eb225"),
		      NULL),
	    "");
	CHECK_STR(outcome(HEADERS("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
		      NULL),
	    "");
	CHECK_STR(outcome(HEADERS("x-amz-trailer", "x-amz-checksum-crc32"),
		      "y/Q5Jg=="),
	    "");
}

static void
wrong_ones_are_told_apart(void)
{
	CHECK_STR(outcome(HEADERS("content-md5", "JfnnlDI7RTiF9RgfG2JNCg=="),
		      NULL),
	    "BadDigest");
	CHECK_STR(outcome(HEADERS("x-amz-checksum-crc32", "y/Q5Jw=="), NULL),
	    "BadDigest");
	CHECK_STR(outcome(HEADERS("x-amz-checksum-crc64nvme", "rosUhgp5mIk="),
		      NULL),
	    "BadDigest");
	CHECK_STR(outcome(HEADERS("x-amz-content-sha256",
			      "25e2b0d3c33891ebb0f1ef609ec41942"
			      "0c20e320ce94c65fbc8c3312448eb225"),
		      NULL),
	    "XAmzContentSHA256Mismatch");
	CHECK_STR(outcome(HEADERS("x-amz-trailer", "x-amz-checksum-crc32"),
		      "y/Q5Jw=="),
	    "BadDigest");
}

static void
what_is_no_checksum_is_refused_before_the_body(void)
{
	CHECK_STR(outcome(HEADERS("content-md5", ""), NULL), "InvalidDigest");
	CHECK_STR(outcome(HEADERS("content-md5", "AAAA"), NULL),
	    "InvalidDigest");
	CHECK_STR(outcome(HEADERS("content-md5", "not base64 at all!!!!!!!"),
		      NULL),
	    "InvalidDigest");
	CHECK_STR(outcome(HEADERS("x-amz-checksum-crc32", "AAA="), NULL),
	    "InvalidRequest");
	CHECK_STR(outcome(HEADERS("x-amz-content-sha256", "abc"), NULL),
	    "InvalidArgument");
	CHECK_STR(outcome(HEADERS("x-amz-checksum-xxhash64", "AAAA"), NULL),
	    "NotImplemented");
}

static void
one_checksum_and_one_place_for_it(void)
{
	CHECK_STR(outcome(HEADERS("x-amz-checksum-crc32",
			      "y/Q5Jg==", "x-amz-checksum-crc32c", "4waSgw=="),
		      NULL),
	    "InvalidRequest");
	CHECK_STR(outcome(HEADERS("x-amz-checksum-crc32", "y/Q5Jg==",
			      "x-amz-trailer", "x-amz-checksum-crc32"),
		      NULL),
	    "InvalidRequest");
	CHECK_STR(outcome(HEADERS("x-amz-sdk-checksum-algorithm", "CRC32"),
		      NULL),
	    "InvalidRequest");
	CHECK_STR(outcome(HEADERS("x-amz-trailer", "x-amz-meta-a"), NULL),
	    "InvalidRequest");
}

static void
an_announced_trailer_must_come_and_no_other(void)
{
	CHECK_STR(outcome(HEADERS("x-amz-trailer", "x-amz-checksum-crc32"),
		      NULL),
	    "MalformedTrailerError");
	CHECK_STR(outcome(HEADERS("x-amz-trailer", "x-amz-checksum-crc32c"),
		      "y/Q5Jg=="),
	    "MalformedTrailerError");
	CHECK_STR(outcome(HEADERS("x-amz-trailer", "x-amz-checksum-crc32"),
		      "nonsense"),
	    "MalformedTrailerError");
	CHECK_STR(outcome((const char *const[]){ NULL }, "y/Q5Jg=="),
	    "MalformedTrailerError");
}

static void
the_checked_value_is_told_back(void)
{
	struct s3sum sum;
	const char *why;
	const char *name = NULL;
	char value[BASE64_BYTES(32)];
	const char *const *h = HEADERS("x-amz-checksum-crc32", "y/Q5Jg==");

	CHECK(s3sum_init(&sum, get, (void *)(uintptr_t)h, &why) == S3E_NONE);
	CHECK(s3sum_header(&sum, &name, value));
	CHECK_STR(name, "x-amz-checksum-crc32");
	CHECK_STR(value, "y/Q5Jg==");
	s3sum_fini(&sum);
	s3sum_print_crc64nvme(value, 0xae8b14860a799888);
	CHECK_STR(value, "rosUhgp5mIg=");
}

int
main(void)
{
	RUN(right_checksums_hold);
	RUN(wrong_ones_are_told_apart);
	RUN(what_is_no_checksum_is_refused_before_the_body);
	RUN(one_checksum_and_one_place_for_it);
	RUN(an_announced_trailer_must_come_and_no_other);
	RUN(the_checked_value_is_told_back);
	return tap_done();
}
