/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_SHARDMETA_H
#define KOOP_STORE_SHARDMETA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "store/localrows.h"
#include "store/rows.h"

/*
 * The node's metadata: one SQLite database, DIR/meta.db, in WAL mode.
 *
 * One connection writes, under a lock that shardmeta_begin() takes and commit
 * or rollback releases; it alone checkpoints, after a commit that left the
 * WAL long, and waits for readers only now and then and only for short ones,
 * since every commit waits with it.  Reading is in store/metaquery.h, on
 * pooled connections.
 *
 * Rows of a partition are kept under its slot, a number of this database.  A
 * snapshot is written under a fresh slot, in as many transactions as it takes,
 * and one small transaction switches the partition to it; what lay under the
 * old slot is then deleted bit by bit (shardmeta_sweep_slots).
 *
 * A commit that fails for want of space is rolled back: ERRC_FULL, as
 * for shards.  One whose fsync or write fails ends the process, because
 * whether it took place is not known (file_sync_failed).
 */

struct bytes;
struct clock;
struct error;
struct rowset;
struct shardmeta;

struct shardmeta_options {
	const struct clock *clock; /* NULL: the system's */
	bool no_sync;              /* durability os */
	unsigned readers;          /* 0: 8 */
	uint64_t oplog_max_bytes;  /* of lines; 0: 256 MiB */
	/* Pages of the WAL: above the first it is copied into the database,
	 * above the second it is begun anew.  0: 2048 and 16384. */
	unsigned wal_pages, wal_pages_much;
};

KOOP_MUST int shardmeta_open(struct shardmeta **out, const char *path,
    const struct shardmeta_options *options, struct error *err);
void shardmeta_close(struct shardmeta *meta);

/* What checkpoints did, and what they waited for. */
struct shardmeta_checkpoints {
	uint64_t passive, restarts; /* tried */
	uint64_t waits;             /* of a millisecond, for readers */
	uint64_t wal_pages;         /* after the last commit */
};
void shardmeta_checkpoints(struct shardmeta *meta,
    struct shardmeta_checkpoints *out);

/* Rows in the queues as of the last commit, without looking at them. */
struct shardmeta_counts {
	uint64_t repairs, garbage;
};
void shardmeta_counts(struct shardmeta *meta, struct shardmeta_counts *out);
/* The files' lengths, not within a read. */
void shardmeta_bytes(const struct shardmeta *meta, uint64_t *database,
    uint64_t *wal);

/* How long reads lasted since the database was opened. */
#define SHARDMETA_LONG_MS 100
struct shardmeta_reads {
	uint64_t ended, lasted_long; /* of them SHARDMETA_LONG_MS or longer */
	uint64_t longest_ms;
};
void shardmeta_reads(struct shardmeta *meta, struct shardmeta_reads *out);

/* A write transaction: one at a time, others wait. */
KOOP_MUST int shardmeta_begin(struct shardmeta *meta, struct error *err);
KOOP_MUST int shardmeta_commit(struct shardmeta *meta, struct error *err);
void shardmeta_rollback(struct shardmeta *meta);

/* The rows for apply, valid within a write transaction. */
struct rowset *shardmeta_rowset(struct shardmeta *meta);

/* All that follows runs within a write transaction, too. */

/* A partition that has applied row->base_seq - 1; digest and slot are set
 * here.  Nothing happens if it is there already. */
KOOP_MUST int shardmeta_add_partition(struct shardmeta *meta,
    const struct partition_row *row, struct error *err);

/* Local rows. */
KOOP_MUST int shardmeta_garbage_put(struct shardmeta *meta,
    const struct garbage_row *row, struct error *err);
KOOP_MUST int shardmeta_garbage_del(struct shardmeta *meta,
    const struct garbage_row *row, struct error *err);

/* A blob is queued once; putting it again changes nothing. */
KOOP_MUST int shardmeta_repair_put(struct shardmeta *meta,
    const struct repair_row *row, struct error *err);
KOOP_MUST int shardmeta_repair_del(struct shardmeta *meta, struct reqid id,
    struct error *err);
KOOP_MUST int shardmeta_repair_failed(struct shardmeta *meta, struct reqid id,
    struct error *err); /* one more attempt */

KOOP_MUST int shardmeta_inline_put(struct shardmeta *meta, struct reqid id,
    struct bytes content, struct error *err);
KOOP_MUST int shardmeta_inline_del(struct shardmeta *meta, struct reqid id,
    struct error *err);

/* Forget up to max tombstones of a partition at or below seq (stable). */
KOOP_MUST int shardmeta_tombstones_del(struct shardmeta *meta,
    uint32_t partition, uint64_t seq, unsigned max, struct error *err);
/* Keep the oplog within its size; deletes up to 1024 of the oldest rows. */
KOOP_MUST int shardmeta_oplog_trim(struct shardmeta *meta, struct error *err);

/*
 * Installing a snapshot.  begin gives a rowset whose partition() is the
 * staged row: put the received rows there (old NULL), in as many transactions
 * as wanted.  switch compares the digest that the rows gave with row->digest
 * (ERRC_CORRUPT), refuses one that is not above what is there by (generation,
 * applied) (ERRC_MISMATCH), and makes it the partition's.
 */
KOOP_MUST int shardmeta_stage_begin(struct shardmeta *meta, uint32_t partition,
    uint64_t *slot, struct error *err);
KOOP_MUST int shardmeta_stage_select(struct shardmeta *meta, uint64_t slot,
    uint32_t partition, struct error *err); /* in each further transaction */
struct rowset *shardmeta_stage_rowset(struct shardmeta *meta);
KOOP_MUST int shardmeta_stage_switch(struct shardmeta *meta, uint64_t slot,
    const struct partition_row *row, struct error *err);
/* Delete up to max rows of slots that no partition has; *more says if there
 * may be others.  Called at start as well: drops a half staged snapshot. */
KOOP_MUST int shardmeta_sweep_slots(struct shardmeta *meta, unsigned max,
    bool *more, struct error *err);

#endif
