/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_SHARDMETA_IN_H
#define KOOP_STORE_SHARDMETA_IN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/rowset.h"
#include "store/shardmeta.h"
#include "store/sql.h"

/* The inside of struct shardmeta, for shardmeta*.c and metaquery*.c only. */

#define SHARDMETA_READERS_MAX 64
#define SHARDMETA_WAL_PAGES 2048       /* above it, checkpoint after commit */
#define SHARDMETA_WAL_PAGES_MUCH 16384 /* above it, wait for readers, too */
#define SHARDMETA_RESTART_MS 5000      /* between two such waits */
#define SHARDMETA_RESTART_WAITS 20     /* milliseconds of one */

/* A partition's row, as it is in the transaction and as it was before. */
struct shardmeta_partition {
	struct partition_row row, committed;
	bool added; /* in this transaction */
};

/* What rowset functions work on: the live partitions or the staged one.
 * hold keeps the strings of the row of each kind that was got last. */
struct shardmeta_rows {
	struct rowset rows;
	struct shardmeta *meta;
	bool staged;
	struct buf hold_bucket, hold_object, hold_version, hold_upload;
};

struct metaquery {
	struct shardmeta *meta;
	struct sql sql;
	sqlite3_stmt **list; /* one cursor a partition, see metaquery_list.c */
	size_t list_count;
	bool busy;
	bool dump;         /* not one of the pool, see metaquery_begin_dump() */
	uint64_t since_ms; /* when its transaction began (monotonic) */
};

struct shardmeta {
	/* write_lock guards everything down to the readers. */
	pthread_mutex_t write_lock;
	struct sql sql;
	bool broken;        /* a statement failed: only rollback may follow */
	unsigned wal_pages; /* after the last commit */
	unsigned wal_some, wal_much; /* limits, see options */
	unsigned wal_done;           /* its length at the last checkpoint */
	uint64_t restart_ms;         /* of the last try (monotonic); 0: none */
	struct shardmeta_checkpoints checkpoints;
	struct buf scratch;
	struct shardmeta_rows live, stage;
	struct shardmeta_partition *partition; /* sorted by number */
	size_t partition_count;
	struct shardmeta_partition staged; /* row.slot 0: none */
	uint64_t oplog_total, oplog_total_committed;
	struct shardmeta_counts counts; /* in the transaction */
	uint64_t oplog_max_bytes;
	bool no_sync;
	char *path;

	pthread_mutex_t lock; /* guards what readers are at, and numbers */
	pthread_cond_t idle;
	struct metaquery *reader;
	struct metaquery dump; /* opened when it is first wanted */
	unsigned reader_count;
	struct shardmeta_reads stats;
	struct shardmeta_counts counted; /* as of the last commit */
	const struct clock *clock;
};

/* A failed statement of the write transaction: nothing of it may stay. */
int shardmeta_fail(struct shardmeta *meta, int rc);
struct shardmeta_partition *shardmeta_find(struct shardmeta *meta,
    uint32_t partition);
void shardmeta_rows_init(struct shardmeta_rows *rows, struct shardmeta *meta,
    bool staged);
void shardmeta_rows_fini(struct shardmeta_rows *rows);

#endif
