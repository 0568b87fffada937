/* SPDX-License-Identifier: MIT */

/* Room on a node's disk, of a file system that the test makes up. */

#include "member/room.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "tap.h"

#define MIB (1ull << 20)

static struct statvfs fake;
static bool broken;

static int
t_statvfs(int fd, struct statvfs *out)
{
	(void)fd;
	errno = EIO;
	*out = fake;
	return broken ? -1 : 0;
}

static void
disk(uint64_t total, uint64_t free_bytes)
{
	broken = false;
	memset(&fake, 0, sizeof(fake));
	fake.f_frsize = 4096;
	fake.f_blocks = total / 4096;
	fake.f_bavail = free_bytes / 4096;
}

static struct room *
fresh(uint64_t reserve)
{
	struct room *room = NULL;

	if (room_new(&room, 0, reserve, t_statvfs, NULL) != 0)
		abort();
	return room;
}

static struct room_state
look(struct room *room)
{
	struct room_state state;

	room_look(room, &state);
	return state;
}

static void
the_reserve_is_64_MiB_or_a_hundredth_or_as_told(void)
{
	struct room *room;

	disk(1024 * MIB, 1024 * MIB);
	room = fresh(0);
	CHECK(look(room).reserve_bytes == 64 * MIB);
	disk(100000 * MIB, 1024 * MIB);
	CHECK(look(room).reserve_bytes == 1000 * MIB);
	CHECK(look(room).free_bytes == 1024 * MIB);
	CHECK(look(room).total_bytes == 100000 * MIB);
	room_free(room);
	room = fresh(8 * MIB);
	CHECK(look(room).reserve_bytes == 8 * MIB);
	room_free(room);
}

static void
data_stops_at_the_reserve(void)
{
	struct room *room;
	struct error err = { 0 };

	disk(1024 * MIB, 100 * MIB);
	room = fresh(0);
	CHECK(room_take(room, 36 * MIB, &err) == -ERRC_FULL);
	CHECK_STR(err.text,
	    "104857600 bytes free, 67108864 of them kept for records");
	CHECK(room_take(room, 36 * MIB - ROOM_LEAST_BYTES + 1, NULL) ==
	    -ERRC_FULL);
	CHECK(room_take(room, UINT64_MAX, NULL) == -ERRC_FULL);
	CHECK(look(room).taken_bytes == 0);
	CHECK(room_take(room, 36 * MIB - ROOM_LEAST_BYTES, NULL) == 0);
	room_give(room, 36 * MIB - ROOM_LEAST_BYTES);
	room_free(room);
}

static void
what_is_on_its_way_counts_until_it_is_given_back(void)
{
	struct room *room;

	disk(1024 * MIB, 84 * MIB);
	room = fresh(0);
	CHECK(room_take(room, 10 * MIB, NULL) == 0);
	CHECK(room_take(room, 10 * MIB, NULL) == -ERRC_FULL);
	CHECK(look(room).taken_bytes == 10 * MIB);
	room_give(room, 4 * MIB);
	CHECK(room_take(room, 10 * MIB, NULL) == 0);
	room_give(room, 16 * MIB);
	CHECK(look(room).taken_bytes == 0);
	room_free(room);
}

static void
full_and_pressed_are_told_by_what_is_left(void)
{
	struct room *room;

	disk(1024 * MIB, 64 * MIB + ROOM_LEAST_BYTES - 4096);
	room = fresh(0);
	CHECK(look(room).full && look(room).pressed);
	CHECK(room_take(room, 0, NULL) == -ERRC_FULL);
	disk(1024 * MIB, 64 * MIB + ROOM_LEAST_BYTES);
	CHECK(!look(room).full && look(room).pressed);
	CHECK(room_take(room, 0, NULL) == 0);
	disk(1024 * MIB, 128 * MIB - 4096);
	CHECK(!look(room).full && look(room).pressed);
	disk(1024 * MIB, 128 * MIB);
	CHECK(!look(room).full && !look(room).pressed);
	room_free(room);
}

/* A disk that has just refused an ordinary shard does not say that it is well,
 * and one refused giant does not close it for all others. */
static void
a_refused_shard_makes_it_full_until_there_is_room_for_one(void)
{
	struct room *room;

	disk(1024 * MIB, 66 * MIB);
	room = fresh(0);
	CHECK(room_take(room, 20 * MIB, NULL) == -ERRC_FULL);
	CHECK(!look(room).full);
	CHECK(room_take(room, 2 * MIB, NULL) == -ERRC_FULL);
	CHECK(look(room).full);
	CHECK(room_take(room, 1, NULL) == -ERRC_FULL);
	disk(1024 * MIB, 66 * MIB + ROOM_LEAST_BYTES - 4096);
	CHECK(look(room).full);
	disk(1024 * MIB, 66 * MIB + ROOM_LEAST_BYTES);
	CHECK(!look(room).full);
	CHECK(room_take(room, 1, NULL) == 0);
	room_give(room, 1);
	/* It begins anew: forgotten when the room was there. */
	disk(1024 * MIB, 66 * MIB);
	CHECK(!look(room).full);
	room_free(room);
}

