/* SPDX-License-Identifier: MIT */

/* The node's metadata: transactions, lists, queues, snapshots. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "store/metaquery_all.h"
#include "store/rowset.h"
#include "store/shardmeta.h"
#include "tap.h"
#include "tempdir.h"

#define PARTITIONS 5

static char dir[TEMPDIR_BYTES];
static unsigned made;
static char path[256];

static struct shardmeta *
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

static struct shardmeta *
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

static struct reqid
id_of(uint32_t n)
{
	struct reqid id = { { 1, 2, 3, 4, 5, 6, 0x70, 0, 0x80 } };

	store_le32(id.b + 12, n);
	return id;
}

/* In a key's partition, any function will do. */
static uint32_t
partition_of(const char *key)
{
	uint32_t sum = 0;

	for (; *key != '\0'; key++)
		sum = sum * 31 + (uint8_t)*key;
	return sum % PARTITIONS;
}

static void
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

static void
put_upload(struct rowset *rows, const char *key, uint32_t n)
{
	struct upload_row row = {
		.partition = partition_of(key),
		.id = id_of(n),
		.bucket = bytes_str("b"),
		.key = bytes_str(key),
		.incarnation = 1,
		.state = UPLOAD_OPEN,
		.live = true,
	};

	CHECK(rows->ops->upload_put(rows, &row, NULL, NULL) == 0);
}

static void
begin(struct shardmeta *meta)
{
	CHECK(shardmeta_begin(meta, NULL) == 0);
}

static void
commit(struct shardmeta *meta)
{
	CHECK(shardmeta_commit(meta, NULL) == 0);
}

/* Pages of a list, as "key,key,prefix/ ..." with a bar between pages. */
struct page {
	struct buf text;
	char last[64];
	struct reqid last_id;
};

static int
add_object(void *arg, const struct object_row *row, struct bytes prefix)
{
	struct page *page = arg;
	struct bytes name = row != NULL ? row->key : prefix;

	buf_add(&page->text, name.p, name.n);
	buf_addch(&page->text, row != NULL ? ' ' : '*');
	(void)snprintf(page->last, sizeof(page->last), "%.*s", (int)name.n,
	    (const char *)name.p);
	return 0;
}

static int
add_upload(void *arg, const struct upload_row *row, struct bytes prefix)
{
	struct page *page = arg;
	struct bytes name = row != NULL ? row->key : prefix;

	buf_add(&page->text, name.p, name.n);
	if (row != NULL)
		buf_printf(&page->text, "#%u", load_le32(row->id.b + 12));
	buf_addch(&page->text, row != NULL ? ' ' : '*');
	(void)snprintf(page->last, sizeof(page->last), "%.*s", (int)name.n,
	    (const char *)name.p);
	page->last_id = row != NULL ? row->id : (struct reqid){ { 0 } };
	return 0;
}

static void
check_pages(struct shardmeta *meta, bool uploads, struct list_query q,
    const char *want)
{
	struct page page = { .text = buf_make(65536) };
	struct list_end end = { .truncated = true };
	struct metaquery *read;

	q.bucket = bytes_str("b");
	while (end.truncated) {
		CHECK(metaquery_begin(&read, meta, NULL) == 0);
		CHECK((uploads ? metaquery_uploads(read, &q, &end, add_upload,
				     &page, NULL) :
				 metaquery_list(read, &q, &end, add_object,
				     &page, NULL)) == 0);
		metaquery_end(read);
		CHECK(end.count <= q.max);
		q.after = bytes_str(page.last);
		q.after_upload = page.last_id;
		if (end.truncated)
			buf_addch(&page.text, '|');
	}
	CHECK_STR(buf_cstr(&page.text), want);
	buf_fini(&page.text);
}

