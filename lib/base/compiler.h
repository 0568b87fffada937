/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_COMPILER_H
#define KOOP_BASE_COMPILER_H

/* Attributes and small macros that every layer uses; no functions. */

#include <stddef.h>
#include <stdint.h>

#define KOOP_MUST __attribute__((warn_unused_result))
#define KOOP_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define KOOP_UNUSED __attribute__((unused))
#define KOOP_NORETURN __attribute__((noreturn))

#define nitems(array) (sizeof(array) / sizeof((array)[0]))
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define KOOP_MIN(a, b) ((a) < (b) ? (a) : (b))
#define KOOP_MAX(a, b) ((a) > (b) ? (a) : (b))

_Static_assert(sizeof(size_t) == 8, "Koop needs a 64-bit platform");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "Koop is built for little-endian machines");

#endif
