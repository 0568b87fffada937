/* SPDX-License-Identifier: MIT */
#include "cluster/placement.h"
#include "cluster/quorum.h"

#include <string.h>

#include "tap.h"

/*
 * The numbers of protocol.md 1 and 9, by trying all sets of machines: what
 * quorums share, and what may be lost.  Where a number is the least or the
 * most that will do, the next one must be seen to fail.
 */

enum { N_MAX = 11 };

static uint32_t
bits(uint32_t set)
{
	return (uint32_t)__builtin_popcount(set);
}

/* Does every set of a machines share one with every set of b? */
static bool
meet(uint32_t n, uint32_t a, uint32_t b)
{
	for (uint32_t x = 0; x < 1u << n; x++) {
		if (bits(x) != a)
			continue;
		for (uint32_t y = 0; y < 1u << n; y++)
			if (bits(y) == b && (x & y) == 0)
				return false;
	}
	return true;
}

/* Do all sets of `held` machines keep at least m after losing any `lost`? */
static bool
survive(uint32_t n, uint32_t held, uint32_t lost, uint32_t m)
{
	uint32_t x = (1u << held) - 1;

	for (uint32_t y = 0; y < 1u << n; y++)
		if (bits(y) == lost && bits(x & ~y) < m)
			return false;
	return true;
}

typedef void each_fn(uint32_t n, uint32_t m, uint32_t w);

static void
each_geometry(uint32_t n_max, each_fn *fn)
{
	for (uint32_t n = 2; n <= n_max; n++)
		for (uint32_t m = 1; m < n; m++)
			for (uint32_t w = 1; w <= n; w++)
				if (quorum_valid(n, m, w))
					fn(n, m, w);
}

static void
check_reads(uint32_t n, uint32_t m, uint32_t w)
{
	uint32_t r = quorum_read(n, m, w);
	uint32_t c = quorum_stable_read(n, m, w);

	CHECK(r >= m && r <= n && c >= 1);
	CHECK(meet(n, r, w)); /* an acknowledged write is seen */
	CHECK(meet(n, r, c)); /* so is what another reader was told */
	CHECK(!meet(n, r, c - 1));
	CHECK(c <= w); /* what is stable may be told at once */
}

static void
S3_r_and_c_meet_and_no_smaller_c_does(void)
{
	each_geometry(8, check_reads);
}

static void
check_answers(uint32_t n, uint32_t m, uint32_t w)
{
	uint32_t k = quorum_meet_write(n, w);

	(void)m;
	CHECK(meet(n, k, w));
	CHECK(!meet(n, k - 1, w));
	CHECK(meet(n, w, w)); /* two tails cannot both be acknowledged */
}

/* How many must be heard for the positions of a list, and to begin a lost log
 * anew: one of every write quorum. */
static void
S14_S22_so_many_members_know_every_acknowledged_write(void)
{
	each_geometry(8, check_answers);
	/* 1 + 3 with w = 2 is what 2 w > n refuses. */
	CHECK(!quorum_valid(4, 1, 2));
	CHECK(!meet(4, 2, 2));
}

static void
check_losses(uint32_t n, uint32_t m, uint32_t w)
{
	uint32_t at_once = quorum_loss_at_once(m, w);
	uint32_t repaired = quorum_loss_repaired(n, m);

	CHECK(survive(n, w, at_once, m));
	CHECK(!survive(n, w, at_once + 1, m));
	CHECK(survive(n, n, repaired, m));
	CHECK(!survive(n, n, repaired + 1, m));
}

static void
S5_w_minus_m_machines_may_be_lost_at_once(void)
{
	each_geometry(N_MAX, check_losses);
	CHECK(quorum_loss_at_once(6, 7) == 1);
	/* What an earlier draft promised: n - w. */
	CHECK(!survive(9, 7, 9 - 7, 6));
}

static uint32_t
holders(const struct placement *place, uint32_t n)
{
	uint32_t set = 0;

	for (uint32_t machine = 0; machine < n; machine++)
		if (placement_inline_holder(place, machine))
			set |= 1u << machine;
	return set;
}

static void
check_holders(uint32_t n, uint32_t m, uint32_t w)
{
	struct erasure_set set = {
		.number = 1,
		.n = n,
		.data_shards = m,
		.write_quorum = w,
	};
	struct placement place = { .set = &set };
	uint32_t held;

	for (place.partition = 0; place.partition < 2 * n; place.partition++) {
		held = holders(&place, n);
		CHECK(bits(held) == n - m + 1);
		for (uint32_t x = 0; x < 1u << n; x++) {
			/* Any m machines have a holder among them, and any w
			 * have w - m + 1: as many as shards can be lost. */
			if (bits(x) == m)
				CHECK((x & held) != 0);
			if (bits(x) == w)
				CHECK(bits(x & held) >= w - m + 1);
		}
	}
}

static void
S5_inline_objects_are_as_safe_as_shards(void)
{
	each_geometry(8, check_holders);
}

static void
every_machine_holds_one_shard_and_all_hold_alike(void)
{
	struct erasure_set set = { .n = 9, .data_shards = 6 };
	struct placement place = { .set = &set };
	uint32_t count[9] = { 0 };

	for (place.partition = 0; place.partition < 9; place.partition++) {
		uint32_t seen = 0;

		for (uint32_t shard = 0; shard < 9; shard++) {
			uint32_t machine = placement_machine(&place, shard);

			CHECK(machine == (shard + place.partition) % 9);
			CHECK(placement_shard(&place, machine) == shard);
			seen |= 1u << machine;
			count[machine] += shard < 6;
		}
		CHECK(seen == (1u << 9) - 1);
	}
	for (uint32_t machine = 0; machine < 9; machine++)
		CHECK(count[machine] == 6);
}

/* quorum_position() against counting. */
static void
a_position_is_what_so_many_have_reached(void)
{
	for (uint32_t x = 0; x < 4 * 4 * 4 * 4; x++) {
		uint64_t at[4] = { x & 3, x >> 2 & 3, x >> 4 & 3, x >> 6 };

		for (size_t need = 1; need <= 4; need++) {
			uint64_t seq = quorum_position(at, 4, need);

			CHECK(quorum_reached(at, 4, seq, need));
			CHECK(!quorum_reached(at, 4, seq + 1, need));
		}
		CHECK(quorum_position(at, 3, 4) == 0);
		CHECK(quorum_reached(at, 4, quorum_highest(at, 4), 1));
		CHECK(quorum_count(at, 4, 0) == 4);
	}
}

int
main(void)
{
	RUN(S3_r_and_c_meet_and_no_smaller_c_does);
	RUN(S14_S22_so_many_members_know_every_acknowledged_write);
	RUN(S5_w_minus_m_machines_may_be_lost_at_once);
	RUN(S5_inline_objects_are_as_safe_as_shards);
	RUN(every_machine_holds_one_shard_and_all_hold_alike);
	RUN(a_position_is_what_so_many_have_reached);
	return tap_done();
}
