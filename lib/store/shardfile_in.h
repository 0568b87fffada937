/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_SHARDFILE_IN_H
#define KOOP_STORE_SHARDFILE_IN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shard/verify.h"
#include "store/shardfile.h"
#include "store/shardpath.h"

/* Between shardfile.c (directories) and shardfile_upload.c only. */

/* Whoever finds no fsync running runs one for all who wait by then. */
struct shardfile_dir {
	int fd;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t done;
	uint64_t asked, synced;
	bool syncing;
	/* What lies here; without a scan only what came and went. */
	_Atomic bool counted;
	_Atomic int64_t files, bytes;
};

struct shardfile_upload {
	struct shardfiles *files;
	struct shardfile_upload *next; /* under files->lock */
	struct reqid id;
	uint32_t shard;
	int fd;
	bool existed; /* compare instead of write */
	bool failed;
	struct frame_verifier verifier;
	uint8_t *kept; /* not yet written */
	size_t kept_bytes, kept_room;
	uint64_t at;    /* where the next write goes */
	uint64_t begun; /* up to here the disk was told to begin */
	atomic_uint_fast64_t total, last_ms;
};

struct shardfiles {
	int dirfd, quarantine;
	const struct file_ops *ops;
	const struct clock *clock;
	bool no_sync;
	struct shardfile_metrics metrics;
	struct shardfile_dir dir[SHARDPATH_FANOUT];
	pthread_mutex_t lock; /* guards uploads */
	struct shardfile_upload *uploads;
};

/* So many more files (or fewer) lie in the folder of this id. */
void shardfile_account(struct shardfiles *files, struct reqid id, int count,
    uint64_t bytes);
/* Remove what is no shard yet; as shardfile_unlink(). */
KOOP_MUST int shardfile_remove(struct shardfiles *files, struct reqid id,
    uint32_t shard, struct error *err);
int shardfile_dirfd(struct shardfiles *files, struct reqid id);
/* 1 it has, 0 it has not, negative: it cannot be read, nobody knows. */
KOOP_MUST int shardfile_has_end(struct shardfiles *files, int fd,
    struct reqid id, uint32_t shard, uint64_t *bytes);
KOOP_MUST int shardfile_compare(struct shardfiles *files, int fd,
    const uint8_t *p, size_t n, uint64_t at, struct error *err);
/* Enter the table of uploads; false when the same shard is in it. */
KOOP_MUST bool shardfile_enter(struct shardfile_upload *upload);
void shardfile_leave(struct shardfile_upload *upload);
/* Into quarantine, whatever it is. */
KOOP_MUST int shardfile_move_away(struct shardfiles *files, int dirfd,
    const char *name, struct error *err);
/* Is an upload open that writes this file? */
bool shardfile_is_written(struct shardfiles *files, struct reqid id,
    uint32_t shard);
void shardfile_count_uploads(struct shardfiles *files,
    struct shardfile_counts *counts);

#endif
