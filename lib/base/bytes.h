/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_BYTES_H
#define KOOP_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * A borrowed view of bytes, and the text forms of bytes: little-endian
 * integers, hex, base64 (RFC 4648), percent encoding (RFC 3986).
 *
 * A struct bytes never owns what it points at; it lives as long as that.
 */

struct bytes {
	const uint8_t *p;
	size_t n;
};

#define BYTES_NONE ((struct bytes){ NULL, 0 })
struct bytes bytes_of(const void *p, size_t n);
struct bytes bytes_str(const char *s); /* without the NUL */
bool bytes_equal(struct bytes a, struct bytes b);
int bytes_compare(struct bytes a, struct bytes b); /* memcmp, then length */
bool bytes_is(struct bytes a, const char *s);
bool bytes_has_prefix(struct bytes a, struct bytes prefix);

uint16_t load_le16(const uint8_t *p);
uint32_t load_le32(const uint8_t *p);
uint64_t load_le64(const uint8_t *p);
void store_le16(uint8_t *p, uint16_t v);
void store_le32(uint8_t *p, uint32_t v);
void store_le64(uint8_t *p, uint64_t v);

/* The value of a hex digit of either case; -1: it is none. */
int hex_value(char c);
/* Lower-case hex of n bytes into out[2 n + 1], NUL-ended. */
void hex_encode(char *out, const void *p, size_t n);
/* Exactly 2 n hex digits (either case) into out[n]; false if not that. */
KOOP_MUST bool hex_decode(uint8_t *out, size_t n, const char *hex, size_t len);
/* 16 hex digits of a 64-bit number, and back (exactly 16 digits). */
void hex_u64(char out[static 17], uint64_t v);
KOOP_MUST bool hex_parse_u64(uint64_t *out, const char *hex, size_t len);

/* Bytes that base64 of n bytes takes, NUL included. */
#define BASE64_BYTES(n) (((n) + 2) / 3 * 4 + 1)
void base64_encode(char *out, const void *p, size_t n);
/* Strict (padding required).  *out_n starts as the room in out. */
KOOP_MUST bool base64_decode(uint8_t *out, size_t *out_n, const char *in,
    size_t len);

/*
 * Percent-encode into out, which has room for 3 n + 1.  Unreserved characters
 * (A-Z a-z 0-9 - . _ ~) stay; '/' stays if keep_slash.  Returns the length.
 */
size_t percent_encode(char *out, const void *p, size_t n, bool keep_slash);
/* Decode once; '+' becomes a space only if plus_is_space.  out has room for
 * len + 1 and is NUL-ended.  False on a bad escape. */
KOOP_MUST bool percent_decode(char *out, size_t *out_n, const char *in,
    size_t len, bool plus_is_space);

/* Is it well-formed UTF-8 (RFC 3629: no overlong form, no surrogate)? */
bool utf8_valid(const void *p, size_t n);

#endif
