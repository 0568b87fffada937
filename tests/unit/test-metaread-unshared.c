/* SPDX-License-Identifier: MIT */

/* The read rule (protocol.md 7) over a log that shares no positions, beside one
 * that does: the same interleavings, and the same answers. */

#include "client/metaread.h"

#include <pthread.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "codec/crc.h"

#include "fakenodes.h"
#include "tap.h"

static struct fakenodes f;
static bool shared = true;

static char empty_json[] = "{}";

static void
start(enum nodeproto_kind kind, const char *content)
{
	fakenodes_start(&f);
	f.info.kind = kind;
	f.info.id = reqid_new(&clock_system, &random_system);
	f.info.size = strlen(content);
	f.info.geometry = GEOMETRY_DEFAULT;
	f.info.set = 1;
	f.info.shard_crc64_count = 9;
	f.info.crc64nvme = crc64_nvme(0, content, strlen(content));
	f.info.headers = empty_json;
	f.info.meta = empty_json;
	memcpy(f.info.etag, "0123", 5);
	buf_addstr(&f.inline_bytes, content);
}

/* Node i has applied so far and sees the row of `row`, live or not. */
static void
node(uint32_t i, uint64_t applied, uint64_t row, bool found)
{
	f.node[i].applied = applied;
	f.node[i].row_seq = row;
	f.node[i].found = found;
	fakenodes_publish(&f, i, applied);
}

static int
read_object(struct object_info *info, struct buf *bytes, uint64_t ms)
{
	struct bytes bucket = bytes_str("bucket");
	struct bytes key = bytes_str("key");
	struct placement place = placement_of(nodeclient_topology(f.nc), bucket,
	    key);
	struct error err;

	return metaread_version(f.nc, &place, bucket, key, NULL, info, bytes,
	    nodeclient_now(f.nc) + ms, &err);
}

static void
a_settled_object_is_read_from_one_node(void)
{
	struct object_info info = { 0 };
	unsigned gets = 0;

	start(NODEPROTO_BLOB, "");
	fakenodes_append(&f, 5);
	for (uint32_t i = 0; i < 9; i++)
		node(i, 5, 3, true);
	CHECK(read_object(&info, NULL, 2000) == 0);
	CHECK(info.found && info.at.row_seq == 3);
	for (uint32_t i = 0; i < 9; i++)
		gets += f.node[i].gets;
	/* On a busy machine one is hedged; a read quorum would be six.  Without
	 * a page it may be, until the nodes' streams have told. */
	CHECK(!shared || gets < 6);
	nodeproto_info_fini(&info);
	fakenodes_stop(&f);
}

/* A quorum that has not met the row may say that there is none: nobody has
 * been shown it. */
static bool
is_held(int rc)
{
	return rc == -ERRC_UNAVAILABLE || (!shared && rc == -ERRC_NOTFOUND);
}

static void
S2_a_row_that_one_node_has_is_not_shown_before_c_have_it(void)
{
	struct object_info info = { 0 };

	start(NODEPROTO_BLOB, "");
	fakenodes_append(&f, 1);
	for (uint32_t i = 0; i < 9; i++)
		node(i, 0, 0, false);
	node(0, 1, 1, true);
	CHECK(is_held(read_object(&info, NULL, 400)));
	/* Three are not enough either: c = 4. */
	node(1, 1, 1, true);
	node(2, 1, 1, true);
	CHECK(is_held(read_object(&info, NULL, 400)));
	node(3, 1, 1, true);
	CHECK(read_object(&info, NULL, 2000) == 0);
	CHECK(info.found);
	nodeproto_info_fini(&info);
	fakenodes_stop(&f);
}

static void
a_node_behind_the_end_of_the_log_is_not_believed(void)
{
	struct object_info info = { 0 };

	start(NODEPROTO_BLOB, "");
	fakenodes_append(&f, 7);
	/* Eight lag and see the old state, the ninth and three more know. */
	for (uint32_t i = 0; i < 9; i++)
		node(i, 6, 0, false);
	for (uint32_t i = 5; i < 9; i++)
		node(i, 7, 7, true);
	for (int i = 0; i < 20; i++) {
		CHECK(read_object(&info, NULL, 2000) == 0);
		CHECK(info.at.row_seq == 7);
		nodeproto_info_fini(&info);
		memset(&info, 0, sizeof(info));
	}
	fakenodes_stop(&f);
}

static void
S4_the_most_advanced_node_decides_and_not_the_highest_row(void)
{
	struct object_info info = { 0 };

	start(NODEPROTO_BLOB, "");
	/* Deleted at 20, the row is gone; two nodes still show it.  Nobody is
	 * at the log's end, so that the quorum decides. */
	fakenodes_append(&f, 30);
	for (uint32_t i = 0; i < 7; i++)
		node(i, 20, 0, false);
	node(7, 15, 10, true);
	node(8, 15, 10, true);
	for (int i = 0; i < 10; i++)
		CHECK(read_object(&info, NULL, 2000) == -ERRC_NOTFOUND);
	CHECK(info.bucket == NODEPROTO_OPEN);
	nodeproto_info_fini(&info);
	fakenodes_stop(&f);
}

