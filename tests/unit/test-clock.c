/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "base/compiler.h"
#include "tap.h"

static void
a_manual_clock_moves_only_when_told(void)
{
	struct clock_manual manual;

	clock_manual_init(&manual, 1000);
	CHECK(clock_real_ms(&manual.clock) == 1000);
	CHECK(clock_mono_ms(&manual.clock) == 1000);
	manual.now_ms += 5;
	CHECK(clock_boot_ms(&manual.clock) == 1005);
}

static void
what_is_left_never_is_less_than_nothing(void)
{
	struct clock_manual manual;

	clock_manual_init(&manual, 1000);
	CHECK(clock_left_ms(&manual.clock, 1001) == 1);
	CHECK(clock_left_ms(&manual.clock, 1000) == 0);
	CHECK(clock_left_ms(&manual.clock, 0) == 0);
	CHECK(clock_left_ms(&manual.clock, UINT64_MAX) == INT_MAX);
}

static void
the_system_clock_goes_forward(void)
{
	uint64_t mono = clock_mono_ms(&clock_system);
	uint64_t boot = clock_boot_ms(&clock_system);

	CHECK(clock_real_ms(&clock_system) > UINT64_C(1600000000000));
	CHECK(clock_mono_ms(&clock_system) >= mono);
	CHECK(clock_boot_ms(&clock_system) >= boot);
	CHECK(boot >= mono);
}

static void
dates_print_in_both_forms(void)
{
	char out[32];

	clock_iso8601(out, UINT64_C(1136214245007));
	CHECK_STR(out, "2006-01-02T15:04:05.007Z");
	clock_http_date(out, UINT64_C(1136214245999));
	CHECK_STR(out, "Mon, 02 Jan 2006 15:04:05 GMT");
	clock_iso8601(out, 0);
	CHECK_STR(out, "1970-01-01T00:00:00.000Z");
	clock_iso8601(out, UINT64_MAX);
	CHECK_STR(out, "9999-12-31T23:59:59.999Z");
}

/* Every day of four centuries and more, against the C library. */
static void
every_day_is_right_and_comes_back(void)
{
	unsigned wrong = 0;

	for (int64_t day = 0; day < 366 * 450; day++) {
		time_t t = (time_t)(day * 86400 + day * 7919 % 86400);
		struct tm tm;
		char want[32], got[32];

		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		clock_http_date(got, (uint64_t)t * 1000);
		wrong += strcmp(want, got) != 0;
		wrong += clock_parse_http_date(got) != t;
		strftime(want, sizeof(want), "%a %b %e %H:%M:%S %Y", &tm);
		wrong += clock_parse_http_date(want) != t;
	}
	CHECK(wrong == 0);
}

static void
the_three_forms_of_rfc_9110_are_read(void)
{
	static const char *const forms[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" };

	for (size_t i = 0; i < nitems(forms); i++)
		CHECK(clock_parse_http_date(forms[i]) == 784111777);
	CHECK(clock_parse_http_date("Thu, 29 Feb 2024 00:00:00 GMT") ==
	    1709164800);
	CHECK(clock_parse_http_date("Thursday, 01-Jan-70 00:00:00 GMT") == 0);
	CHECK(clock_parse_http_date("Friday, 31-Dec-69 00:00:00 GMT") ==
	    3155673600);
}

static void
other_dates_are_none(void)
{
	static const char *const bad[] = { "", "Sun", "now", "784111777",
		"Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Wed, 29 Feb 2023 00:00:00 GMT",
		"Sun, 06 Nov 1969 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Xun, 06 Nov 1994 08:49:37 GMT", "Sun Nov 06 08:49:37 94",
		"Sun, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z" };

	for (size_t i = 0; i < nitems(bad); i++)
		CHECK(clock_parse_http_date(bad[i]) == -1);
}

static void
the_times_of_rfc_3339_are_read(void)
{
	static const struct {
		const char *text;
		int64_t ms;
	} times[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1985-04-12T23:20:50.52Z", 482196050520 },
		{ "1996-12-19T16:39:57-08:00", 851042397000 },
		{ "1996-12-20 00:39:57z", 851042397000 },
		{ "1990-12-31t23:59:60Z", 662687999000 },
		{ "1937-01-01T12:00:27.87+00:20", -1 },
		{ "2000-02-29T00:00:00.0019999Z", 951782400001 },
		{ "9999-12-31T23:59:59.999Z", 253402300799999 },
	};
	char back[32];

	for (size_t i = 0; i < nitems(times); i++)
		CHECK(clock_parse_rfc3339(times[i].text) == times[i].ms);
	clock_iso8601(back, 482196050520);
	CHECK(clock_parse_rfc3339(back) == 482196050520);
}

static void
other_times_are_none(void)
{
	static const char *const bad[] = { "", "now", "1985-04-12",
		"1985-04-12T23:20:50", "1985-04-12T23:20Z",
		"1985-04-12T23:20:50.Z", "1985-04-12T23:20:50Z ",
		"1985-04-12T23:20:50+01", "1985-04-12T23:20:50+24:00",
		"1985-13-12T23:20:50Z", "1985-00-12T23:20:50Z",
		"1985-02-29T23:20:50Z", "1985-04-12T24:00:00Z",
		"1970-01-01T00:59:59+01:00", "85-04-12T23:20:50Z" };

	for (size_t i = 0; i < nitems(bad); i++)
		CHECK(clock_parse_rfc3339(bad[i]) == -1);
}

int
main(void)
{
	RUN(a_manual_clock_moves_only_when_told);
	RUN(what_is_left_never_is_less_than_nothing);
	RUN(the_system_clock_goes_forward);
	RUN(dates_print_in_both_forms);
	RUN(every_day_is_right_and_comes_back);
	RUN(the_three_forms_of_rfc_9110_are_read);
	RUN(other_dates_are_none);
	RUN(the_times_of_rfc_3339_are_read);
	RUN(other_times_are_none);
	return tap_done();
}
