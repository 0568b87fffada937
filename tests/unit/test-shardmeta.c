/* SPDX-License-Identifier: MIT */

/* The node's metadata: transactions, queues, snapshots. */

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "metatest.h"
#include "store/metaquery_all.h"
static void
a_reader_sees_one_moment(void)
{
	struct shardmeta *meta = open_fresh();
	struct metaquery *read;
	struct partition_row row;
	struct object_row object;
	struct partition_row *live;
	uint32_t p = partition_of("k");

	CHECK(metaquery_begin(&read, meta, NULL) == 0);
	CHECK(metaquery_partition(read, p, &row, NULL) == 0);
	begin(meta);
	put_key(shardmeta_rowset(meta), "k", OBJECT_BLOB, 2);
	CHECK(shardmeta_rowset(meta)->ops->partition(shardmeta_rowset(meta), p,
		  &live, NULL) == 0);
	live->applied = 2;
	commit(meta);
	CHECK(metaquery_object(read, p, bytes_str("b"), bytes_str("k"), &object,
		  NULL) == -ERRC_NOTFOUND);
	CHECK(metaquery_partition(read, p, &row, NULL) == 0);
	CHECK(row.applied == 1);
	metaquery_end(read);
	CHECK(metaquery_begin(&read, meta, NULL) == 0);
	CHECK(metaquery_object(read, p, bytes_str("b"), bytes_str("k"), &object,
		  NULL) == 0);
	CHECK(metaquery_partition(read, p, &row, NULL) == 0);
	CHECK(row.applied == 2 && object.seq == 2);
	CHECK_STR(object.etag, "etag");
	metaquery_end(read);
	shardmeta_close(meta);
}

static void
what_is_rolled_back_never_was(void)
{
	struct shardmeta *meta = open_fresh();
	struct rowset *rows = shardmeta_rowset(meta);
	struct partition_row *live;
	struct metaquery *read;
	struct object_row object;
	uint8_t digest[32];
	uint32_t p = partition_of("k");

	begin(meta);
	CHECK(rows->ops->partition(rows, p, &live, NULL) == 0);
	memcpy(digest, live->digest, 32);
	put_key(rows, "k", OBJECT_BLOB, 2);
	CHECK(memcmp(digest, live->digest, 32) != 0);
	live->applied = 2;
	shardmeta_rollback(meta);
	begin(meta);
	CHECK(rows->ops->partition(rows, p, &live, NULL) == 0);
	CHECK(live->applied == 1 && memcmp(digest, live->digest, 32) == 0);
	commit(meta);
	CHECK(metaquery_begin(&read, meta, NULL) == 0);
	CHECK(metaquery_object(read, p, bytes_str("b"), bytes_str("k"), &object,
		  NULL) == -ERRC_NOTFOUND);
	metaquery_end(read);
	shardmeta_close(meta);
}

static int
count_garbage(void *arg, const struct garbage_row *row)
{
	struct garbage_row *last = arg;

	CHECK(row->seq >= last->seq);
	*last = *row;
	return 0;
}

