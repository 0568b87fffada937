/* SPDX-License-Identifier: MIT */

/* The bucket view: what may be believed, and for how long. */

#include "client/bucketcache.h"

#include <poll.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/bucketfollow.h"
#include "client/buckets.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "commit/commitlog.h"
#include "commit/commitlog_mem.h"
#include "commit/record.h"

#include "fakenodes.h"
#include "tap.h"

static struct bucketcache *cache;
static struct bytes name, other;

static void
start(void)
{
	struct error err;

	REQUIRE(bucketcache_new(&cache, &err) == 0);
	name = bytes_str("bucket");
	other = bytes_str("other");
}

static uint64_t
get(struct bytes bucket, uint32_t partition, uint64_t now)
{
	struct bucket_seen seen = { 0 };

	return bucketcache_get(cache, partition, bucket, now, &seen) ?
	    seen.incarnation :
	    0;
}

static void
put(uint32_t partition, struct bytes bucket, uint64_t at, uint64_t incarnation)
{
	struct bucket_seen seen = { .incarnation = incarnation };

	bucketcache_put(cache, partition, bucket, at, &seen);
}

static void
nothing_is_said_that_nobody_follows(void)
{
	start();
	CHECK(!bucketcache_followed(cache));
	put(1, name, 10, 7);
	bucketcache_fresh(cache, 1000);
	CHECK(get(name, 1, 1000) == 0);
	/* Only the partitions that are followed. */
	CHECK(bucketcache_begin(cache, 2, 5));
	CHECK(bucketcache_followed(cache));
	put(1, name, 10, 7);
	put(2, name, 10, 7);
	CHECK(get(name, 1, 1000) == 0);
	CHECK(get(name, 2, 1000) == 7);
	bucketcache_free(cache);
}

static void
what_is_known_ends_with_the_reading_and_not_with_its_age(void)
{
	start();
	CHECK(bucketcache_begin(cache, 1, 5));
	put(1, name, 10, 7);
	/* Nobody has read yet. */
	CHECK(get(name, 1, 1) == 0);
	for (uint64_t now = 1000; now < 100000; now += 500) {
		bucketcache_fresh(cache, now);
		CHECK(get(name, 1, now + 499) == 7);
	}
	CHECK(get(name, 1, 99500 + BUCKETCACHE_FRESH_MS - 1) == 7);
	CHECK(get(name, 1, 99500 + BUCKETCACHE_FRESH_MS) == 0);
	/* An older reading that ends later makes nothing fresher. */
	bucketcache_fresh(cache, 90000);
	CHECK(get(name, 1, 99500 + BUCKETCACHE_FRESH_MS) == 0);
	bucketcache_free(cache);
}

static void
a_record_makes_void_what_was_known_before_it(void)
{
	start();
	CHECK(bucketcache_begin(cache, 1, 5));
	CHECK(bucketcache_begin(cache, 2, 5));
	bucketcache_fresh(cache, 1000);
	put(1, name, 10, 7);
	put(2, name, 10, 7);
	put(1, other, 10, 8);
	/* The answer knew of that one already. */
	bucketcache_seen(cache, 1, name, 10);
	CHECK(get(name, 1, 1000) == 7);
	bucketcache_seen(cache, 1, name, 11);
	CHECK(get(name, 1, 1000) == 0);
	CHECK(get(name, 2, 1000) == 7);
	CHECK(get(other, 1, 1000) == 8);
	bucketcache_drop(cache, 1, other);
	CHECK(get(other, 1, 1000) == 0);
	bucketcache_free(cache);
}

/* An answer on its way while the record is told comes too late to be kept:
 * nobody would make it void again. */
static void
an_answer_older_than_a_record_is_not_kept(void)
{
	start();
	CHECK(bucketcache_begin(cache, 1, 5));
	bucketcache_fresh(cache, 1000);
	/* The log's end when the reading began counts like a record. */
	put(1, name, 4, 7);
	CHECK(get(name, 1, 1000) == 0);
	put(1, name, 5, 7);
	CHECK(get(name, 1, 1000) == 7);
	bucketcache_seen(cache, 1, name, 20);
	put(1, name, 19, 7);
	CHECK(get(name, 1, 1000) == 0);
	put(1, name, 20, 9);
	CHECK(get(name, 1, 1000) == 9);
	bucketcache_free(cache);
}

static void
a_reading_that_begins_anew_knows_nothing(void)
{
	start();
	CHECK(bucketcache_begin(cache, 1, 5));
	CHECK(bucketcache_begin(cache, 2, 5));
	bucketcache_fresh(cache, 1000);
	put(1, name, 10, 7);
	put(2, name, 10, 7);
	CHECK(bucketcache_begin(cache, 1, 30));
	CHECK(get(name, 1, 1000) == 0);
	CHECK(get(name, 2, 1000) == 7);
	bucketcache_free(cache);
}

