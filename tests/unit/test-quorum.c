/* SPDX-License-Identifier: MIT */
#include "cluster/quorum.h"

#include <stdbool.h>

#include "tap.h"

#define N_MAX 32

static uint32_t
max(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static void
the_formulas_hold_for_every_set_there_can_be(void)
{
	int valid = 0;

	for (uint32_t n = 0; n <= N_MAX; n++) {
		for (uint32_t m = 0; m <= N_MAX; m++) {
			for (uint32_t w = 0; w <= N_MAX + 1; w++) {
				bool good = m >= 1 && m < n && w > m &&
				    w <= n && 2 * w > n;

				CHECK(quorum_valid(n, m, w) == good);
				if (!good)
					continue;
				valid++;
				uint32_t r = quorum_read(n, m, w);
				uint32_t c = quorum_stable_read(n, m, w);

				CHECK(r == max(m, n - w + 1));
				CHECK(c == n - r + 1);
				/* Any r answers contain one of any w, and one
				 * of any c. */
				CHECK(r + w > n);
				CHECK(r + c > n);
				CHECK(r >= m && r <= n && c >= 1 && c <= n);
				CHECK(quorum_meet_write(n, w) + w == n + 1);
				CHECK(quorum_loss_at_once(m, w) >= 1);
				CHECK(quorum_loss_at_once(m, w) <=
				    quorum_loss_repaired(n, m));
			}
		}
	}
	CHECK(valid > 1000);
}

static void
the_default_write_quorum_is_valid_and_as_documented(void)
{
	for (uint32_t n = 2; n <= N_MAX; n++) {
		for (uint32_t m = 1; m < n; m++)
			CHECK(quorum_valid(n, m, quorum_default_write(m, n)));
	}
	CHECK(quorum_default_write(6, 9) == 7);
	CHECK(quorum_default_write(4, 6) == 5);
	CHECK(quorum_default_write(8, 11) == 9);
	CHECK(quorum_default_write(1, 4) == 3);
	CHECK(quorum_read(9, 6, 7) == 6 && quorum_stable_read(9, 6, 7) == 4);
	CHECK(quorum_loss_at_once(6, 7) == 1);
	CHECK(quorum_loss_repaired(9, 6) == 3);
}

/* All vectors of five positions from 0 to 4, against a definition by sorting
 * nothing: position(need) is the largest v with count(v) >= need. */
static void
counting_agrees_with_its_definition_on_every_small_vector(void)
{
	enum { COUNT = 5, VALUES = 5 };
	uint64_t p[COUNT];

	for (int code = 0; code < 3125; code++) {
		int rest = code;
		uint64_t highest = 0;

		for (int i = 0; i < COUNT; i++) {
			p[i] = (uint64_t)(rest % VALUES);
			rest /= VALUES;
			if (p[i] > highest)
				highest = p[i];
		}
		CHECK(quorum_highest(p, COUNT) == highest);
		for (size_t need = 0; need <= COUNT + 1; need++) {
			uint64_t want = 0;

			for (uint64_t v = 0; v < VALUES; v++) {
				size_t count = 0;

				for (int i = 0; i < COUNT; i++)
					count += p[i] >= v;
				CHECK(quorum_count(p, COUNT, v) == count);
				CHECK(quorum_reached(p, COUNT, v, need) ==
				    (count >= need));
				if (count >= need && need > 0)
					want = v;
			}
			CHECK(quorum_position(p, COUNT, need) == want);
		}
	}
	CHECK(quorum_position(NULL, 0, 1) == 0);
	CHECK(quorum_highest(NULL, 0) == 0);
}

/* The new-old inversion: with c computed from the answers, or below n - r + 1,
 * there are r other nodes that have not applied s. */
static void
fewer_than_c_would_let_a_second_reader_see_less(void)
{
	for (uint32_t n = 2; n <= N_MAX; n++) {
		for (uint32_t m = 1; m < n; m++) {
			uint32_t w = quorum_default_write(m, n);
			uint32_t r = quorum_read(n, m, w);
			uint32_t c = quorum_stable_read(n, m, w);

			CHECK(n - (c - 1) >= r);
			CHECK(n - c < r);
		}
	}
}

int
main(void)
{
	RUN(the_formulas_hold_for_every_set_there_can_be);
	RUN(the_default_write_quorum_is_valid_and_as_documented);
	RUN(counting_agrees_with_its_definition_on_every_small_vector);
	RUN(fewer_than_c_would_let_a_second_reader_see_less);
	return tap_done();
}
