/* SPDX-License-Identifier: MIT */
#include "http/range.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tap.h"

static bool
is_range(const char *value, uint64_t size, uint64_t first, uint64_t last)
{
	struct range r = { 0, 0 };

	return range_parse(&r, value, size) == RANGE_OK && r.first == first &&
	    r.last == last;
}

static void
a_range_is_clipped_to_the_object(void)
{
	CHECK(is_range("bytes=0-0", 10, 0, 0));
	CHECK(is_range("bytes=0-", 10, 0, 9));
	CHECK(is_range("bytes=9-", 10, 9, 9));
	CHECK(is_range("bytes=2-5", 10, 2, 5));
	CHECK(is_range("bytes=2-50", 10, 2, 9));
	CHECK(is_range("bytes=2-10", 10, 2, 9));
	CHECK(is_range("Bytes=2-3", 10, 2, 3));
	CHECK(is_range("bytes= 2-3 ", 10, 2, 3));
	CHECK(is_range("bytes=0-18446744073709551615", 10, 0, 9));
	CHECK(is_range("bytes=0-99999999999999999999999", 10, 0, 9));
	CHECK(is_range("bytes=0-18446744073709551615", UINT64_MAX, 0,
	    UINT64_MAX - 1));
}

static void
a_suffix_counts_from_the_end(void)
{
	CHECK(is_range("bytes=-1", 10, 9, 9));
	CHECK(is_range("bytes=-10", 10, 0, 9));
	CHECK(is_range("bytes=-11", 10, 0, 9));
	CHECK(is_range("bytes=-99999999999999999999999", 10, 0, 9));
}

static void
a_range_beyond_the_end_cannot_be_satisfied(void)
{
	struct range r;

	CHECK(range_parse(&r, "bytes=10-", 10) == RANGE_UNSATISFIABLE);
	CHECK(range_parse(&r, "bytes=10-20", 10) == RANGE_UNSATISFIABLE);
	CHECK(range_parse(&r, "bytes=-0", 10) == RANGE_UNSATISFIABLE);
	CHECK(range_parse(&r, "bytes=0-", 0) == RANGE_UNSATISFIABLE);
	CHECK(range_parse(&r, "bytes=0-5", 0) == RANGE_UNSATISFIABLE);
	CHECK(range_parse(&r, "bytes=-5", 0) == RANGE_UNSATISFIABLE);
	CHECK(range_parse(&r, "bytes=99999999999999999999-", UINT64_MAX) ==
	    RANGE_UNSATISFIABLE);
}

static void
what_is_no_single_byte_range_is_ignored(void)
{
	static const char *const bad[] = { "", "bytes", "bytes=", "bytes=-",
		"bytes=5-2", "bytes=a-b", "bytes=1-2,4-5", "bytes=0-0,0-0",
		"items=0-5", "bytes=+1-2", "bytes=1 -2", "bytes=1-2x",
		"bytes=0x1-2", "bytes=--5", "bytes 0-5", "bytes=1-2-3",
		"bytes=1- 2", "bytes==1-2" };
	struct range r = { 77, 78 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(range_parse(&r, bad[i], 10) == RANGE_NONE);
	CHECK(range_parse(&r, NULL, 10) == RANGE_NONE);
	CHECK(r.first == 77 && r.last == 78);
}

/* Every pair of positions against every small size. */
static void
all_small_ranges_agree_with_the_definition(void)
{
	char text[64];

	for (unsigned size = 0; size < 6; size++)
		for (unsigned a = 0; a < 8; a++)
			for (unsigned b = 0; b < 8; b++) {
				struct range r = { 0, 0 };
				enum range_kind kind;

				snprintf(text, sizeof(text), "bytes=%u-%u", a,
				    b);
				kind = range_parse(&r, text, size);
				if (b < a)
					CHECK(kind == RANGE_NONE);
				else if (a >= size)
					CHECK(kind == RANGE_UNSATISFIABLE);
				else
					CHECK(kind == RANGE_OK &&
					    r.first == a &&
					    r.last ==
						(b < size ? b : size - 1));
			}
}

int
main(void)
{
	RUN(a_range_is_clipped_to_the_object);
	RUN(a_suffix_counts_from_the_end);
	RUN(a_range_beyond_the_end_cannot_be_satisfied);
	RUN(what_is_no_single_byte_range_is_ignored);
	RUN(all_small_ranges_agree_with_the_definition);
	return tap_done();
}
