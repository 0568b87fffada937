/* SPDX-License-Identifier: MIT */
#include "apply/vote.h"

#include "tap.h"

static void
a_fresh_node_does_not_count(void)
{
	struct vote v = { 0 };

	CHECK(!vote_applied(&v, 0));
	CHECK(!vote_applied(&v, 1000));
}

static void
it_counts_from_the_end_that_was_read_after_its_start(void)
{
	struct vote v = { 0 };

	vote_goal(&v, 10);
	CHECK(!vote_applied(&v, 9));
	CHECK(vote_applied(&v, 10));
	CHECK(vote_applied(&v, 11));
}

static void
a_later_end_does_not_move_the_goal(void)
{
	struct vote v = { 0 };

	vote_goal(&v, 10);
	vote_goal(&v, 20);
	CHECK(vote_applied(&v, 10));
}

static void
after_the_log_was_out_of_reach_it_must_catch_up_again(void)
{
	struct vote v = { 0 };

	vote_goal(&v, 10);
	CHECK(vote_applied(&v, 10));
	vote_reset(&v);
	CHECK(!vote_applied(&v, 10));
	vote_goal(&v, 12);
	CHECK(!vote_applied(&v, 11));
	CHECK(vote_applied(&v, 12));
}

static void
the_end_stops_before_a_record_that_cannot_be_read(void)
{
	struct vote v = { 0 };

	vote_poison(&v, 8);
	vote_goal(&v, 10);
	CHECK(!vote_applied(&v, 6));
	CHECK(vote_applied(&v, 7));
}

static void
an_unreadable_record_past_the_goal_changes_nothing(void)
{
	struct vote v = { 0 };

	vote_goal(&v, 10);
	vote_poison(&v, 20);
	CHECK(!vote_applied(&v, 9));
	CHECK(vote_applied(&v, 10));
}

static void
an_unreadable_record_is_remembered_over_a_reset(void)
{
	struct vote v = { 0 };

	vote_poison(&v, 8);
	vote_reset(&v);
	vote_goal(&v, 10);
	CHECK(vote_applied(&v, 7));
}

static void
a_log_that_is_shorter_than_applied_bars_for_ever(void)
{
	struct vote v = { 0 };

	vote_bar(&v);
	vote_goal(&v, 60);
	CHECK(!vote_applied(&v, 100));
	vote_reset(&v);
	vote_goal(&v, 60);
	CHECK(!vote_applied(&v, 100));
}

int
main(void)
{
	RUN(a_fresh_node_does_not_count);
	RUN(it_counts_from_the_end_that_was_read_after_its_start);
	RUN(a_later_end_does_not_move_the_goal);
	RUN(after_the_log_was_out_of_reach_it_must_catch_up_again);
	RUN(the_end_stops_before_a_record_that_cannot_be_read);
	RUN(an_unreadable_record_past_the_goal_changes_nothing);
	RUN(an_unreadable_record_is_remembered_over_a_reset);
	RUN(a_log_that_is_shorter_than_applied_bars_for_ever);
	return tap_done();
}
