/* SPDX-License-Identifier: MIT */

/*
 * CRC-64/NVME with tables.  table[s][b] is the register after the byte b and
 * s zero bytes.  It is linear in the bits of b, so each row is written as its
 * values for the eight single bits, and the compiler makes the rest.
 */

#include "codec/crc_fold.h"

#include "base/bytes.h"

#define BIT(b, n, v) ((((b) >> (n)) & 1) != 0 ? UINT64_C(v) : 0)
#define ONE(b, v0, v1, v2, v3, v4, v5, v6, v7)                           \
	(BIT(b, 0, v0) ^ BIT(b, 1, v1) ^ BIT(b, 2, v2) ^ BIT(b, 3, v3) ^ \
	    BIT(b, 4, v4) ^ BIT(b, 5, v5) ^ BIT(b, 6, v6) ^ BIT(b, 7, v7))
#define FOUR(b, ...)                                    \
	ONE(b, __VA_ARGS__), ONE((b) + 1, __VA_ARGS__), \
	    ONE((b) + 2, __VA_ARGS__), ONE((b) + 3, __VA_ARGS__)
#define SIXTEEN(b, ...)                                   \
	FOUR(b, __VA_ARGS__), FOUR((b) + 4, __VA_ARGS__), \
	    FOUR((b) + 8, __VA_ARGS__), FOUR((b) + 12, __VA_ARGS__)
#define SIXTYFOUR(b, ...)                                        \
	SIXTEEN(b, __VA_ARGS__), SIXTEEN((b) + 16, __VA_ARGS__), \
	    SIXTEEN((b) + 32, __VA_ARGS__), SIXTEEN((b) + 48, __VA_ARGS__)
#define ROW(...)                                                             \
	{                                                                    \
		SIXTYFOUR(0, __VA_ARGS__), SIXTYFOUR(64, __VA_ARGS__),       \
		    SIXTYFOUR(128, __VA_ARGS__), SIXTYFOUR(192, __VA_ARGS__) \
	}

/* clang-format off */
static const uint64_t table[8][256] = {
	ROW(0x7f6ef0c830358979, 0xfedde190606b12f2,
	    0xc962e5739841b68f, 0xa61cecb46814fe75,
	    0x78e0ff3b88be6f81, 0xf1c1fe77117cdf02, 0xd75adabd7a6e2d6f,
	    0x9a6c9329ac4bc9b5),
	ROW(0x8776a97d73bddf69, 0x3a3474a9bfec2db9,
	    0x7468e9537fd85b72, 0xe8d1d2a6ffb0b6e4,
	    0xe57a831ea7f6fea3, 0xfe2c206e177a6e2d, 0xc881668f76634f31,
	    0xa5dbeb4db4510d09),
	ROW(0xff6e4e1f4e4038be, 0xca05ba6dc417e217,
	    0xa0d25288d0b85745, 0x757d8342f9e73de1,
	    0xeafb0685f3ce7bc2, 0xe12f2b58bf0b64ef, 0xf68770e226815ab5,
	    0xd9d7c79715952601),
	ROW(0x8211147cbaf96306, 0x30fb0eaa2d655567,
	    0x61f61d545acaaace, 0xc3ec3aa8b595559c,
	    0xb301530233bd3853, 0x52db80573fede3cd, 0xa5b700ae7fdbc79a,
	    0x7fb7270fa7201c5f),
	ROW(0x373d15f784905d1e, 0x6e7a2bef0920ba3c,
	    0xdcf457de12417478, 0x8d3189ef7c157b9b,
	    0x2eba358da0bd645d, 0x5d746b1b417ac8ba, 0xbae8d63682f59174,
	    0x41088a3e5d7cb183),
	ROW(0xe9742a79ef04a5d4, 0xe63172a0869ed8c3,
	    0xf8bbc31255aa22ed, 0xc5aea077f3c3d6b1,
	    0xbf8466bcbf103e09, 0x4bd1eb2a26b7ef79, 0x97a3d6544d6fdef2,
	    0x1b9e8afbc2482e8f),
	ROW(0xfc5d27f6bf353971, 0xcc6369be26fde189,
	    0xac1ff52f156c5079, 0x6ce6cc0d724f3399,
	    0xd9cd981ae49e6732, 0x8742166691ab5d0f, 0x3a5d0a9e7bc12975,
	    0x74ba153cf78252ea),
	ROW(0x21e9761e252621ac, 0x43d2ec3c4a4c4358,
	    0x87a5d878949886b0, 0x3b9296a271a69e0b,
	    0x77252d44e34d3c16, 0xee4a5a89c69a782c, 0xe84d9340d5a36333,
	    0xe44200d2f3d1550d),
};
/* clang-format on */

uint64_t
crc_table_nvme(uint64_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; p += 8, n -= 8) {
		uint64_t x = crc ^ load_le64(p);

		crc = table[7][x & 255] ^ table[6][x >> 8 & 255] ^
		    table[5][x >> 16 & 255] ^ table[4][x >> 24 & 255] ^
		    table[3][x >> 32 & 255] ^ table[2][x >> 40 & 255] ^
		    table[1][x >> 48 & 255] ^ table[0][x >> 56];
	}
	for (; n > 0; p++, n--)
		crc = table[0][(crc ^ *p) & 255] ^ crc >> 8;
	return crc;
}
