/* SPDX-License-Identifier: MIT */

#include "s3/s3cond.h"

#include <stddef.h>

#include "tap.h"

/* 2026-11-22 12:00:00.900 */
#define MODIFIED 1795348800900u
#define SAME "Sun, 22 Nov 2026 12:00:00 GMT"
#define BEFORE "Sun, 22 Nov 2026 11:59:59 GMT"
#define AFTER "Sun, 22 Nov 2026 12:00:01 GMT"

static enum s3cond_result
check(struct s3cond cond)
{
	return s3cond_check(&cond, "abc", MODIFIED);
}

static void
etag_lists_take_every_form(void)
{
	CHECK(s3cond_list_has("\"abc\"", "abc", false));
	CHECK(s3cond_list_has("abc", "abc", false));
	CHECK(s3cond_list_has("*", "abc", false));
	CHECK(s3cond_list_has("\"x\", \"abc\"", "abc", false));
	CHECK(s3cond_list_has("x,abc ,y", "abc", false));
	CHECK(s3cond_list_has(" , \"abc\"", "abc", false));
	CHECK(s3cond_list_has("W/\"abc\"", "abc", true));
	CHECK(!s3cond_list_has("W/\"abc\"", "abc", false));
	CHECK(s3cond_list_has("\"a,b\",\"abc\"", "abc", false));
	CHECK(!s3cond_list_has("", "abc", false));
	CHECK(!s3cond_list_has("\"abc", "abc", false));
	CHECK(!s3cond_list_has("\"abcd\"", "abc", false));
	CHECK(!s3cond_list_has("\"ab\"", "abc", false));
	CHECK(!s3cond_list_has("\"\"", "abc", false));
	CHECK(!s3cond_list_has("\"ABC\"", "abc", false));
}

static void
if_match_and_if_none_match(void)
{
	CHECK(check((struct s3cond){ 0 }) == S3COND_GO);
	CHECK(check((struct s3cond){ .if_match = "\"abc\"" }) == S3COND_GO);
	CHECK(check((struct s3cond){ .if_match = "\"x\"" }) == S3COND_FAILED);
	CHECK(check((struct s3cond){ .if_none_match = "\"abc\"" }) ==
	    S3COND_NOT_MODIFIED);
	CHECK(check((struct s3cond){ .if_none_match = "\"x\"" }) == S3COND_GO);
	CHECK(check((struct s3cond){ .if_none_match = "W/\"abc\"" }) ==
	    S3COND_NOT_MODIFIED);
}

static void
dates_have_a_resolution_of_a_second(void)
{
	CHECK(check((struct s3cond){ .if_modified_since = SAME }) ==
	    S3COND_NOT_MODIFIED);
	CHECK(check((struct s3cond){ .if_modified_since = AFTER }) ==
	    S3COND_NOT_MODIFIED);
	CHECK(
	    check((struct s3cond){ .if_modified_since = BEFORE }) == S3COND_GO);
	CHECK(
	    check((struct s3cond){ .if_unmodified_since = SAME }) == S3COND_GO);
	CHECK(check((struct s3cond){ .if_unmodified_since = BEFORE }) ==
	    S3COND_FAILED);
	CHECK(check((struct s3cond){ .if_unmodified_since = "nonsense" }) ==
	    S3COND_GO);
	CHECK(check((struct s3cond){ .if_modified_since = "nonsense" }) ==
	    S3COND_GO);
}

static void
etags_beat_dates_and_412_beats_304(void)
{
	CHECK(check((struct s3cond){ .if_match = "abc",
		  .if_unmodified_since = BEFORE }) == S3COND_GO);
	CHECK(check((struct s3cond){ .if_none_match = "x",
		  .if_modified_since = AFTER }) == S3COND_GO);
	CHECK(check((struct s3cond){ .if_none_match = "abc",
		  .if_modified_since = BEFORE }) == S3COND_NOT_MODIFIED);
	CHECK(check((struct s3cond){ .if_match = "x",
		  .if_none_match = "abc" }) == S3COND_FAILED);
	CHECK(check((struct s3cond){ .if_match = "abc",
		  .if_none_match = "abc" }) == S3COND_NOT_MODIFIED);
}

static void
if_range_keeps_the_range_only_for_the_same_version(void)
{
	struct s3cond cond = { 0 };

	CHECK(s3cond_range_applies(&cond, "abc", MODIFIED));
	cond.if_range = "\"abc\"";
	CHECK(s3cond_range_applies(&cond, "abc", MODIFIED));
	cond.if_range = "\"x\"";
	CHECK(!s3cond_range_applies(&cond, "abc", MODIFIED));
	cond.if_range = SAME;
	CHECK(s3cond_range_applies(&cond, "abc", MODIFIED));
	cond.if_range = AFTER;
	CHECK(!s3cond_range_applies(&cond, "abc", MODIFIED));
	cond.if_range = "W/\"abc\"";
	CHECK(!s3cond_range_applies(&cond, "abc", MODIFIED));
}

int
main(void)
{
	RUN(etag_lists_take_every_form);
	RUN(if_match_and_if_none_match);
	RUN(dates_have_a_resolution_of_a_second);
	RUN(etags_beat_dates_and_412_beats_304);
	RUN(if_range_keeps_the_range_only_for_the_same_version);
	return tap_done();
}
