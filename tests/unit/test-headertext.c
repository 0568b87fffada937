/* SPDX-License-Identifier: MIT */
#include "shard/headertext.h"

#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "shard/headeroption.h"
#include "tap.h"

static int
add(struct buf *b, const char *name, const char *value)
{
	return headertext_add(b, bytes_str(name), bytes_str(value), NULL);
}

static int
check(const char *text)
{
	return headertext_check(bytes_str(text), NULL);
}

static void
names_are_written_as_they_are_stored(void)
{
	struct buf b = buf_make(HEADERTEXT_MAX);

	CHECK(add(&b, "content-TYPE", "video/mp4") == 0);
	CHECK(add(&b, "X-Amz-Meta-Year", "1927") == 0);
	CHECK(
	    headertext_add_line(&b, bytes_str("expires: \t now\r"), NULL) == 0);
	CHECK_STR(buf_cstr(&b),
	    "Content-Type: video/mp4\nx-amz-meta-year: 1927\n"
	    "Expires: now\n");
	CHECK(headertext_check(buf_bytes(&b), NULL) == 0);
	CHECK(headertext_has(buf_bytes(&b), bytes_str("EXPIRES")));
	CHECK(!headertext_has(buf_bytes(&b), bytes_str("EXPIRE")));
	CHECK(add(&b, "Content-Type", "x") == -ERRC_USAGE);
	CHECK(add(&b, "x-amz-META-year", "x") == -ERRC_USAGE);
	buf_fini(&b);
}

static void
what_is_not_kept_or_no_header_is_refused(void)
{
	static const char *const bad[][2] = {
		{ "Content-Length", "1" },
		{ "Host", "x" },
		{ "x-amz-meta-", "x" },
		{ "x-amz-acl", "x" },
		{ "", "x" },
		{ "Content-Type ", "x" },
		{ "x-amz-meta-a b", "x" },
		{ "Content-Type", "a\nb" },
		{ "Content-Type", "a\x01" },
		{ "Content-Type", "\xff" },
	};
	struct buf b = buf_make(HEADERTEXT_MAX);

	for (size_t i = 0; i < nitems(bad); i++)
		CHECK(add(&b, bad[i][0], bad[i][1]) == -ERRC_USAGE);
	CHECK(headertext_add_line(&b, bytes_str("no colon"), NULL) ==
	    -ERRC_USAGE);
	CHECK(headertext_add_line(&b, bytes_str(""), NULL) == -ERRC_USAGE);
	CHECK(b.n == 0);
	buf_fini(&b);
}

static void
there_is_a_limit_for_all_of_them(void)
{
	struct buf b = buf_make(HEADERTEXT_MAX);
	static char value[HEADERTEXT_MAX];

	memset(value, 'x', sizeof(value) - sizeof("Expires: "));
	CHECK(add(&b, "Expires", value) == 0);
	CHECK(b.n == HEADERTEXT_MAX);
	CHECK(add(&b, "Content-Type", "") == -ERRC_USAGE);
	CHECK(headertext_check(buf_bytes(&b), NULL) == 0);
	buf_fini(&b);
}

static void
text_from_outside_is_checked(void)
{
	CHECK(check("") == 0);
	CHECK(check("A: \n") == 0);
	CHECK(check("A: b\nC: d\n") == 0);
	CHECK(check("A: b") == -ERRC_CORRUPT);
	CHECK(check("A:b\n") == -ERRC_CORRUPT);
	CHECK(check("A:\n") == -ERRC_CORRUPT);
	CHECK(check("A\n") == -ERRC_CORRUPT);
	CHECK(check("\n") == -ERRC_CORRUPT);
	CHECK(check(": b\n") == -ERRC_CORRUPT);
	CHECK(check("A b: c\n") == -ERRC_CORRUPT);
	CHECK(check("A: b\rc\n") == -ERRC_CORRUPT);
	CHECK(check("A: b\na: c\n") == -ERRC_CORRUPT);
	CHECK(check("A: \xc3\n") == -ERRC_CORRUPT);
}

static void
lines_come_back_in_order(void)
{
	struct bytes rest = bytes_str("A: b\nC: d: e\nF: \n");
	struct bytes name, value;

	CHECK(headertext_next(&rest, &name, &value));
	CHECK(bytes_is(name, "A") && bytes_is(value, "b"));
	CHECK(headertext_next(&rest, &name, &value));
	CHECK(bytes_is(name, "C") && bytes_is(value, "d: e"));
	CHECK(headertext_next(&rest, &name, &value));
	CHECK(bytes_is(name, "F") && value.n == 0);
	CHECK(!headertext_next(&rest, &name, &value));
}

static void
an_option_without_a_value_takes_a_header_away(void)
{
	struct buf with = buf_make(HEADERTEXT_MAX);
	struct buf without = buf_make(HEADERTEXT_MAX);
	struct error err;

	CHECK(headeroption_add(&with, &without, "Expires: ", NULL) == 0);
	CHECK(headeroption_add(&with, &without, "Content-Type:a", NULL) == 0);
	CHECK_STR(buf_cstr(&with), "Content-Type: a\n");
	CHECK_STR(buf_cstr(&without), "Expires: \n");
	CHECK(headeroption_add(&with, NULL, "Expires:", &err) == -ERRC_USAGE);
	CHECK(headeroption_add(&with, &without, "@/no/where", &err) ==
	    -ERRC_NOINPUT);
	buf_fini(&with);
	buf_fini(&without);
}

int
main(void)
{
	RUN(names_are_written_as_they_are_stored);
	RUN(what_is_not_kept_or_no_header_is_refused);
	RUN(there_is_a_limit_for_all_of_them);
	RUN(text_from_outside_is_checked);
	RUN(lines_come_back_in_order);
	RUN(an_option_without_a_value_takes_a_header_away);
	return tap_done();
}
