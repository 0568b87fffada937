/* SPDX-License-Identifier: MIT */

/* The search through all rows for what is missing here. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/nowait.h"
#include "member/inventory.h"
#include "nodeworld.h"
#include "store/metaquery_walk.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"
#include "tap.h"
#include "upkeep/repair_scan.h"

#define P 0
#define SIZE 3000
#define KEYS 300 /* more than two pages */

static struct nodeworld w;
static struct shardtest blob;

static void
begin(void)
{
	nodeworld_open(&w);
	nodeworld_blob(&blob, SIZE, 1);
}

static void
end(void)
{
	w.on_read = NULL;
	shardtest_free(&blob);
	nodeworld_close(&w);
}

static struct reqid
id_of(uint32_t n)
{
	struct reqid id = nodeworld_id(60);

	store_le32(id.b + 11, n);
	return id;
}

/* A version of a key whose shard is nowhere. */
static void
put_missing(uint32_t partition, uint32_t n)
{
	struct record put;
	char key[16];

	(void)snprintf(key, sizeof(key), "k%u", n);
	put = nodeworld_put(key, &blob);
	put.request_id = id_of(n);
	nodeworld_apply(&w, partition, &put);
}

/* What applying queued is gone: only the search can find it. */
static void
forget_queue(uint32_t n)
{
	CHECK(shardmeta_begin(w.core.meta, NULL) == 0);
	for (uint32_t i = 0; i < n; i++)
		CHECK(shardmeta_repair_del(w.core.meta, id_of(i), NULL) == 0);
	CHECK(shardmeta_commit(w.core.meta, NULL) == 0);
	CHECK(nodeworld_repairs(&w) == 0);
}

static void
all_that_is_missing_is_found(void)
{
	uint64_t broken = nowait_broken();
	struct record put;
	uint64_t alarms;

	begin();
	for (uint32_t i = 0; i < KEYS; i++)
		put_missing(i % WORLD_PARTITIONS, i);
	nodeworld_store(&w, P, &blob);
	put = nodeworld_put("here", &blob);
	nodeworld_apply(&w, P, &put);
	forget_queue(KEYS);
	w.core.rescan = true;
	alarms = w.core.counters.alarms;
	CHECK(repair_scan(&w.core, NULL) == 0);
	/* The rows say that they were durable here. */
	CHECK(w.core.counters.alarms == alarms + KEYS);
	CHECK(!w.core.rescan);
	CHECK(nodeworld_repairs(&w) == KEYS);
	CHECK(!nodeworld_queued(&w, blob.id));
	/* A second one queues nothing twice. */
	CHECK(repair_scan(&w.core, NULL) == 0);
	CHECK(nodeworld_repairs(&w) == KEYS);
	CHECK(nowait_broken() == broken);
	end();
}

/* The one connection is free, and nobody holds the write lock. */
static void
look_around(struct nodeworld *world)
{
	struct metaquery *read = NULL;

	CHECK(metaquery_begin(&read, world->core.meta, NULL) == 0);
	metaquery_end(read);
	CHECK(shardmeta_begin(world->core.meta, NULL) == 0);
	shardmeta_rollback(world->core.meta);
	world->arg = world;
}

static void
nothing_is_held_while_files_are_looked_at(void)
{
	struct record put;

	begin();
	nodeworld_store(&w, P, &blob);
	put = nodeworld_put("a", &blob);
	nodeworld_apply(&w, P, &put);
	put_missing(P, 0);
	forget_queue(1);
	w.on_read = look_around;
	CHECK(repair_scan(&w.core, NULL) == 0);
	CHECK(w.arg != NULL);
	CHECK(nodeworld_repairs(&w) == 1);
	end();
}

static void
parts_and_small_objects_are_found_too(void)
{
	static const char base64[] = "aGVsbG8=";
	struct reqid upload = nodeworld_id(30);
	struct record r;

	begin();
	r = nodeworld_record(RECORD_INITIATE, "film", upload);
	r.owner = bytes_str("me");
	nodeworld_apply(&w, P, &r);
	r = nodeworld_put("film", &blob);
	r.type = RECORD_PART;
	r.request_id = id_of(0);
	r.has_upload = true;
	r.upload_id = upload;
	r.part_number = 7;
	nodeworld_apply(&w, P, &r);
	/* Machine 0 keeps the bytes of partition 0's small objects. */
	r = nodeworld_inline("tiny", id_of(1), base64, bytes_str("hello"));
	nodeworld_apply(&w, P, &r);
	CHECK(!nodeworld_queued(&w, id_of(1)));
	CHECK(shardmeta_begin(w.core.meta, NULL) == 0);
	CHECK(shardmeta_inline_del(w.core.meta, id_of(1), NULL) == 0);
	CHECK(shardmeta_commit(w.core.meta, NULL) == 0);
	forget_queue(1);
	CHECK(repair_scan(&w.core, NULL) == 0);
	CHECK(nodeworld_queued(&w, id_of(0)) && nodeworld_queued(&w, id_of(1)));
	CHECK(nodeworld_repairs(&w) == 2);
	end();
}