static void
a_disk_without_free_files_is_full(void)
{
	struct room *room;

	disk(1024 * MIB, 1024 * MIB);
	fake.f_files = 1000;
	fake.f_favail = ROOM_RESERVE_FILES;
	room = fresh(0);
	CHECK(!look(room).full);
	fake.f_favail = ROOM_RESERVE_FILES - 1;
	CHECK(look(room).full);
	CHECK(room_take(room, 1, NULL) == -ERRC_FULL);
	room_free(room);
}

static void
a_disk_that_cannot_be_asked_is_full(void)
{
	struct room *room = NULL;

	disk(1024 * MIB, 1024 * MIB);
	broken = true;
	CHECK(room_new(&room, 0, 0, t_statvfs, NULL) == -ERRC_IO);
	broken = false;
	room = fresh(0);
	broken = true;
	CHECK(look(room).full);
	CHECK(room_take(room, 1, NULL) == -ERRC_FULL);
	room_free(room);
}

static void
each_turn_is_told_once_and_with_a_gap_between(void)
{
	struct room_state state;
	struct room *room;

	disk(1024 * MIB, 1024 * MIB);
	room = fresh(64 * MIB);
	CHECK(room_turned(room, &state) == ROOM_SAME);
	disk(1024 * MIB, 64 * MIB);
	CHECK(room_turned(room, &state) == ROOM_FILLED);
	CHECK(state.free_bytes == 64 * MIB && state.full);
	CHECK(room_turned(room, &state) == ROOM_SAME);
	/* It takes a small one again; that is no news. */
	disk(1024 * MIB, 64 * MIB + ROOM_LEAST_BYTES);
	CHECK(!look(room).full);
	CHECK(room_turned(room, &state) == ROOM_SAME);
	disk(1024 * MIB, 64 * MIB);
	CHECK(room_turned(room, &state) == ROOM_SAME);
	disk(1024 * MIB, 72 * MIB + ROOM_LEAST_BYTES);
	CHECK(room_turned(room, &state) == ROOM_FREED);
	CHECK(!state.full);
	CHECK(room_turned(room, &state) == ROOM_SAME);
	/* What refused a shard is full, too. */
	disk(1024 * MIB, 66 * MIB);
	CHECK(room_turned(room, &state) == ROOM_SAME);
	CHECK(room_take(room, 4 * MIB, NULL) == -ERRC_FULL);
	CHECK(room_turned(room, &state) == ROOM_FILLED);
	room_free(room);
}

/* 64 threads want 1 MiB each, and there is room for 20. */
static struct room *crowded;

static void *
taker(void *arg)
{
	(void)arg;
	return room_take(crowded, MIB, NULL) == 0 ? crowded : NULL;
}

static void
a_crowd_cannot_eat_the_reserve_together(void)
{
	pthread_t thread[64];
	unsigned took = 0;

	disk(1024 * MIB, 84 * MIB + ROOM_LEAST_BYTES);
	crowded = fresh(0);
	for (size_t i = 0; i < nitems(thread); i++)
		if (pthread_create(&thread[i], NULL, taker, NULL) != 0)
			abort();
	for (size_t i = 0; i < nitems(thread); i++) {
		void *got;

		pthread_join(thread[i], &got);
		took += got != NULL;
	}
	CHECK(took == 20);
	room_give(crowded, took * MIB);
	room_free(crowded);
}

/* More comes back than was taken: our own mistake, and the end. */
static void
giving_more_than_was_taken_ends_the_process(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct room *room = fresh(0);

		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(1);
		room_give(room, 1);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int
main(void)
{
	RUN(the_reserve_is_64_MiB_or_a_hundredth_or_as_told);
	RUN(data_stops_at_the_reserve);
	RUN(what_is_on_its_way_counts_until_it_is_given_back);
	RUN(full_and_pressed_are_told_by_what_is_left);
	RUN(a_refused_shard_makes_it_full_until_there_is_room_for_one);
	RUN(a_disk_without_free_files_is_full);
	RUN(a_disk_that_cannot_be_asked_is_full);
	RUN(each_turn_is_told_once_and_with_a_gap_between);
	RUN(a_crowd_cannot_eat_the_reserve_together);
	RUN(giving_more_than_was_taken_ends_the_process);
	return tap_done();
}
