/* SPDX-License-Identifier: MIT */
#ifndef KOOP_MEMBER_ROOM_H
#define KOOP_MEMBER_ROOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>

#include "base/compiler.h"

/*
 * Room on the disk of a node (protocol.md 8, "Room").  A reserve of the file
 * system is kept for records: a delete is a record, too, so a disk that data
 * could fill to the last byte could never be emptied again.
 *
 * Whoever writes a shard takes room for it before it writes, and gives it back
 * when the bytes are there, or will not come.  What is taken counts as used:
 * a hundred uploads that began in the same instant cannot eat the reserve
 * together.  Records never ask.
 *
 * Nothing is remembered but what is taken: each question asks the file system,
 * since other programs may write to it, or delete.  Any thread.
 */

/* A disk with less room than this for data is full: it takes no shard at all,
 * and says so.  The largest write of an upload (shardfile_upload.c). */
#define ROOM_LEAST_BYTES (256ull << 10)
/* One that refused a shard of up to this (or a quarter of the reserve) is full,
 * too, until there is room for such a one again: what is said of it does not
 * change with every shard that is a little smaller. */
#define ROOM_WANTED_BYTES (8ull << 20)
/* The default reserve: the larger of this and a hundredth. */
#define ROOM_RESERVE_BYTES (64ull << 20)
/* A file system that counts its files keeps so many for records. */
#define ROOM_RESERVE_FILES 64

struct error;
struct room;

/* As fstatvfs(2). */
typedef int room_statvfs_fn(int fd, struct statvfs *out);

struct room_state {
	uint64_t free_bytes, total_bytes; /* of the file system */
	uint64_t reserve_bytes;
	uint64_t taken_bytes; /* by shards that are on their way */
	bool full;            /* no shard is taken */
	bool pressed;         /* nearly: what can be given back should be */
};

/* dirfd stays the caller's; reserve 0: the default; statvfs NULL: the real
 * one.  Fails when the file system cannot be asked. */
KOOP_MUST int room_new(struct room **out, int dirfd, uint64_t reserve,
    room_statvfs_fn *statvfs, struct error *err);
void room_free(struct room *room); /* NULL is fine */

/* Room for a shard of so many bytes; ERRC_FULL with the free bytes. */
KOOP_MUST int room_take(struct room *room, uint64_t bytes, struct error *err);
void room_give(struct room *room, uint64_t bytes);

/* A file system that cannot be asked is told as full. */
void room_look(struct room *room, struct room_state *out);

/* For the log of the node: did it fill up, or get room for ordinary shards
 * again, since this last said so?  Each turn is told once. */
enum room_turn { ROOM_SAME, ROOM_FILLED, ROOM_FREED };
KOOP_MUST enum room_turn room_turned(struct room *room, struct room_state *out);

#endif