static void
a_list_merges_the_partitions_in_order(void)
{
	struct shardmeta *meta = open_fresh();
	static const char *const keys[] = { "z", "a", "a/1", "a/2", "a0",
		"b/x/1", "b/x/2", "b/y", "c", "\xff", "\xff/q" };
	struct list_query q = { .max = 100 };

	begin(meta);
	for (unsigned i = 0; i < nitems(keys); i++)
		put_key(shardmeta_rowset(meta), keys[i], OBJECT_BLOB, i + 2);
	put_key(shardmeta_rowset(meta), "gone", OBJECT_TOMBSTONE, 50);
	commit(meta);
	check_pages(meta, false, q,
	    "a a/1 a/2 a0 b/x/1 b/x/2 b/y c z \xff \xff/q ");
	q.max = 3;
	check_pages(meta, false, q,
	    "a a/1 a/2 |a0 b/x/1 b/x/2 |b/y c z |\xff \xff/q ");
	q.delimiter = bytes_str("/");
	check_pages(meta, false, q, "a a/*a0 |b/*c z |\xff \xff/*");
	q.max = 1;
	check_pages(meta, false, q, "a |a/*|a0 |b/*|c |z |\xff |\xff/*");
	q.prefix = bytes_str("b/");
	check_pages(meta, false, q, "b/x/*|b/y ");
	q.prefix = bytes_str("nothing");
	check_pages(meta, false, q, "");
	q = (struct list_query){ .max = 9, .after = bytes_str("b/x/15") };
	check_pages(meta, false, q, "b/x/2 b/y c z \xff \xff/q ");
	q.prefix = bytes_str("a");
	check_pages(meta, false, q, "");
	shardmeta_close(meta);
}

/* Delimiters and pages against a list made the plain way. */
static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
random_lists_are_as_the_plain_way_has_them(void)
{
	struct shardmeta *meta = open_fresh();
	static char text[300][16];
	const char *key[300];
	unsigned seed = 7;
	size_t n = 0;

	begin(meta);
	while (n < nitems(key)) {
		static const char letters[] = "ab/c";
		unsigned len = 1 + (unsigned)rand_r(&seed) % 6;
		bool known = false;

		for (unsigned i = 0; i < len; i++)
			text[n][i] = letters[(unsigned)rand_r(&seed) % 4];
		text[n][len] = '\0';
		for (size_t i = 0; i < n; i++)
			known |= strcmp(text[i], text[n]) == 0;
		if (known)
			continue;
		put_key(shardmeta_rowset(meta), text[n], OBJECT_BLOB, n + 2);
		key[n] = text[n];
		n++;
	}
	commit(meta);
	qsort(key, n, sizeof(key[0]), by_text);
	for (size_t max = 1; max < 40; max += 5) {
		struct list_query q = {
			.max = max,
			.delimiter = bytes_str("/"),
		};
		struct buf want = buf_make(65536);
		const char *last = "";
		size_t count = 0;

		for (size_t i = 0; i < n; i++) {
			const char *slash = strchr(key[i], '/');
			size_t len = slash ? (size_t)(slash - key[i]) + 1 :
					     strlen(key[i]);

			if (slash != NULL && strncmp(last, key[i], len) == 0 &&
			    strchr(last, '/') != NULL)
				continue;
			if (count > 0 && count % max == 0)
				buf_addch(&want, '|');
			buf_add(&want, key[i], len);
			buf_addch(&want, slash ? '*' : ' ');
			last = key[i];
			count++;
		}
		check_pages(meta, false, q, buf_cstr(&want));
		buf_fini(&want);
	}
	shardmeta_close(meta);
}

static void
uploads_are_listed_by_key_then_id(void)
{
	struct shardmeta *meta = open_fresh();
	struct list_query q = { .max = 2 };

	begin(meta);
	put_upload(shardmeta_rowset(meta), "k", 3);
	put_upload(shardmeta_rowset(meta), "k", 1);
	put_upload(shardmeta_rowset(meta), "k", 2);
	put_upload(shardmeta_rowset(meta), "d/1", 9);
	put_upload(shardmeta_rowset(meta), "d/2", 8);
	put_upload(shardmeta_rowset(meta), "z", 0);
	commit(meta);
	check_pages(meta, true, q, "d/1#9 d/2#8 |k#1 k#2 |k#3 z#0 ");
	q.delimiter = bytes_str("/");
	check_pages(meta, true, q, "d/*k#1 |k#2 k#3 |z#0 ");
	shardmeta_close(meta);
}

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

int
main(void)
{
	tempdir_make(dir);
	RUN(a_list_merges_the_partitions_in_order);
	RUN(random_lists_are_as_the_plain_way_has_them);
	RUN(uploads_are_listed_by_key_then_id);
	RUN(a_reader_sees_one_moment);
	RUN(what_is_rolled_back_never_was);
	RUN(queues_outlive_the_process);
	RUN(counts_follow_the_rows_and_no_transaction_that_failed);
	RUN(the_oplog_is_trimmed_by_size);
	RUN(the_last_record_of_a_quiet_partition_is_not_trimmed);
	RUN(a_snapshot_is_staged_and_switched_to_never_backwards);
	RUN(tombstones_go_when_they_are_stable);
	RUN(more_readers_than_connections_take_turns);
	remove_dir();
	return tap_done();
}
