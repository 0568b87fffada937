/* SPDX-License-Identifier: MIT */
#include "http/range.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/*
 * Digits to a number that sticks at UINT64_MAX: a position beyond every size
 * needs no exact value.  Returns the first byte that is no digit.
 */
static const char *
parse_digits(const char *s, bool *any, uint64_t *out)
{
	uint64_t value = 0;

	*any = false;
	for (; *s >= '0' && *s <= '9'; s++) {
		unsigned digit = (unsigned)(*s - '0');

		*any = true;
		if (value > (UINT64_MAX - digit) / 10)
			value = UINT64_MAX;
		else
			value = value * 10 + digit;
	}
	*out = value;
	return s;
}

static const char *
skip_blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

enum range_kind
range_parse(struct range *out, const char *value, uint64_t size)
{
	uint64_t first;
	uint64_t last;
	bool has_first;
	bool has_last;

	if (value == NULL || strncasecmp(value, "bytes=", 6) != 0)
		return RANGE_NONE;
	value = parse_digits(skip_blanks(value + 6), &has_first, &first);
	if (*value != '-')
		return RANGE_NONE;
	value = parse_digits(value + 1, &has_last, &last);
	if (*skip_blanks(value) != '\0' || (!has_first && !has_last))
		return RANGE_NONE;
	if (has_first && has_last && last < first)
		return RANGE_NONE;

	if (!has_first) {
		if (last == 0 || size == 0)
			return RANGE_UNSATISFIABLE;
		out->first = last >= size ? 0 : size - last;
		out->last = size - 1;
		assert(out->first <= out->last);
		return RANGE_OK;
	}
	if (first >= size)
		return RANGE_UNSATISFIABLE;
	out->first = first;
	out->last = has_last && last < size ? last : size - 1;
	assert(out->first <= out->last && out->last < size);
	return RANGE_OK;
}
