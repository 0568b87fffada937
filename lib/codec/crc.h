/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CODEC_CRC_H
#define KOOP_CODEC_CRC_H

#include <stddef.h>
#include <stdint.h>

/*
 * Cyclic redundancy checks, over memory.  All of them start from 0 and go on
 * from what the call before returned:
 *
 *      crc32c(crc32c(0, a, n), b, m) == crc32c(0, ab, n + m)
 *
 *      function      name in catalogues     check value of "123456789"
 *      crc32c        CRC-32/ISCSI           e3069283
 *      crc32_zlib    CRC-32/ISO-HDLC        cbf43926
 *      crc64_xz      CRC-64/XZ              995dc9bbdf1939fa
 *      crc64_nvme    CRC-64/NVME            ae8b14860a799888
 *
 * The first two are ISA-L's.  The 64-bit ones are ours: ISA-L 2.30 lacks
 * CRC-64/NVME, and without AVX-512 its CRC-64/XZ is half as fast.  They use
 * carry-less multiplication where the processor has it.
 * No state, so any thread may call any of them.
 */

uint32_t crc32c(uint32_t crc, const void *p, size_t n);
uint32_t crc32_zlib(uint32_t crc, const void *p, size_t n);
uint64_t crc64_xz(uint64_t crc, const void *p, size_t n);
uint64_t crc64_nvme(uint64_t crc, const void *p, size_t n);

/*
 * The ways to compute a 64-bit CRC, for the tests to hold against each other:
 * 0 without special instructions (for crc64_xz what ISA-L does), 1 PCLMULQDQ,
 * 2 VPCLMULQDQ.  NULL when this processor cannot.
 */
#define CRC64_WAYS 3
typedef uint64_t crc64_fn(uint64_t crc, const void *p, size_t n);
crc64_fn *crc64_nvme_by(unsigned way);
crc64_fn *crc64_xz_by(unsigned way);

#endif
