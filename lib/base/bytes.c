/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <assert.h>
#include <string.h>

struct bytes
bytes_of(const void *p, size_t n)
{
	/* So that who has checked the length need not check the pointer. */
	assert(p != NULL || n == 0);
	return (struct bytes){ p, n };
}

struct bytes
bytes_str(const char *s)
{
	return (struct bytes){ (const uint8_t *)s, strlen(s) };
}

bool
bytes_equal(struct bytes a, struct bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int
bytes_compare(struct bytes a, struct bytes b)
{
	size_t n = KOOP_MIN(a.n, b.n);
	int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

	if (order != 0)
		return order;
	return (a.n > b.n) - (a.n < b.n);
}

bool
bytes_is(struct bytes a, const char *s)
{
	return bytes_equal(a, bytes_str(s));
}

bool
bytes_has_prefix(struct bytes a, struct bytes prefix)
{
	if (a.n < prefix.n)
		return false;
	return prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0;
}

/* The platform is little-endian (compiler.h), so memcpy is the conversion. */
uint16_t
load_le16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

uint32_t
load_le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

uint64_t
load_le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

void
store_le16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

void
store_le32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

void
store_le64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static const char hex_digits[] = "0123456789abcdef";

int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

void
hex_encode(char *out, const void *p, size_t n)
{
	const uint8_t *in = p;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = hex_digits[in[i] >> 4];
		out[2 * i + 1] = hex_digits[in[i] & 15];
	}
	out[2 * n] = '\0';
}

bool
hex_decode(uint8_t *out, size_t n, const char *hex, size_t len)
{
	if (len / 2 != n || len % 2 != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_value(hex[2 * i]);
		int low = hex_value(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		assert(high < 16 && low < 16);
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

void
hex_u64(char out[static 17], uint64_t v)
{
	for (int i = 15; i >= 0; i--) {
		out[i] = hex_digits[v & 15];
		v >>= 4;
	}
	out[16] = '\0';
}

static bool
hex_parse(uint64_t *out, const char *hex, size_t len, size_t digits)
{
	uint64_t v = 0;

	assert(digits <= 2 * sizeof(v));
	if (len != digits)
		return false;
	for (size_t i = 0; i < len; i++) {
		int value = hex_value(hex[i]);

		if (value < 0)
			return false;
		v = v << 4 | (unsigned)value;
	}
	*out = v;
	return true;
}

bool
hex_parse_u64(uint64_t *out, const char *hex, size_t len)
{
	return hex_parse(out, hex, len, 16);
}