static void
queues_outlive_the_process(void)
{
	struct shardmeta *meta = open_fresh();
	struct garbage_row garbage = {
		.partition = 1,
		.kind = GARBAGE_BLOB,
		.reason = GARBAGE_REFUSED,
	};
	struct repair_row repair = { .partition = 1, .bucket = bytes_str("b") };
	struct garbage_row last = { 0 };
	struct metaquery *read;
	struct shardmeta_counts counts;
	struct buf content = buf_make(100);

	begin(meta);
	for (uint32_t i = 1; i <= 5; i++) {
		garbage.seq = 10 * i;
		garbage.id = id_of(i);
		CHECK(shardmeta_garbage_put(meta, &garbage, NULL) == 0);
		CHECK(shardmeta_garbage_put(meta, &garbage, NULL) == 0);
	}
	CHECK(shardmeta_garbage_del(meta, &garbage, NULL) == 0);
	repair.id = id_of(1);
	repair.key = bytes_str("one");
	CHECK(shardmeta_repair_put(meta, &repair, NULL) == 0);
	repair.id = id_of(2);
	repair.key = bytes_str("two");
	CHECK(shardmeta_repair_put(meta, &repair, NULL) == 0);
	CHECK(shardmeta_repair_failed(meta, id_of(2), NULL) == 0);
	CHECK(shardmeta_inline_put(meta, id_of(7), bytes_str("hello"), NULL) ==
	    0);
	commit(meta);
	shardmeta_close(meta);
	meta = open_again();
	CHECK(metaquery_begin(&read, meta, NULL) == 0);
	CHECK(metaquery_garbage(read, 1, 30, NULL, count_garbage, &last,
		  NULL) == 0);
	CHECK(last.seq == 30 && last.reason == GARBAGE_REFUSED);
	last.seq = 20;
	last.id = id_of(2);
	CHECK(metaquery_garbage(read, 1, 1000, &last, count_garbage, &last,
		  NULL) == 0);
	CHECK(last.seq == 40);
	CHECK(metaquery_repair_next(read, 1, &repair, NULL) == 0);
	CHECK(
	    bytes_equal(repair.key, bytes_str("one")) && repair.attempts == 0);
	CHECK(metaquery_repair_next(read, 2, &repair, NULL) == -ERRC_NOTFOUND);
	CHECK(metaquery_inline(read, id_of(7), &content, NULL) == 0);
	CHECK_STR(buf_cstr(&content), "hello");
	CHECK(
	    metaquery_inline(read, id_of(8), &content, NULL) == -ERRC_NOTFOUND);
	buf_clear(&content);
	shardmeta_counts(meta, &counts);
	CHECK(counts.repairs == 2 && counts.garbage == 4);
	metaquery_end(read);
	buf_fini(&content);
	shardmeta_close(meta);
}

static void
counts_follow_the_rows_and_no_transaction_that_failed(void)
{
	struct shardmeta *meta = open_fresh();
	struct repair_row repair = { .partition = 1, .id = id_of(1) };
	struct garbage_row garbage = {
		.partition = 1,
		.seq = 2,
		.id = id_of(1),
		.kind = GARBAGE_BLOB,
		.reason = GARBAGE_REFUSED,
	};
	struct shardmeta_counts counts;

	begin(meta);
	CHECK(shardmeta_repair_put(meta, &repair, NULL) == 0);
	CHECK(shardmeta_garbage_put(meta, &garbage, NULL) == 0);
	shardmeta_counts(meta, &counts);
	CHECK(counts.repairs == 0 && counts.garbage == 0);
	shardmeta_rollback(meta);
	begin(meta);
	CHECK(shardmeta_repair_put(meta, &repair, NULL) == 0);
	CHECK(shardmeta_garbage_put(meta, &garbage, NULL) == 0);
	commit(meta);
	shardmeta_counts(meta, &counts);
	CHECK(counts.repairs == 1 && counts.garbage == 1);
	begin(meta);
	CHECK(shardmeta_repair_del(meta, id_of(1), NULL) == 0);
	CHECK(shardmeta_repair_del(meta, id_of(1), NULL) == 0);
	CHECK(shardmeta_repair_del(meta, id_of(9), NULL) == 0);
	CHECK(shardmeta_garbage_del(meta, &garbage, NULL) == 0);
	CHECK(shardmeta_garbage_del(meta, &garbage, NULL) == 0);
	commit(meta);
	shardmeta_counts(meta, &counts);
	CHECK(counts.repairs == 0 && counts.garbage == 0);
	shardmeta_close(meta);
}

static void
the_oplog_is_trimmed_by_size(void)
{
	struct shardmeta *meta = open_fresh();
	struct rowset *rows = shardmeta_rowset(meta);
	struct oplog_row row = { .partition = 1 };
	struct metaquery *read;
	uint64_t bytes = 0;
	char line[101];

	memset(line, 'x', 100);
	row.line = bytes_of(line, 100);
	begin(meta);
	for (row.seq = 2; row.seq < 52; row.seq++)
		CHECK(rows->ops->oplog_add(rows, &row, NULL) == 0);
	CHECK(shardmeta_oplog_trim(meta, NULL) == 0);
	commit(meta);
	CHECK(metaquery_begin(&read, meta, NULL) == 0);
	CHECK(metaquery_oplog_bytes(read, &bytes, NULL) == 0);
	CHECK(bytes >= 1000 && bytes <= 1100);
	CHECK(metaquery_oplog_at(read, 1, 2, &row, NULL) == -ERRC_NOTFOUND);
	CHECK(metaquery_oplog_at(read, 1, 51, &row, NULL) == 0);
	CHECK(row.line.n == 100);
	metaquery_end(read);
	shardmeta_close(meta);
}

