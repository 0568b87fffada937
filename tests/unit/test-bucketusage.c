/* SPDX-License-Identifier: MIT */

/* Objects and bytes of buckets, counted from the rows. */

#include "upkeep/bucketusage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/nowait.h"
#include "nodeworld.h"
#include "tap.h"

#define SIZE 3000
#define MANY 130

static struct nodeworld w;
static struct shardtest blob;
static struct bucketusage *usage;
static uint32_t ids;
static uint64_t busy_us;

static struct reqid
fresh_id(void)
{
	struct reqid id = nodeworld_id(60);

	store_le32(id.b + 11, ++ids);
	return id;
}

static void
begin(void)
{
	nodeworld_open(&w);
	nodeworld_blob(&blob, SIZE, 1);
	ids = 0;
	if (bucketusage_new(&usage, &w.core, NULL) != 0)
		abort();
}

static void
end(void)
{
	bucketusage_free(usage);
	shardtest_free(&blob);
	nodeworld_close(&w);
}

static void
put(uint32_t partition, const char *bucket, const char *key, uint64_t revision)
{
	struct record record = nodeworld_put(key, &blob);

	record.bucket = bytes_str(bucket);
	record.request_id = fresh_id();
	record.revision = revision;
	nodeworld_apply(&w, partition, &record);
}

static void
del(uint32_t partition, const char *key, uint64_t revision)
{
	struct record record = nodeworld_record(RECORD_DELETE, key, fresh_id());

	record.revision = revision;
	nodeworld_apply(&w, partition, &record);
}

/* The bucket's row; of what was never counted zeros. */
static struct bucketusage_row
counted(const char *bucket)
{
	struct bucketusage_row *rows;
	struct bucketusage_row found = { "none", 0, 0 };
	uint64_t age_ms;
	size_t n;

	CHECK(bucketusage_round(usage, false, &busy_us, NULL) == 0);
	if (!bucketusage_look(usage, &rows, &n, &age_ms)) {
		CHECK(false);
		return found;
	}
	CHECK(age_ms == 0);
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].name, bucket) == 0)
			found = rows[i];
	free(rows);
	return found;
}

static void
nothing_is_told_before_the_first_round(void)
{
	struct bucketusage_row *rows;
	uint64_t age_ms;
	size_t n;

	begin();
	CHECK(!bucketusage_look(usage, &rows, &n, &age_ms));
	CHECK(counted("b").objects == 0);
	CHECK(bucketusage_look(usage, &rows, &n, &age_ms) && n == 0);
	free(rows);
	end();
}

static void
objects_of_all_partitions_are_counted_once(void)
{
	uint64_t broken = nowait_broken();

	begin();
	for (uint32_t i = 0; i < 300; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "k%u", i);
		put(i % WORLD_PARTITIONS, "b", key, 0);
	}
	put(0, "b", "k0", 0);
	CHECK(counted("b").objects == 300);
	CHECK(counted("b").bytes == 300 * SIZE);
	/* One that is gone is counted no more, though its tombstone is there.
	 */
	del(0, "k0", 0);
	CHECK(counted("b").objects == 299);
	CHECK(counted("b").bytes == 299 * SIZE);
	CHECK(nowait_broken() == broken);
	end();
}

static void
older_versions_have_bytes_and_markers_have_none(void)
{
	struct record config;

	begin();
	config = nodeworld_record(RECORD_BUCKET_CONFIG, NULL, nodeworld_id(30));
	config.revision = config.ruling = 1000;
	config.settings = bytes_str("{\"versioning\":\"Enabled\"}");
	nodeworld_apply(&w, 0, &config);
	for (int i = 0; i < 5; i++)
		put(0, "b", "kept", 1000);
	CHECK(counted("b").objects == 1);
	CHECK(counted("b").bytes == 5 * SIZE);
	del(0, "kept", 1000);
	CHECK(counted("b").objects == 0);
	CHECK(counted("b").bytes == 5 * SIZE);
	end();
}

static void
the_largest_buckets_have_names_and_the_rest_is_one(void)
{
	struct bucketusage_row *rows;
	uint64_t age_ms;
	size_t n;
	char name[16];

	begin();
	for (uint32_t i = 0; i < MANY; i++) {
		struct record bucket = nodeworld_record(RECORD_CREATE_BUCKET,
		    NULL, fresh_id());

		(void)snprintf(name, sizeof(name), "bucket-%u", i);
		bucket.bucket = bytes_str(name);
		bucket.owner = bytes_str("me");
		nodeworld_apply(&w, 1, &bucket);
		put(1, name, "k", 0);
		if (i == MANY - 1)
			put(1, name, "l", 0);
	}
	CHECK(bucketusage_round(usage, false, &busy_us, NULL) == 0);
	w.clock.now_ms += 1500;
	REQUIRE(bucketusage_look(usage, &rows, &n, &age_ms));
	CHECK(n == BUCKETUSAGE_TOLD + 1);
	CHECK(age_ms == 1500);
	CHECK_STR(rows[0].name, "bucket-129");
	CHECK(rows[0].objects == 2 && rows[0].bytes == 2 * SIZE);
	CHECK_STR(rows[BUCKETUSAGE_TOLD].name, "");
	CHECK(rows[BUCKETUSAGE_TOLD].objects == MANY - BUCKETUSAGE_TOLD);
	CHECK(rows[BUCKETUSAGE_TOLD].bytes == (MANY - BUCKETUSAGE_TOLD) * SIZE);
	free(rows);
	end();
}

int
main(void)
{
	RUN(nothing_is_told_before_the_first_round);
	RUN(objects_of_all_partitions_are_counted_once);
	RUN(older_versions_have_bytes_and_markers_have_none);
	RUN(the_largest_buckets_have_names_and_the_rest_is_one);
	return tap_done();
}
