/* SPDX-License-Identifier: MIT */

/*
 * 64-bit CRCs by folding.  A register of 128 bits stands for a polynomial
 * whose highest power is bit 0.  To move it D bits onward in the message is to
 * multiply by x^D modulo the CRC's polynomial: its two halves are multiplied
 * by one constant each (x^(D+63) and x^(D-1), bits reversed; the product of
 * reversed factors stands one bit off, hence the -1), and the two products
 * are added to the bytes that stand there.  Several registers side by side
 * hide the latency of the multiplication; they are folded into one at the end,
 * whose 16 bytes and the rest of the message are done another way.
 */

#include "codec/crc_fold.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define NARROW __attribute__((target("pclmul,sse4.1")))
#define WIDE __attribute__((target("vpclmulqdq,pclmul,avx2,sse4.1")))

NARROW static inline __m128i
load(const void *p)
{
	return _mm_loadu_si128(p);
}

NARROW static inline __m128i
fold(__m128i x, __m128i by, __m128i onto)
{
	return _mm_xor_si128(onto,
	    _mm_xor_si128(_mm_clmulepi64_si128(x, by, 0x00),
		_mm_clmulepi64_si128(x, by, 0x11)));
}

/* From one register to the end of the message. */
NARROW static inline uint64_t
finish(const struct crc_fold *f, __m128i x, const uint8_t *p, size_t n)
{
	const __m128i by_128 = load(f->by_128);
	uint8_t last[16];

	for (; n >= 16; p += 16, n -= 16)
		x = fold(x, by_128, load(p));
	_mm_storeu_si128((void *)last, x);
	return f->rest(f->rest(0, last, sizeof(last)), p, n);
}

NARROW static uint64_t
fold_128(const struct crc_fold *f, uint64_t crc, const uint8_t *p, size_t n)
{
	const __m128i by_128 = load(f->by_128);
	const __m128i by_512 = load(f->by_512);
	__m128i x0, x1, x2, x3;

	if (n < 64)
		return f->rest(crc, p, n);

	x0 = _mm_xor_si128(load(p), _mm_set_epi64x(0, (long long)crc));
	x1 = load(p + 16);
	x2 = load(p + 32);
	x3 = load(p + 48);
	for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
		x0 = fold(x0, by_512, load(p));
		x1 = fold(x1, by_512, load(p + 16));
		x2 = fold(x2, by_512, load(p + 32));
		x3 = fold(x3, by_512, load(p + 48));
	}
	x0 = fold(x0, by_128, x1);
	x0 = fold(x0, by_128, x2);
	x0 = fold(x0, by_128, x3);
	return finish(f, x0, p, n);
}

WIDE static inline __m256i
wide_load(const void *p)
{
	return _mm256_loadu_si256(p);
}

WIDE static inline __m256i
wide_by(const uint64_t by[2])
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)by));
}

WIDE static inline __m256i
wide_fold(__m256i x, __m256i by, __m256i onto)
{
	return _mm256_xor_si256(onto,
	    _mm256_xor_si256(_mm256_clmulepi64_epi128(x, by, 0x00),
		_mm256_clmulepi64_epi128(x, by, 0x11)));
}

WIDE static uint64_t
fold_256(const struct crc_fold *f, uint64_t crc, const uint8_t *p, size_t n)
{
	const __m256i by_256 = wide_by(f->by_256);
	const __m256i by_512 = wide_by(f->by_512);
	const __m256i by_1024 = wide_by(f->by_1024);
	__m256i x0, x1, x2, x3;
	__m128i low;

	if (n < 256)
		return fold_128(f, crc, p, n);

	x0 = _mm256_xor_si256(wide_load(p),
	    _mm256_set_epi64x(0, 0, 0, (long long)crc));
	x1 = wide_load(p + 32);
	x2 = wide_load(p + 64);
	x3 = wide_load(p + 96);
	for (p += 128, n -= 128; n >= 128; p += 128, n -= 128) {
		x0 = wide_fold(x0, by_1024, wide_load(p));
		x1 = wide_fold(x1, by_1024, wide_load(p + 32));
		x2 = wide_fold(x2, by_1024, wide_load(p + 64));
		x3 = wide_fold(x3, by_1024, wide_load(p + 96));
	}
	x0 = wide_fold(x0, by_512, x2);
	x1 = wide_fold(x1, by_512, x3);
	x0 = wide_fold(x0, by_256, x1);
	low = fold(_mm256_castsi256_si128(x0), load(f->by_128),
	    _mm256_extracti128_si256(x0, 1));
	return finish(f, low, p, n);
}

crc_fold_fn *
crc_fold_128(void)
{
	if (__builtin_cpu_supports("pclmul") &&
	    __builtin_cpu_supports("sse4.1"))
		return fold_128;
	return NULL;
}

crc_fold_fn *
crc_fold_256(void)
{
	if (__builtin_cpu_supports("vpclmulqdq") &&
	    __builtin_cpu_supports("avx2") && crc_fold_128() != NULL)
		return fold_256;
	return NULL;
}

#else

crc_fold_fn *
crc_fold_128(void)
{
	return NULL;
}

crc_fold_fn *
crc_fold_256(void)
{
	return NULL;
}

#endif
