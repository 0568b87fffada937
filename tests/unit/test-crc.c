/* SPDX-License-Identifier: MIT */

#include <stdint.h>
#include <stdlib.h>

#include "base/random.h"
#include "codec/crc.h"
#include "tap.h"

static const char nine[] = "123456789";

static void
the_check_values_are_those_of_the_catalogue(void)
{
	CHECK(crc32c(0, nine, 9) == 0xe3069283);
	CHECK(crc32_zlib(0, nine, 9) == 0xcbf43926);
	CHECK(crc64_xz(0, nine, 9) == UINT64_C(0x995dc9bbdf1939fa));
	CHECK(crc64_nvme(0, nine, 9) == UINT64_C(0xae8b14860a799888));
	for (unsigned way = 0; way < CRC64_WAYS; way++) {
		crc64_fn *nvme = crc64_nvme_by(way);
		crc64_fn *xz = crc64_xz_by(way);

		if (nvme != NULL)
			CHECK(nvme(0, nine, 9) == UINT64_C(0xae8b14860a799888));
		if (xz != NULL)
			CHECK(xz(0, nine, 9) == UINT64_C(0x995dc9bbdf1939fa));
	}
}

static void
nothing_changes_nothing(void)
{
	CHECK(crc32c(7, NULL, 0) == 7);
	CHECK(crc32_zlib(7, nine, 0) == 7);
	CHECK(crc64_xz(7, nine, 0) == 7);
	CHECK(crc64_nvme(7, nine, 0) == 7);
}

/* Every length up to where all folding loops have run, every alignment. */
static void
every_way_agrees_on_every_length_and_alignment(void)
{
	static uint8_t data[2048 + 64];
	struct random_seeded random;
	unsigned bad = 0;

	random_seeded_init(&random, 1);
	random.source.fill(&random.source, data, sizeof(data));
	for (unsigned way = 1; way < CRC64_WAYS; way++) {
		crc64_fn *nvme = crc64_nvme_by(way);
		crc64_fn *xz = crc64_xz_by(way);

		for (size_t n = 0; n <= 2048 && nvme != NULL; n++) {
			const uint8_t *p = data + n % 33;
			uint64_t crc = n * 0x9e3779b97f4a7c15;

			bad += nvme(crc, p, n) != crc64_nvme_by(0)(crc, p, n);
			bad += xz(crc, p, n) != crc64_xz_by(0)(crc, p, n);
		}
	}
	CHECK(bad == 0);
	CHECK(crc64_nvme_by(CRC64_WAYS) == NULL);
	CHECK(crc64_xz_by(CRC64_WAYS) == NULL);
}

static void
a_sum_goes_on_from_any_cut(void)
{
	static uint8_t data[1500];
	struct random_seeded random;
	unsigned bad = 0;

	random_seeded_init(&random, 2);
	random.source.fill(&random.source, data, sizeof(data));
	for (size_t cut = 0; cut <= sizeof(data); cut++) {
		const uint8_t *rest = data + cut;
		size_t n = sizeof(data) - cut;

		bad += crc32c(crc32c(0, data, cut), rest, n) !=
		    crc32c(0, data, sizeof(data));
		bad += crc32_zlib(crc32_zlib(0, data, cut), rest, n) !=
		    crc32_zlib(0, data, sizeof(data));
		bad += crc64_xz(crc64_xz(0, data, cut), rest, n) !=
		    crc64_xz(0, data, sizeof(data));
		bad += crc64_nvme(crc64_nvme(0, data, cut), rest, n) !=
		    crc64_nvme(0, data, sizeof(data));
	}
	CHECK(bad == 0);
}

/* The definition, bit by bit. */
static void
crc64_nvme_is_what_its_polynomial_says(void)
{
	static uint8_t data[777];
	struct random_seeded random;
	uint64_t crc = ~UINT64_C(0);

	random_seeded_init(&random, 3);
	random.source.fill(&random.source, data, sizeof(data));
	for (size_t i = 0; i < sizeof(data); i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc & 1) != 0 ?
			    crc >> 1 ^ UINT64_C(0x9a6c9329ac4bc9b5) :
			    crc >> 1;
	}
	CHECK(crc64_nvme(0, data, sizeof(data)) == ~crc);
}

int
main(void)
{
	RUN(the_check_values_are_those_of_the_catalogue);
	RUN(nothing_changes_nothing);
	RUN(every_way_agrees_on_every_length_and_alignment);
	RUN(a_sum_goes_on_from_any_cut);
	RUN(crc64_nvme_is_what_its_polynomial_says);
	return tap_done();
}