/* It alone can tell that a log which was put back is not the one applied. */
static void
the_last_record_of_a_quiet_partition_is_not_trimmed(void)
{
	struct shardmeta *meta = open_fresh();
	struct rowset *rows = shardmeta_rowset(meta);
	struct oplog_row row = { .partition = 2, .line = bytes_str("quiet") };
	struct partition_row *partition;
	uint64_t bytes = 0;
	struct metaquery *read;
	char line[101];

	begin(meta);
	for (row.seq = 2; row.seq <= 3; row.seq++)
		CHECK(rows->ops->oplog_add(rows, &row, NULL) == 0);
	CHECK(rows->ops->partition(rows, 2, &partition, NULL) == 0);
	partition->applied = 3;
	commit(meta);
	memset(line, 'x', 100);
	row.line = bytes_of(line, 100);
	row.partition = 1;
	begin(meta);
	for (row.seq = 2; row.seq < 52; row.seq++)
		CHECK(rows->ops->oplog_add(rows, &row, NULL) == 0);
	CHECK(shardmeta_oplog_trim(meta, NULL) == 0);
	commit(meta);
	CHECK(metaquery_begin(&read, meta, NULL) == 0);
	CHECK(metaquery_oplog_at(read, 2, 2, &row, NULL) == -ERRC_NOTFOUND);
	CHECK(metaquery_oplog_at(read, 2, 3, &row, NULL) == 0);
	CHECK(bytes_is(row.line, "quiet"));
	CHECK(metaquery_oplog_bytes(read, &bytes, NULL) == 0);
	CHECK(bytes >= 1000 && bytes <= 1100);
	metaquery_end(read);
	shardmeta_close(meta);
}

struct copy {
	struct rowset *to;
	struct partition_row partition;
	unsigned rows;
};

static int
copy_row(void *arg, const struct snapshot_row *row)
{
	struct copy *copy = arg;
	const struct rowset_ops *ops = copy->to->ops;

	copy->rows++;
	if (row->partition != NULL)
		copy->partition = *row->partition;
	else if (row->bucket != NULL)
		return ops->bucket_put(copy->to, row->bucket, NULL, NULL);
	else if (row->object != NULL)
		return ops->object_put(copy->to, row->object, NULL, NULL);
	else if (row->version != NULL)
		return ops->version_put(copy->to, row->version, NULL);
	else if (row->upload != NULL)
		return ops->upload_put(copy->to, row->upload, NULL, NULL);
	else if (row->part != NULL)
		return ops->part_put(copy->to, row->part, NULL, NULL);
	else
		return ops->decided_put(copy->to, row->decided, NULL, NULL);
	return 0;
}

static void
fill(struct shardmeta *meta, uint32_t p, uint64_t applied, unsigned keys)
{
	struct rowset *rows = shardmeta_rowset(meta);
	struct partition_row *live;

	begin(meta);
	for (unsigned i = 0; i < keys; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "key%u", i);
		if (partition_of(key) == p)
			put_key(rows, key,
			    i % 7 == 0 ? OBJECT_TOMBSTONE : OBJECT_BLOB,
			    i + applied);
	}
	CHECK(rows->ops->partition(rows, p, &live, NULL) == 0);
	live->applied = applied;
	commit(meta);
}

