/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CODEC_CRC_FOLD_H
#define KOOP_CODEC_CRC_FOLD_H

#include <stddef.h>
#include <stdint.h>

/*
 * The ways to compute a 64-bit CRC, for crc.c only.  Here a CRC is the bare
 * register: crc.c does the inversion before and after.
 */

typedef uint64_t crc_fold_rest_fn(uint64_t crc, const uint8_t *p, size_t n);

/* CRC-64/NVME with eight tables, eight bytes a step: any processor. */
crc_fold_rest_fn crc_table_nvme;

/* What one polynomial needs for folding: the multipliers that move 128 bits
 * onward by so many bits, and how the last bytes are done. */
struct crc_fold {
	uint64_t by_128[2], by_256[2], by_512[2], by_1024[2];
	crc_fold_rest_fn *rest;
};

/* 128 and 256 bits wide; NULL where this processor cannot. */
typedef uint64_t crc_fold_fn(const struct crc_fold *fold, uint64_t crc,
    const uint8_t *p, size_t n);
crc_fold_fn *crc_fold_128(void);
crc_fold_fn *crc_fold_256(void);

#endif
