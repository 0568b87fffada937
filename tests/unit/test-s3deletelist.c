/* SPDX-License-Identifier: MIT */

#include "s3/s3deletelist.h"

#include <stdlib.h>

#include "base/buf.h"
#include "tap.h"

#define ID "7fffffffffffffd5060708090a0b0c0d"
#define OBJECT(text) "<Object>" text "</Object>"
#define LIST(text) "<Delete>" text "</Delete>"

static struct s3deletelist list;

static const char *
parse(const char *document)
{
	s3deletelist_fini(&list);
	return s3error_code(s3deletelist_parse(&list, bytes_str(document)));
}

/* The error of the only object of the list. */
static const char *
object_error(const char *document)
{
	const char *code = parse(document);

	if (code[0] != '\0' || list.count != 1)
		return "not one object";
	return s3error_code(list.items[0].error);
}

static void
keys_come_in_their_order(void)
{
	REQUIRE(parse(LIST(OBJECT("<Key>b</Key>")
			OBJECT("<Key>a&amp;/c</Key>")))[0] == '\0');
	CHECK(list.count == 2 && !list.quiet);
	CHECK_STR(list.items[0].key, "b");
	CHECK_STR(list.items[1].key, "a&/c");
	CHECK(list.items[1].key_n == 4);
	CHECK(list.items[0].version_text == NULL);
	CHECK(!list.items[0].version.given);
	CHECK(list.items[0].if_match[0] == '\0');
	CHECK(list.items[0].error == S3E_NONE);
}

static void
versions_of_one_key_stand_side_by_side(void)
{
	REQUIRE(parse(LIST(OBJECT("<Key>k</Key><VersionId>" ID "</VersionId>")
			OBJECT("<VersionId>null</VersionId><Key>k</Key>")
			    OBJECT("<Key>k</Key>")))[0] == '\0');
	REQUIRE(list.count == 3);
	CHECK_STR(list.items[0].version_text, ID);
	CHECK(list.items[0].version.given);
	CHECK(!list.items[0].version.id.is_null);
	CHECK(list.items[0].version.id.seq == 42);
	CHECK_STR(list.items[1].version_text, "null");
	CHECK(list.items[1].version.id.is_null);
	CHECK(!list.items[2].version.given);
	CHECK(list.items[2].version_text == NULL);
}

static void
a_name_of_no_version_is_its_objects_error(void)
{
	CHECK_STR(object_error(
		      LIST(OBJECT("<Key>k</Key><VersionId>x</VersionId>"))),
	    "NoSuchVersion");
	CHECK_STR(list.items[0].version_text, "x");
	CHECK_STR(object_error(
		      LIST(OBJECT("<Key>k</Key><VersionId> null</VersionId>"))),
	    "NoSuchVersion");
	CHECK_STR(object_error(
		      LIST(OBJECT("<Key>k</Key><VersionId></VersionId>"))),
	    "");
	CHECK(!list.items[0].version.given);
}

static void
conditions_are_kept_or_refused(void)
{
	static const char etag[] = "0cc175b9c0f1b6a831c399e269772661";

	CHECK_STR(object_error(LIST(OBJECT(
		      "<Key>k</Key><ETag>\"0cc175b9c0f1b6a831c399e269772661\""
		      "</ETag>"))),
	    "");
	CHECK_STR(list.items[0].if_match, etag);
	CHECK_STR(object_error(LIST(OBJECT("<Key>k</Key><ETag>what?</ETag>"))),
	    "PreconditionFailed");
	CHECK_STR(object_error(LIST(OBJECT("<Size>2</Size><Key>k</Key>"))),
	    "NotImplemented");
	CHECK_STR(object_error(LIST(OBJECT(
		      "<Key>k</Key><LastModifiedTime>x</LastModifiedTime>"))),
	    "NotImplemented");
	/* The first one is told. */
	CHECK_STR(object_error(LIST(OBJECT(
		      "<Key>k</Key><VersionId>x</VersionId><Size>2</Size>"))),
	    "NoSuchVersion");
}

static void
quiet_is_the_lists(void)
{
	CHECK_STR(parse(LIST("<Quiet>true</Quiet>" OBJECT("<Key>k</Key>"))),
	    "");
	CHECK(list.quiet);
	CHECK_STR(parse(LIST(OBJECT("<Key>k</Key>") "<Quiet>false</Quiet>")),
	    "");
	CHECK(!list.quiet);
}

static void
a_document_that_is_none_deletes_nothing(void)
{
	static const char *const documents[] = {
		"",
		"<Delete/>",
		LIST("<Quiet>true</Quiet>"),
		LIST(OBJECT("")),
		LIST(OBJECT("<VersionId>null</VersionId>")),
		LIST(OBJECT("<Key></Key>")),
		LIST(OBJECT("<Key>a</Key><Key>b</Key>")),
		LIST(OBJECT("<Key>a</Key><VersionId>null</VersionId>"
			    "<VersionId>" ID "</VersionId>")),
		"<Other>" OBJECT("<Key>a</Key>") "</Other>",
		"<Delete>" OBJECT("<Key>a</Key>"),
	};

	for (size_t i = 0; i < nitems(documents); i++)
		CHECK_STR(parse(documents[i]), "MalformedXML");
}

static const char *
parse_many(unsigned count)
{
	struct buf document = buf_make(1 << 20);
	const char *code;

	buf_addstr(&document, "<Delete>");
	for (unsigned i = 0; i < count; i++)
		buf_printf(&document, OBJECT("<Key>%u</Key>"), i);
	buf_addstr(&document, "</Delete>");
	code = parse(buf_cstr(&document));
	buf_fini(&document);
	return code;
}

static void
a_thousand_is_the_most(void)
{
	CHECK_STR(parse_many(1000), "");
	CHECK(list.count == 1000);
	CHECK_STR(parse_many(1001), "MalformedXML");
}

int
main(void)
{
	RUN(keys_come_in_their_order);
	RUN(versions_of_one_key_stand_side_by_side);
	RUN(a_name_of_no_version_is_its_objects_error);
	RUN(conditions_are_kept_or_refused);
	RUN(quiet_is_the_lists);
	RUN(a_document_that_is_none_deletes_nothing);
	RUN(a_thousand_is_the_most);
	s3deletelist_fini(&list);
	return tap_done();
}