static void
a_snapshot_is_staged_and_switched_to_never_backwards(void)
{
	struct shardmeta *meta, *peer;
	struct metaquery *from, *read;
	struct copy copy = { 0 };
	struct partition_row now;
	uint8_t digest[32];
	uint64_t slot;
	bool more = true;

	peer = open_fresh();
	fill(peer, 2, 500, 400);
	meta = open_fresh();
	fill(meta, 2, 100, 50);
	CHECK(metaquery_begin(&from, peer, NULL) == 0);
	begin(meta);
	CHECK(shardmeta_stage_begin(meta, 2, &slot, NULL) == 0);
	copy.to = shardmeta_stage_rowset(meta);
	CHECK(metaquery_snapshot(from, 2, copy_row, &copy, NULL) == 0);
	commit(meta);
	CHECK(copy.rows > 20);
	/* Until the switch nothing is seen of it. */
	CHECK(metaquery_begin(&read, meta, NULL) == 0);
	CHECK(metaquery_partition(read, 2, &now, NULL) == 0);
	CHECK(now.applied == 100);
	CHECK(metaquery_digest(read, 2, digest, NULL) == 0);
	CHECK(memcmp(digest, now.digest, 32) == 0);
	metaquery_end(read);

	begin(meta);
	now = copy.partition;
	now.digest[3] ^= 1;
	CHECK(shardmeta_stage_switch(meta, slot, &now, NULL) == -ERRC_CORRUPT);
	now = copy.partition;
	now.applied = 100;
	CHECK(shardmeta_stage_switch(meta, slot, &now, NULL) == -ERRC_MISMATCH);
	CHECK(shardmeta_stage_switch(meta, slot, &copy.partition, NULL) == 0);
	commit(meta);
	CHECK(metaquery_begin(&read, meta, NULL) == 0);
	CHECK(metaquery_partition(read, 2, &now, NULL) == 0);
	CHECK(now.applied == 500);
	CHECK(memcmp(copy.partition.digest, now.digest, 32) == 0);
	CHECK(metaquery_digest(read, 2, digest, NULL) == 0);
	CHECK(memcmp(digest, now.digest, 32) == 0);
	metaquery_end(read);
	for (unsigned i = 0; more && i < 100; i++) {
		begin(meta);
		CHECK(shardmeta_sweep_slots(meta, 5, &more, NULL) == 0);
		commit(meta);
	}
	CHECK(!more);
	CHECK(metaquery_begin(&read, meta, NULL) == 0);
	CHECK(metaquery_digest(read, 2, digest, NULL) == 0);
	CHECK(memcmp(digest, now.digest, 32) == 0);
	metaquery_end(read);
	metaquery_end(from);
	shardmeta_close(peer);
	shardmeta_close(meta);
}

static void
tombstones_go_when_they_are_stable(void)
{
	struct shardmeta *meta = open_fresh();
	struct metaquery *read;
	struct object_row row;
	uint32_t p = partition_of("k");

	begin(meta);
	put_key(shardmeta_rowset(meta), "k", OBJECT_BLOB, 2);
	put_key(shardmeta_rowset(meta), "k", OBJECT_TOMBSTONE, 3);
	CHECK(shardmeta_tombstones_del(meta, p, 2, 10, NULL) == 0);
	commit(meta);
	CHECK(metaquery_begin(&read, meta, NULL) == 0);
	CHECK(metaquery_object(read, p, bytes_str("b"), bytes_str("k"), &row,
		  NULL) == 0);
	CHECK(row.kind == OBJECT_TOMBSTONE && row.seq == 3);
	metaquery_end(read);
	begin(meta);
	CHECK(shardmeta_tombstones_del(meta, p, 3, 10, NULL) == 0);
	commit(meta);
	CHECK(metaquery_begin(&read, meta, NULL) == 0);
	CHECK(metaquery_object(read, p, bytes_str("b"), bytes_str("k"), &row,
		  NULL) == -ERRC_NOTFOUND);
	metaquery_end(read);
	shardmeta_close(meta);
}

static void *
write_many(void *arg)
{
	struct shardmeta *meta = arg;

	for (unsigned i = 0; i < 50; i++) {
		begin(meta);
		put_key(shardmeta_rowset(meta), "k", OBJECT_BLOB, i + 2);
		commit(meta);
	}
	return NULL;
}

