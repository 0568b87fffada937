/* SPDX-License-Identifier: MIT */

#include "s3/s3name.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

static struct s3name name;

static void
the_path_is_decoded_once_and_plus_stays(void)
{
	CHECK(s3name_parse(&name, "/bucket/a%2520b+c%2Fd%0A") == S3NAME_OK);
	CHECK_STR(name.bucket, "bucket");
	CHECK_STR(name.key, "a%20b+c/d\n");
}

static void
keys_are_opaque(void)
{
	static const char *const keys[] = { "/", "//", "a//b", "a/", ".", "..",
		"../../etc/passwd", "a/./b", "\\", "\x01\x7f",
		"\xf0\x9f\x8e\xac", " " };
	char path[100];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(path, sizeof(path), "/bucket/%s", keys[i]);
		CHECK(s3name_parse(&name, path) == S3NAME_OK);
		CHECK_STR(name.key, keys[i]);
	}
}

static void
service_and_bucket_have_no_key(void)
{
	CHECK(s3name_parse(&name, "/") == S3NAME_OK);
	CHECK(name.bucket_n == 0 && name.key_n == 0);
	CHECK(s3name_parse(&name, "/bucket") == S3NAME_OK);
	CHECK(name.bucket_n == 6 && name.key_n == 0);
	CHECK(s3name_parse(&name, "/bucket/") == S3NAME_OK);
	CHECK(name.bucket_n == 6 && name.key_n == 0);
}

static void
what_cannot_be_decoded_is_a_bad_uri(void)
{
	static const char *const bad[] = { "", "bucket", "/bucket/%",
		"/bucket/%2", "/bucket/%zz", "/bucket/%00", "/bucket/a%00b",
		"/bucket/%ff", "/bucket/%c0%af", "/bucket/%ed%a0%80",
		"/buc%ket/a", "/%ff" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(s3name_parse(&name, bad[i]) == S3NAME_BAD_URI);
	CHECK(s3name_parse(&name, "//key") == S3NAME_BAD_BUCKET);
	CHECK(s3name_parse(&name, "/a%2Fbc/key") == S3NAME_BAD_BUCKET);
}

static void
a_key_has_at_most_1024_bytes(void)
{
	char path[4096] = "/bucket/";

	memset(path + 8, 'k', 1024);
	path[8 + 1024] = '\0';
	CHECK(s3name_parse(&name, path) == S3NAME_OK);
	CHECK(name.key_n == 1024);
	path[8 + 1024] = 'k';
	path[8 + 1025] = '\0';
	CHECK(s3name_parse(&name, path) == S3NAME_LONG_KEY);
	/* 1024 bytes when decoded, 3072 on the wire. */
	path[8] = '\0';
	for (int i = 0; i < 512; i++)
		strcat(path, "%C3%A4");
	CHECK(s3name_parse(&name, path) == S3NAME_OK);
	CHECK(name.key_n == 1024);
}

int
main(void)
{
	RUN(the_path_is_decoded_once_and_plus_stays);
	RUN(keys_are_opaque);
	RUN(service_and_bucket_have_no_key);
	RUN(what_cannot_be_decoded_is_a_bad_uri);
	RUN(a_key_has_at_most_1024_bytes);
	return tap_done();
}
