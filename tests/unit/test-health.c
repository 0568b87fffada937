/* SPDX-License-Identifier: MIT */
#include "cluster/health.h"

#include "tap.h"

static void
nothing_known_is_healthy(void)
{
	struct health health = { 0 };

	CHECK(health.state == HEALTH_HEALTHY);
	CHECK(health_may_try(&health, 0));
	CHECK(health_p95_us(&health, 20000) == 20000);
}

static void
one_failure_is_suspect_and_two_successes_cure_it(void)
{
	struct health health = { 0 };

	health_failure(&health, 1000);
	CHECK(health.state == HEALTH_SUSPECT);
	CHECK(health_may_try(&health, 1000));
	health_success(&health, 1001, 10);
	CHECK(health.state == HEALTH_SUSPECT);
	health_success(&health, 1002, 10);
	CHECK(health.state == HEALTH_HEALTHY);
}

static void
many_failures_at_one_instant_are_one_event(void)
{
	struct health health = { 0 };

	for (int i = 0; i < 100; i++)
		health_failure(&health, 1000);
	CHECK(health.state == HEALTH_SUSPECT);
	health_failure(&health, 1000 + HEALTH_DOWN_MS);
	CHECK(health.state == HEALTH_DOWN);
}

static struct health
down_at(uint64_t now)
{
	struct health health = { 0 };

	health_failure(&health, now - HEALTH_DOWN_MS);
	health_failure(&health, now - 1);
	health_failure(&health, now);
	CHECK(health.state == HEALTH_DOWN);
	return health;
}

static void
a_node_that_is_down_is_probed_more_and_more_seldom(void)
{
	struct health health = down_at(10000);
	uint64_t now = 10000;
	uint64_t gap = 0;

	CHECK(!health_may_try(&health, now));
	for (int i = 0; i < 12; i++) {
		uint64_t since = now;

		while (!health_may_try(&health, now))
			now++;
		/* One caller probes, not all of them. */
		CHECK(!health_may_try(&health, now));
		CHECK(now - since >= gap || now - since == HEALTH_PROBE_MAX_MS);
		gap = now - since;
		CHECK(gap >= HEALTH_PROBE_MIN_MS && gap <= HEALTH_PROBE_MAX_MS);
		health_failure(&health, now);
		CHECK(health.state == HEALTH_DOWN);
	}
	CHECK(gap == HEALTH_PROBE_MAX_MS);
	health_success(&health, now, 5);
	CHECK(health.state == HEALTH_SUSPECT);
	CHECK(health_may_try(&health, now));
	health_success(&health, now, 5);
	CHECK(health.state == HEALTH_HEALTHY);
}

static void
a_probe_that_never_answers_does_not_end_probing(void)
{
	struct health health = down_at(10000);

	CHECK(health_may_try(&health, 10000 + HEALTH_PROBE_MIN_MS));
	CHECK(health_may_try(&health, 10000 + 2 * HEALTH_PROBE_MIN_MS));
}

/* Every order of the values 1 .. 100 gives the same; here, three of them. */
static void
p95_is_that_of_the_last_values(void)
{
	struct health health = { 0 };

	for (uint64_t i = 0; i < 7; i++)
		health_success(&health, 0, 50);
	CHECK(health_p95_us(&health, 9) == 9);
	health_success(&health, 0, 60);
	CHECK(health_p95_us(&health, 9) == 60);
	for (uint64_t i = 0; i < HEALTH_WINDOW; i++)
		health_success(&health, 0, (i * 37) % HEALTH_WINDOW + 1);
	CHECK(health_p95_us(&health, 9) == 61); /* ceil(0.95 * 64) */
	for (uint64_t i = 0; i < HEALTH_WINDOW; i++)
		health_success(&health, 0, HEALTH_UNTIMED - 1);
	CHECK(health_p95_us(&health, 9) == UINT32_MAX);
}

static void
a_success_without_a_time_leaves_the_p95_alone(void)
{
	struct health health = { 0 };

	for (uint64_t i = 0; i < HEALTH_WINDOW; i++)
		health_success(&health, 0, 50);
	health_failure(&health, 1000);
	CHECK(health.state == HEALTH_SUSPECT);
	for (uint64_t i = 0; i < HEALTH_WINDOW; i++)
		health_success(&health, 0, HEALTH_UNTIMED);
	CHECK(health.state == HEALTH_HEALTHY);
	CHECK(health_p95_us(&health, 9) == 50);
}

int
main(void)
{
	RUN(nothing_known_is_healthy);
	RUN(one_failure_is_suspect_and_two_successes_cure_it);
	RUN(many_failures_at_one_instant_are_one_event);
	RUN(a_node_that_is_down_is_probed_more_and_more_seldom);
	RUN(a_probe_that_never_answers_does_not_end_probing);
	RUN(p95_is_that_of_the_last_values);
	RUN(a_success_without_a_time_leaves_the_p95_alone);
	return tap_done();
}
