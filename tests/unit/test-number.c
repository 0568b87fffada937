/* SPDX-License-Identifier: MIT */
#include "base/number.h"

#include <inttypes.h>
#include <string.h>

#include "tap.h"

static bool
parses(const char *s, uint64_t *v)
{
	return number_parse(v, s, strlen(s), 0, UINT64_MAX);
}

static bool
sizes(const char *s, uint64_t *v)
{
	return number_parse_size(v, s, strlen(s), 0, UINT64_MAX);
}

static bool
lasts(const char *s, uint64_t *v)
{
	return number_parse_duration(v, s, strlen(s), 0, UINT64_MAX);
}

static void
the_whole_text_must_be_the_number(void)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x1",
		"1.0", "1e3", "12a", "\xd9\xa1" };
	uint64_t v = 9;

	for (size_t i = 0; i < nitems(bad); i++) {
		CHECK(!parses(bad[i], &v));
		CHECK(!sizes(bad[i], &v));
		CHECK(!lasts(bad[i], &v));
	}
	CHECK(!number_parse(&v, "1\0", 2, 0, 10));
	CHECK(!number_parse_size(&v, "1\0", 2, 0, 10));
	CHECK(v == 9);
	CHECK(parses("007", &v) && v == 7);
	CHECK(parses("0", &v) && v == 0);
}

static void
what_does_not_fit_64_bits_is_refused(void)
{
	uint64_t v = 9;

	CHECK(parses("18446744073709551615", &v) && v == UINT64_MAX);
	v = 9;
	CHECK(!parses("18446744073709551616", &v));
	CHECK(!parses("99999999999999999999999999", &v));
	CHECK(!sizes("16777216T", &v));
	CHECK(v == 9);
	CHECK(sizes("16777215T", &v) && v == UINT64_C(16777215) << 40);
	CHECK(!lasts("18446744073709552s", &v));
}

static void
the_range_is_inclusive(void)
{
	uint64_t v;

	CHECK(number_parse(&v, "5", 1, 5, 5) && v == 5);
	CHECK(!number_parse(&v, "4", 1, 5, 6));
	CHECK(!number_parse(&v, "7", 1, 5, 6));
	CHECK(number_parse_size(&v, "1K", 2, 1024, 1024));
	CHECK(!number_parse_size(&v, "1K", 2, 0, 1023));
	/* 2^32 + 1 is not 1 */
	CHECK(!number_parse(&v, "4294967297", 10, 1, 32));
}

static void
sizes_are_powers_of_1024(void)
{
	uint64_t v;

	CHECK(sizes("3", &v) && v == 3);
	CHECK(sizes("3K", &v) && v == 3 << 10);
	CHECK(sizes("3M", &v) && v == 3 << 20);
	CHECK(sizes("3G", &v) && v == UINT64_C(3) << 30);
	CHECK(sizes("3T", &v) && v == UINT64_C(3) << 40);
	CHECK(sizes("64k", &v) && v == 64 << 10);
	CHECK(sizes("3m", &v) && v == 3 << 20);
	CHECK(sizes("3g", &v) && v == UINT64_C(3) << 30);
	CHECK(sizes("3t", &v) && v == UINT64_C(3) << 40);
	CHECK(sizes("3KiB", &v) && v == 3 << 10);
	CHECK(sizes("3mib", &v) && v == 3 << 20);
	CHECK(!sizes("K", &v) && !sizes("3KK", &v) && !sizes("KiB", &v));
	CHECK(!sizes("3iB", &v) && !sizes("3Ki", &v) && !sizes("3kb", &v));
	CHECK(!sizes("64Q", &v) && !sizes("3KB", &v));
}

static void
durations_need_a_unit(void)
{
	uint64_t v;

	CHECK(lasts("7ms", &v) && v == 7);
	CHECK(lasts("7s", &v) && v == 7000);
	CHECK(lasts("7m", &v) && v == 420000);
	CHECK(lasts("7h", &v) && v == 7 * UINT64_C(3600000));
	CHECK(lasts("7d", &v) && v == 7 * UINT64_C(86400000));
	CHECK(!lasts("7", &v) && !lasts("s", &v) && !lasts("ms", &v));
	CHECK(!lasts("7 s", &v) && !lasts("7us", &v) && !lasts("7sm", &v));
}

static void
sizes_print_for_people(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} pairs[] = { { 0, "0" }, { 1023, "1023" }, { 1024, "1K" },
		{ 1536, "1.5K" }, { 65536, "64K" },
		{ (1 << 20) - 1, "1023.9K" }, { 1 << 20, "1M" },
		{ UINT64_MAX, "15.9E" } };
	char out[16];

	for (size_t i = 0; i < nitems(pairs); i++) {
		number_print_size(out, pairs[i].bytes);
		CHECK_STR(out, pairs[i].text);
	}
}

static void
overflow_leaves_the_result_alone(void)
{
	uint64_t v = 9;

	CHECK(number_add(&v, UINT64_MAX - 1, 1) && v == UINT64_MAX);
	v = 9;
	CHECK(!number_add(&v, UINT64_MAX, 1) && v == 9);
	CHECK(!number_mul(&v, UINT64_C(1) << 32, UINT64_C(1) << 32) && v == 9);
	CHECK(number_mul(&v, UINT64_C(1) << 32, UINT64_C(1) << 31));
	CHECK(v == UINT64_C(1) << 63);
}

int
main(void)
{
	RUN(the_whole_text_must_be_the_number);
	RUN(what_does_not_fit_64_bits_is_refused);
	RUN(the_range_is_inclusive);
	RUN(sizes_are_powers_of_1024);
	RUN(durations_need_a_unit);
	RUN(sizes_print_for_people);
	RUN(overflow_leaves_the_result_alone);
	return tap_done();
}
