/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_ROWSET_H
#define KOOP_STORE_ROWSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "store/rows.h"

/*
 * The rows as apply sees them, inside one write transaction: a port with two
 * backends, SQLite (shardmeta_rowset() in store/shardmeta.h) and a memory twin
 * (store/rowset_mem.h), which give the same results and the same set hash.
 *
 * get and first functions return 0, -ERRC_NOTFOUND (without a message), or
 * another error, after which the transaction can only be rolled back.  The
 * strings of a row live until the next call for the same kind of row, put
 * included.
 *
 * put replaces: old is the row as get returned it, NULL when there was none.
 * put and del keep partition_row.digest and .dying right by themselves.
 */

struct error;
struct rowset;

struct rowset_ops {
	/* The partition's row, to be changed in place by its applier. */
	int (*partition)(struct rowset *rows, uint32_t partition,
	    struct partition_row **out, struct error *err);

	int (*bucket_get)(struct rowset *rows, uint32_t partition,
	    struct bytes name, struct bucket_row *out, struct error *err);
	int (*bucket_put)(struct rowset *rows, const struct bucket_row *row,
	    const struct bucket_row *old, struct error *err);

	int (*object_get)(struct rowset *rows, uint32_t partition,
	    struct bytes bucket, struct bytes key, struct object_row *out,
	    struct error *err);
	int (*object_put)(struct rowset *rows, const struct object_row *row,
	    const struct object_row *old, struct error *err);
	/* Older versions of a key: each the row that object_put() had before,
	 * with changed = seq.  next gives the newest below seq, null the one
	 * whose name is "null". */
	int (*version_next)(struct rowset *rows, uint32_t partition,
	    struct bytes bucket, struct bytes key, uint64_t seq,
	    struct object_row *out, struct error *err);
	int (*version_null)(struct rowset *rows, uint32_t partition,
	    struct bytes bucket, struct bytes key, struct object_row *out,
	    struct error *err);
	int (*version_put)(struct rowset *rows, const struct object_row *row,
	    struct error *err);
	int (*version_del)(struct rowset *rows, const struct object_row *old,
	    struct error *err);
	/* Has the bucket a version or a delete marker here? */
	int (*object_any)(struct rowset *rows, uint32_t partition,
	    struct bytes bucket, bool *any, struct error *err);

	int (*upload_get)(struct rowset *rows, uint32_t partition,
	    struct reqid id, struct upload_row *out, struct error *err);
	int (*upload_put)(struct rowset *rows, const struct upload_row *row,
	    const struct upload_row *old, struct error *err);
	int (*upload_del)(struct rowset *rows, const struct upload_row *old,
	    struct error *err);
	/* An open upload of a bucket; which one makes no difference. */
	int (*upload_first_open)(struct rowset *rows, uint32_t partition,
	    struct bytes bucket, struct upload_row *out, struct error *err);
	/* The dying upload with the lowest id. */
	int (*upload_first_dying)(struct rowset *rows, uint32_t partition,
	    struct upload_row *out, struct error *err);
	/* That neither lives nor dies, with the lowest finished_ms, then id. */
	int (*upload_first_over)(struct rowset *rows, uint32_t partition,
	    struct upload_row *out, struct error *err);

	int (*part_get)(struct rowset *rows, uint32_t partition,
	    struct reqid upload, uint32_t number, struct part_row *out,
	    struct error *err);
	/* The part with the lowest number above after. */
	int (*part_next)(struct rowset *rows, uint32_t partition,
	    struct reqid upload, uint32_t after, struct part_row *out,
	    struct error *err);
	int (*part_put)(struct rowset *rows, const struct part_row *row,
	    const struct part_row *old, struct error *err);
	int (*part_del)(struct rowset *rows, const struct part_row *old,
	    struct error *err);

	int (*decided_get)(struct rowset *rows, uint32_t partition,
	    struct reqid id, struct decided_row *out, struct error *err);
	int (*decided_put)(struct rowset *rows, const struct decided_row *row,
	    const struct decided_row *old, struct error *err);
	int (*decided_del)(struct rowset *rows, const struct decided_row *old,
	    struct error *err);
	/* The lowest id that is not live. */
	int (*decided_first_dead)(struct rowset *rows, uint32_t partition,
	    struct decided_row *out, struct error *err);

	int (*oplog_add)(struct rowset *rows, const struct oplog_row *row,
	    struct error *err);
};

struct rowset {
	const struct rowset_ops *ops;
};

#endif
