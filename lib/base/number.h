/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_NUMBER_H
#define KOOP_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * Numbers from outside.  Every parser takes a minimum and a maximum, checked
 * at 64 bits; the whole text must be the number: no sign, space or rest.
 */

KOOP_MUST bool number_parse(uint64_t *out, const char *s, size_t len,
    uint64_t min, uint64_t max);
/* With an optional suffix of powers of 1024: K, k, KiB or kib, and so for M, G
 * and T.  KB is refused: it is 1000 to some. */
KOOP_MUST bool number_parse_size(uint64_t *out, const char *s, size_t len,
    uint64_t min, uint64_t max);
/* Milliseconds; a suffix ms, s, m, h or d is required. */
KOOP_MUST bool number_parse_duration(uint64_t *out_ms, const char *s,
    size_t len, uint64_t min_ms, uint64_t max_ms);

/* "64K", "1.5M" style for people; out[16]. */
void number_print_size(char out[static 16], uint64_t bytes);

/* Checked arithmetic: false (and *out untouched) on overflow. */
KOOP_MUST bool number_add(uint64_t *out, uint64_t a, uint64_t b);
KOOP_MUST bool number_mul(uint64_t *out, uint64_t a, uint64_t b);

#endif
