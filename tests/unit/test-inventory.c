/* SPDX-License-Identifier: MIT */

/* What a node holds of a blob whose record is applied, and what it lacks. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/apply.h"
#include "base/error.h"
#include "codec/crc.h"
#include "member/inventory.h"
#include "member/lastread.h"
#include "member/pending.h"
#include "nodeworld.h"
#include "store/metaquery.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"
#include "tap.h"

#define P 0
#define SIZE 20000

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
	shardtest_free(&blob);
	nodeworld_close(&w);
}

static void
apply_put(uint32_t durable, uint32_t set)
{
	struct record put = nodeworld_put("k", &blob);

	put.blob.durable = durable;
	put.blob.set = set;
	nodeworld_apply(&w, P, &put);
}

static void
a_shard_that_is_here_is_not_queued(void)
{
	begin();
	nodeworld_store(&w, P, &blob);
	apply_put(31, 1);
	CHECK(nodeworld_repairs(&w) == 0);
	CHECK(!w.core.repair_news);
	CHECK(w.core.counters.alarms == 0);
	end();
}

static void
one_that_was_durable_here_and_is_gone_is_an_alarm(void)
{
	begin();
	apply_put(31, 1);
	CHECK(nodeworld_queued(&w, blob.id));
	CHECK(w.core.repair_news);
	CHECK(w.core.counters.alarms == 1);
	end();
}

static void
one_that_never_came_is_none(void)
{
	begin();
	apply_put(30, 1); /* all but shard 0, which is this node's */
	CHECK(nodeworld_queued(&w, blob.id));
	CHECK(w.core.counters.alarms == 0);
	end();
}

static void
half_a_file_is_no_shard(void)
{
	char path[128];

	begin();
	nodeworld_store(&w, P, &blob);
	nodeworld_path(path, &w, P, blob.id);
	CHECK(truncate(path, 9000) == 0);
	apply_put(31, 1);
	CHECK(nodeworld_queued(&w, blob.id));
	end();
}

static void
a_blob_of_another_set_is_not_ours(void)
{
	begin();
	apply_put(31, 2);
	CHECK(nodeworld_repairs(&w) == 0);
	CHECK(w.core.counters.alarms == 0);
	end();
}

static void
an_open_upload_is_waited_for(void)
{
	struct shardfile_upload *upload;

	begin();
	upload = nodeworld_begin(&w, P, &blob, 1000);
	apply_put(30, 1);
	CHECK(nodeworld_repairs(&w) == 0);
	CHECK(pending_count(w.core.pending) == 1);
	shardfile_abort(upload);
	end();
}

static void
a_stalled_upload_does_not_keep_its_shard_from_repair(void)
{
	struct shardfile_upload *upload;

	begin();
	upload = nodeworld_begin(&w, P, &blob, 1000);
	w.clock.now_ms += w.core.upload_timeout_ms;
	apply_put(30, 1);
	CHECK(nodeworld_queued(&w, blob.id));
	CHECK(pending_count(w.core.pending) == 0);
	shardfile_abort(upload);
	end();
}

static void
when_too_many_wait_it_is_queued_at_once(void)
{
	struct shardfile_upload *upload;
	struct repair_row row = { .id = nodeworld_id(60) };

	begin();
	for (unsigned i = 0; i < PENDING_MAX; i++)
		CHECK(pending_add(w.core.pending, &row));
	CHECK(!pending_add(w.core.pending, &row));
	upload = nodeworld_begin(&w, P, &blob, 1000);
	apply_put(30, 1);
	CHECK(nodeworld_queued(&w, blob.id));
	shardfile_abort(upload);
	end();
}

/* Small objects. */

static bool
has_inline(struct reqid id)
{
	struct metaquery *read = NULL;
	struct buf content = buf_make(100);
	int rc;

	CHECK(metaquery_begin(&read, w.core.meta, NULL) == 0);
	rc = metaquery_inline(read, id, &content, NULL);
	metaquery_end(read);
	CHECK(rc != 0 || bytes_equal(buf_bytes(&content), bytes_str("hello")));
	buf_fini(&content);
	return rc == 0;
}

