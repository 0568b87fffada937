/* SPDX-License-Identifier: MIT */
#include "member/room.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"

struct room {
	int dirfd;
	uint64_t reserve; /* as asked for; 0: the default */
	room_statvfs_fn *statvfs;
	pthread_mutex_t lock; /* guards what follows */
	uint64_t taken;
	uint64_t wanted; /* refused for want of room, which is not yet there */
	bool told;       /* room_turned() said that it is full */
};

int
room_new(struct room **out, int dirfd, uint64_t reserve, room_statvfs_fn *ask,
    struct error *err)
{
	struct room *room = calloc(1, sizeof(*room));
	struct statvfs st;

	if (room == NULL)
		return error_set(err, ERRC_NOMEM, "room: no memory");
	assert(dirfd >= 0);
	room->dirfd = dirfd;
	room->reserve = reserve;
	room->statvfs = ask != NULL ? ask : fstatvfs;
	pthread_mutex_init(&room->lock, NULL);
	if (room->statvfs(dirfd, &st) == -1) {
		int rc = error_errno(err, ERRC_IO, "data directory: statvfs");

		room_free(room);
		return rc;
	}
	*out = room;
	return 0;
}

void
room_free(struct room *room)
{
	if (room == NULL)
		return;
	/* Whoever took room has ended before this. */
	assert(room->taken == 0);
	pthread_mutex_destroy(&room->lock);
	free(room);
}

/* What data may still use; the lock is held. */
static uint64_t
look_locked(struct room *room, struct room_state *out)
{
	struct statvfs st;
	uint64_t kept;

	*out = (struct room_state){ .taken_bytes = room->taken };
	/* Nobody knows how much there is: data can wait, records do not ask. */
	if (room->statvfs(room->dirfd, &st) == -1) {
		out->full = out->pressed = true;
		return 0;
	}
	out->free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	out->total_bytes = (uint64_t)st.f_blocks * st.f_frsize;
	out->reserve_bytes = room->reserve;
	if (room->reserve == 0)
		out->reserve_bytes = KOOP_MAX(ROOM_RESERVE_BYTES,
		    out->total_bytes / 100);
	kept = out->reserve_bytes + room->taken;
	assert(kept >= out->reserve_bytes);
	if (out->free_bytes >= kept + ROOM_LEAST_BYTES + room->wanted)
		room->wanted = 0;
	out->full = room->wanted > 0 ||
	    out->free_bytes < kept + ROOM_LEAST_BYTES ||
	    (st.f_files != 0 && st.f_favail < ROOM_RESERVE_FILES);
	/* Early enough that garbage is gone before the first write must be
	 * refused: twice the reserve. */
	out->pressed = out->full || out->free_bytes < kept + out->reserve_bytes;
	return out->full ? 0 : out->free_bytes - kept;
}

/* The largest shard whose refusal makes a disk full. */
static uint64_t
most_wanted(const struct room_state *state)
{
	return KOOP_MIN(ROOM_WANTED_BYTES, state->reserve_bytes / 4);
}

int
room_take(struct room *room, uint64_t bytes, struct error *err)
{
	struct room_state state;
	uint64_t usable;
	bool fits;

	pthread_mutex_lock(&room->lock);
	usable = look_locked(room, &state);
	fits = !state.full && bytes <= usable - ROOM_LEAST_BYTES;
	if (fits)
		room->taken += bytes;
	else if (!state.full && bytes <= most_wanted(&state))
		room->wanted = bytes;
	pthread_mutex_unlock(&room->lock);
	assert(!fits || usable >= ROOM_LEAST_BYTES);
	if (fits)
		return 0;
	return error_set(err, ERRC_FULL,
	    "%" PRIu64 " bytes free, %" PRIu64 " of them kept for records",
	    state.free_bytes, KOOP_MIN(state.reserve_bytes, state.free_bytes));
}

void
room_give(struct room *room, uint64_t bytes)
{
	pthread_mutex_lock(&room->lock);
	assert(bytes <= room->taken);
	room->taken -= bytes;
	pthread_mutex_unlock(&room->lock);
}

void
room_look(struct room *room, struct room_state *out)
{
	pthread_mutex_lock(&room->lock);
	(void)look_locked(room, out);
	pthread_mutex_unlock(&room->lock);
}

/* Between the two there is a gap, so that a disk at its edge is not told as
 * full and as free with every shard that comes and goes. */
enum room_turn
room_turned(struct room *room, struct room_state *out)
{
	enum room_turn turn = ROOM_SAME;
	uint64_t usable;

	pthread_mutex_lock(&room->lock);
	usable = look_locked(room, out);
	if (!room->told && out->full)
		turn = ROOM_FILLED;
	else if (room->told && !out->full &&
	    usable >= ROOM_LEAST_BYTES + most_wanted(out))
		turn = ROOM_FREED;
	if (turn != ROOM_SAME)
		room->told = turn == ROOM_FILLED;
	assert(turn == ROOM_SAME || room->told == out->full);
	pthread_mutex_unlock(&room->lock);
	return turn;
}
