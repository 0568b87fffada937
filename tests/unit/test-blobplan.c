/* SPDX-License-Identifier: MIT */
#include "client/blobplan.h"

#include "tap.h"

static const struct geometry six_three = { 6, 3, 4096 };
#define ALL 0x1ffu
#define STRIPE (6 * 4096)

/* Play a window: shards of `bad` fail.  Returns the fetched cells. */
static unsigned
play(struct blobplan *plan, uint32_t usable, uint32_t bad)
{
	struct blobplan_fetch fetch;
	unsigned cells = 0;
	bool any = true;

	while (any && !blobplan_complete(plan)) {
		any = false;
		while (blobplan_next(plan, usable, 0, &fetch)) {
			any = true;
			for (uint32_t i = 0; i < fetch.count; i++) {
				cells++;
				if ((bad >> fetch.shard & 1) != 0)
					blobplan_bad(plan, fetch.shard,
					    fetch.first + i);
				else
					blobplan_good(plan, fetch.shard,
					    fetch.first + i);
			}
			blobplan_failed(plan, &fetch);
		}
	}
	return cells;
}

static void
every_pattern_of_three_lost_shards_is_survived_and_none_of_four(void)
{
	for (uint32_t bad = 0; bad <= ALL; bad++) {
		int lost = __builtin_popcount(bad);
		struct blobplan plan;
		uint32_t good;

		blobplan_init(&plan, &six_three, 4 * STRIPE, 0, 4 * STRIPE);
		play(&plan, ALL, bad);
		CHECK(blobplan_complete(&plan) == (lost <= 3));
		if (lost > 3) {
			CHECK(blobplan_lacking(&plan, &good) == 0);
			CHECK(good == 9u - (unsigned)lost);
		}
	}
}

static void
a_known_absence_costs_no_more_cells_than_data_shards(void)
{
	for (uint32_t down = 0; down <= ALL; down++) {
		struct blobplan plan;

		if (__builtin_popcount(down) > 3)
			continue;
		blobplan_init(&plan, &six_three, STRIPE, 0, STRIPE);
		CHECK(play(&plan, ALL & ~down, down) == 6);
		CHECK(blobplan_complete(&plan));
	}
}

static void
only_the_cells_that_a_range_touches_are_fetched(void)
{
	/* Five bytes around each cell border of three stripes. */
	for (uint64_t at = 2; at + 5 < 3 * STRIPE; at += 4094) {
		struct blobplan plan;
		unsigned cells = (unsigned)((at + 4) / 4096 - at / 4096) + 1;

		blobplan_init(&plan, &six_three, 3 * STRIPE, at, 5);
		CHECK(play(&plan, ALL, 0) == cells);
		CHECK(blobplan_complete(&plan));
	}
}

static void
a_window_of_healthy_shards_is_one_fetch_a_shard(void)
{
	struct blobplan_fetch fetch;
	struct blobplan plan;
	uint32_t seen = 0;

	blobplan_init(&plan, &six_three, 4 * STRIPE, 0, 4 * STRIPE);
	while (blobplan_next(&plan, ALL, 0, &fetch)) {
		CHECK(fetch.first == 0 && fetch.count == 4);
		CHECK((seen >> fetch.shard & 1) == 0);
		seen |= 1u << fetch.shard;
	}
	CHECK(seen == 0x3f);
}

static void
edges_do_not_fetch_cells_outside_the_range(void)
{
	struct blobplan_fetch fetch;
	struct blobplan plan;
	unsigned cells = 0;

	/* From the fourth cell of stripe 0 to the second of stripe 2. */
	blobplan_init(&plan, &six_three, 3 * STRIPE, 3 * 4096,
	    2 * STRIPE + 2 * 4096 - 3 * 4096);
	while (blobplan_next(&plan, ALL, 0, &fetch))
		cells += fetch.count;
	CHECK(cells == 3 + 6 + 2);
}

static void
a_late_shard_gets_one_companion(void)
{
	struct blobplan_fetch fetch;
	struct blobplan plan;

	blobplan_init(&plan, &six_three, STRIPE, 0, STRIPE);
	while (blobplan_next(&plan, ALL, 0, &fetch))
		continue;
	CHECK(blobplan_next(&plan, ALL, 1u << 2, &fetch));
	CHECK(fetch.shard == 6);
	CHECK(!blobplan_next(&plan, ALL, 1u << 2, &fetch));
	/* Its cell counts all the same when it comes. */
	for (uint32_t j = 0; j < 6; j++)
		blobplan_good(&plan, j, 0);
	CHECK(blobplan_complete(&plan));
}

static void
a_single_cell_behind_a_dead_node_is_rebuilt_from_six_others(void)
{
	struct blobplan plan;

	blobplan_init(&plan, &six_three, STRIPE, 0, 10);
	CHECK(play(&plan, ALL & ~1u, 1) == 6);
	CHECK(blobplan_complete(&plan));
	CHECK((plan.good[0] & 1) == 0);
}

static void
the_last_stripe_has_short_cells(void)
{
	struct blobplan plan;

	/* 7 bytes: cells of 2 bytes; byte 6 is in the fourth. */
	blobplan_init(&plan, &six_three, STRIPE + 7, STRIPE + 6, 1);
	CHECK(plan.first == 1 && plan.stripes == 1);
	CHECK(plan.want[0] == 1u << 3);
}

int
main(void)
{
	RUN(every_pattern_of_three_lost_shards_is_survived_and_none_of_four);
	RUN(a_known_absence_costs_no_more_cells_than_data_shards);
	RUN(only_the_cells_that_a_range_touches_are_fetched);
	RUN(a_window_of_healthy_shards_is_one_fetch_a_shard);
	RUN(edges_do_not_fetch_cells_outside_the_range);
	RUN(a_late_shard_gets_one_companion);
	RUN(a_single_cell_behind_a_dead_node_is_rebuilt_from_six_others);
	RUN(the_last_stripe_has_short_cells);
	return tap_done();
}
