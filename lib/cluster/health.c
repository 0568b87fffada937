/* SPDX-License-Identifier: MIT */
#include "cluster/health.h"

#include <assert.h>

#include "base/compiler.h"

#define P95_LEAST 8 /* below so many values a percentile says nothing */

/* Advisory, but a state in which nobody would ever be asked again is a hole
 * in the cluster: what is DOWN has a time at which it is tried. */
static void
check_health(const struct health *health)
{
	assert(health->latency_next < HEALTH_WINDOW);
	assert(health->latency_count <= HEALTH_WINDOW);
	assert(health->failures == 0 || health->successes == 0);
	assert(health->state != HEALTH_DOWN ||
	    (health->probe_gap_ms >= HEALTH_PROBE_MIN_MS &&
		health->probe_gap_ms <= HEALTH_PROBE_MAX_MS));
}

static void
note_latency(struct health *health, uint64_t latency_us)
{
	health->latency_us[health->latency_next] = (uint32_t)
	    KOOP_MIN(latency_us, UINT32_MAX);
	health->latency_next = (health->latency_next + 1) % HEALTH_WINDOW;
	if (health->latency_count < HEALTH_WINDOW)
		health->latency_count++;
}

void
health_success(struct health *health, uint64_t now_ms, uint64_t latency_us)
{
	(void)now_ms;
	if (latency_us != HEALTH_UNTIMED)
		note_latency(health, latency_us);
	health->failures = 0;
	if (health->state == HEALTH_DOWN) {
		health->state = HEALTH_SUSPECT;
		health->successes = 0;
	}
	if (health->successes < UINT32_MAX)
		health->successes++;
	if (health->state == HEALTH_SUSPECT && health->successes >= 2)
		health->state = HEALTH_HEALTHY;
	health->probe_gap_ms = 0;
	check_health(health);
}

/*
 * A burst of failures at one instant (all requests in flight, when a
 * connection breaks) is one event: DOWN needs that they go on for a while.
 */
void
health_failure(struct health *health, uint64_t now_ms)
{
	if (health->failures == 0)
		health->failed_since_ms = now_ms;
	if (health->failures < UINT32_MAX)
		health->failures++;
	health->successes = 0;

	if (health->state == HEALTH_DOWN) {
		health->probe_gap_ms = KOOP_MIN(health->probe_gap_ms * 2,
		    HEALTH_PROBE_MAX_MS);
		health->probe_at_ms = now_ms + health->probe_gap_ms;
		check_health(health);
		return;
	}
	health->state = HEALTH_SUSPECT;
	if (health->failures >= HEALTH_DOWN_FAILURES &&
	    now_ms - health->failed_since_ms >= HEALTH_DOWN_MS) {
		health->state = HEALTH_DOWN;
		health->probe_gap_ms = HEALTH_PROBE_MIN_MS;
		health->probe_at_ms = now_ms + health->probe_gap_ms;
	}
	check_health(health);
}

/*
 * The next probe is put off here, not only when this one fails, so that many
 * callers do not all probe at once, and a caller that dies does not stop it.
 */
bool
health_may_try(struct health *health, uint64_t now_ms)
{
	if (health->state != HEALTH_DOWN)
		return true;
	if (now_ms < health->probe_at_ms)
		return false;
	health->probe_at_ms = now_ms + health->probe_gap_ms;
	return true;
}

uint64_t
health_p95_us(const struct health *health, uint64_t fallback_us)
{
	uint32_t sorted[HEALTH_WINDOW];
	uint32_t n = health->latency_count;

	assert(n <= HEALTH_WINDOW);
	if (n < P95_LEAST)
		return fallback_us;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t value = health->latency_us[i];
		uint32_t at = i;

		for (; at > 0 && sorted[at - 1] > value; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = value;
	}
	return sorted[(n * 95 + 99) / 100 - 1];
}
