/* SPDX-License-Identifier: MIT */
#include "wire/nodetime.h"

#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "tap.h"

#define HOUR_MS (UINT64_C(3600) * 1000)
#define DAY_MS (24 * HOUR_MS)
#define NOW_MS (UINT64_C(1700000000) * 1000)

/* The process has one hybrid clock, and it only grows: so each test begins
 * later than the one before ended. */
static struct clock_manual manual;
static uint64_t base_ms = NOW_MS;

static const struct clock *
begin(void)
{
	base_ms += 1000 * DAY_MS;
	clock_manual_init(&manual, base_ms);
	return &manual.clock;
}

static void
an_id_is_never_older_than_what_was_heard(void)
{
	const struct clock *clock = begin();
	struct reqid id = reqid_new(clock, &random_system);

	CHECK(reqid_time_ms(id) == base_ms);
	nodetime_hear(clock, base_ms + 30 * DAY_MS);
	CHECK(reqid_is_behind(id));
	id = reqid_new(clock, &random_system);
	CHECK(reqid_time_ms(id) == base_ms + 30 * DAY_MS);
	CHECK(!reqid_is_behind(id));
	/* What is earlier than what is known changes nothing. */
	nodetime_hear(clock, base_ms);
	id = reqid_new(clock, &random_system);
	CHECK(reqid_time_ms(id) == base_ms + 30 * DAY_MS);
	CHECK(reqid_heard_ms() == base_ms + 30 * DAY_MS);
}

static void
a_clock_that_is_ahead_is_the_later_one(void)
{
	const struct clock *clock = begin();
	struct reqid id;

	nodetime_hear(clock, base_ms - 3 * DAY_MS);
	id = reqid_new(clock, &random_system);
	CHECK(reqid_time_ms(id) == base_ms);
	CHECK(!nodetime_is_skewed(clock));
}

static void
nothing_was_told_is_no_time(void)
{
	const struct clock *clock = begin();
	uint64_t heard = reqid_heard_ms();

	nodetime_hear(clock, 0);
	/* Out of all reason: it would use up the ids of all ages. */
	nodetime_hear(clock, UINT64_C(1) << 48);
	nodetime_hear(clock, UINT64_MAX);
	CHECK(reqid_heard_ms() == heard);
	CHECK(reqid_time_ms(reqid_new(clock, &random_system)) == base_ms);
}

static void
ten_seconds_are_no_skew(void)
{
	const struct clock *clock = begin();

	nodetime_hear(clock, base_ms + REQID_SKEW_MS);
	CHECK(reqid_skew_ms(clock) == REQID_SKEW_MS);
	CHECK(!nodetime_is_skewed(clock));
	nodetime_hear(clock, base_ms + REQID_SKEW_MS + 1);
	CHECK(nodetime_is_skewed(clock));
	/* Time heals it. */
	clock_manual_init(&manual, base_ms + REQID_SKEW_MS + 1);
	CHECK(reqid_skew_ms(clock) == 0 && !nodetime_is_skewed(clock));
}

static void
only_an_id_that_is_behind_is_minted_anew(void)
{
	const struct clock *clock = begin();
	struct reqid id = reqid_new(clock, &random_system);
	struct reqid kept = id;

	nodetime_freshen(&id, clock, &random_system);
	CHECK(reqid_equal(id, kept));
	/* Other writers are a little ahead, always. */
	nodetime_hear(clock, base_ms + REQID_BEHIND_MS);
	nodetime_freshen(&id, clock, &random_system);
	CHECK(reqid_equal(id, kept));
	nodetime_hear(clock, base_ms + REQID_BEHIND_MS + 1);
	nodetime_freshen(&id, clock, &random_system);
	CHECK(!reqid_equal(id, kept));
	CHECK(reqid_time_ms(id) == base_ms + REQID_BEHIND_MS + 1);
}

int
main(void)
{
	RUN(an_id_is_never_older_than_what_was_heard);
	RUN(a_clock_that_is_ahead_is_the_later_one);
	RUN(nothing_was_told_is_no_time);
	RUN(ten_seconds_are_no_skew);
	RUN(only_an_id_that_is_behind_is_minted_anew);
	return tap_done();
}
