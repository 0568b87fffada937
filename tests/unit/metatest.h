/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_METATEST_H
#define KOOP_TESTS_UNIT_METATEST_H

/* What the tests of a node's metadata share: a folder of databases, each with
 * five empty partitions, and rows for them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/rowset.h"
#include "store/shardmeta.h"
#include "tap.h"
#include "tempdir.h"

#define PARTITIONS 5

static char dir[TEMPDIR_BYTES];
static unsigned made;
static char path[256];

static inline struct shardmeta *
open_again(void)
{
	struct shardmeta_options options = {
		.no_sync = true,
		.readers = 3,
		.oplog_max_bytes = 1000,
	};
	struct shardmeta *meta = NULL;
	struct error err;

	if (shardmeta_open(&meta, path, &options, &err) < 0) {
		printf("# %s\n", err.text);
		abort();
	}
	return meta;
}

static inline struct shardmeta *
open_fresh(void)
{
	struct shardmeta *meta;

	(void)snprintf(path, sizeof(path), "%s/m%u.db", dir, made++);
	meta = open_again();
	if (shardmeta_begin(meta, NULL) < 0)
		abort();
	for (uint32_t i = 0; i < PARTITIONS; i++) {
		struct partition_row row = {
			.partition = i,
			.generation = 1,
			.base_seq = 1,
			.applied = 1,
			.level = 1,
		};

		if (shardmeta_add_partition(meta, &row, NULL) < 0)
			abort();
	}
	if (shardmeta_commit(meta, NULL) < 0)
		abort();
	return meta;
}

static inline struct reqid
id_of(uint32_t n)
{
	struct reqid id = { { 1, 2, 3, 4, 5, 6, 0x70, 0, 0x80 } };

	store_le32(id.b + 12, n);
	return id;
}

/* In a key's partition, any function will do. */
static inline uint32_t
partition_of(const char *key)
{
	uint32_t sum = 0;

	for (; *key != '\0'; key++)
		sum = sum * 31 + (uint8_t)*key;
	return sum % PARTITIONS;
}

static inline void
put_key(struct rowset *rows, const char *key, enum object_kind kind,
    uint64_t seq)
{
	struct object_row row = {
		.partition = partition_of(key),
		.bucket = bytes_str("b"),
		.key = bytes_str(key),
		.seq = seq,
		.changed = seq,
		.incarnation = 1,
		.kind = kind,
		.size = 10,
		.etag = "etag",
		.headers = bytes_str("{}"),
		.meta = bytes_str("{}"),
	};
	struct object_row old;
	int rc;

	if (kind != OBJECT_TOMBSTONE)
		row.id = id_of((uint32_t)seq);
	row.blob.shard_count = kind == OBJECT_BLOB ? 1 : 0;
	rc = rows->ops->object_get(rows, row.partition, row.bucket, row.key,
	    &old, NULL);

	CHECK(rows->ops->object_put(rows, &row, rc == 0 ? &old : NULL, NULL) ==
	    0);
}

static inline void
begin(struct shardmeta *meta)
{
	CHECK(shardmeta_begin(meta, NULL) == 0);
}

static inline void
commit(struct shardmeta *meta)
{
	CHECK(shardmeta_commit(meta, NULL) == 0);
}

#endif
