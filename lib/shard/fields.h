/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_FIELDS_H
#define KOOP_SHARD_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * key=value texts of the shard layer: the payloads of BEGIN and END, and
 * receipts.  A table says which keys there are, how each is read and where to.
 * A key may come once; unknown keys are ignored.
 */

struct error;

struct field;
/* Parse value into field->out; false when it is not one. */
typedef bool field_fn(const struct field *field, struct bytes value);

struct field {
	const char *key;
	field_fn *parse;
	void *out;
	uint64_t min, max; /* of a number; room of a list or of bytes */
	const char *text;  /* for field_text */
	const char *why;   /* what a wrong value means, or NULL */
	bool optional;
	bool seen;
};

bool field_number(const struct field *f, struct bytes v); /* uint64_t */
bool field_hex64(const struct field *f, struct bytes v);  /* uint64_t */
bool field_hex(const struct field *f, struct bytes v);    /* max bytes */
bool field_reqid(const struct field *f, struct bytes v);  /* struct reqid */
bool field_text(const struct field *f, struct bytes v);   /* is f->text */

/* Comma-separated 64-bit hex numbers. */
struct field_list {
	uint64_t *item;
	uint32_t n;
};
bool field_list(const struct field *f, struct bytes v); /* at most max */

/* Give one key=value to the table.  ERRC_CORRUPT, beginning with what. */
KOOP_MUST int fields_take(struct field *table, size_t n, const char *what,
    struct bytes key, struct bytes value, struct error *err);
/* Was every key there that is not optional? */
KOOP_MUST int fields_complete(const struct field *table, size_t n,
    const char *what, struct error *err);

/* Text of bounded length into memory of the caller. */
struct field_text {
	char *p;
	size_t n, room; /* room counts the NUL */
};
void field_print(struct field_text *text, const char *fmt, ...)
    KOOP_PRINTF(2, 3);
void field_print_list(struct field_text *text, const uint64_t *item,
    uint32_t n);

#endif
