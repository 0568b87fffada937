/* SPDX-License-Identifier: MIT */

#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/random.h"
#include "codec/erasure.h"
#include "tap.h"

enum { CELL = 200 };

static uint8_t made[ERASURE_SHARDS_MAX][CELL];
static uint8_t kept[ERASURE_SHARDS_MAX][CELL];
static uint8_t *cell[ERASURE_SHARDS_MAX];

/* Plan and run at once. */
static int
rebuild(const struct erasure *coder, size_t len, uint8_t *const into[],
    uint32_t have, uint32_t want, struct error *err)
{
	struct erasure_plan plan = { 0 };
	int rc = erasure_plan_make(coder, &plan, have, want, err);

	if (rc == 0)
		erasure_plan_run(&plan, len, into);
	return rc;
}

static struct erasure *
encode(unsigned k, unsigned m, size_t len)
{
	struct erasure *coder = NULL;
	struct error err;

	for (unsigned i = 0; i < k + m; i++) {
		for (size_t j = 0; j < CELL; j++)
			made[i][j] = (uint8_t)(i * 31 + j * 7 + j * j * i);
		cell[i] = made[i];
	}
	if (erasure_new(&coder, k, m, &err) < 0)
		return NULL;
	erasure_encode(coder, len, &cell[0], &cell[k]);
	memcpy(kept, made, sizeof(kept));
	return coder;
}

static void
lose(unsigned n, uint32_t have, size_t len)
{
	memcpy(made, kept, sizeof(made));
	for (unsigned i = 0; i < n; i++)
		if ((have >> i & 1) == 0)
			memset(made[i], 0xee, len);
}

static void
any_6_of_9_cells_rebuild_the_stripe(void)
{
	struct erasure *coder = encode(6, 3, CELL);
	struct error err;

	REQUIRE(coder != NULL);
	for (uint32_t have = 0; have < 1u << 9; have++) {
		int rc;

		lose(9, have, CELL);
		rc = rebuild(coder, CELL, cell, have, UINT32_MAX, &err);
		if (__builtin_popcount(have) < 6)
			CHECK(rc == -ERRC_UNAVAILABLE);
		else
			CHECK(rc == 0 && memcmp(made, kept, sizeof(made)) == 0);
	}
	erasure_free(coder);
}

/* Every geometry there is, with random losses of every number. */
static void
every_geometry_rebuilds_what_it_promises(void)
{
	struct random_seeded random;
	unsigned bad = 0;

	random_seeded_init(&random, 5);
	for (unsigned k = 1; k <= 32; k++)
		for (unsigned m = 0; k + m <= 32; m++) {
			const size_t len = 1 + (k * 7 + m * 13) % CELL;
			struct erasure *coder = encode(k, m, len);
			uint32_t all = (uint32_t)((UINT64_C(1) << (k + m)) - 1);
			uint32_t have = all;

			REQUIRE(coder != NULL);
			while (__builtin_popcount(have) > (int)k)
				have &= ~(UINT32_C(1)
				    << random_u64(&random.source) % (k + m));
			if (__builtin_popcount(have) == (int)k) {
				lose(k + m, have, len);
				bad += rebuild(coder, len, cell, have,
					   UINT32_MAX, NULL) != 0;
				bad += memcmp(made, kept, sizeof(made)) != 0;
			}
			erasure_free(coder);
		}
	CHECK(bad == 0);
}

static void
only_wanted_cells_are_touched(void)
{
	struct erasure *coder = encode(4, 2, CELL);
	struct error err;

	REQUIRE(coder != NULL);
	lose(6, 0x2d, CELL); /* 1 and 4 are lost */
	CHECK(rebuild(coder, CELL, cell, 0x2d, 1u << 1, &err) == 0);
	CHECK(memcmp(made[1], kept[1], CELL) == 0);
	CHECK(made[4][0] == 0xee && made[4][CELL - 1] == 0xee);
	CHECK(rebuild(coder, CELL, cell, 0x2d, 1u << 4, &err) == 0);
	CHECK(memcmp(made, kept, sizeof(made)) == 0);
	erasure_free(coder);
}

