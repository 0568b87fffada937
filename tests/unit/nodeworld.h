/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_NODEWORLD_H
#define KOOP_TESTS_UNIT_NODEWORLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/random.h"
#include "commit/record.h"
#include "member/nodecore.h"
#include "shardtest.h"
#include "tempdir.h"

/*
 * What upkeep works on, in this process: a node's core with a real disk in a
 * temporary folder, a memory log and topology, a clock that is wound by hand,
 * and four peers that serve what they are told to, or misbehave.  The set is
 * 3 + 2 with a write quorum of 4; this node is machine 0 of it.
 *
 * There is ONE connection for reads, so that who reads twice at a time, or
 * looks at a file within a read, is seen.  Nothing here runs by itself: tests
 * apply records and call the functions under test.  One world at a time.
 */

#define WORLD_MACHINES 5
#define WORLD_QUORUM 4
#define WORLD_PARTITIONS 4 /* 0 to 3 */
#define WORLD_CELL 4096
#define WORLD_RESERVE (64u << 20) /* of a disk of 1 GiB */
#define WORLD_CLUSTER "0123456789abcdef0123456789abcdef"
#define WORLD_T0 1700000000000ull

enum world_peer_mode {
	PEER_OK,
	PEER_MISSING, /* 404 */
	PEER_CORRUPT, /* a byte of each cell, or of the inline bytes, is wrong
	               */
};

struct httpd;
struct nodeworld;

struct world_peer {
	struct nodeworld *world;
	uint32_t index;
	struct httpd *httpd;
	_Atomic enum world_peer_mode mode;
	atomic_uint gets;
};

struct nodeworld {
	struct nodecore core;
	struct clock_manual clock;
	char dir[TEMPDIR_BYTES];
	char url[80];
	uint64_t free_bytes;            /* of the disk: all of it, at first */
	uint64_t seq[WORLD_PARTITIONS]; /* applied here */
	struct world_peer peer[WORLD_MACHINES];
	/* What the peers have: shards of this blob, or whole bytes. */
	const struct shardtest *blob;
	struct bytes whole;
	/* Called, when set, at each read of a shard file, and when a peer is
	 * asked. */
	void (*on_read)(struct nodeworld *w);
	void (*on_serve)(struct nodeworld *w);
	/* At each fsync of a folder, in a world that syncs. */
	void (*on_sync)(struct nodeworld *w);
	void *arg; /* the test's */
};

void nodeworld_open(struct nodeworld *w);
/* The same with every sync, as in durability full. */
void nodeworld_open_synced(struct nodeworld *w);
/* A new disk: no rows, which the applier makes from the log. */
void nodeworld_open_new(struct nodeworld *w);
void nodeworld_close(struct nodeworld *w);

/* This node votes, or not, in a partition. */
void nodeworld_vote(struct nodeworld *w, uint32_t partition, bool voting);
/* That many machines have told that they applied seq. */
void nodeworld_applied(struct nodeworld *w, uint32_t partition, uint64_t seq,
    uint32_t machines);
void nodeworld_all_stable(struct nodeworld *w);

/* Records, applied here as the applier does it.  Bucket "b" exists. */
struct record nodeworld_put(const char *key, const struct shardtest *blob);
struct record nodeworld_inline(const char *key, struct reqid id,
    const char *base64, struct bytes content);
struct record nodeworld_record(enum record_type type, const char *key,
    struct reqid id);
void nodeworld_apply(struct nodeworld *w, uint32_t partition,
    const struct record *record);

/* An encoded blob, whose id is of the world's time. */
void nodeworld_blob(struct shardtest *out, size_t size, uint8_t last);
struct reqid nodeworld_id(uint8_t last);
uint32_t nodeworld_shard(uint32_t partition);
/* Put this node's shard of it on the disk, or begin to. */
void nodeworld_store(struct nodeworld *w, uint32_t partition,
    const struct shardtest *blob);
struct shardfile_upload *nodeworld_begin(struct nodeworld *w,
    uint32_t partition, const struct shardtest *blob, size_t bytes);
void nodeworld_path(char out[128], const struct nodeworld *w,
    uint32_t partition, struct reqid id);
bool nodeworld_has(struct nodeworld *w, uint32_t partition, struct reqid id);
/* Flip a byte of the shard's file, in its first cell. */
void nodeworld_damage(struct nodeworld *w, uint32_t partition, struct reqid id);
uint64_t nodeworld_quarantined(struct nodeworld *w);

/* Rows. */
uint64_t nodeworld_garbage(struct nodeworld *w);
uint64_t nodeworld_repairs(struct nodeworld *w);
bool nodeworld_queued(struct nodeworld *w, struct reqid id);

/* What the log's URL ends in, as "?shared=no", of the next world; and what its
 * peers say of where they are (GET /applied). */
extern const char *nodeworld_log;
extern char nodeworld_positions[256];

#endif
