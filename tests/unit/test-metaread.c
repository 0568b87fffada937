/* SPDX-License-Identifier: MIT */

/* The read rule (protocol.md 7), by the interleavings that break without it:
 * the names S1 to S4 are those of protocol-why.md. */

#include "client/metaread_parts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "codec/crc.h"

#include "fakenodes.h"
#include "tap.h"

static struct fakenodes f;

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
	/* On a busy machine one is hedged; a read quorum would be six. */
	CHECK(gets < 6);
	nodeproto_info_fini(&info);
	fakenodes_stop(&f);
}

static void
inline_bytes_come_along_from_a_holder(void)
{
	struct object_info info = { 0 };
	struct buf bytes = buf_make(1 << 20);
	unsigned gets = 0;

	start(NODEPROTO_INLINE, "a small object");
	fakenodes_append(&f, 5);
	for (uint32_t i = 0; i < 9; i++)
		node(i, 5, 3, true);
	CHECK(read_object(&info, &bytes, 2000) == 0);
	CHECK_STR(buf_cstr(&bytes), "a small object");
	for (uint32_t i = 0; i < 9; i++)
		gets += f.node[i].gets;
	CHECK(gets < 6);
	nodeproto_info_fini(&info);
	buf_fini(&bytes);
	fakenodes_stop(&f);
}

static void
a_holder_with_damaged_bytes_is_told_and_another_answers(void)
{
	struct object_info info = { 0 };
	struct buf bytes = buf_make(1 << 20);

	start(NODEPROTO_INLINE, "right");
	fakenodes_append(&f, 5);
	for (uint32_t i = 0; i < 9; i++)
		node(i, 5, 3, true);
	buf_clear(&f.inline_bytes);
	buf_addstr(&f.inline_bytes, "wrong");
	CHECK(read_object(&info, &bytes, 300) == -ERRC_UNAVAILABLE);
	nodeproto_info_fini(&info);
	buf_fini(&bytes);
	fakenodes_stop(&f);
	CHECK(f.node[0].repairs + f.node[1].repairs + f.node[2].repairs +
		f.node[3].repairs >
	    0);
}

/* The holders have applied the key's next version, the others have not: a
 * reader learns the old one from one of those. */
static void
start_holders_ahead(void)
{
	start(NODEPROTO_INLINE, "the version before");
	f.newer = f.info;
	f.newer.id = reqid_new(&clock_system, &random_system);
	f.newer.size = strlen("the next one");
	f.newer.crc64nvme = crc64_nvme(0, "the next one", f.newer.size);
	buf_addstr(&f.newer_bytes, "the next one");
	fakenodes_append(&f, 5);
	for (uint32_t i = 0; i < 9; i++)
		node(i, 5, 3, true);
	for (uint32_t i = 0; i < 4; i++) {
		f.node[i].rowless = true;
		f.node[i].ahead = true;
		f.node[i].applied = 6;
		f.node[i].row_seq = 6;
	}
}

static void
holders_that_are_a_version_ahead_give_the_bytes_of_the_one_before(void)
{
	struct object_info info = { 0 };
	struct buf bytes = buf_make(1 << 20);

	start_holders_ahead();
	CHECK(read_object(&info, &bytes, 4000) == 0);
	CHECK_STR(buf_cstr(&bytes), "the version before");
	CHECK(reqid_equal(info.id, f.info.id));
	nodeproto_info_fini(&info);
	buf_fini(&bytes);
	fakenodes_stop(&f);
}

/* Once a holder was asked in vain: the log goes on, all of them tell it. */
static void *
go_on(void *arg)
{
	unsigned asked = 0;

	while (asked == 0)
		for (uint32_t i = 0; i < 4; i++)
			asked += f.node[i].inline_gets;
	fakenodes_append(&f, 6);
	for (uint32_t i = 0; i < 4; i++) {
		f.node[i].rowless = false;
		fakenodes_publish(&f, i, 6);
	}
	return arg;
}

