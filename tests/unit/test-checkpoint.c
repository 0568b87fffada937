/* SPDX-License-Identifier: MIT */

/* The WAL of the metadata: what checkpoints wait for, and how long reads
 * last. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/nowait.h"
#include "store/metaquery.h"
#include "store/shardmeta.h"
#include "tap.h"
#include "tempdir.h"

#define SOME 8
#define MUCH 16
#define COMMITS 60
#define RESTART_MS 5000

static char dir[TEMPDIR_BYTES];
static char path[256];
static unsigned made;
static struct clock_manual manual;

static struct shardmeta *
open_fresh(unsigned readers)
{
	struct shardmeta_options options = {
		.clock = &manual.clock,
		.no_sync = true,
		.readers = readers,
		.wal_pages = SOME,
		.wal_pages_much = MUCH,
	};
	struct shardmeta *meta = NULL;

	(void)snprintf(path, sizeof(path), "%s/m%u.db", dir, made++);
	if (shardmeta_open(&meta, path, &options, NULL) < 0)
		abort();
	return meta;
}

static void
commit_many(struct shardmeta *meta, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct reqid id = { { 1, (uint8_t)i, (uint8_t)(i >> 8) } };

		CHECK(shardmeta_begin(meta, NULL) == 0);
		CHECK(
		    shardmeta_inline_put(meta, id, bytes_str("n"), NULL) == 0);
		CHECK(shardmeta_commit(meta, NULL) == 0);
	}
}

static struct shardmeta_checkpoints
checkpoints(struct shardmeta *meta)
{
	struct shardmeta_checkpoints out;

	shardmeta_checkpoints(meta, &out);
	return out;
}

static struct metaquery *
begin(struct shardmeta *meta)
{
	struct metaquery *read = NULL;
	struct partition_row row;

	if (metaquery_begin(&read, meta, NULL) < 0)
		abort();
	/* SQLite takes its view with the first look. */
	(void)!metaquery_partition(read, 0, &row, NULL);
	return read;
}

static void
no_commit_waits_for_an_old_read(void)
{
	struct shardmeta *meta = open_fresh(2);
	struct metaquery *read = begin(meta);
	struct shardmeta_checkpoints seen;

	manual.now_ms += SHARDMETA_LONG_MS;
	commit_many(meta, COMMITS);
	seen = checkpoints(meta);
	CHECK(seen.wal_pages > MUCH);
	CHECK(seen.passive > 0);
	CHECK(seen.restarts == 0 && seen.waits == 0);
	manual.now_ms += 10 * RESTART_MS;
	commit_many(meta, COMMITS);
	seen = checkpoints(meta);
	CHECK(seen.restarts == 0 && seen.waits == 0);
	metaquery_end(read);
	/* Now there is nothing to wait for, and the WAL begins anew. */
	commit_many(meta, 2 * SOME);
	seen = checkpoints(meta);
	CHECK(seen.waits == 0);
	CHECK(seen.wal_pages <= MUCH);
	shardmeta_close(meta);
}

static void
a_short_read_is_waited_for_a_little_and_rarely(void)
{
	struct shardmeta *meta = open_fresh(2);
	struct metaquery *read = begin(meta);
	struct shardmeta_checkpoints seen;

	commit_many(meta, COMMITS);
	seen = checkpoints(meta);
	CHECK(seen.restarts == 1);
	CHECK(seen.waits > 0 && seen.waits <= 20);
	metaquery_end(read);
	read = begin(meta);
	manual.now_ms += RESTART_MS;
	metaquery_end(read);
	read = begin(meta);
	commit_many(meta, COMMITS);
	seen = checkpoints(meta);
	CHECK(seen.restarts <= 2);
	CHECK(seen.waits <= 40);
	metaquery_end(read);
	shardmeta_close(meta);
}

/* A WAL that cannot begin anew is not copied at each commit. */
static void
a_pinned_wal_is_tried_now_and_then(void)
{
	struct shardmeta *meta = open_fresh(2);
	struct metaquery *read = begin(meta);
	struct shardmeta_checkpoints seen;

	manual.now_ms += SHARDMETA_LONG_MS;
	commit_many(meta, COMMITS);
	seen = checkpoints(meta);
	CHECK(seen.passive <= seen.wal_pages / (SOME / 8) + 1);
	metaquery_end(read);
	shardmeta_close(meta);
}

static void
the_longest_read_is_known(void)
{
	struct shardmeta *meta = open_fresh(2);
	struct shardmeta_reads stats;

	for (uint64_t ms = 0; ms <= 300; ms += 100) {
		struct metaquery *read = begin(meta);

		manual.now_ms += ms;
		metaquery_end(read);
	}
	metaquery_end(begin(meta));
	shardmeta_reads(meta, &stats);
	CHECK(stats.ended == 5);
	CHECK(stats.lasted_long == 3);
	CHECK(stats.longest_ms == 300);
	shardmeta_close(meta);
}

static void
what_waits_within_a_read_is_seen(void)
{
	struct shardmeta *meta = open_fresh(1);
	struct metaquery *read;
	uint64_t before = nowait_broken();

	commit_many(meta, 1);
	CHECK(nowait_broken() == before);
	read = begin(meta);
	nowait_touch("a file");
	CHECK(nowait_broken() == before + 1);
	commit_many(meta, 1);
	CHECK(nowait_broken() == before + 2);
	metaquery_end(read);
	nowait_touch("a file");
	CHECK(nowait_broken() == before + 2);
	shardmeta_close(meta);
}

static void
remove_dir(void)
{
	static const char *const ends[] = { "", "-wal", "-shm" };

	for (unsigned i = 0; i < made; i++)
		for (unsigned j = 0; j < nitems(ends); j++) {
			(void)snprintf(path, sizeof(path), "%s/m%u.db%s", dir,
			    i, ends[j]);
			unlink(path);
		}
	rmdir(dir);
}

int
main(void)
{
	tempdir_make(dir);
	clock_manual_init(&manual, 1000000);
	RUN(no_commit_waits_for_an_old_read);
	RUN(a_short_read_is_waited_for_a_little_and_rarely);
	RUN(a_pinned_wal_is_tried_now_and_then);
	RUN(the_longest_read_is_known);
	RUN(what_waits_within_a_read_is_seen);
	remove_dir();
	return tap_done();
}
