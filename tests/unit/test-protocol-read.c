/* SPDX-License-Identifier: MIT */
#include "modelread.h"

#include <string.h>

#include "tap.h"

/*
 * Reading and writing a key: every interleaving of small clusters, and many
 * of the usual one.  Each rule is taken away in turn, and the checker must
 * find what breaks: the numbers are those of protocol-why.md.
 */

static bool
safe(struct modelread model)
{
	bool good = modelread_explore(&model);

	printf("# %u+%u w=%u log=%s losses=%u: %zu states%s\n", model.m,
	    model.n - model.m, model.w, model.log, model.losses, model.states,
	    model.complete ? "" : ", not all");
	if (!good)
		printf("# %s\n", model.trace);
	return good;
}

/* Does the checker see that the rule is missing, and nothing else? */
static bool
caught(struct modelread model, unsigned rule)
{
	bool good;

	model.removed = MODELREAD_ALL_RULES;
	good = modelread_explore(&model);
	if (!good) {
		printf("# with all rules: %s\n", model.trace);
		return false;
	}
	model.removed = rule;
	good = modelread_explore(&model);
	if (!good)
		printf("# found: %s\n", model.trace);
	else
		printf("# %zu states and nothing found\n", model.states);
	return !good;
}

static void
every_interleaving_of_small_clusters_is_linearizable(void)
{
	static const struct modelread scope[] = {
		{ .n = 3, .m = 2, .w = 3, .log = "PD", .readers = 2 },
		{ .n = 4, .m = 2, .w = 3, .log = "PP", .readers = 2 },
		{ .n = 4, .m = 2, .w = 3, .log = "PN", .readers = 2 },
		{ .n = 6, .m = 4, .w = 5, .log = "P", .readers = 2 },
	};

	for (size_t i = 0; i < sizeof(scope) / sizeof(scope[0]); i++)
		CHECK(safe(scope[i]));
}

static void
the_short_cut_goes_with_the_quorum_read(void)
{
	static const struct modelread scope[] = {
		{ .n = 3,
		    .m = 2,
		    .w = 3,
		    .log = "PP",
		    .readers = 2,
		    .short_cut = true },
		{ .n = 4,
		    .m = 2,
		    .w = 3,
		    .log = "PD",
		    .readers = 2,
		    .short_cut = true },
		{ .n = 4,
		    .m = 2,
		    .w = 3,
		    .log = "P",
		    .readers = 2,
		    .short_cut = true,
		    .counter = true },
	};

	for (size_t i = 0; i < sizeof(scope) / sizeof(scope[0]); i++)
		CHECK(safe(scope[i]));
}

static void
nodes_may_lose_their_tails(void)
{
	static const struct modelread scope[] = {
		{ .n = 3,
		    .m = 2,
		    .w = 3,
		    .log = "PD",
		    .readers = 1,
		    .losses = 1,
		    .short_cut = true },
		{ .n = 4,
		    .m = 2,
		    .w = 3,
		    .log = "P",
		    .readers = 2,
		    .losses = 2,
		    .short_cut = true },
		{ .n = 5,
		    .m = 3,
		    .w = 4,
		    .log = "P",
		    .readers = 1,
		    .losses = 3,
		    .short_cut = true },
	};

	for (size_t i = 0; i < sizeof(scope) / sizeof(scope[0]); i++)
		CHECK(safe(scope[i]));
}

/* Six data and three parity shards: too many states for all of them. */
static void
the_usual_cluster_is_linearizable(void)
{
	static const char *const log[] = { "P", "PP", "PD", "PDP", "PNDN" };
	bool good;

	for (size_t i = 0; i < sizeof(log) / sizeof(log[0]); i++) {
		struct modelread model = {
			.n = 9,
			.m = 6,
			.w = 7,
			.log = log[i],
			.readers = 3,
			.losses = i % 2 == 0 ? 0 : 4,
			.short_cut = true,
			.counter = true,
		};

		good = modelread_swarm(&model, 1 + i, 4000);
		CHECK(good);
		if (!good)
			printf("# %s\n", model.trace);
	}
}

static void
the_swarm_finds_what_is_missing_too(void)
{
	static const unsigned rule[] = { MODELREAD_FEW_ANSWERS,
		MODELREAD_SHORT_CUT_BARE, MODELREAD_C_FROM_ANSWERS,
		MODELREAD_NO_VOTES };

	for (size_t i = 0; i < sizeof(rule) / sizeof(rule[0]); i++) {
		struct modelread model = {
			.n = 9,
			.m = 6,
			.w = 7,
			.log = "PP",
			.readers = 3,
			.losses = 4,
			.short_cut = true,
			.removed = rule[i],
		};

		CHECK(!modelread_swarm(&model, 7, 200000));
		printf("# rule %#x: %zu steps: %s\n", rule[i], model.states,
		    model.trace);
	}
}

static void
S1_fewer_answers_than_r_are_found(void)
{
	CHECK(caught((struct modelread){ .n = 6,
			 .m = 4,
			 .w = 5,
			 .log = "P",
			 .readers = 2 },
	    MODELREAD_FEW_ANSWERS));
}

