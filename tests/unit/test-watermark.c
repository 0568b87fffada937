/* SPDX-License-Identifier: MIT */
#include "member/watermark.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "tap.h"

static const uint32_t numbers[] = { 7, 2, 30 };

static struct watermark *
fresh(void)
{
	struct watermark *wm = NULL;

	if (watermark_new(&wm, numbers, 3, &clock_system, NULL) != 0)
		abort();
	return wm;
}

static void
partitions_are_found_by_number(void)
{
	struct watermark *wm = fresh();

	CHECK(watermark_count(wm) == 3);
	CHECK(watermark_index(wm, 2) == 0);
	CHECK(watermark_index(wm, 7) == 1);
	CHECK(watermark_index(wm, 30) == 2);
	CHECK(watermark_index(wm, 3) == -1);
	CHECK(watermark_partition(wm, 1) == 7);
	watermark_free(wm);
}

static void
a_wait_for_what_is_applied_returns_at_once(void)
{
	struct watermark *wm = fresh();

	watermark_set(wm, 1, 5, true);
	CHECK(watermark_wait(wm, 1, 5, 0, NULL) == 0);
	CHECK(watermark_voting(wm, 1));
	CHECK(!watermark_voting(wm, 0));
	watermark_free(wm);
}

static void
a_wait_for_what_is_not_ends_at_its_deadline(void)
{
	struct watermark *wm = fresh();

	CHECK(watermark_wait(wm, 1, 5, 0, NULL) == -ERRC_RETRY);
	watermark_free(wm);
}

static void *
advance(void *arg)
{
	struct watermark *wm = arg;

	watermark_set(wm, 2, 9, true);
	watermark_publish(wm);
	return NULL;
}

static void
a_waiter_is_woken_by_publishing(void)
{
	struct watermark *wm = fresh();
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, advance, wm) == 0);
	CHECK(watermark_wait(wm, 2, 9, clock_mono_ms(&clock_system) + 60000,
		  NULL) == 0);
	pthread_join(thread, NULL);
	watermark_free(wm);
}

static void
stopping_ends_every_wait(void)
{
	struct watermark *wm = fresh();

	watermark_stop(wm);
	CHECK(watermark_wait(wm, 0, 1, UINT64_MAX, NULL) == -ERRC_UNAVAILABLE);
	watermark_free(wm);
}

static void
put(struct watermark *wm, uint64_t seq, uint64_t sender)
{
	struct watermark_event e = { .partition = 7,
		.seq = seq,
		.sender = sender,
		.outcome = OUTCOME_EXISTS };

	watermark_event(wm, &e);
}

static void
an_event_is_seen_only_once_it_is_published(void)
{
	struct watermark *wm = fresh();
	struct watermark_event e;
	uint64_t cursor = watermark_cursor(wm);

	put(wm, 4, 1);
	CHECK(watermark_next(wm, &cursor, 1, &e) == WATERMARK_EMPTY);
	watermark_publish(wm);
	CHECK(watermark_next(wm, &cursor, 1, &e) == WATERMARK_EVENT);
	CHECK(e.seq == 4 && e.outcome == OUTCOME_EXISTS);
	CHECK(watermark_next(wm, &cursor, 1, &e) == WATERMARK_EMPTY);
	watermark_free(wm);
}

static void
a_stream_sees_its_own_sender_only(void)
{
	struct watermark *wm = fresh();
	struct watermark_event e;
	uint64_t cursor = watermark_cursor(wm);

	put(wm, 1, 100);
	put(wm, 2, 200);
	put(wm, 3, 100);
	watermark_publish(wm);
	CHECK(watermark_next(wm, &cursor, 200, &e) == WATERMARK_EVENT);
	CHECK(e.seq == 2);
	CHECK(watermark_next(wm, &cursor, 200, &e) == WATERMARK_EMPTY);
	watermark_free(wm);
}

static void
a_stream_that_falls_behind_the_ring_is_told(void)
{
	struct watermark *wm = fresh();
	struct watermark_event e;
	uint64_t cursor = watermark_cursor(wm);

	for (uint64_t i = 0; i < WATERMARK_RING; i++)
		put(wm, i, 1);
	watermark_publish(wm);
	CHECK(watermark_next(wm, &cursor, 1, &e) == WATERMARK_EVENT);
	CHECK(e.seq == 0);
	put(wm, 9, 1);
	put(wm, 9, 1);
	watermark_publish(wm);
	CHECK(watermark_next(wm, &cursor, 1, &e) == WATERMARK_LOST);
	watermark_free(wm);
}

static void
senders_have_numbers_of_their_own(void)
{
	CHECK(watermark_sender("a", 1) == watermark_sender("a", 1));
	CHECK(watermark_sender("a", 1) != watermark_sender("b", 1));
}

static void
a_partition_that_went_has_no_vote_and_keeps_nobody_waiting(void)
{
	static const uint32_t partitions[] = { 1, 2 };
	struct watermark *wm = NULL;
	struct error err;

	REQUIRE(watermark_new(&wm, partitions, 2, &clock_system, &err) == 0);
	CHECK(watermark_mine(wm, 0) && watermark_mine(wm, 1));
	watermark_set(wm, 0, 7, true);
	watermark_set(wm, 1, 8, true);
	watermark_assign(wm, 0, false);
	CHECK(!watermark_mine(wm, 0) && !watermark_voting(wm, 0));
	CHECK(watermark_applied(wm, 0) == 0);
	/* Its index stays, and so does the other. */
	CHECK(watermark_index(wm, 1) == 0 && watermark_index(wm, 2) == 1);
	CHECK(watermark_voting(wm, 1) && watermark_applied(wm, 1) == 8);
	CHECK(watermark_wait(wm, 0, 7, clock_mono_ms(&clock_system) + 20000,
		  &err) == -ERRC_UNAVAILABLE);
	/* A batch that was on its way says nothing of it any more. */
	watermark_set(wm, 0, 9, true);
	CHECK(!watermark_voting(wm, 0) && watermark_applied(wm, 0) == 0);
	watermark_assign(wm, 0, true);
	CHECK(watermark_mine(wm, 0) && !watermark_voting(wm, 0));
	watermark_set(wm, 0, 9, true);
	CHECK(watermark_voting(wm, 0));
	CHECK(watermark_wait(wm, 0, 9, 0, &err) == 0);
	watermark_free(wm);
}

int
main(void)
{
	RUN(a_partition_that_went_has_no_vote_and_keeps_nobody_waiting);
	RUN(partitions_are_found_by_number);
	RUN(a_wait_for_what_is_applied_returns_at_once);
	RUN(a_wait_for_what_is_not_ends_at_its_deadline);
	RUN(a_waiter_is_woken_by_publishing);
	RUN(stopping_ends_every_wait);
	RUN(an_event_is_seen_only_once_it_is_published);
	RUN(a_stream_sees_its_own_sender_only);
	RUN(a_stream_that_falls_behind_the_ring_is_told);
	RUN(senders_have_numbers_of_their_own);
	return tap_done();
}
