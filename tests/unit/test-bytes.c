/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

static void
views_compare_by_content_then_length(void)
{
	struct bytes abc = bytes_str("abc");
	struct bytes abd = bytes_str("abd");
	struct bytes ab = bytes_of("abx", 2);

	CHECK(bytes_equal(BYTES_NONE, bytes_str("")));
	CHECK(!bytes_equal(abc, ab));
	CHECK(bytes_is(ab, "ab"));
	CHECK(bytes_compare(abc, abd) < 0);
	CHECK(bytes_compare(abc, ab) > 0);
	CHECK(bytes_compare(ab, abc) < 0);
	CHECK(bytes_compare(abc, abc) == 0);
	CHECK(bytes_compare(BYTES_NONE, abc) < 0);
	CHECK(bytes_compare(bytes_str("\x80"), bytes_str("\x7f")) > 0);
	CHECK(bytes_has_prefix(abc, ab));
	CHECK(bytes_has_prefix(abc, BYTES_NONE));
	CHECK(!bytes_has_prefix(ab, abc));
}

static void
integers_are_little_endian(void)
{
	uint8_t b[9] = { 0 };

	store_le64(b + 1, UINT64_C(0x0123456789abcdef));
	CHECK(b[1] == 0xef && b[8] == 0x01);
	CHECK(load_le64(b + 1) == UINT64_C(0x0123456789abcdef));
	CHECK(load_le32(b + 1) == 0x89abcdefu);
	CHECK(load_le16(b + 1) == 0xcdefu);
	store_le32(b + 1, 0x11223344u);
	store_le16(b + 5, 0x5566u);
	CHECK(memcmp(b, "\0\x44\x33\x22\x11\x66\x55\x23\x01", 9) == 0);
}

static void
hex_survives_a_round_trip(void)
{
	uint8_t in[256], out[256];
	char text[513];
	char lone[2] = { 0 };

	for (int i = 0; i < 256; i++)
		in[i] = (uint8_t)i;
	hex_encode(text, in, 256);
	CHECK(strlen(text) == 512);
	CHECK(hex_decode(out, 256, text, 512));
	CHECK(memcmp(in, out, 256) == 0);
	CHECK(hex_decode(out, 2, "aBCd", 4) && out[0] == 0xab);
	CHECK(!hex_decode(out, 2, "abc", 3));
	CHECK(!hex_decode(out, 2, "abcde", 5));
	CHECK(!hex_decode(out, 1, "abcd", 4));
	/* every character that is no digit */
	for (int c = 0; c < 256; c++) {
		bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
		    (c >= 'A' && c <= 'F');

		lone[0] = '0';
		lone[1] = (char)c;
		CHECK(hex_decode(out, 1, lone, 2) == digit);
	}
}

static void
hex_numbers_have_exactly_their_digits(void)
{
	char text[17];
	uint64_t v = 7;

	hex_u64(text, UINT64_C(0xfedcba9876543210));
	CHECK_STR(text, "fedcba9876543210");
	CHECK(hex_parse_u64(&v, text, 16));
	CHECK(v == UINT64_C(0xfedcba9876543210));
	CHECK(!hex_parse_u64(&v, text, 15));
	CHECK(!hex_parse_u64(&v, "0x00000000000001", 16));
}

static void
base64_meets_rfc_4648(void)
{
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" },
		{ "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };
	char text[16];
	uint8_t out[16];

	for (size_t i = 0; i < nitems(pairs); i++) {
		size_t n = sizeof(out);

		base64_encode(text, pairs[i][0], strlen(pairs[i][0]));
		CHECK_STR(text, pairs[i][1]);
		CHECK(base64_decode(out, &n, text, strlen(text)));
		CHECK(bytes_is(bytes_of(out, n), pairs[i][0]));
		CHECK(BASE64_BYTES(strlen(pairs[i][0])) == strlen(text) + 1);
	}
}

static void
base64_has_one_text_for_each_value(void)
{
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zh==", "Zm9=",
		"Zg==Zg==", "=Zg=", "Z===", "====", "Zg= ", "Zm9v\n", "Zm-v",
		"Zm9vZg=a" };
	uint8_t out[16];
	size_t n;

	for (size_t i = 0; i < nitems(bad); i++) {
		n = sizeof(out);
		CHECK(!base64_decode(out, &n, bad[i], strlen(bad[i])));
	}
	n = 2;
	CHECK(!base64_decode(out, &n, "Zm9v", 4));
	n = 3;
	CHECK(base64_decode(out, &n, "Zm9v", 4) && n == 3);
}

