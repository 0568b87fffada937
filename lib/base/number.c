/* SPDX-License-Identifier: MIT */
#include "base/number.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool
number_add(uint64_t *out, uint64_t a, uint64_t b)
{
	uint64_t v;

	if (__builtin_add_overflow(a, b, &v))
		return false;
	*out = v;
	return true;
}

bool
number_mul(uint64_t *out, uint64_t a, uint64_t b)
{
	uint64_t v;

	if (__builtin_mul_overflow(a, b, &v))
		return false;
	*out = v;
	return true;
}

static bool
number_digits(uint64_t *out, const char *s, size_t len)
{
	uint64_t v = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		if (!number_mul(&v, v, 10) ||
		    !number_add(&v, v, (uint64_t)(s[i] - '0')))
			return false;
	}
	*out = v;
	return true;
}

/* Number times unit, if that is in the range. */
static bool
number_scaled(uint64_t *out, const char *s, size_t len, uint64_t unit,
    uint64_t min, uint64_t max)
{
	uint64_t v = 0;

	assert(min <= max && unit >= 1);
	if (!number_digits(&v, s, len) || !number_mul(&v, v, unit))
		return false;
	if (v < min || v > max)
		return false;
	*out = v;
	return true;
}

bool
number_parse(uint64_t *out, const char *s, size_t len, uint64_t min,
    uint64_t max)
{
	return number_scaled(out, s, len, 1, min, max);
}

bool
number_parse_size(uint64_t *out, const char *s, size_t len, uint64_t min,
    uint64_t max)
{
	static const char suffixes[] = "KkMmGgTt";
	uint64_t unit = 1;

	if (len > 3 && strncasecmp(s + len - 2, "ib", 2) == 0 &&
	    s[len - 3] != '\0' && strchr(suffixes, s[len - 3]) != NULL)
		len -= 2;
	if (len > 1 && s[len - 1] != '\0') {
		const char *at = strchr(suffixes, s[len - 1]);

		if (at != NULL) {
			unit = (uint64_t)1 << (10 * ((at - suffixes) / 2 + 1));
			len--;
		}
	}
	return number_scaled(out, s, len, unit, min, max);
}

bool
number_parse_duration(uint64_t *out_ms, const char *s, size_t len,
    uint64_t min_ms, uint64_t max_ms)
{
	static const struct {
		const char *suffix;
		uint64_t unit_ms;
	} units[] = {
		{ "ms", 1 }, /* before "s", which also ends it */
		{ "s", 1000 },
		{ "m", 60 * 1000 },
		{ "h", 3600 * 1000 },
		{ "d", 24 * 3600 * 1000 },
	};

	for (size_t i = 0; i < nitems(units); i++) {
		size_t n = strlen(units[i].suffix);

		if (len > n && memcmp(s + len - n, units[i].suffix, n) == 0)
			return number_scaled(out_ms, s, len - n,
			    units[i].unit_ms, min_ms, max_ms);
	}
	return false;
}

/*
 * Three digits or fewer before the point, one after it when it is not zero:
 * 1023, 64K, 1.5M.  Rounded down, so that 1023.99K is not printed as 1024K.
 */
void
number_print_size(char out[static 16], uint64_t bytes)
{
	static const char suffixes[] = "KMGTPE";
	unsigned shift = 0;
	unsigned whole;
	unsigned tenth;

	while (shift < 60 && bytes >> shift >= 1024)
		shift += 10;
	/* Below 1024 by now; the mask shows it to the compiler. */
	assert(bytes >> shift < 1024);
	whole = (unsigned)(bytes >> shift & 1023);
	if (shift == 0) {
		snprintf(out, 16, "%u", whole);
		return;
	}
	tenth = (unsigned)(bytes >> (shift - 10) & 1023) * 10 / 1024;
	assert(tenth <= 9);
	if (tenth == 0)
		snprintf(out, 16, "%u%c", whole, suffixes[shift / 10 - 1]);
	else
		snprintf(out, 16, "%u.%u%c", whole, tenth,
		    suffixes[shift / 10 - 1]);
}
