/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

static void
an_empty_buffer_is_an_empty_text(void)
{
	struct buf b = buf_make(10);
	size_t n = 7;
	char *p;

	CHECK_STR(buf_cstr(&b), "");
	CHECK(buf_bytes(&b).n == 0);
	buf_add(&b, NULL, 0);
	CHECK(!buf_failed(&b));
	p = buf_take(&b, &n);
	CHECK_STR(p, "");
	CHECK(n == 0);
	free(p);
	buf_fini(&b);
	buf_fini(&b);
}

static void
it_holds_its_maximum_and_no_more(void)
{
	for (size_t max = 0; max < 300; max++) {
		struct buf b = buf_make(max);

		for (size_t i = 0; i < max; i++)
			buf_addch(&b, 'x');
		CHECK(!buf_failed(&b));
		CHECK(b.n == max && strlen(buf_cstr(&b)) == max);
		buf_addch(&b, 'y');
		CHECK(buf_failed(&b));
		CHECK(b.n == max);
		buf_fini(&b);
	}
}

static void
the_first_failure_sticks(void)
{
	struct buf b = buf_make(4);

	buf_addstr(&b, "abc");
	buf_addstr(&b, "de");
	buf_addstr(&b, "f");
	buf_printf(&b, "g");
	CHECK(buf_failed(&b));
	CHECK_STR(buf_cstr(&b), "abc");
	CHECK(buf_take(&b, NULL) == NULL);
	buf_clear(&b);
	CHECK(!buf_failed(&b));
	buf_addstr(&b, "abcd");
	CHECK_STR(buf_cstr(&b), "abcd");
	buf_fini(&b);
}

static void
printing_appends(void)
{
	struct buf b = buf_make(1000);

	buf_addstr(&b, "a");
	buf_printf(&b, "%d-%s", 12, "b");
	buf_printf(&b, "%200s", "c");
	CHECK(b.n == 205);
	CHECK(memcmp(b.p, "a12-b", 5) == 0 && b.p[204] == 'c');
	CHECK(b.p[205] == '\0');
	buf_fini(&b);
}

static void
printing_past_the_maximum_fails(void)
{
	struct buf b = buf_make(8);

	buf_printf(&b, "%s", "12345678");
	CHECK(!buf_failed(&b));
	buf_clear(&b);
	buf_printf(&b, "%s", "123456789");
	CHECK(buf_failed(&b));
	CHECK(b.n == 0);
	buf_fini(&b);
}

static void
what_is_consumed_goes_from_the_front(void)
{
	struct buf b = buf_make(100);
	char *to;

	buf_addstr(&b, "hello world");
	buf_consume(&b, 6);
	CHECK_STR(buf_cstr(&b), "world");
	buf_consume(&b, 0);
	buf_consume(&b, 5);
	CHECK_STR(buf_cstr(&b), "");
	to = buf_reserve(&b, 3);
	REQUIRE(to != NULL);
	memcpy(to, "xyz", 3);
	b.n += 3;
	CHECK_STR(buf_cstr(&b), "xyz");
	buf_fini(&b);
}

int
main(void)
{
	RUN(an_empty_buffer_is_an_empty_text);
	RUN(it_holds_its_maximum_and_no_more);
	RUN(the_first_failure_sticks);
	RUN(printing_appends);
	RUN(printing_past_the_maximum_fails);
	RUN(what_is_consumed_goes_from_the_front);
	return tap_done();
}
