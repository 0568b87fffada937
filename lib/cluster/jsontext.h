/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLUSTER_JSONTEXT_H
#define KOOP_CLUSTER_JSONTEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * JSON from outside: sizes and nesting are looked at before jansson sees the
 * text, because its parser recurses (2,048 levels deep, which our threads'
 * stacks do not have).  Members that stand twice, NUL and bytes that are no
 * UTF-8 are refused.
 */

struct buf;
struct error;

/* Integers fit 53 bits: others round what is larger. */
#define JSONTEXT_INTEGER_MAX (UINT64_C(1) << 53)

/* Is no [ or { nested deeper than max?  Says nothing about validity. */
bool jsontext_shallow(struct bytes text, unsigned max);
/* ERRC_CORRUPT, with the place, when it is not one JSON object or array. */
KOOP_MUST int jsontext_load(json_t **out, struct bytes text, size_t max_bytes,
    unsigned max_depth, struct error *err);

/* A member that is an integer from min to max; false if it is not. */
KOOP_MUST bool jsontext_integer(const json_t *object, const char *name,
    uint64_t min, uint64_t max, uint64_t *out);
/* A member that is a string; borrowed from object. */
KOOP_MUST bool jsontext_string(const json_t *object, const char *name,
    struct bytes *out);

/* Add text, which must be UTF-8, as a JSON string with its quotes. */
void jsontext_quote(struct buf *out, struct bytes text);

#endif
