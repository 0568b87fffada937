/* SPDX-License-Identifier: MIT */

/*
 * Dates as text.  The conversion is done here, not by the C library, whose
 * strftime() and strptime() follow the locale.
 */

#include "base/clock.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"

/* 9999-12-31T23:59:59.999Z: later dates have no four-digit year. */
#define DATE_MAX_MS UINT64_C(253402300799999)
#define DAY_MS UINT64_C(86400000)
#define DAY_S 86400

struct date {
	unsigned year, month, day; /* month and day count from 1 */
	unsigned hour, minute, second, ms;
	unsigned weekday; /* 0 is Sunday */
};

static const char *const weekdays[7] = { "Sunday", "Monday", "Tuesday",
	"Wednesday", "Thursday", "Friday", "Saturday" };
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/*
 * Days since 1970-01-01 of a date in the Gregorian calendar and back, by
 * counting years from March, so that the leap day is the last of its year
 * (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
 */
static int64_t
days_from_date(unsigned year, unsigned month, unsigned day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	assert(month >= 1 && month <= 12 && day >= 1);
	assert(doy >= 0 && doy <= 365 && doe >= 0 && doe < 146097);
	return era * 146097 + doe - 719468;
}

static struct date
clock_date_of(uint64_t real_ms)
{
	uint64_t ms = KOOP_MIN(real_ms, DATE_MAX_MS);
	uint64_t days = ms / DAY_MS;
	unsigned rest = (unsigned)(ms % DAY_MS);
	uint64_t z = days + 719468;
	uint64_t era = z / 146097;
	uint64_t doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint64_t mp = (5 * doy + 2) / 153;
	struct date date = {
		.day = (unsigned)(doy - (153 * mp + 2) / 5 + 1),
		.month = (unsigned)(mp < 10 ? mp + 3 : mp - 9),
		.hour = rest / 3600000,
		.minute = rest / 60000 % 60,
		.second = rest / 1000 % 60,
		.ms = rest % 1000,
		.weekday = (unsigned)((days + 4) % 7),
	};

	date.year = (unsigned)(yoe + era * 400 + (date.month <= 2));
	assert(date.month >= 1 && date.month <= 12);
	assert(date.day >= 1 && date.day <= 31);
	assert(date.year >= 1970 && date.year <= 9999);
	return date;
}

void
clock_iso8601(char out[static 32], uint64_t real_ms)
{
	struct date d = clock_date_of(real_ms);

	snprintf(out, 32, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", d.year % 10000,
	    d.month % 100, d.day % 100, d.hour % 100, d.minute % 100,
	    d.second % 100, d.ms % 1000);
}

void
clock_http_date(char out[static 32], uint64_t real_ms)
{
	struct date d = clock_date_of(real_ms);

	assert(d.weekday < nitems(weekdays));
	snprintf(out, 32, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
	    weekdays[d.weekday], d.day, months + 3 * (d.month - 1),
	    d.year % 10000, d.hour, d.minute, d.second);
}

/* The parsers below take what they know from the front of *text. */

static bool
take(const char **text, const char *literal)
{
	size_t n = strlen(literal);

	if (strncmp(*text, literal, n) != 0)
		return false;
	*text += n;
	return true;
}

static bool
take_digits(const char **text, unsigned count, unsigned *out)
{
	unsigned v = 0;

	assert(count >= 1 && count <= 9); /* any such number fits */
	for (unsigned i = 0; i < count; i++) {
		char c = (*text)[i];

		if (c < '0' || c > '9')
			return false;
		v = v * 10 + (unsigned)(c - '0');
	}
	*text += count;
	*out = v;
	return true;
}

static bool
take_month(const char **text, unsigned *out)
{
	for (unsigned i = 0; i < 12; i++) {
		if (strncmp(*text, months + 3 * i, 3) == 0) {
			*text += 3;
			*out = i + 1;
			return true;
		}
	}
	return false;
}

static bool
take_time(const char **text, struct date *d)
{
	return take_digits(text, 2, &d->hour) && take(text, ":") &&
	    take_digits(text, 2, &d->minute) && take(text, ":") &&
	    take_digits(text, 2, &d->second);
}

