/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_CLOCK_H
#define KOOP_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/*
 * Time, behind an interface so that a test can wind it by hand.  Values
 * are milliseconds; the one in microseconds is for measuring how long
 * something took, never for deadlines.  real is CLOCK_REALTIME since 1970, mono
 * is CLOCK_MONOTONIC (deadlines), boot is CLOCK_BOOTTIME (ages: it counts sleep
 * and does not jump when somebody sets the date).
 */

struct clock {
	uint64_t (*real_ms)(const struct clock *clock);
	uint64_t (*mono_ms)(const struct clock *clock);
	uint64_t (*boot_ms)(const struct clock *clock);
	uint64_t (*mono_us)(const struct clock *clock);
};

extern const struct clock clock_system;
/* clock_system's date is wrong by so much from now on: for tests, by
 * KOOP_TEST_CLOCK of a build with faults (base/fault.h).  Before there are
 * threads. */
void clock_shift(int64_t ms);

/* A clock that moves only when told. */
struct clock_manual {
	struct clock clock;
	_Atomic uint64_t now_ms;
};
void clock_manual_init(struct clock_manual *manual, uint64_t now_ms);

uint64_t clock_real_ms(const struct clock *clock);
uint64_t clock_mono_ms(const struct clock *clock);
uint64_t clock_boot_ms(const struct clock *clock);
/* CLOCK_MONOTONIC; of a clock without it, its milliseconds. */
uint64_t clock_mono_us(const struct clock *clock);

/* Milliseconds from now (mono) to the deadline, 0 when past, never more than
 * INT_MAX: what poll(2) takes. */
int clock_left_ms(const struct clock *clock, uint64_t deadline_mono_ms);

/* "2006-01-02T15:04:05.000Z" and "Mon, 02 Jan 2006 15:04:05 GMT". */
void clock_iso8601(char out[static 32], uint64_t real_ms);
void clock_http_date(char out[static 32], uint64_t real_ms);
/* The three date forms of RFC 9110 5.6.7; -1 when it is none of them,
 * otherwise seconds since 1970. */
int64_t clock_parse_http_date(const char *text);
/* The same in ms, of RFC 3339: 1985-04-12T23:20:50.52Z, or with +01:00. */
int64_t clock_parse_rfc3339(const char *text);

#endif
