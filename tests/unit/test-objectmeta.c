/* SPDX-License-Identifier: MIT */

#include "commit/objectmeta.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tap.h"

static void
a_users_name_is_a_word_and_comes_once(void)
{
	struct objectmeta m;
	char *headers = NULL;
	char *meta = NULL;

	REQUIRE(objectmeta_init(&m));
	CHECK(objectmeta_user(&m, "Year=1927", 4, "1927") == OBJECTMETA_OK);
	CHECK(objectmeta_user(&m, "yEAR", 4, "1928") == OBJECTMETA_TWICE);
	CHECK(objectmeta_user(&m, "", 0, "x") == OBJECTMETA_BAD);
	CHECK(objectmeta_user(&m, "a b", 3, "x") == OBJECTMETA_BAD);
	CHECK(objectmeta_user(&m, "a:", 2, "x") == OBJECTMETA_BAD);
	CHECK(objectmeta_user(&m, "a", 1, "x\ny") == OBJECTMETA_BAD);
	CHECK(objectmeta_user(&m, "a", 1, "\xff") == OBJECTMETA_BAD);
	CHECK(objectmeta_print(&m, &headers, &meta));
	CHECK_STR(headers, "{}");
	CHECK_STR(meta, "{\"year\":\"1927\"}");
	free(headers);
	free(meta);
	objectmeta_fini(&m);
}

static void
names_and_values_together_have_a_limit(void)
{
	static char value[OBJECTMETA_USER_MAX + 1];
	static char name[OBJECTMETA_NAME_MAX + 2];
	struct objectmeta m;

	REQUIRE(objectmeta_init(&m));
	memset(value, 'v', OBJECTMETA_USER_MAX - 1);
	CHECK(objectmeta_user(&m, "k", 1, value) == OBJECTMETA_OK);
	CHECK(objectmeta_user(&m, "l", 1, "") == OBJECTMETA_LARGE);
	objectmeta_fini(&m);
	REQUIRE(objectmeta_init(&m));
	memset(name, 'n', OBJECTMETA_NAME_MAX + 1);
	CHECK(objectmeta_user(&m, name, OBJECTMETA_NAME_MAX + 1, "") ==
	    OBJECTMETA_LARGE);
	CHECK(objectmeta_user(&m, name, OBJECTMETA_NAME_MAX, "") ==
	    OBJECTMETA_OK);
	objectmeta_fini(&m);
}

static void
print(void *arg, const char *name, const char *value)
{
	buf_printf(arg, "%s: %s\n", name, value);
}

static void
they_come_back_as_headers(void)
{
	struct buf b = buf_make(4096);

	objectmeta_each("{\"Content-Type\":\"video/mp4\",\"Expires\":\"x\"}",
	    "{\"a\":\"1\"}", print, &b);
	CHECK_STR(buf_cstr(&b),
	    "Content-Type: video/mp4\nExpires: x\nx-amz-meta-a: 1\n");
	buf_clear(&b);
	objectmeta_each("{}", "{}", print, &b);
	CHECK_STR(buf_cstr(&b), "Content-Type: binary/octet-stream\n");
	buf_fini(&b);
}

static void
a_hostile_record_cannot_write_headers(void)
{
	struct buf b = buf_make(4096);

	objectmeta_each("{\"Content-Length\":\"0\",\"Set-Cookie\":\"x\","
			"\"Expires\":\"a\\r\\nEvil: 1\",\"Cache-Control\":5}",
	    "{\"a b\":\"1\",\"c\":\"x\\ny\",\"\":\"1\",\"d\":[]}", print, &b);
	CHECK_STR(buf_cstr(&b), "Content-Type: binary/octet-stream\n");
	buf_clear(&b);
	objectmeta_each("no json", "[1]", print, &b);
	CHECK_STR(buf_cstr(&b), "Content-Type: binary/octet-stream\n");
	buf_fini(&b);
}

int
main(void)
{
	RUN(a_users_name_is_a_word_and_comes_once);
	RUN(names_and_values_together_have_a_limit);
	RUN(they_come_back_as_headers);
	RUN(a_hostile_record_cannot_write_headers);
	return tap_done();
}
