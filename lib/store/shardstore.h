/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_SHARDSTORE_H
#define KOOP_STORE_SHARDSTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "store/superblock.h"

/*
 * The node's disk: superblock, shard files and metadata together.  The node
 * enters here; the parts are used through store/shardfile.h,
 * store/shardmeta.h and store/metaquery.h.
 *
 *      DIR/superblock  lock  meta.db  shards/XX/ID.J  quarantine/
 */

struct clock;
struct error;
struct file_ops;
struct shardfiles;
struct shardmeta;
struct shardstore;

struct shardstore_options {
	const char *dir;
	struct superblock_want want;
	const struct clock *clock;  /* NULL: the system's */
	const struct file_ops *ops; /* NULL: the system's */
	bool durability_os;         /* no fsync anywhere */
	unsigned readers;           /* 0: 8 */
	uint64_t oplog_max_bytes;   /* 0: 256 MiB */
};

KOOP_MUST int shardstore_open(struct shardstore **out,
    const struct shardstore_options *options, struct error *err);
void shardstore_close(struct shardstore *store);

const struct superblock *shardstore_superblock(const struct shardstore *store);
struct shardfiles *shardstore_files(struct shardstore *store);
struct shardmeta *shardstore_meta(struct shardstore *store);

#endif
