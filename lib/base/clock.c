/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <assert.h>
#include <limits.h>
#include <time.h>

#include "base/compiler.h"

static uint64_t
system_ms(clockid_t id)
{
	struct timespec now;
	int rc = clock_gettime(id, &now);

	assert(rc == 0 && now.tv_nsec >= 0 && now.tv_nsec < 1000000000);
	/* A machine whose date is before 1970 gets the beginning of time. */
	if (now.tv_sec < 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int64_t shift_ms;

void
clock_shift(int64_t ms)
{
	shift_ms = ms;
}

static uint64_t
system_real_ms(const struct clock *clock)
{
	(void)clock;
	return system_ms(CLOCK_REALTIME) + (uint64_t)shift_ms;
}

static uint64_t
system_mono_ms(const struct clock *clock)
{
	(void)clock;
	return system_ms(CLOCK_MONOTONIC);
}

static uint64_t
system_boot_ms(const struct clock *clock)
{
	(void)clock;
	return system_ms(CLOCK_BOOTTIME);
}

static uint64_t
system_mono_us(const struct clock *clock)
{
	struct timespec now;
	int rc = clock_gettime(CLOCK_MONOTONIC, &now);

	(void)clock;
	assert(rc == 0 && now.tv_sec >= 0);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

const struct clock clock_system = {
	.real_ms = system_real_ms,
	.mono_ms = system_mono_ms,
	.boot_ms = system_boot_ms,
	.mono_us = system_mono_us,
};

static uint64_t
manual_ms(const struct clock *clock)
{
	const struct clock_manual *manual = container_of(clock,
	    const struct clock_manual, clock);

	return manual->now_ms;
}

void
clock_manual_init(struct clock_manual *manual, uint64_t now_ms)
{
	manual->clock = (struct clock){
		.real_ms = manual_ms,
		.mono_ms = manual_ms,
		.boot_ms = manual_ms,
	};
	manual->now_ms = now_ms;
}

uint64_t
clock_real_ms(const struct clock *clock)
{
	return clock->real_ms(clock);
}

uint64_t
clock_mono_ms(const struct clock *clock)
{
	return clock->mono_ms(clock);
}

uint64_t
clock_boot_ms(const struct clock *clock)
{
	return clock->boot_ms(clock);
}

uint64_t
clock_mono_us(const struct clock *clock)
{
	return clock->mono_us != NULL ? clock->mono_us(clock) :
					clock->mono_ms(clock) * 1000;
}

int
clock_left_ms(const struct clock *clock, uint64_t deadline_mono_ms)
{
	uint64_t now = clock_mono_ms(clock);
	uint64_t left;

	if (now >= deadline_mono_ms)
		return 0;
	left = KOOP_MIN(deadline_mono_ms - now, (uint64_t)INT_MAX);
	/* 0 would say that it is past, and a caller who polls would spin. */
	assert(left > 0);
	return (int)left;
}
