/* SPDX-License-Identifier: MIT */

#include "commit/objectmeta.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tap.h"

#define PREFIX "x-amz-meta-"

static void
a_users_name_that_comes_twice_has_a_list(void)
{
	struct objectmeta m;
	char *headers = NULL;
	char *meta = NULL;

	REQUIRE(objectmeta_init(&m));
	CHECK(objectmeta_header(&m, PREFIX "Year", "1927") == OBJECTMETA_OK);
	CHECK(objectmeta_header(&m, PREFIX "yEAR", "1928") == OBJECTMETA_OK);
	CHECK(objectmeta_header(&m, PREFIX "a", "x\ny") == OBJECTMETA_BAD);
	CHECK(objectmeta_header(&m, PREFIX "a", "\xff") == OBJECTMETA_BAD);
	CHECK(objectmeta_print(&m, &headers, &meta));
	CHECK_STR(headers, "{}");
	CHECK_STR(meta, "{\"year\":\"1927,1928\"}");
	free(headers);
	free(meta);
	objectmeta_fini(&m);
}

static void
names_and_values_together_have_a_limit(void)
{
	static char value[OBJECTMETA_USER_MAX + 1];
	static char name[sizeof(PREFIX) + OBJECTMETA_NAME_MAX + 1] = PREFIX;
	struct objectmeta m;

	REQUIRE(objectmeta_init(&m));
	memset(value, 'v', OBJECTMETA_USER_MAX - 1);
	CHECK(objectmeta_header(&m, PREFIX "k", value) == OBJECTMETA_OK);
	CHECK(objectmeta_header(&m, PREFIX "l", "") == OBJECTMETA_LARGE);
	objectmeta_fini(&m);
	REQUIRE(objectmeta_init(&m));
	memset(name + strlen(PREFIX), 'n', OBJECTMETA_NAME_MAX + 1);
	CHECK(objectmeta_header(&m, name, "") == OBJECTMETA_LARGE);
	name[strlen(PREFIX) + OBJECTMETA_NAME_MAX] = '\0';
	CHECK(objectmeta_header(&m, name, "") == OBJECTMETA_OK);
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
	RUN(a_users_name_that_comes_twice_has_a_list);
	RUN(names_and_values_together_have_a_limit);
	RUN(they_come_back_as_headers);
	RUN(a_hostile_record_cannot_write_headers);
	return tap_done();
}
