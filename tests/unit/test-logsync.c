/* SPDX-License-Identifier: MIT */

/*
 * What is on disk before it is believed or told, of the two databases, and
 * what a commit that fails says of its record.  fdatasync() is this program's
 * own, so that each call is seen; SQLite's handles are met as they open.
 */

#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "logtest_read.h"
#include "store/rows.h"
#include "store/shardmeta.h"

static atomic_uint wal_syncs;
static atomic_bool refuse;

/* Of SQLite and of base/file alike: the program's own comes first. */
int
fdatasync(int fd)
{
	char link[40], name[600];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name) - 1);
	if (n > 4 && memcmp(name + n - 4, "-wal", 4) == 0)
		atomic_fetch_add(&wal_syncs, 1);
	return (int)syscall(SYS_fdatasync, fd);
}

static int
on_commit(void *arg)
{
	(void)arg;
	return atomic_load(&refuse);
}

static int
on_open(sqlite3 *db, const char **message, const void *api)
{
	(void)message;
	(void)api;
	(void)sqlite3_commit_hook(db, on_commit, NULL);
	return SQLITE_OK;
}

static const struct commitlog_options os = { .durability_os = true };

static void
an_append_is_on_disk_before_it_is_told(void)
{
	struct commitlog *log = make();
	struct commitlog *fast = NULL;
	unsigned before;

	/* The first one writes the head of a new WAL, which is synced anyway.
	 */
	CHECK(append(log, 0, "x", NULL, NULL) == 0);
	before = atomic_load(&wal_syncs);
	CHECK(append(log, 0, "x", NULL, NULL) == 0);
	CHECK(atomic_load(&wal_syncs) > before);
	REQUIRE(commitlog_open(&fast, url, &os, NULL) == 0);
	before = atomic_load(&wal_syncs);
	CHECK(append(fast, 0, "x", NULL, NULL) == 0);
	CHECK(atomic_load(&wal_syncs) == before);
	commitlog_close(fast);
	commitlog_close(log);
}

/* Its writer may have been killed between the write and the sync. */
static void
a_wal_that_was_left_is_synced_before_the_log_is_read(void)
{
	struct commitlog *dead = NULL;
	struct commitlog *log = make();
	unsigned before;

	commitlog_close(log);
	REQUIRE(commitlog_open(&dead, url, &os, NULL) == 0);
	CHECK(append(dead, 0, "x", NULL, NULL) == 0);
	before = atomic_load(&wal_syncs);
	REQUIRE(commitlog_open(&log, url, NULL, NULL) == 0);
	CHECK(atomic_load(&wal_syncs) > before);
	CHECK(log_end(log, 0) == 1);
	commitlog_close(log);
	commitlog_close(dead);
}

/* SQLite says neither that the disk failed nor that it is full: the record
 * may be in, for all that its writer knows. */
static void
a_commit_that_fails_unclearly_leaves_the_fate_open(void)
{
	struct commitlog *log = make();
	struct commitlog_item item = {
		.partition = 1,
		.request_id = new_id(),
		.line = bytes_str("x"),
	};
	uint64_t seq = 0;

	atomic_store(&refuse, true);
	CHECK(commitlog_append(log, &item, 1, LATER, NULL) < 0);
	CHECK(item.fate == COMMITLOG_UNKNOWN);
	atomic_store(&refuse, false);
	CHECK(commitlog_find(log, 1, item.request_id, 0, NULL, NULL, LATER,
		  NULL) == -ERRC_NOTFOUND);
	CHECK(log_end(log, 1) == 0);
	CHECK(append(log, 1, "y", &seq, NULL) == 0 && seq == 1);
	commitlog_close(log);
}

/* The rows of a node. */

static struct shardmeta *
open_rows(bool no_sync)
{
	struct shardmeta_options options = { .no_sync = no_sync, .readers = 1 };
	struct shardmeta *meta = NULL;
	char name[TEMPDIR_BYTES + 16];

	(void)snprintf(name, sizeof(name), "%s/meta%d.db", folder, made);
	if (shardmeta_open(&meta, name, &options, NULL) < 0)
		abort();
	return meta;
}

static void
add_partition(struct shardmeta *meta, uint32_t partition)
{
	struct partition_row row = {
		.partition = partition,
		.generation = 1,
		.level = 1,
	};

	CHECK(shardmeta_begin(meta, NULL) == 0);
	CHECK(shardmeta_add_partition(meta, &row, NULL) == 0);
	CHECK(shardmeta_commit(meta, NULL) == 0);
}

static void
rows_are_on_disk_before_a_commit_returns(void)
{
	struct shardmeta *meta;
	unsigned before;

	made++;
	meta = open_rows(false);
	add_partition(meta, 2);
	before = atomic_load(&wal_syncs);
	add_partition(meta, 1);
	CHECK(atomic_load(&wal_syncs) > before);
	shardmeta_close(meta);
}

static void
rows_that_the_dead_left_are_synced_before_they_are_read(void)
{
	struct shardmeta *dead, *meta;
	unsigned before;

	made++;
	dead = open_rows(true);
	before = atomic_load(&wal_syncs);
	add_partition(dead, 1);
	CHECK(atomic_load(&wal_syncs) == before);
	meta = open_rows(false);
	CHECK(atomic_load(&wal_syncs) > before);
	shardmeta_close(meta);
	shardmeta_close(dead);
}

int
main(void)
{
	scheme = "sqlite:";
	make_folder();
	(void)sqlite3_auto_extension((void (*)(void))on_open);
	RUN(an_append_is_on_disk_before_it_is_told);
	RUN(a_wal_that_was_left_is_synced_before_the_log_is_read);
	RUN(a_commit_that_fails_unclearly_leaves_the_fate_open);
	RUN(rows_are_on_disk_before_a_commit_returns);
	RUN(rows_that_the_dead_left_are_synced_before_they_are_read);
	remove_folder();
	return tap_done();
}