/* The oplog of a holder's peers, and its own, has the record without them. */
static bool
oplog_has(uint32_t partition, const char *text)
{
	struct metaquery *read = NULL;
	struct oplog_row row;
	bool has;

	CHECK(metaquery_begin(&read, w.core.meta, NULL) == 0);
	has = metaquery_oplog_at(read, partition, w.seq[partition], &row,
		  NULL) == 0 &&
	    memmem(row.line.p, row.line.n, text, strlen(text)) != NULL;
	metaquery_end(read);
	return has;
}

static void
inline_bytes_are_kept_by_their_holders(void)
{
	begin();
	/* Machines p, p + 1 and p + 2 of five: 0 is none of partition 1's
	 * or 2's. */
	for (uint32_t p = 0; p < WORLD_PARTITIONS; p++) {
		struct reqid id = nodeworld_id((uint8_t)(5 + p));
		struct record r = nodeworld_inline("tiny", id,
		    "aGVsbG8=", bytes_str("hello"));

		nodeworld_apply(&w, p, &r);
		CHECK(has_inline(id) == (p == 0 || p == 3));
		CHECK(oplog_has(p, "\"tiny\"") && !oplog_has(p, "aGVsbG8="));
	}
	CHECK(nodeworld_repairs(&w) == 0);
	end();
}

/* Another text, another length, and none: it came from a peer, whose copies
 * have no inline text. */
static void
inline_bytes_that_are_not_the_record_s_are_queued_and_never_kept(void)
{
	static const char *const texts[] = { "aGVsbEE=", "aGVsbG9v", "" };

	for (unsigned i = 0; i < nitems(texts); i++) {
		struct blob_info info = {
			.crc64nvme = crc64_nvme(0, "hello", 5),
		};
		struct apply_blob b = {
			.partition = P,
			.seq = 3,
			.bucket = bytes_str("b"),
			.key = bytes_str("tiny"),
			.size = 5,
			.info = &info,
			.inline_base64 = bytes_str(texts[i]),
		};

		begin();
		b.id = nodeworld_id(5);
		CHECK(shardmeta_begin(w.core.meta, NULL) == 0);
		CHECK(inventory_take(&w.core, &b, NULL) == 0);
		CHECK(shardmeta_commit(w.core.meta, NULL) == 0);
		CHECK(!has_inline(b.id));
		CHECK(nodeworld_queued(&w, b.id));
		end();
	}
}

static void
grace_begins_when_something_becomes_garbage(void)
{
	struct garbage_row row = {
		.partition = P,
		.seq = 3,
		.kind = GARBAGE_BLOB,
		.reason = GARBAGE_SUPERSEDED,
	};

	begin();
	row.id = blob.id;
	w.clock.now_ms += 100000;
	CHECK(shardmeta_begin(w.core.meta, NULL) == 0);
	CHECK(inventory_drop(&w.core, &row, NULL) == 0);
	CHECK(shardmeta_commit(w.core.meta, NULL) == 0);
	CHECK(nodeworld_garbage(&w) == 1);
	CHECK(lastread_of(w.core.lastread, blob.id) >= w.clock.now_ms);
	end();
}

int
main(void)
{
	RUN(a_shard_that_is_here_is_not_queued);
	RUN(one_that_was_durable_here_and_is_gone_is_an_alarm);
	RUN(one_that_never_came_is_none);
	RUN(half_a_file_is_no_shard);
	RUN(a_blob_of_another_set_is_not_ours);
	RUN(an_open_upload_is_waited_for);
	RUN(a_stalled_upload_does_not_keep_its_shard_from_repair);
	RUN(when_too_many_wait_it_is_queued_at_once);
	RUN(inline_bytes_are_kept_by_their_holders);
	RUN(inline_bytes_that_are_not_the_record_s_are_queued_and_never_kept);
	RUN(grace_begins_when_something_becomes_garbage);
	return tap_done();
}
