/* SPDX-License-Identifier: MIT */
#ifndef KOOP_MEMBER_NODECORE_H
#define KOOP_MEMBER_NODECORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "cluster/placement.h"
#include "cluster/topology.h"
#include "member/nodecounters.h"

/*
 * What the parts of a node share: its place in the cluster, its disk, the
 * log, and what it has published.  Made and freed by node.c; everything but
 * the atomics stays as it is while threads run.
 *
 * What a thread may hold, in order; see "Threads" in ARCHITECTURE.md:
 *
 *      1  the commit log (to the call's deadline), with nothing held
 *      2  shardmeta's write transaction
 *      3  a read of the metadata, one of few (5 s): nothing of 1, 2, no file
 *         and no peer within it, and no second one (base/nowait.h)
 *      4  the list of uploads, for one line of its file
 *      5  a folder of shards, while another syncs it
 *      6  pending
 *      7  small ones, under which nothing is taken: table of uploads, checks,
 *         watermark, who reads, pool, peers, room
 */

struct bucketusage;
struct checks;
struct clock;
struct commitlog;
struct error;
struct httpc_pool;
struct peers;
struct pending;
struct positions;
struct room;
struct room_state;
struct uploadlist;
struct shardfiles;
struct shardmeta;
struct shardstore;
struct topology_source;
struct lastread;
struct watermark;
struct nodeproto_position;
struct partition_row;

/* How long a node waits for one answer of the commit log. */
#define NODECORE_LOG_MS 5000

struct nodecore {
	const struct clock *clock;
	struct random_source *random;
	struct topology_source *topology;
	struct commitlog *log;
	struct positions *positions;
	struct shardstore *store;
	struct shardmeta *meta;
	struct shardfiles *files;
	struct httpc_pool *pool;
	struct peers *peers; /* calls to the other machines go over it */
	struct watermark *wm;
	struct lastread *lastread;
	struct pending *pending;
	struct checks *checks;
	struct uploadlist *uploads;
	struct room *room;         /* of the data directory's file system */
	struct bucketusage *usage; /* NULL: nobody counts */
	/* This node's place; the addresses in it are those of the start. */
	struct erasure_set set;
	uint32_t index;
	char cluster[REQID_HEX + 1];
	char disk[REQID_HEX + 1];
	char sender[REQID_HEX + 1];
	char to[80]; /* what X-Koop-To must say */
	uint64_t start_boot_ms;
	/* Timings, ms. */
	uint64_t upload_timeout_ms, orphan_age_ms, orphan_step_ms, gc_grace_ms;
	int dirfd;     /* the data directory */
	int stop_fd;   /* eventfd: readable once stopping */
	int repair_fd; /* eventfd: readable when repair has work */
	_Atomic bool stopping;
	_Atomic bool log_reachable;
	_Atomic uint64_t time_ms; /* the latest T of its partitions */
	_Atomic bool repair_news; /* queued, but not yet durable */
	_Atomic bool rescan;      /* search all rows for missing shards */
	struct nodecounters counters;
};

/* A placement with the addresses of the start, valid as long as core. */
struct placement nodecore_placement(const struct nodecore *core,
    uint32_t partition);
/* The shard of a partition's blobs that this node holds. */
uint32_t nodecore_shard(const struct nodecore *core, uint32_t partition);
bool nodecore_holds_inline(const struct nodecore *core, uint32_t partition);
/* The highest seq that w members are known to have applied. */
uint64_t nodecore_stable(const struct nodecore *core, uint32_t partition);
/* What an answer says of a partition, from its row; row_seq is left 0. */
void nodecore_position(const struct nodecore *core,
    const struct partition_row *row, struct nodeproto_position *out);
/* T of a partition is at least that.  Every answer tells the latest, so that
 * who mints ids does not mint any that are older (protocol.md 1).  When T is
 * ahead of this machine's clock one of the clocks is wrong, or was, and the
 * log says so. */
void nodecore_time(struct nodecore *core, uint64_t t_ms);
/* The disk as it is now; its turns are said in the log. */
void nodecore_room(const struct nodecore *core, struct room_state *out);
/* Sleep; true once the node stops. */
bool nodecore_sleep(const struct nodecore *core, uint64_t ms);
/* A deadline, from now on. */
uint64_t nodecore_deadline(const struct nodecore *core, uint64_t ms);

#endif
