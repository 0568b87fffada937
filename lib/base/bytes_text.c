/* SPDX-License-Identifier: MIT */

/* The text forms of bytes that are longer than a few lines: base64, percent
 * encoding, and the check of UTF-8. */

#include "base/bytes.h"

#include <assert.h>
#include <string.h>

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(char *out, const void *p, size_t n)
{
	const uint8_t *in = p;

	while (n > 0) {
		uint32_t v = (uint32_t)in[0] << 16;

		if (n > 1)
			v |= (uint32_t)in[1] << 8;
		if (n > 2)
			v |= in[2];
		out[0] = base64_digits[v >> 18];
		out[1] = base64_digits[v >> 12 & 63];
		out[2] = n > 1 ? base64_digits[v >> 6 & 63] : '=';
		out[3] = n > 2 ? base64_digits[v & 63] : '=';
		out += 4;
		in += KOOP_MIN(n, (size_t)3);
		n -= KOOP_MIN(n, (size_t)3);
	}
	*out = '\0';
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return -1;
}

/*
 * One group of four digits into v.  pad is how many of the four are '=',
 * which stand at the end; the bits that they leave over must be zero, so that
 * there is one text for each value.
 */
static bool
base64_group(uint32_t *v, const char *in, size_t pad)
{
	uint32_t bits = 0;

	assert(pad <= 2);
	for (size_t i = 0; i < 4 - pad; i++) {
		int value = base64_value(in[i]);

		if (value < 0)
			return false;
		bits |= (uint32_t)value << (18 - 6 * i);
	}
	if ((pad == 1 && (bits & 0xff) != 0) ||
	    (pad == 2 && (bits & 0xffff) != 0))
		return false;
	*v = bits;
	return true;
}

bool
base64_decode(uint8_t *out, size_t *out_n, const char *in, size_t len)
{
	size_t pad = 0;
	size_t need;
	size_t at = 0;

	if (len % 4 != 0)
		return false;
	if (len > 0 && in[len - 1] == '=')
		pad = in[len - 2] == '=' ? 2 : 1;
	need = len / 4 * 3 - pad;
	if (need > *out_n)
		return false;
	for (size_t i = 0; i < len; i += 4) {
		uint32_t v = 0;

		if (!base64_group(&v, in + i, i + 4 == len ? pad : 0))
			return false;
		for (int shift = 16; shift >= 0 && at < need; shift -= 8)
			out[at++] = (uint8_t)(v >> shift);
	}
	assert(at == need);
	*out_n = need;
	return true;
}

static bool
percent_unreserved(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	    c == '~';
}

size_t
percent_encode(char *out, const void *p, size_t n, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	const uint8_t *in = p;
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = in[i];

		if (percent_unreserved(c) || (keep_slash && c == '/')) {
			out[at++] = (char)c;
			continue;
		}
		out[at++] = '%';
		out[at++] = digits[c >> 4];
		out[at++] = digits[c & 15];
	}
	assert(at >= n && at <= 3 * n); /* the room that the header asks for */
	out[at] = '\0';
	return at;
}

bool
percent_decode(char *out, size_t *out_n, const char *in, size_t len,
    bool plus_is_space)
{
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t byte;

		if (in[i] == '+' && plus_is_space) {
			out[at++] = ' ';
		} else if (in[i] != '%') {
			out[at++] = in[i];
		} else {
			if (len - i < 3 || !hex_decode(&byte, 1, in + i + 1, 2))
				return false;
			out[at++] = (char)byte;
			i += 2;
		}
	}
	assert(at <= len);
	out[at] = '\0';
	*out_n = at;
	return true;
}

/* Length of the well-formed character at p (of n bytes left), 0 if none. */
static size_t
utf8_character(const uint8_t *p, size_t n)
{
	uint8_t low = 0x80;
	uint8_t high = 0xbf;
	size_t len;

	assert(n > 0);
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	/* The second byte excludes overlong forms, surrogates, and what is
	 * past U+10FFFF. */
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (n < len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

bool
utf8_valid(const void *p, size_t n)
{
	const uint8_t *in = p;

	while (n > 0) {
		size_t len = utf8_character(in, n);

		if (len == 0)
			return false;
		assert(len <= n);
		in += len;
		n -= len;
	}
	return true;
}