/* The weekday, long or short; it must be one, but need not be right. */
static bool
take_weekday(const char **text, bool full)
{
	for (unsigned i = 0; i < 7; i++) {
		size_t n = full ? strlen(weekdays[i]) : 3;

		if (strncmp(*text, weekdays[i], n) == 0) {
			*text += n;
			return true;
		}
	}
	return false;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool
parse_imf(const char *s, struct date *d)
{
	return take_weekday(&s, false) && take(&s, ", ") &&
	    take_digits(&s, 2, &d->day) && take(&s, " ") &&
	    take_month(&s, &d->month) && take(&s, " ") &&
	    take_digits(&s, 4, &d->year) && take(&s, " ") && take_time(&s, d) &&
	    take(&s, " GMT") && *s == '\0';
}

/* Sunday, 06-Nov-94 08:49:37 GMT.  RFC 9110 wants a year that seems more than
 * 50 years ahead to be in the past; a fixed window needs no clock. */
static bool
parse_rfc850(const char *s, struct date *d)
{
	bool ok = take_weekday(&s, true) && take(&s, ", ") &&
	    take_digits(&s, 2, &d->day) && take(&s, "-") &&
	    take_month(&s, &d->month) && take(&s, "-") &&
	    take_digits(&s, 2, &d->year) && take(&s, " ") && take_time(&s, d) &&
	    take(&s, " GMT") && *s == '\0';

	d->year += d->year < 70 ? 2000 : 1900;
	return ok;
}

/* Sun Nov  6 08:49:37 1994 */
static bool
parse_asctime(const char *s, struct date *d)
{
	if (!take_weekday(&s, false) || !take(&s, " ") ||
	    !take_month(&s, &d->month) || !take(&s, " "))
		return false;
	if (!take_digits(&s, take(&s, " ") ? 1 : 2, &d->day))
		return false;
	return take(&s, " ") && take_time(&s, d) && take(&s, " ") &&
	    take_digits(&s, 4, &d->year) && *s == '\0';
}

static unsigned
month_days(unsigned year, unsigned month)
{
	static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30,
		31, 30, 31 };
	bool leap;

	assert(month >= 1 && month <= 12);
	leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (unsigned)(month == 2 && leap);
}

/* 60 is a leap second, which POSIX time does not have. */
static bool
date_valid(const struct date *d)
{
	return d->year >= 1970 && d->month >= 1 && d->month <= 12 &&
	    d->day >= 1 && d->day <= month_days(d->year, d->month) &&
	    d->hour <= 23 && d->minute <= 59 && d->second <= 60;
}

static int64_t
date_seconds(const struct date *d)
{
	assert(d->hour <= 23 && d->minute <= 59);
	return days_from_date(d->year, d->month, d->day) * DAY_S +
	    d->hour * 3600 + d->minute * 60 + KOOP_MIN(d->second, 59u);
}

/* .52, of which three digits count */
static bool
take_fraction(const char **text, unsigned *ms)
{
	unsigned digit, weight = 100;

	*ms = 0;
	if (!take(text, "."))
		return true;
	if (!take_digits(text, 1, &digit))
		return false;
	do {
		*ms += digit * weight;
		weight /= 10;
	} while (take_digits(text, 1, &digit));
	return true;
}

/* Z, +01:00 or -01:00 */
static bool
take_offset(const char **text, int64_t *seconds)
{
	unsigned hours, minutes;
	bool east;

	*seconds = 0;
	if (take(text, "Z") || take(text, "z"))
		return true;
	east = take(text, "+");
	if (!east && !take(text, "-"))
		return false;
	if (!take_digits(text, 2, &hours) || !take(text, ":") ||
	    !take_digits(text, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*seconds = (int64_t)hours * 3600 + minutes * 60;
	if (!east)
		*seconds = -*seconds;
	return true;
}

int64_t
clock_parse_rfc3339(const char *text)
{
	struct date d = { 0 };
	int64_t offset, seconds;

	if (!take_digits(&text, 4, &d.year) || !take(&text, "-") ||
	    !take_digits(&text, 2, &d.month) || !take(&text, "-") ||
	    !take_digits(&text, 2, &d.day) ||
	    (!take(&text, "T") && !take(&text, "t") && !take(&text, " ")) ||
	    !take_time(&text, &d) || !take_fraction(&text, &d.ms) ||
	    !take_offset(&text, &offset) || *text != '\0' || !date_valid(&d))
		return -1;
	seconds = date_seconds(&d) - offset;
	return seconds < 0 ? -1 : seconds * 1000 + d.ms;
}

int64_t
clock_parse_http_date(const char *text)
{
	struct date d = { 0 };

	if (!parse_imf(text, &d) && !parse_rfc850(text, &d) &&
	    !parse_asctime(text, &d))
		return -1;
	return date_valid(&d) ? date_seconds(&d) : -1;
}
