/* SPDX-License-Identifier: MIT */

/* Every byte of every shard, of nodes that fail in each way they can. */

#include "client/verifyobject.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/blobwrite.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"

#include "fakenodes.h"
#include "tap.h"

#define BYTES 1000000

static struct fakenodes f;
static struct buf line;

static struct bytes bucket, key;
static char empty_json[] = "{}";

/* An object in shards, whose record is at seq 3 on all nodes. */
static void
start(void)
{
	struct blobwrite_result result;
	struct blobwrite_options options;
	struct blobwrite *w = NULL;
	struct placement place;
	uint8_t *content = malloc(BYTES);
	struct object_info *info = &f.info;

	fakenodes_start(&f);
	bucket = bytes_str("bucket");
	key = bytes_str("key");
	place = placement_of(nodeclient_topology(f.nc), bucket, key);
	options = (struct blobwrite_options){
		.place = &place,
		.bucket = bucket,
		.key = key,
		.id = reqid_new(&clock_system, &random_system),
		.geometry = GEOMETRY_DEFAULT,
		.size = BYTES,
		.client_fd = -1,
	};
	for (size_t i = 0; i < BYTES; i++)
		content[i] = (uint8_t)(i * 2654435761u >> 13 ^ i);
	REQUIRE(blobwrite_open(&w, f.nc, &options, NULL) == 0);
	REQUIRE(blobwrite_write(w, content, BYTES, NULL) == 0);
	REQUIRE(blobwrite_finish(w, &result, NULL) == 0);
	blobwrite_close(w);
	free(content);
	*info = (struct object_info){
		.bucket = NODEPROTO_OPEN,
		.incarnation = 1,
		.found = true,
		.kind = NODEPROTO_BLOB,
		.id = options.id,
		.size = BYTES,
		.geometry = options.geometry,
		.set = place.set->number,
		.etag = "0123",
		.shard_crc64_count = 9,
		.crc64nvme = result.totals.crc64nvme,
		.headers = empty_json,
		.meta = empty_json,
	};
	memcpy(info->shard_crc64, result.totals.shard_crc64,
	    sizeof(info->shard_crc64));
	fakenodes_append(&f, 3);
	fakenodes_at(&f, 3);
	for (unsigned i = 0; i < FAKE_NODES; i++) {
		f.node[i].row_seq = 3;
		f.node[i].found = true;
	}
	line = buf_make(65536);
	/* The last two may be sent on behind the answer. */
	for (unsigned i = 0; i < FAKE_NODES; i++)
		while (f.node[i].puts == 0)
			poll(NULL, 0, 1);
}

static void
stop(void)
{
	buf_fini(&line);
	fakenodes_stop(&f);
}

static enum verifyobject_state
verify(void)
{
	struct verifyobject v = { .nc = f.nc, .bucket = bucket, .key = key };
	struct error err = { 0 };

	buf_clear(&line);
	if (verifyobject_run(&v, &line, &err) < 0) {
		printf("# %s\n", err.text);
		CHECK(err.code == ERRC_OK);
	}
	return v.state;
}

static void
whole_shards_have_no_line(void)
{
	start();
	CHECK(verify() == VERIFYOBJECT_WHOLE);
	CHECK(line.n == 0);
	stop();
}

static void
absent_and_bad_ones_are_told_apart(void)
{
	start();
	f.node[2].mode = FAKE_MISSING;
	f.node[4].mode = FAKE_CORRUPT;
	CHECK(verify() == VERIFYOBJECT_DAMAGED);
	CHECK(strstr(buf_cstr(&line), " present=7 absent=1 damaged=1 down=0 "));
	CHECK(strstr(buf_cstr(&line), "absent:1/2:2"));
	CHECK(strstr(buf_cstr(&line), "damaged:1/4:4"));
	stop();
}

static void
as_few_as_the_data_shards_are_enough_and_one_less_is_lost(void)
{
	start();
	for (unsigned i = 0; i < 3; i++)
		f.node[i].mode = FAKE_MISSING;
	CHECK(verify() == VERIFYOBJECT_DAMAGED);
	f.node[3].mode = FAKE_MISSING;
	CHECK(verify() == VERIFYOBJECT_LOST);
	stop();
}

/* Who does not answer may hold what is needed. */
static void
nodes_that_fail_make_nothing_lost(void)
{
	start();
	f.node[0].mode = FAKE_ERROR;
	CHECK(verify() == VERIFYOBJECT_UNCHECKED);
	CHECK(strstr(buf_cstr(&line), " present=8 absent=0 damaged=0 down=1 "));
	for (unsigned i = 1; i < 4; i++)
		f.node[i].mode = FAKE_MISSING;
	CHECK(verify() == VERIFYOBJECT_UNCHECKED);
	f.node[4].mode = FAKE_MISSING;
	CHECK(verify() == VERIFYOBJECT_LOST);
	stop();
}

/* Another's record, with the same bytes: an END that was never committed. */
static void
a_shard_that_is_not_the_records_is_bad(void)
{
	start();
	f.info.shard_crc64[7] ^= 1;
	CHECK(verify() == VERIFYOBJECT_DAMAGED);
	CHECK(strstr(buf_cstr(&line), "damaged:1/7:7"));
	stop();
}

static unsigned
gets(void)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < FAKE_NODES; i++)
		sum += f.node[i].gets;
	return sum;
}

/* The object is deleted once the first look has begun. */
static void *
delete_meanwhile(void *arg)
{
	(void)arg;
	/* Eight answer, once each to the read before: the ninth is a shard. */
	while (gets() < 9)
		sched_yield();
	for (unsigned i = 0; i < FAKE_NODES; i++)
		f.node[i].found = false;
	return NULL;
}

static void
what_is_deleted_meanwhile_is_no_damage(void)
{
	pthread_t thread;

	start();
	/* One that fails: the look goes on for some rounds. */
	for (unsigned i = 0; i < FAKE_NODES; i++)
		f.node[i].mode = i == 0 ? FAKE_ERROR : FAKE_MISSING;
	for (unsigned i = 0; i < FAKE_NODES; i++)
		f.node[i].gets = 0;
	REQUIRE(pthread_create(&thread, NULL, delete_meanwhile, NULL) == 0);
	CHECK(verify() == VERIFYOBJECT_GONE);
	CHECK(line.n == 0);
	pthread_join(thread, NULL);
	stop();
}

static void
what_never_was_is_not_found(void)
{
	struct verifyobject v;

	start();
	for (unsigned i = 0; i < FAKE_NODES; i++)
		f.node[i].found = false;
	v = (struct verifyobject){ .nc = f.nc, .bucket = bucket, .key = key };
	CHECK(verifyobject_run(&v, &line, NULL) == -ERRC_NOTFOUND);
	stop();
}

int
main(void)
{
	RUN(whole_shards_have_no_line);
	RUN(absent_and_bad_ones_are_told_apart);
	RUN(as_few_as_the_data_shards_are_enough_and_one_less_is_lost);
	RUN(nodes_that_fail_make_nothing_lost);
	RUN(a_shard_that_is_not_the_records_is_bad);
	RUN(what_is_deleted_meanwhile_is_no_damage);
	RUN(what_never_was_is_not_found);
	return tap_done();
}