static void
S2_a_short_cut_that_does_not_await_c_is_found(void)
{
	CHECK(caught((struct modelread){ .n = 4,
			 .m = 2,
			 .w = 3,
			 .log = "P",
			 .readers = 2,
			 .short_cut = true },
	    MODELREAD_SHORT_CUT_BARE));
}

static void
S3_c_from_the_answers_received_is_found(void)
{
	CHECK(caught((struct modelread){ .n = 4,
			 .m = 2,
			 .w = 3,
			 .log = "P",
			 .readers = 2 },
	    MODELREAD_C_FROM_ANSWERS));
	CHECK(caught((struct modelread){ .n = 4,
			 .m = 2,
			 .w = 3,
			 .log = "P",
			 .readers = 2 },
	    MODELREAD_QUORUM_BARE));
}

static void
S4_the_highest_row_instead_of_the_highest_applied_is_found(void)
{
	CHECK(caught((struct modelread){ .n = 4,
			 .m = 2,
			 .w = 3,
			 .log = "PD",
			 .readers = 1 },
	    MODELREAD_HIGHEST_ROW));
}

static void
S4_tombstones_dropped_before_they_are_stable_are_found(void)
{
	CHECK(caught((struct modelread){ .n = 4,
			 .m = 2,
			 .w = 3,
			 .log = "PD",
			 .readers = 2 },
	    MODELREAD_DROP_EARLY));
}

static void
S6_a_node_that_lost_its_tail_and_votes_is_found(void)
{
	CHECK(caught((struct modelread){ .n = 4,
			 .m = 2,
			 .w = 3,
			 .log = "P",
			 .readers = 1,
			 .losses = 1 },
	    MODELREAD_NO_VOTES));
	CHECK(caught((struct modelread){ .n = 4,
			 .m = 2,
			 .w = 3,
			 .log = "P",
			 .readers = 1,
			 .losses = 1,
			 .short_cut = true },
	    MODELREAD_OLD_END));
}

/* It has records that others than the log's have; who asks it reads them. */
static void
S6c_a_node_that_votes_beside_an_older_log_is_found(void)
{
	CHECK(caught((struct modelread){ .n = 4,
			 .m = 2,
			 .w = 3,
			 .log = "PP",
			 .readers = 1,
			 .old_log = true },
	    MODELREAD_NO_BAR));
}

static void
S7_a_counter_that_is_raised_after_applying_is_found(void)
{
	CHECK(caught((struct modelread){ .n = 4,
			 .m = 2,
			 .w = 3,
			 .log = "P",
			 .readers = 2,
			 .short_cut = true,
			 .counter = true },
	    MODELREAD_END_AFTER));
}

static void
S17_a_refusal_told_before_w_nodes_applied_it_is_found(void)
{
	CHECK(caught((struct modelread){ .n = 4,
			 .m = 2,
			 .w = 3,
			 .log = "PN",
			 .readers = 1 },
	    MODELREAD_REFUSE_EARLY));
}

static void
a_write_acknowledged_by_fewer_than_w_is_found(void)
{
	CHECK(caught((struct modelread){ .n = 4,
			 .m = 2,
			 .w = 3,
			 .log = "P",
			 .readers = 1 },
	    MODELREAD_ACK_EARLY));
}

/* Nobody gets past the record: readers of what is before it get answers,
 * with nodes that start again after it was appended. */
static void
L2_a_poison_record_leaves_reads_alive(void)
{
	CHECK(caught((struct modelread){ .n = 3,
			 .m = 2,
			 .w = 3,
			 .log = "PP",
			 .readers = 1,
			 .losses = 2,
			 .short_cut = true,
			 .poison = 2 },
	    MODELREAD_NO_POISON_CAP));
}

int
main(void)
{
	RUN(every_interleaving_of_small_clusters_is_linearizable);
	RUN(the_short_cut_goes_with_the_quorum_read);
	RUN(nodes_may_lose_their_tails);
	RUN(the_usual_cluster_is_linearizable);
	RUN(S1_fewer_answers_than_r_are_found);
	RUN(S2_a_short_cut_that_does_not_await_c_is_found);
	RUN(S3_c_from_the_answers_received_is_found);
	RUN(S4_the_highest_row_instead_of_the_highest_applied_is_found);
	RUN(S4_tombstones_dropped_before_they_are_stable_are_found);
	RUN(S6_a_node_that_lost_its_tail_and_votes_is_found);
	RUN(S6c_a_node_that_votes_beside_an_older_log_is_found);
	RUN(the_swarm_finds_what_is_missing_too);
	RUN(S7_a_counter_that_is_raised_after_applying_is_found);
	RUN(S17_a_refusal_told_before_w_nodes_applied_it_is_found);
	RUN(a_write_acknowledged_by_fewer_than_w_is_found);
	RUN(L2_a_poison_record_leaves_reads_alive);
	return tap_done();
}