static void
only_voting_nodes_may_say_that_there_is_nothing(void)
{
	struct object_info info = { 0 };

	start(NODEPROTO_BLOB, "");
	fakenodes_append(&f, 5);
	for (uint32_t i = 0; i < 9; i++) {
		node(i, 5, 0, false);
		f.node[i].voting = false;
	}
	CHECK(read_object(&info, NULL, 400) == -ERRC_UNAVAILABLE);
	/* One that votes and is at the end may: the short cut.  Without it, it
	 * takes six. */
	f.node[4].voting = true;
	for (uint32_t i = 0; i < 6 && !shared; i++)
		f.node[i].voting = true;
	CHECK(read_object(&info, NULL, 2000) == -ERRC_NOTFOUND);
	nodeproto_info_fini(&info);
	fakenodes_stop(&f);
}

static void
five_voting_nodes_are_no_read_quorum(void)
{
	struct object_info info = { 0 };

	start(NODEPROTO_BLOB, "");
	fakenodes_append(&f, 9); /* nobody is at the end */
	for (uint32_t i = 0; i < 9; i++) {
		node(i, 5, 3, true);
		f.node[i].voting = i < 5;
	}
	CHECK(read_object(&info, NULL, 400) == -ERRC_UNAVAILABLE);
	f.node[5].voting = true;
	CHECK(read_object(&info, NULL, 2000) == 0);
	nodeproto_info_fini(&info);
	fakenodes_stop(&f);
}

static void
stopped_nodes_cost_milliseconds(void)
{
	struct object_info info = { 0 };

	start(NODEPROTO_BLOB, "");
	fakenodes_append(&f, 5);
	for (uint32_t i = 0; i < 9; i++)
		node(i, 5, 3, true);
	f.node[0].mode = FAKE_SILENT;
	f.node[3].mode = FAKE_SILENT;
	f.node[8].mode = FAKE_SILENT;
	for (int i = 0; i < 20; i++) {
		uint64_t began = nodeclient_now(f.nc);

		CHECK(read_object(&info, NULL, 4000) == 0);
		CHECK(nodeclient_now(f.nc) - began < 1500);
		nodeproto_info_fini(&info);
		memset(&info, 0, sizeof(info));
	}
	fakenodes_stop(&f);
}

/* Positions of a page are a hint whom to ask: the answer's own decide. */
static void
a_page_that_says_too_much_of_a_node_does_no_harm(void)
{
	struct object_info info = { 0 };

	start(NODEPROTO_BLOB, "");
	fakenodes_append(&f, 7);
	for (uint32_t i = 0; i < 9; i++)
		node(i, 7, 7, true);
	/* Three came back with less, and the page has not heard. */
	for (uint32_t i = 0; i < 3; i++) {
		f.node[i].applied = 6;
		f.node[i].row_seq = 0;
		f.node[i].found = false;
	}
	for (int i = 0; i < 20; i++) {
		CHECK(read_object(&info, NULL, 2000) == 0);
		CHECK(info.at.row_seq == 7);
		nodeproto_info_fini(&info);
		memset(&info, 0, sizeof(info));
	}
	fakenodes_stop(&f);
}

/* A row that one node has becomes readable while the reader waits: c others
 * apply it, and nobody rings where nothing is shared. */
static void *
others_catch_up(void *arg)
{
	(void)arg;
	usleep(100000);
	for (uint32_t i = 1; i < 9; i++)
		node(i, 3, 3, true);
	return NULL;
}

static void
a_held_read_goes_on_as_soon_as_enough_have_it(void)
{
	struct object_info info = { 0 };
	pthread_t thread;
	uint64_t began;

	start(NODEPROTO_BLOB, "");
	fakenodes_append(&f, 3);
	for (uint32_t i = 0; i < 9; i++)
		node(i, 3, 3, true);
	/* Three of any six are behind, so that the answers alone say that too
	 * few have it. */
	for (uint32_t i = 1; i < 9; i++)
		node(i, 2, 1, true);
	began = nodeclient_now(f.nc);
	pthread_create(&thread, NULL, others_catch_up, NULL);
	CHECK(read_object(&info, NULL, 4000) == 0);
	CHECK(nodeclient_now(f.nc) - began < 2000);
	pthread_join(thread, NULL);
	nodeproto_info_fini(&info);
	fakenodes_stop(&f);
}

static void
every_case(void)
{
	RUN(a_settled_object_is_read_from_one_node);
	RUN(S2_a_row_that_one_node_has_is_not_shown_before_c_have_it);
	RUN(a_node_behind_the_end_of_the_log_is_not_believed);
	RUN(S4_the_most_advanced_node_decides_and_not_the_highest_row);
	RUN(only_voting_nodes_may_say_that_there_is_nothing);
	RUN(five_voting_nodes_are_no_read_quorum);
	RUN(stopped_nodes_cost_milliseconds);
	RUN(a_page_that_says_too_much_of_a_node_does_no_harm);
	RUN(a_held_read_goes_on_as_soon_as_enough_have_it);
}

int
main(void)
{
	every_case();
	printf("# a log that shares no positions\n");
	fakenodes_log = "?shared=no&gaps=3&back=5000";
	shared = false;
	every_case();
	return tap_done();
}