static void *
read_many(void *arg)
{
	struct shardmeta *meta = arg;
	uint64_t before = 0;

	for (unsigned i = 0; i < 50; i++) {
		struct metaquery *read;
		struct object_row row;

		CHECK(metaquery_begin(&read, meta, NULL) == 0);
		if (metaquery_object(read, partition_of("k"), bytes_str("b"),
			bytes_str("k"), &row, NULL) == 0) {
			CHECK(row.seq >= before);
			before = row.seq;
		}
		metaquery_end(read);
	}
	return NULL;
}

static void
more_readers_than_connections_take_turns(void)
{
	struct shardmeta *meta = open_fresh();
	pthread_t thread[9];

	for (unsigned i = 0; i < nitems(thread); i++)
		CHECK(pthread_create(&thread[i], NULL,
			  i == 0 ? write_many : read_many, meta) == 0);
	for (unsigned i = 0; i < nitems(thread); i++)
		pthread_join(thread[i], NULL);
	shardmeta_close(meta);
}

static void
remove_dir(void)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char name[256];

	for (unsigned i = 0; i < made; i++)
		for (unsigned j = 0; j < nitems(ends); j++) {
			(void)snprintf(name, sizeof(name), "%s/m%u.db%s", dir,
			    i, ends[j]);
			unlink(name);
		}
	rmdir(dir);
}

/* The number, read as another program would, once `set` has run. */
static int
format_of(const char *set)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	int format = -1;

	CHECK(sqlite3_open(path, &db) == SQLITE_OK);
	if (set != NULL)
		CHECK(sqlite3_exec(db, set, NULL, NULL, NULL) == SQLITE_OK);
	CHECK(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) ==
	    SQLITE_OK);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		format = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	CHECK(sqlite3_close(db) == SQLITE_OK);
	return format;
}

static void
refused_as(int format, const char *made_by, int known)
{
	struct shardmeta_options options = { .no_sync = true, .readers = 1 };
	struct shardmeta *meta = NULL;
	struct error err;
	char text[128];

	(void)snprintf(text, sizeof(text), "PRAGMA user_version = %d", format);
	CHECK(format_of(text) == format);
	CHECK(shardmeta_open(&meta, path, &options, &err) == -ERRC_CONFIG);
	CHECK(meta == NULL);
	(void)snprintf(text, sizeof(text),
	    "meta.db: format %d: this program reads format %d only: made by %s",
	    format, known, made_by);
	CHECK(strncmp(err.text, text, strlen(text)) == 0);
	CHECK(format_of(NULL) == format);
}

/* Rows of another format would be read as what they are not: not one is, and
 * the program that made them finds them as they were. */
static void
a_database_of_another_format_is_refused_and_left_alone(void)
{
	char text[64];
	struct metaquery *read;
	struct partition_row row;
	struct shardmeta *meta = open_fresh();
	int known;

	shardmeta_close(meta);
	known = format_of(NULL);
	CHECK(known > 1);
	refused_as(known - 1, "an earlier version of koop", known);
	refused_as(known + 1, "a later version of koop", known);
	(void)snprintf(text, sizeof(text), "PRAGMA user_version = %d", known);
	CHECK(format_of(text) == known);
	meta = open_again();
	CHECK(metaquery_begin(&read, meta, NULL) == 0);
	CHECK(metaquery_partition(read, PARTITIONS - 1, &row, NULL) == 0);
	CHECK(row.applied == 1);
	metaquery_end(read);
	shardmeta_close(meta);
}

int
main(void)
{
	tempdir_make(dir);
	RUN(a_reader_sees_one_moment);
	RUN(what_is_rolled_back_never_was);
	RUN(queues_outlive_the_process);
	RUN(counts_follow_the_rows_and_no_transaction_that_failed);
	RUN(the_oplog_is_trimmed_by_size);
	RUN(the_last_record_of_a_quiet_partition_is_not_trimmed);
	RUN(a_snapshot_is_staged_and_switched_to_never_backwards);
	RUN(tombstones_go_when_they_are_stable);
	RUN(more_readers_than_connections_take_turns);
	RUN(a_database_of_another_format_is_refused_and_left_alone);
	remove_dir();
	return tap_done();
}
