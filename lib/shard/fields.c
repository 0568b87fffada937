/* SPDX-License-Identifier: MIT */

#include "shard/fields.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "base/random.h"

bool
field_number(const struct field *f, struct bytes v)
{
	assert(f->min <= f->max);
	return number_parse(f->out, (const char *)v.p, v.n, f->min, f->max);
}

bool
field_hex64(const struct field *f, struct bytes v)
{
	return hex_parse_u64(f->out, (const char *)v.p, v.n);
}

bool
field_hex(const struct field *f, struct bytes v)
{
	assert(f->max > 0);
	return hex_decode(f->out, f->max, (const char *)v.p, v.n);
}

bool
field_reqid(const struct field *f, struct bytes v)
{
	return reqid_parse(f->out, (const char *)v.p, v.n);
}

bool
field_text(const struct field *f, struct bytes v)
{
	return bytes_is(v, f->text);
}

bool
field_list(const struct field *f, struct bytes v)
{
	struct field_list *list = f->out;

	/* Sixteen digits and a comma each; the last has no comma. */
	if (v.n % 17 != 16 || v.n / 17 >= f->max)
		return false;
	list->n = 0;
	for (size_t at = 0; at < v.n; at += 17) {
		if (at > 0 && v.p[at - 1] != ',')
			return false;
		if (!hex_parse_u64(&list->item[list->n], (const char *)v.p + at,
			16))
			return false;
		list->n++;
	}
	assert(list->n >= 1 && list->n <= f->max);
	return true;
}

/* Of text from outside only the start is shown, and only if it is plain. */
static int
shown(struct bytes v)
{
	int n = 0;

	while ((size_t)n < v.n && n < 40 && v.p[n] > ' ' && v.p[n] < 127)
		n++;
	assert((size_t)n <= v.n);
	return n;
}

int
fields_take(struct field *table, size_t n, const char *what, struct bytes key,
    struct bytes value, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!bytes_is(key, table[i].key))
			continue;
		if (table[i].seen)
			return error_set(err, ERRC_CORRUPT, "%s: %s twice",
			    what, table[i].key);
		if (!table[i].parse(&table[i], value))
			return error_set(err, ERRC_CORRUPT, "%s: %s=%.*s: %s",
			    what, table[i].key, shown(value),
			    (const char *)value.p,
			    table[i].why != NULL ? table[i].why : "not valid");
		table[i].seen = true;
	}
	return 0;
}

int
fields_complete(const struct field *table, size_t n, const char *what,
    struct error *err)
{
	for (size_t i = 0; i < n; i++)
		if (!table[i].seen && !table[i].optional)
			return error_set(err, ERRC_CORRUPT, "%s: no %s", what,
			    table[i].key);
	return 0;
}

void
field_print(struct field_text *text, const char *fmt, ...)
{
	va_list ap;
	int n;

	assert(text->n < text->room);
	va_start(ap, fmt);
	n = vsnprintf(text->p + text->n, text->room - text->n, fmt, ap);
	va_end(ap);
	assert(n >= 0 && (size_t)n < text->room - text->n);
	text->n += (size_t)n;
}

void
field_print_list(struct field_text *text, const uint64_t *item, uint32_t n)
{
	char hex[17];

	for (uint32_t i = 0; i < n; i++) {
		hex_u64(hex, item[i]);
		field_print(text, "%s%s", i > 0 ? "," : "", hex);
	}
}