/* Its parts go with the records that follow, some at a time. */
static void
parts_of_an_upload_that_is_over_are_not_missed(void)
{
	struct reqid upload = nodeworld_id(30);
	struct record r;

	begin();
	r = nodeworld_record(RECORD_INITIATE, "film", upload);
	r.owner = bytes_str("me");
	nodeworld_apply(&w, P, &r);
	for (uint32_t i = 1; i <= 200; i++) {
		r = nodeworld_put("film", &blob);
		r.type = RECORD_PART;
		r.request_id = id_of(i);
		r.has_upload = true;
		r.upload_id = upload;
		r.part_number = i;
		nodeworld_apply(&w, P, &r);
	}
	r = nodeworld_record(RECORD_ABORT, "film", nodeworld_id(31));
	r.has_upload = true;
	r.upload_id = upload;
	nodeworld_apply(&w, P, &r);
	forget_queue(201);
	CHECK(repair_scan(&w.core, NULL) == 0);
	CHECK(nodeworld_repairs(&w) == 0);
	end();
}

static void
an_upload_that_goes_on_is_not_missing(void)
{
	struct shardfile_upload *upload;
	struct record put;

	begin();
	upload = nodeworld_begin(&w, P, &blob, 1000);
	put = nodeworld_put("a", &blob);
	nodeworld_apply(&w, P, &put);
	CHECK(repair_scan(&w.core, NULL) == 0);
	CHECK(nodeworld_repairs(&w) == 0);
	shardfile_abort(upload);
	CHECK(repair_scan(&w.core, NULL) == 0);
	CHECK(nodeworld_queued(&w, blob.id));
	end();
}

static void
who_stops_searches_again_next_time(void)
{
	begin();
	put_missing(P, 0);
	w.core.stopping = true;
	CHECK(repair_scan(&w.core, NULL) == -ERRC_RETRY);
	CHECK(w.core.rescan);
	w.core.stopping = false;
	end();
}

/* The walk. */

struct met {
	unsigned n;
	uint32_t last;
};

static int
meet(void *arg, const struct snapshot_row *row)
{
	struct met *met = arg;

	CHECK((row->object != NULL) + (row->version != NULL) +
		(row->part != NULL) ==
	    1);
	met->n++;
	return 0;
}

/* From now on bucket "b" keeps versions, in the partition. */
static void
keep_versions(uint32_t partition)
{
	struct record config = nodeworld_record(RECORD_BUCKET_CONFIG, NULL,
	    nodeworld_id(30));

	config.revision = config.ruling = 1000;
	config.settings = bytes_str("{\"versioning\":\"Enabled\"}");
	nodeworld_apply(&w, partition, &config);
}

/* A version of one key on top of those before it; its shard is nowhere. */
static void
put_version(uint32_t partition, uint32_t n)
{
	struct record put = nodeworld_put("kept", &blob);

	put.request_id = id_of(n);
	put.revision = 1000;
	nodeworld_apply(&w, partition, &put);
}

/* An older version must be whole, too: it is found by what made it, not by
 * its key. */
static void
older_versions_are_found(void)
{
	begin();
	keep_versions(P);
	for (uint32_t i = 0; i < 5; i++)
		put_version(P, i);
	CHECK(nodeworld_repairs(&w) == 5);
	forget_queue(5);
	CHECK(repair_scan(&w.core, NULL) == 0);
	CHECK(nodeworld_repairs(&w) == 5);
	end();
}

static void
pages_of_any_size_meet_each_row_once(void)
{
	begin();
	for (uint32_t i = 0; i < 25; i++)
		put_missing(P, i);
	keep_versions(P);
	for (uint32_t i = 25; i < 40; i++)
		put_version(P, i);
	for (size_t max = 1; max <= 50; max += 7) {
		struct metaquery_place place = { 0 };
		struct met met = { 0 };

		while (place.table != WALK_OVER) {
			struct metaquery *read = NULL;
			unsigned before = met.n;

			CHECK(metaquery_begin(&read, w.core.meta, NULL) == 0);
			CHECK(metaquery_walk(read, P, &place, max, meet, &met,
				  NULL) == 0);
			metaquery_end(read);
			CHECK(met.n - before <= max);
		}
		CHECK(met.n == 40);
	}
	end();
}

int
main(void)
{
	RUN(all_that_is_missing_is_found);
	RUN(nothing_is_held_while_files_are_looked_at);
	RUN(parts_and_small_objects_are_found_too);
	RUN(parts_of_an_upload_that_is_over_are_not_missed);
	RUN(an_upload_that_goes_on_is_not_missing);
	RUN(who_stops_searches_again_next_time);
	RUN(older_versions_are_found);
	RUN(pages_of_any_size_meet_each_row_once);
	return tap_done();
}