static void
who_waits_for_a_view_that_is_stale_is_told(void)
{
	struct error err = { 0 };
	uint64_t began = clock_mono_ms(&clock_system);

	start();
	CHECK(bucketcache_begin(cache, 1, 5));
	CHECK(bucketcache_wait(cache, &clock_system, began + 100, &err) ==
	    -ERRC_UNAVAILABLE);
	CHECK(clock_mono_ms(&clock_system) >= began + 100);
	bucketcache_fresh(cache, clock_mono_ms(&clock_system));
	CHECK(bucketcache_wait(cache, &clock_system, began, &err) == 0);
	bucketcache_free(cache);
}

/* The thread, and who asks, over a real log and nodes that are none. */

static void
append_seal(struct fakenodes *f, uint64_t *seq)
{
	struct record record = {
		.type = RECORD_SEAL_BUCKET,
		.cluster = FAKE_CLUSTER,
		.epoch = 1,
		.request_id = reqid_new(&clock_system, &random_system),
		.sender = bytes_str("test"),
		.bucket = bytes_str("bucket"),
		.incarnation = 1,
		.home = true,
	};
	struct buf line = buf_make(RECORD_BYTES_MAX);
	struct commitlog_item item = { .request_id = record.request_id };
	struct error err = { 0 };

	CHECK(record_build(&line, &record, &err) == 0);
	item.line = buf_bytes(&line);
	CHECK(commitlog_append(f->log, &item, 1,
		  clock_mono_ms(&clock_system) + 5000, &err) == 0);
	*seq = item.seq;
	buf_fini(&line);
}

static unsigned
asked(const struct fakenodes *f)
{
	unsigned n = 0;

	for (int i = 0; i < FAKE_NODES; i++)
		n += f->node[i].buckets;
	return n;
}

static void
a_change_in_the_log_is_seen_within_a_second(void)
{
	static struct fakenodes f;
	struct bucketfollow *follow = NULL;
	struct placement place;
	struct error err = { 0 };
	uint64_t incarnation = 0;
	uint64_t seq = 0;
	uint64_t until;
	unsigned before;

	fakenodes_start(&f);
	fakenodes_append(&f, 1);
	fakenodes_at(&f, 1);
	place = placement_of(nodeclient_topology(f.nc), bytes_str("bucket"),
	    bytes_str("key"));
	REQUIRE(bucketfollow_open(&follow, nodeclient_buckets(f.nc),
		    nodeclient_log(f.nc), &clock_system, &err) == 0);
	CHECK(bucket_ensure(f.nc, &place, bytes_str("bucket"), &incarnation,
		  nodeclient_now(f.nc) + 3000, &err) == 0);
	CHECK(incarnation == 1);
	before = asked(&f);
	/* Known: nobody is asked, however long ago it was learnt. */
	CHECK(bucket_ensure(f.nc, &place, bytes_str("bucket"), &incarnation,
		  nodeclient_now(f.nc) + 3000, &err) == 0);
	CHECK(before > 0 && asked(&f) == before);
	append_seal(&f, &seq);
	fakenodes_at(&f, seq);
	until = nodeclient_now(f.nc) + BUCKETCACHE_FRESH_MS;
	while (asked(&f) == before && nodeclient_now(f.nc) < until)
		CHECK(bucket_ensure(f.nc, &place, bytes_str("bucket"),
			  &incarnation, until + 3000, &err) == 0);
	CHECK(asked(&f) > before);
	/* What cannot be read may hold a record about any bucket. */
	commitlog_mem_outage(nodeclient_log(f.nc), 0, true);
	until = nodeclient_now(f.nc) + 3 * BUCKETCACHE_FRESH_MS;
	while (bucketcache_wait(nodeclient_buckets(f.nc), &clock_system, 0,
		   &err) == 0 &&
	    nodeclient_now(f.nc) < until)
		poll(NULL, 0, 10);
	CHECK(nodeclient_now(f.nc) < until);
	commitlog_mem_outage(nodeclient_log(f.nc), 0, false);
	CHECK(bucketcache_wait(nodeclient_buckets(f.nc), &clock_system,
		  until + 3000, &err) == 0);
	/* Nobody follows any more: nothing is said from memory. */
	bucketfollow_close(follow);
	while (bucketcache_wait(nodeclient_buckets(f.nc), &clock_system, 0,
		   &err) == 0)
		poll(NULL, 0, 10);
	CHECK(bucket_ensure(f.nc, &place, bytes_str("bucket"), &incarnation,
		  nodeclient_now(f.nc) + 50, &err) == -ERRC_UNAVAILABLE);
	fakenodes_stop(&f);
}

int
main(void)
{
	RUN(nothing_is_said_that_nobody_follows);
	RUN(what_is_known_ends_with_the_reading_and_not_with_its_age);
	RUN(a_record_makes_void_what_was_known_before_it);
	RUN(an_answer_older_than_a_record_is_not_kept);
	RUN(a_reading_that_begins_anew_knows_nothing);
	RUN(who_waits_for_a_view_that_is_stale_is_told);
	RUN(a_change_in_the_log_is_seen_within_a_second);
	return tap_done();
}
