/* SPDX-License-Identifier: MIT */

/* How far each member has applied, over each kind of log: one that shares a
 * page, one that shares a table, one that shares nothing. */

#include "commit/positions.h"

#include <pthread.h>

#include "commit/commitlog_mem.h"
#include "logtest_read.h"

static void *
publish_later(void *arg)
{
	positions_publish(arg, (struct positions_member){ 1, 3 }, 5, 42);
	return NULL;
}

static void
a_sleeper_is_woken_by_what_a_member_applied(void)
{
	struct commitlog *log = make();
	struct positions *positions = NULL;
	uint32_t bell;
	pthread_t thread;

	REQUIRE(positions_open(&positions, log, NULL) == 0);
	bell = positions_bell(positions);
	pthread_create(&thread, NULL, publish_later, positions);
	while (positions_bell(positions) == bell)
		positions_wait(positions, bell, 60000);
	pthread_join(thread, NULL);
	positions_wait(positions, bell, 60000); /* rung before */
	bell = positions_bell(positions);
	CHECK(append(log, 1, "ring", NULL, NULL) == 0);
	CHECK(positions_bell(positions) == bell);
	positions_close(positions);
	commitlog_close(log);
}

static void
what_members_applied_is_seen_by_all_who_share_it(void)
{
	const struct positions_member nine = { 1, 31 };
	struct commitlog *log = make();
	struct commitlog *other = NULL;
	struct positions *mine = NULL;
	struct positions *its = NULL;
	bool shared;

	REQUIRE(commitlog_open(&other, url, NULL, NULL) == 0);
	REQUIRE(positions_open(&mine, log, NULL) == 0);
	REQUIRE(positions_open(&its, other, NULL) == 0);
	shared = positions_shared(mine);
	CHECK(shared == !hostile);
	CHECK(positions_applied(mine, nine, 5) == 0);
	for (uint32_t machine = 0; machine < 32; machine++)
		positions_publish(mine, (struct positions_member){ 1, machine },
		    5, 0);
	CHECK(append(log, 5, "x", NULL, NULL) == 0);
	CHECK(append(log, 5, "y", NULL, NULL) == 0);
	positions_publish(mine, nine, 5, 1);
	/* Of another set: another member. */
	positions_publish(mine, (struct positions_member){ 2, 31 }, 5, 2);
	CHECK(positions_applied(mine, nine, 5) == 1);
	CHECK(positions_applied(its, nine, 5) == (shared ? 1 : 0));
	CHECK(
	    positions_applied(its, (struct positions_member){ 1, 30 }, 5) == 0);
	CHECK(positions_applied(its, (struct positions_member){ 2, 31 }, 5) ==
	    (shared ? 2 : 0));
	CHECK(positions_applied(its, nine, 0) == 0);
	CHECK(log_end(other, 5) >= 1 && log_last(other, 5) >= 1);
	/* What a stream tells counts where nothing is shared, until the stream
	 * breaks. */
	positions_told(its, nine, 5, 7);
	CHECK(positions_applied(its, nine, 5) == (shared ? 1 : 7));
	positions_forget(its, nine);
	CHECK(positions_applied(its, nine, 5) == (shared ? 1 : 0));
	/* A member may come back with less. */
	positions_publish(mine, nine, 5, 0);
	CHECK(positions_applied(mine, nine, 5) == 0);
	positions_close(its);
	positions_close(mine);
	commitlog_close(other);
	commitlog_close(log);
}

static void
a_hold_ends_when_enough_members_have_it(void)
{
	struct commitlog *log = make();
	struct positions *positions = NULL;
	uint64_t known[9] = { 42, 0, 41, 0 };
	struct positions_hold hold = { .set = 1,
		.n = 9,
		.partition = 5,
		.seq = 42,
		.count = 2,
		.known = known };
	pthread_t thread;

	REQUIRE(positions_open(&positions, log, NULL) == 0);
	CHECK(!positions_hold(positions, &hold, &clock_system,
	    clock_mono_ms(&clock_system) + 20));
	positions_publish(positions, (struct positions_member){ 1, 2 }, 5, 41);
	positions_publish(positions, (struct positions_member){ 2, 2 }, 5, 42);
	positions_publish(positions, (struct positions_member){ 1, 2 }, 0, 42);
	CHECK(!positions_hold(positions, &hold, &clock_system,
	    clock_mono_ms(&clock_system) + 20));
	pthread_create(&thread, NULL, publish_later, positions);
	CHECK(positions_hold(positions, &hold, &clock_system, LATER));
	CHECK(known[0] == 42 && known[2] == 41 && known[3] == 42);
	pthread_join(thread, NULL);
	positions_close(positions);
	commitlog_close(log);
}

static void
every_case(const char *of)
{
	scheme = of;
	printf("# %s\n", of);
	RUN(a_sleeper_is_woken_by_what_a_member_applied);
	RUN(what_members_applied_is_seen_by_all_who_share_it);
	RUN(a_hold_ends_when_enough_members_have_it);
}

int
main(void)
{
	make_folder();
	every_case("sqlite:");
	every_case("mem:");
	hostile = true;
	every_case("mem:" COMMITLOG_MEM_HOSTILE);
	remove_folder();
	return tap_done();
}
