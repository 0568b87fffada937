/* SPDX-License-Identifier: MIT */

#include <stdint.h>

#include "base/error.h"
#include "codec/stripe.h"
#include "tap.h"

static int
check(uint32_t data, uint32_t parity, uint32_t cell)
{
	struct geometry g = { data, parity, cell };
	struct error err;

	return geometry_check(&g, &err);
}

static void
a_geometry_has_at_most_32_shards_and_a_cell_in_range(void)
{
	CHECK(check(6, 3, 65536) == 0);
	CHECK(check(1, 0, 4096) == 0);
	CHECK(check(32, 0, 1 << 20) == 0);
	CHECK(check(1, 31, 4097) == 0);
	CHECK(check(0, 3, 65536) == -ERRC_USAGE);
	CHECK(check(30, 3, 65536) == -ERRC_USAGE);
	CHECK(check(1, UINT32_MAX, 65536) == -ERRC_USAGE);
	CHECK(check(UINT32_MAX, 2, 65536) == -ERRC_USAGE);
	CHECK(check(6, 3, 4095) == -ERRC_USAGE);
	CHECK(check(6, 3, (1 << 20) + 1) == -ERRC_USAGE);
}

static void
a_geometry_prints_and_parses(void)
{
	struct geometry g = { 29, 3, 1 << 20 }, back = { 0 };
	struct error err;
	char text[32];

	geometry_format(text, &g);
	CHECK_STR(text, "29+3/1048576");
	CHECK(geometry_parse(&back, text, strlen(text), &err) == 0);
	CHECK(geometry_equal(&g, &back));
	static const char *const bad[] = { "", "6", "6+3", "6/3+1", "+3/65536",
		"6+/65536", "6+3/", "6+3/4095", "30+3/65536", "0+3/65536",
		"6+3/65536 ", " 6+3/65536", "6+-3/65536", "4294967302+3/65536",
		"6+3/65536/1", "6+3+1/65536" };
	for (size_t i = 0; i < nitems(bad); i++)
		CHECK(geometry_parse(&back, bad[i], strlen(bad[i]), &err) ==
		    -ERRC_USAGE);
}

/* Sums over stripes and shards against the size, for small sizes near every
 * rounding, and the sums of the shard file. */
static void
every_rounding_adds_up(void)
{
	static const struct geometry all[] = { { 6, 3, 65536 }, { 1, 0, 4096 },
		{ 3, 2, 5000 }, { 29, 3, 4097 }, { 10, 4, 8192 } };
	unsigned bad = 0;

	for (size_t i = 0; i < nitems(all); i++) {
		const struct geometry *g = &all[i];
		const uint64_t full = stripe_full_bytes(g);

		for (uint64_t size = 0; size <= 3 * full + 1;
		     size += size % full < 40 || size % full > full - 40 ?
			 1 :
			 full / 97) {
			uint64_t content = 0, shard = 0;
			uint64_t count = stripe_count(g, size);

			for (uint64_t s = 0; s < count; s++) {
				uint64_t n = stripe_content_bytes(g, size, s);
				uint64_t cell = stripe_cell_bytes(g, size, s);

				bad += n == 0 || cell * g->data_shards < n;
				bad += (cell - 1) * g->data_shards >= n;
				bad += cell > g->cell_bytes;
				bad += stripe_cell_offset(g, s) !=
				    512 + s * 32 + shard;
				content += n;
				shard += cell;
			}
			bad += content != size;
			bad += shard != stripe_shard_bytes(g, size);
			bad += stripe_content_bytes(g, size, count) != 0;
			bad += stripe_cell_bytes(g, size, count) != 0;
			bad += stripe_file_bytes(g, size) !=
			    512 + 32 * count + shard + 1024;
			bad += stripe_end_offset(g, size) + 1024 !=
			    stripe_file_bytes(g, size);
		}
	}
	CHECK(bad == 0);
}

static void
a_byte_is_found_where_the_encoder_puts_it(void)
{
	const struct geometry g = { 6, 3, 4096 };
	const uint64_t size = 2 * 6 * 4096 + 100; /* last cells: 17 bytes */
	struct stripe_place p = stripe_place(&g, size, 0);

	CHECK(p.stripe == 0 && p.shard == 0 && p.offset == 0);
	p = stripe_place(&g, size, 4096);
	CHECK(p.stripe == 0 && p.shard == 1 && p.offset == 0);
	p = stripe_place(&g, size, 6 * 4096 + 5 * 4096 + 4095);
	CHECK(p.stripe == 1 && p.shard == 5 && p.offset == 4095);
	p = stripe_place(&g, size, 2 * 6 * 4096 + 17);
	CHECK(p.stripe == 2 && p.shard == 1 && p.offset == 0);
	p = stripe_place(&g, size, size - 1);
	CHECK(p.stripe == 2 && p.shard == 5 && p.offset == 14);
}

static void
the_largest_object_does_not_overflow(void)
{
	const struct geometry thin = { 1, 31, 4096 };
	const struct geometry wide = { 32, 0, 1 << 20 };

	CHECK(stripe_count(&thin, STRIPE_SIZE_MAX) == STRIPE_SIZE_MAX / 4096);
	CHECK(stripe_file_bytes(&thin, STRIPE_SIZE_MAX) ==
	    STRIPE_SIZE_MAX + STRIPE_SIZE_MAX / 4096 * 32 + 1536);
	CHECK(stripe_cell_bytes(&wide, STRIPE_SIZE_MAX,
		  STRIPE_SIZE_MAX / (32 << 20) - 1) == 1 << 20);
}

static void
geometries_differ_by_any_of_their_numbers(void)
{
	const struct geometry g = { 6, 3, 65536 };
	const struct geometry others[] = { { 5, 3, 65536 }, { 6, 2, 65536 },
		{ 6, 3, 65535 } };

	CHECK(geometry_equal(&g, &g));
	for (size_t i = 0; i < nitems(others); i++)
		CHECK(!geometry_equal(&g, &others[i]));
}

int
main(void)
{
	RUN(a_geometry_has_at_most_32_shards_and_a_cell_in_range);
	RUN(a_geometry_prints_and_parses);
	RUN(geometries_differ_by_any_of_their_numbers);
	RUN(every_rounding_adds_up);
	RUN(a_byte_is_found_where_the_encoder_puts_it);
	RUN(the_largest_object_does_not_overflow);
	return tap_done();
}
