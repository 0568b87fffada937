/* SPDX-License-Identifier: MIT */

#include "commit/objectname.h"

#include <string.h>

#include "base/error.h"
#include "tap.h"

static void
good_bucket_names_are_taken(void)
{
	static const char *const good[] = { "abc", "a-b", "a.b.c", "123", "0a9",
		"a--b", "1.2.3", "1.2.3.4.5", "1.2.3.x",
		("a2345678901234567890123456789012345678901234567890123456789"
		 "0123") };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(objectname_bucket_valid(bytes_str(good[i])));
}

static void
bad_bucket_names_are_refused(void)
{
	static const char *const bad[] = { "", "ab", "Abc", "aBc", "-ab", "ab-",
		".ab", "ab.", "a..b", "a_b", "a b", "a/b", "a\xc3\xa4",
		"192.168.1.1", "1.2.3.4", "health", "metrics",
		("a2345678901234567890123456789012345678901234567890123456789"
		 "01234") };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!objectname_bucket_valid(bytes_str(bad[i])));
}

/* "bucket|key", or what is wrong. */
static const char *
split(const char *text, bool prefix)
{
	static char out[4096];
	struct bytes bucket = BYTES_NONE;
	struct bytes key = BYTES_NONE;
	struct error err;
	int rc;

	rc = prefix ? objectname_prefix(bytes_str(text), &bucket, &key, &err) :
		      objectname_split(bytes_str(text), &bucket, &key, &err);
	if (rc < 0) {
		CHECK(rc == -ERRC_USAGE);
		return "refused";
	}
	snprintf(out, sizeof(out), "%.*s|%.*s", (int)bucket.n,
	    (const char *)bucket.p, (int)key.n, (const char *)key.p);
	return out;
}

static void
a_name_is_split_at_its_first_slash(void)
{
	CHECK_STR(split("films/a/b", false), "films|a/b");
	CHECK_STR(split("films//", false), "films|/");
	CHECK_STR(split("films/ \n", false), "films| \n");
	CHECK_STR(split("films", false), "refused");
	CHECK_STR(split("films/", false), "refused");
	CHECK_STR(split("/a", false), "refused");
	CHECK_STR(split("", false), "refused");
	CHECK_STR(split("null", false), "refused");
	CHECK_STR(split("FILMS/a", false), "refused");
	CHECK_STR(split("films/\xff", false), "refused");
}

static void
a_prefix_may_be_empty(void)
{
	CHECK_STR(split("films", true), "films|");
	CHECK_STR(split("films/", true), "films|");
	CHECK_STR(split("films/2024/", true), "films|2024/");
	CHECK_STR(split("fi", true), "refused");
	CHECK_STR(split("", true), "refused");
}

static void
keys_have_a_limit(void)
{
	static char text[6 + OBJECTNAME_KEY_MAX + 2] = "films/";

	memset(text + 6, 'k', OBJECTNAME_KEY_MAX);
	CHECK(strcmp(split(text, false), "refused") != 0);
	text[6 + OBJECTNAME_KEY_MAX] = 'k';
	CHECK_STR(split(text, false), "refused");
	CHECK_STR(split(text, true), "refused");
}

int
main(void)
{
	RUN(good_bucket_names_are_taken);
	RUN(bad_bucket_names_are_refused);
	RUN(a_name_is_split_at_its_first_slash);
	RUN(a_prefix_may_be_empty);
	RUN(keys_have_a_limit);
	return tap_done();
}
