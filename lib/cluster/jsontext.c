/* SPDX-License-Identifier: MIT */
#include "cluster/jsontext.h"

#include <assert.h>

#include "base/buf.h"
#include "base/error.h"

bool
jsontext_shallow(struct bytes text, unsigned max)
{
	unsigned depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '[' || c == '{') {
			if (++depth > max)
				return false;
		} else if ((c == ']' || c == '}') && depth > 0) {
			depth--;
		}
	}
	return true;
}

int
jsontext_load(json_t **out, struct bytes text, size_t max_bytes,
    unsigned max_depth, struct error *err)
{
	json_error_t why;
	json_t *json;

	assert(max_bytes > 0 && max_depth > 0);
	if (text.n > max_bytes)
		return error_set(err, ERRC_CORRUPT,
		    "JSON: %zu bytes: at most %zu are allowed", text.n,
		    max_bytes);
	if (!jsontext_shallow(text, max_depth))
		return error_set(err, ERRC_CORRUPT,
		    "JSON: nested deeper than %u levels", max_depth);
	json = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES,
	    &why);
	if (json == NULL && json_error_code(&why) == json_error_out_of_memory)
		return error_set(err, ERRC_NOMEM, "JSON: out of memory");
	if (json == NULL)
		return error_set(err, ERRC_CORRUPT,
		    "JSON: line %d column %d: %s", why.line, why.column,
		    why.text);
	*out = json;
	return 0;
}

bool
jsontext_integer(const json_t *object, const char *name, uint64_t min,
    uint64_t max, uint64_t *out)
{
	const json_t *member = json_object_get(object, name);
	json_int_t value;

	assert(min <= max && max <= INT64_MAX);
	if (!json_is_integer(member))
		return false;
	value = json_integer_value(member);
	if (value < 0 || (uint64_t)value < min || (uint64_t)value > max)
		return false;
	*out = (uint64_t)value;
	return true;
}

bool
jsontext_string(const json_t *object, const char *name, struct bytes *out)
{
	const json_t *member = json_object_get(object, name);

	if (!json_is_string(member))
		return false;
	*out = bytes_of(json_string_value(member), json_string_length(member));
	return true;
}

void
jsontext_quote(struct buf *out, struct bytes text)
{
	size_t start = 0;

	buf_addch(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(out, text.p + start, i - start);
		if (c < 0x20)
			buf_printf(out, "\\u%04x", c);
		else
			buf_printf(out, "\\%c", c);
		start = i + 1;
	}
	assert(start <= text.n);
	buf_add(out, text.p + start, text.n - start);
	buf_addch(out, '"');
}