static void
bytes_that_were_collected_meanwhile_make_the_read_look_anew(void)
{
	struct object_info info = { 0 };
	struct buf bytes = buf_make(1 << 20);
	pthread_t thread;

	start_holders_ahead();
	for (uint32_t i = 0; i < 4; i++)
		f.node[i].collected = true;
	REQUIRE(pthread_create(&thread, NULL, go_on, NULL) == 0);
	CHECK(read_object(&info, &bytes, 4000) == 0);
	pthread_join(thread, NULL);
	CHECK_STR(buf_cstr(&bytes), "the next one");
	CHECK(reqid_equal(info.id, f.newer.id));
	nodeproto_info_fini(&info);
	buf_fini(&bytes);
	fakenodes_stop(&f);
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
	CHECK(read_object(&info, NULL, 400) == -ERRC_UNAVAILABLE);
	/* Three are not enough either: c = 4. */
	node(1, 1, 1, true);
	node(2, 1, 1, true);
	CHECK(read_object(&info, NULL, 400) == -ERRC_UNAVAILABLE);
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
	/* One that votes and is at the end may: the short cut. */
	f.node[4].voting = true;
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

static void
an_epoch_that_is_not_known_voids_the_read(void)
{
	struct object_info info = { 0 };

	start(NODEPROTO_BLOB, "");
	fakenodes_append(&f, 5);
	for (uint32_t i = 0; i < 9; i++)
		node(i, 5, 3, true);
	f.epoch = 2;
	CHECK(read_object(&info, NULL, 1000) == -ERRC_UNAVAILABLE);
	f.epoch = 1;
	CHECK(read_object(&info, NULL, 2000) == 0);
	nodeproto_info_fini(&info);
	fakenodes_stop(&f);
}

/* What a reader of parts keeps: of the last try only. */
struct parts_kept {
	uint64_t bytes;
	unsigned count, tries;
};

static int
keep_part(void *arg, const struct part_entry *part)
{
	struct parts_kept *kept = arg;

	if (part == NULL) {
		kept->tries++;
		kept->bytes = kept->count = 0;
		return 0;
	}
	kept->bytes += part->size;
	kept->count++;
	return 0;
}

static int
read_whole(struct parts_kept *kept, struct error *err)
{
	struct bytes bucket = bytes_str("bucket");
	struct bytes key = bytes_str("key");
	struct placement place = placement_of(nodeclient_topology(f.nc), bucket,
	    key);
	struct buf bytes = buf_make(1024);
	struct object_info info = { 0 };
	int rc;

	*kept = (struct parts_kept){ 0 };
	rc = metaread_whole(f.nc, &place, bucket, key, NULL, &info, &bytes,
	    keep_part, kept, nodeclient_now(f.nc) + 4000, err);
	CHECK(rc < 0 || info.size == 1000);
	nodeproto_info_fini(&info);
	buf_fini(&bytes);
	return rc;
}

static void
version_and_parts_are_of_one_version(void)
{
	struct parts_kept kept;
	struct error err = { 0 };

	start(NODEPROTO_MULTIPART, "");
	f.info.size = 1000;
	fakenodes_append(&f, 5);
	for (uint32_t i = 0; i < 9; i++)
		node(i, 5, 3, true);
	CHECK(read_whole(&kept, &err) == 0);
	CHECK(kept.tries == 1 && kept.count == 2 && kept.bytes == 1000);
	/* Replaced between the two reads: both are done again. */
	f.torn = 1;
	CHECK(read_whole(&kept, &err) == 0);
	CHECK(kept.tries == 2 && kept.count == 2 && kept.bytes == 1000);
	/* The same version again and again, and never whole: damage. */
	f.torn = 1000;
	CHECK(read_whole(&kept, &err) == -ERRC_PROTOCOL);
	CHECK(strstr(err.text, "do not add up") != NULL);
	CHECK(kept.tries > 2);
	fakenodes_stop(&f);
}

int
main(void)
{
	RUN(a_settled_object_is_read_from_one_node);
	RUN(inline_bytes_come_along_from_a_holder);
	RUN(a_holder_with_damaged_bytes_is_told_and_another_answers);
	RUN(holders_that_are_a_version_ahead_give_the_bytes_of_the_one_before);
	RUN(bytes_that_were_collected_meanwhile_make_the_read_look_anew);
	RUN(S2_a_row_that_one_node_has_is_not_shown_before_c_have_it);
	RUN(a_node_behind_the_end_of_the_log_is_not_believed);
	RUN(S4_the_most_advanced_node_decides_and_not_the_highest_row);
	RUN(only_voting_nodes_may_say_that_there_is_nothing);
	RUN(five_voting_nodes_are_no_read_quorum);
	RUN(stopped_nodes_cost_milliseconds);
	RUN(an_epoch_that_is_not_known_voids_the_read);
	RUN(version_and_parts_are_of_one_version);
	return tap_done();
}
