/* SPDX-License-Identifier: MIT */
#include "node/lane.h"

#include "tap.h"

static struct lane
caught_up(void)
{
	struct lane lane = { .partition = 3, .applied = 10, .staged = 10 };

	vote_goal(&lane.vote, 10);
	(void)lane_publish(&lane);
	return lane;
}

static void
the_first_publication_is_news(void)
{
	struct lane lane = { .partition = 3 };

	CHECK(lane_publish(&lane));
	CHECK(!lane_publish(&lane));
	CHECK(!lane.voting);
}

static void
what_is_staged_is_published_only_once_it_is_durable(void)
{
	struct lane lane = caught_up();

	lane_staged(&lane, 12);
	CHECK(!lane_publish(&lane));
	CHECK(lane.published == 10);
	CHECK(!lane_settle(&lane, true));
	CHECK(lane_publish(&lane));
	CHECK(lane.published == 12);
}

static void
what_was_rolled_back_is_gone(void)
{
	struct lane lane = caught_up();

	lane_staged(&lane, 12);
	(void)lane_settle(&lane, false);
	CHECK(!lane_publish(&lane));
	CHECK(lane.applied == 10 && lane.staged == 10);
}

static void
a_vote_that_comes_is_news(void)
{
	struct lane lane = { .partition = 3, .applied = 5, .staged = 5 };

	vote_goal(&lane.vote, 6);
	CHECK(lane_publish(&lane));
	CHECK(!lane.voting);
	lane_staged(&lane, 6);
	(void)lane_settle(&lane, true);
	CHECK(lane_publish(&lane));
	CHECK(lane.voting);
}

static void
losing_the_log_takes_the_vote_until_a_new_goal_is_reached(void)
{
	struct lane lane = caught_up();

	CHECK(lane.voting);
	lane_log_lost(&lane);
	CHECK(lane_publish(&lane));
	CHECK(!lane.voting);
	vote_goal(&lane.vote, 11);
	CHECK(!lane_publish(&lane));
	lane_staged(&lane, 11);
	(void)lane_settle(&lane, true);
	CHECK(lane_publish(&lane));
	CHECK(lane.voting);
}

static void
an_unknown_record_halts_once_its_batch_is_durable(void)
{
	struct lane lane = caught_up();

	lane_poison(&lane, 11, "unknown");
	CHECK(lane_stopped(&lane));
	(void)lane_settle(&lane, false);
	CHECK(!lane.halted);
	lane_poison(&lane, 11, "unknown");
	CHECK(lane_settle(&lane, true));
	CHECK(lane.halted);
	CHECK(!lane_wants(&lane, UINT64_MAX));
	CHECK_STR(lane.reason, "unknown");
	/* It keeps its vote: reads go on. */
	(void)lane_publish(&lane);
	CHECK(lane.voting);
}

static void
a_damaged_record_is_tried_again_after_a_while(void)
{
	struct lane lane = caught_up();

	lane_retry_at(&lane, 1000, "damaged");
	CHECK(lane_stopped(&lane));
	CHECK(lane_settle(&lane, true));
	CHECK(!lane_stopped(&lane));
	CHECK(!lane.halted);
	CHECK(!lane_wants(&lane, 999));
	CHECK(!lane_revive(&lane, 999));
	CHECK(lane_revive(&lane, 1000));
	CHECK(lane_wants(&lane, 1000));
	CHECK_STR(lane.reason, "");
}

static void
a_log_that_disagrees_halts_and_takes_the_vote(void)
{
	struct lane lane = caught_up();

	lane_disagrees(&lane, "the log is shorter");
	CHECK(lane.halted);
	CHECK(lane_publish(&lane));
	CHECK(!lane.voting);
}

int
main(void)
{
	RUN(the_first_publication_is_news);
	RUN(what_is_staged_is_published_only_once_it_is_durable);
	RUN(what_was_rolled_back_is_gone);
	RUN(a_vote_that_comes_is_news);
	RUN(losing_the_log_takes_the_vote_until_a_new_goal_is_reached);
	RUN(an_unknown_record_halts_once_its_batch_is_durable);
	RUN(a_damaged_record_is_tried_again_after_a_while);
	RUN(a_log_that_disagrees_halts_and_takes_the_vote);
	return tap_done();
}
