/* SPDX-License-Identifier: MIT */
#include "node/partitionrun.h"

#include "tap.h"

static struct partitionrun
caught_up(void)
{
	struct partitionrun run = { .partition = 3,
		.mine = true,
		.applied = 10,
		.staged = 10 };

	vote_goal(&run.vote, 10);
	(void)partitionrun_publish(&run);
	return run;
}

static void
the_first_publication_is_news(void)
{
	struct partitionrun run = { .partition = 3 };

	CHECK(partitionrun_publish(&run));
	CHECK(!partitionrun_publish(&run));
	CHECK(!run.voting);
}

static void
what_is_staged_is_published_only_once_it_is_durable(void)
{
	struct partitionrun run = caught_up();

	partitionrun_staged(&run, 12);
	CHECK(!partitionrun_publish(&run));
	CHECK(run.published == 10);
	CHECK(!partitionrun_settle(&run, true));
	CHECK(partitionrun_publish(&run));
	CHECK(run.published == 12);
}

static void
what_was_rolled_back_is_gone(void)
{
	struct partitionrun run = caught_up();

	partitionrun_staged(&run, 12);
	(void)partitionrun_settle(&run, false);
	CHECK(!partitionrun_publish(&run));
	CHECK(run.applied == 10 && run.staged == 10);
}

static void
a_vote_that_comes_is_news(void)
{
	struct partitionrun run = { .partition = 3, .applied = 5, .staged = 5 };

	vote_goal(&run.vote, 6);
	CHECK(partitionrun_publish(&run));
	CHECK(!run.voting);
	partitionrun_staged(&run, 6);
	(void)partitionrun_settle(&run, true);
	CHECK(partitionrun_publish(&run));
	CHECK(run.voting);
}

static void
losing_the_log_takes_the_vote_until_a_new_goal_is_reached(void)
{
	struct partitionrun run = caught_up();

	CHECK(run.voting);
	partitionrun_log_lost(&run, 500, "out of reach");
	CHECK(partitionrun_publish(&run));
	CHECK(!run.voting);
	vote_goal(&run.vote, 11);
	CHECK(!partitionrun_publish(&run));
	partitionrun_staged(&run, 11);
	(void)partitionrun_settle(&run, true);
	CHECK(partitionrun_publish(&run));
	CHECK(run.voting);
}

static void
an_unknown_record_halts_once_its_batch_is_durable(void)
{
	struct partitionrun run = caught_up();

	partitionrun_poison(&run, 11, "unknown");
	CHECK(partitionrun_stopped(&run));
	(void)partitionrun_settle(&run, false);
	CHECK(!run.halted);
	partitionrun_poison(&run, 11, "unknown");
	CHECK(partitionrun_settle(&run, true));
	CHECK(run.halted);
	CHECK(!partitionrun_wants(&run, UINT64_MAX));
	CHECK_STR(run.reason, "unknown");
	/* It keeps its vote: reads go on. */
	(void)partitionrun_publish(&run);
	CHECK(run.voting);
}

static void
a_damaged_record_is_tried_again_after_a_while(void)
{
	struct partitionrun run = caught_up();

	partitionrun_retry_at(&run, 1000, "damaged");
	CHECK(partitionrun_stopped(&run));
	CHECK(partitionrun_settle(&run, true));
	CHECK(!partitionrun_stopped(&run));
	CHECK(!run.halted);
	CHECK(!partitionrun_wants(&run, 999));
	CHECK(!partitionrun_revive(&run, 999));
	CHECK(partitionrun_revive(&run, 1000));
	CHECK(partitionrun_wants(&run, 1000));
	CHECK_STR(run.reason, "");
}

static void
a_log_that_disagrees_halts_and_takes_the_vote(void)
{
	struct partitionrun run = caught_up();

	partitionrun_disagrees(&run, "the log is shorter");
	CHECK(run.halted);
	CHECK(partitionrun_publish(&run));
	CHECK(!run.voting);
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