static void
a_plan_is_used_again_and_changes_with_the_loss(void)
{
	struct erasure *coder = encode(6, 3, CELL);
	struct erasure_plan *plan = calloc(1, sizeof(*plan));
	struct error err;

	REQUIRE(coder != NULL && plan != NULL);
	for (int turn = 0; turn < 3; turn++)
		for (uint32_t have = 0x3f; have < 0x1ff; have += 0x41) {
			if (__builtin_popcount(have) < 6)
				continue;
			CHECK(erasure_plan_make(coder, plan, have, 0x1ff,
				  &err) == 0);
			lose(9, have, CELL);
			erasure_plan_run(plan, CELL, cell);
			CHECK(memcmp(made, kept, sizeof(made)) == 0);
		}
	CHECK(erasure_plan_make(coder, plan, 0x1f, 0x1ff, &err) ==
	    -ERRC_UNAVAILABLE);
	CHECK_STR(err.text, "5 of 9 cells are good, 6 are needed");
	free(plan);
	erasure_free(coder);
}

/* Every length around the vector widths, and not a byte more is written. */
/* The same cell is wanted twice, from other cells. */
static void
a_plan_is_not_used_for_other_sources(void)
{
	struct erasure *coder = encode(6, 3, CELL);
	struct erasure_plan plan = { 0 };
	const uint32_t all = (1u << 9) - 1;
	struct error err;

	REQUIRE(coder != NULL);
	for (unsigned lost = 6; lost < 9; lost++) {
		uint32_t have = all & ~(1u | 1u << lost);

		lose(9, have, CELL);
		REQUIRE(erasure_plan_make(coder, &plan, have, 1, &err) == 0);
		erasure_plan_run(&plan, CELL, cell);
		CHECK(memcmp(made[0], kept[0], CELL) == 0);
	}
	erasure_free(coder);
}

static void
a_plan_that_failed_is_made_anew(void)
{
	struct erasure *coder = encode(6, 3, CELL);
	struct erasure_plan plan = { 0 };
	const uint32_t have = (1u << 9) - 2;
	struct error err;

	REQUIRE(coder != NULL);
	lose(9, have, CELL);
	CHECK(erasure_plan_make(coder, &plan, have, 1, &err) == 0);
	CHECK(erasure_plan_make(coder, &plan, 0x1e, 1, &err) ==
	    -ERRC_UNAVAILABLE);
	CHECK(!plan.made);
	CHECK(erasure_plan_make(coder, &plan, have, 1, &err) == 0);
	erasure_plan_run(&plan, CELL, cell);
	CHECK(memcmp(made[0], kept[0], CELL) == 0);
	erasure_free(coder);
}

static void
no_length_writes_past_the_end(void)
{
	struct error err;
	unsigned bad = 0;

	for (size_t len = 1; len < CELL; len++) {
		struct erasure *coder = encode(5, 3, len);

		REQUIRE(coder != NULL);
		for (unsigned i = 5; i < 8; i++)
			for (size_t j = len; j < CELL; j++)
				bad += kept[i][j] !=
				    (uint8_t)(i * 31 + j * 7 + j * j * i);
		lose(8, 0xd9, len);
		CHECK(rebuild(coder, len, cell, 0xd9, UINT32_MAX, &err) == 0);
		bad += memcmp(made, kept, sizeof(made)) != 0;
		erasure_free(coder);
	}
	CHECK(bad == 0);
}

static void
nonsense_geometries_are_refused(void)
{
	static const unsigned bad[][2] = { { 0, 1 }, { 0, 0 }, { 33, 0 },
		{ 32, 1 }, { 1, 32 }, { UINT32_MAX, 2 }, { 2, UINT32_MAX } };

	for (size_t i = 0; i < nitems(bad); i++) {
		struct erasure *coder = NULL;
		struct error err;

		CHECK(erasure_new(&coder, bad[i][0], bad[i][1], &err) ==
		    -ERRC_USAGE);
		CHECK(coder == NULL);
	}
}

int
main(void)
{
	RUN(any_6_of_9_cells_rebuild_the_stripe);
	RUN(every_geometry_rebuilds_what_it_promises);
	RUN(only_wanted_cells_are_touched);
	RUN(a_plan_is_used_again_and_changes_with_the_loss);
	RUN(a_plan_is_not_used_for_other_sources);
	RUN(a_plan_that_failed_is_made_anew);
	RUN(no_length_writes_past_the_end);
	RUN(nonsense_geometries_are_refused);
	return tap_done();
}
