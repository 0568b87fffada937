/* SPDX-License-Identifier: MIT */

#include "codec/crc.h"

#include <stdbool.h>

#include <isa-l/crc.h>
#include <isa-l/crc64.h>

#include "base/compiler.h"
#include "codec/crc_fold.h"

uint32_t
crc32c(uint32_t crc, const void *p, size_t n)
{
	/* crc32_iscsi takes an int, leaves both inversions to its caller and,
	 * though it only reads, has no const. */
	unsigned char *at = (unsigned char *)p;

	crc = ~crc;
	while (n > 0) {
		int step = (int)KOOP_MIN(n, (size_t)1 << 30);

		crc = crc32_iscsi(at, step, crc);
		at += step;
		n -= (size_t)step;
	}
	return ~crc;
}

uint32_t
crc32_zlib(uint32_t crc, const void *p, size_t n)
{
	return crc32_gzip_refl(crc, p, n);
}

static uint64_t
isal_xz(uint64_t crc, const uint8_t *p, size_t n)
{
	return ~crc64_ecma_refl(~crc, p, n);
}

static const struct crc_fold xz = {
	.by_128 = { 0xe05dd497ca393ae4, 0xdabe95afc7875f40 },
	.by_256 = { 0x60095b008a9efa44, 0x3be653a30fe1af51 },
	.by_512 = { 0x6ae3efbb9dd441f3, 0x081f6054a7842df4 },
	.by_1024 = { 0x8757d71d4fcc1000, 0xd7d86b2af73de740 },
	.rest = isal_xz,
};

static const struct crc_fold nvme = {
	.by_128 = { 0xeadc41fd2ba3d420, 0x21e9761e252621ac },
	.by_256 = { 0xb0bc2e589204f500, 0xe1e0bb9d45d7a44c },
	.by_512 = { 0x0c32cdb31e18a84a, 0x62242240ace5045a },
	.by_1024 = { 0xa1ca681e733f9c40, 0x5f852fb61e8d92dc },
	.rest = crc_table_nvme,
};

static uint64_t
best(const struct crc_fold *fold, uint64_t crc, const void *p, size_t n)
{
	crc_fold_fn *fn = crc_fold_256();

	if (fn == NULL)
		fn = crc_fold_128();
	if (fn == NULL)
		return ~fold->rest(~crc, p, n);
	return ~fn(fold, ~crc, p, n);
}

uint64_t
crc64_xz(uint64_t crc, const void *p, size_t n)
{
	return best(&xz, crc, p, n);
}

uint64_t
crc64_nvme(uint64_t crc, const void *p, size_t n)
{
	return best(&nvme, crc, p, n);
}

static uint64_t
xz_0(uint64_t crc, const void *p, size_t n)
{
	return ~xz.rest(~crc, p, n);
}

static uint64_t
xz_1(uint64_t crc, const void *p, size_t n)
{
	return ~crc_fold_128()(&xz, ~crc, p, n);
}

static uint64_t
xz_2(uint64_t crc, const void *p, size_t n)
{
	return ~crc_fold_256()(&xz, ~crc, p, n);
}

static uint64_t
nvme_0(uint64_t crc, const void *p, size_t n)
{
	return ~nvme.rest(~crc, p, n);
}

static uint64_t
nvme_1(uint64_t crc, const void *p, size_t n)
{
	return ~crc_fold_128()(&nvme, ~crc, p, n);
}

static uint64_t
nvme_2(uint64_t crc, const void *p, size_t n)
{
	return ~crc_fold_256()(&nvme, ~crc, p, n);
}

static bool
way_works(unsigned way)
{
	return way == 0 || (way == 1 && crc_fold_128() != NULL) ||
	    (way == 2 && crc_fold_256() != NULL);
}

crc64_fn *
crc64_xz_by(unsigned way)
{
	crc64_fn *const fn[CRC64_WAYS] = { xz_0, xz_1, xz_2 };

	return way_works(way) ? fn[way] : NULL;
}

crc64_fn *
crc64_nvme_by(unsigned way)
{
	crc64_fn *const fn[CRC64_WAYS] = { nvme_0, nvme_1, nvme_2 };

	return way_works(way) ? fn[way] : NULL;
}