static void
percent_encoding_survives_a_round_trip(void)
{
	uint8_t in[256];
	char text[3 * 256 + 1];
	char out[257];
	size_t n = 0;
	size_t len;

	for (int i = 0; i < 256; i++)
		in[i] = (uint8_t)i;
	for (int keep = 0; keep < 2; keep++) {
		len = percent_encode(text, in, 256, keep);
		CHECK(len == strlen(text));
		CHECK((strchr(text, '/') != NULL) == (keep == 1));
		CHECK(percent_decode(out, &n, text, len, false));
		CHECK(n == 256 && memcmp(in, out, 256) == 0);
	}
	len = percent_encode(text, "a/b c+~", 7, true);
	CHECK_STR(text, "a/b%20c%2B~");
}

static void
bad_escapes_are_refused(void)
{
	static const char *const bad[] = { "%", "a%2", "%zz", "%2", "%%41",
		"%-1", "% 1", "%0x" };
	char out[16];
	size_t n;

	for (size_t i = 0; i < nitems(bad); i++)
		CHECK(!percent_decode(out, &n, bad[i], strlen(bad[i]), false));
	CHECK(percent_decode(out, &n, "a+b", 3, false));
	CHECK_STR(out, "a+b");
	CHECK(percent_decode(out, &n, "a+b", 3, true));
	CHECK_STR(out, "a b");
	/* once only */
	CHECK(percent_decode(out, &n, "%2541", 5, false));
	CHECK_STR(out, "%41");
}

/* What RFC 3629 says, decoded the plain way. */
static bool
plain_utf8(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t c = p[i];
		size_t more = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
		static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };

		if ((c >= 0x80 && c < 0xc0) || c >= 0xf8 || i + more >= n)
			return false;
		c &= more == 0 ? 0x7f : 0x3fu >> more;
		for (size_t j = 1; j <= more; j++) {
			if (p[i + j] >> 6 != 2)
				return false;
			c = c << 6 | (p[i + j] & 0x3fu);
		}
		if (c < least[more] || c > 0x10ffff ||
		    (c >= 0xd800 && c <= 0xdfff))
			return false;
		i += more + 1;
	}
	return true;
}

static void
utf8_is_what_rfc_3629_says(void)
{
	/* The bytes at which a rule begins or ends. */
	static const uint8_t edges[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90,
		0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec,
		0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8,
		0xff };
	unsigned wrong = 0;

	for (size_t a = 0; a < nitems(edges); a++)
		for (size_t b = 0; b < nitems(edges); b++)
			for (size_t c = 0; c < nitems(edges); c++)
				for (size_t d = 0; d < nitems(edges); d++) {
					uint8_t p[4] = { edges[a], edges[b],
						edges[c], edges[d] };

					for (size_t n = 0; n <= 4; n++)
						wrong += utf8_valid(p, n) !=
						    plain_utf8(p, n);
				}
	CHECK(wrong == 0);
}

int
main(void)
{
	RUN(views_compare_by_content_then_length);
	RUN(integers_are_little_endian);
	RUN(hex_survives_a_round_trip);
	RUN(hex_numbers_have_exactly_their_digits);
	RUN(base64_meets_rfc_4648);
	RUN(base64_has_one_text_for_each_value);
	RUN(percent_encoding_survives_a_round_trip);
	RUN(bad_escapes_are_refused);
	RUN(utf8_is_what_rfc_3629_says);
	return tap_done();
}
