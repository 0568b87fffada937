/* SPDX-License-Identifier: MIT */

/* The queue of repairs, and what is rebuilt from peers that misbehave. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/nowait.h"
#include "member/pending.h"
#include "nodeworld.h"
#include "store/metaquery_version.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"
#include "tap.h"
#include "upkeep/repair.h"
#include "wire/peers.h"

#define P 0
#define SIZE 100000

static struct nodeworld w;
static struct shardtest blob;

/* A version whose shard this node lacks, and knows it. */
static void
begin(void)
{
	struct record put;

	nodeworld_open(&w);
	nodeworld_blob(&blob, SIZE, 1);
	put = nodeworld_put("k", &blob);
	nodeworld_apply(&w, P, &put);
	w.blob = &blob;
	CHECK(nodeworld_queued(&w, blob.id));
}

static void
end(void)
{
	w.on_serve = NULL;
	w.blob = NULL;
	shardtest_free(&blob);
	nodeworld_close(&w);
}

/* Is this node's shard what the encoder made? */
static bool
is_whole(const struct shardtest *t, uint32_t partition)
{
	const struct buf *want = &t->file[nodeworld_shard(partition)];
	uint8_t *got = malloc(want->n);
	uint64_t bytes;
	bool same;
	int fd;

	if (got == NULL)
		abort();
	if (shardfile_open(w.core.files, t->id, nodeworld_shard(partition), &fd,
		&bytes, NULL) != 0) {
		free(got);
		return false;
	}
	same = bytes == want->n &&
	    shardfile_read(w.core.files, fd, got, want->n, 0, NULL) ==
		(ssize_t)want->n &&
	    memcmp(got, want->p, want->n) == 0;
	close(fd);
	free(got);
	return same;
}

static uint32_t
attempts(struct reqid id)
{
	struct metaquery *read = NULL;
	struct repair_row row = { .attempts = 99 };

	CHECK(metaquery_begin(&read, w.core.meta, NULL) == 0);
	(void)!metaquery_repair(read, id, &row, NULL);
	metaquery_end(read);
	return row.attempts;
}

static void
a_missing_shard_is_rebuilt(void)
{
	uint64_t broken = nowait_broken();

	begin();
	CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
	CHECK(is_whole(&blob, P));
	CHECK(!nodeworld_queued(&w, blob.id));
	CHECK(repair_step(&w.core) == REPAIR_STEP_NONE);
	CHECK(w.core.counters.repaired == 1);
	CHECK(nowait_broken() == broken);
	end();
}

static void
one_damaged_peer_is_worked_around(void)
{
	for (uint32_t bad = 1; bad < WORLD_MACHINES; bad++) {
		begin();
		w.peer[bad].mode = PEER_CORRUPT;
		CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
		CHECK(is_whole(&blob, P));
		end();
	}
}

static void
one_that_has_nothing_is_worked_around(void)
{
	for (uint32_t gone = 1; gone < WORLD_MACHINES; gone++) {
		begin();
		w.peer[gone].mode = PEER_MISSING;
		CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
		CHECK(is_whole(&blob, P));
		end();
	}
}

/* In a row, and for long enough. */
static void
is_down(uint32_t index)
{
	struct peer peer = peers_machine(&w.core.set, index);

	peers_bad(w.core.peers, &peer);
	usleep(400 * 1000);
	for (int i = 0; i < 3; i++)
		peers_bad(w.core.peers, &peer);
}

static void
one_that_is_down_is_asked_last(void)
{
	for (uint32_t down = 1; down < WORLD_MACHINES; down++) {
		begin();
		is_down(down);
		CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
		CHECK(is_whole(&blob, P));
		CHECK(w.peer[down].gets == 0);
		end();
	}
	/* Without it there are too few: then it is asked all the same. */
	begin();
	is_down(1);
	w.peer[2].mode = PEER_MISSING;
	CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
	CHECK(is_whole(&blob, P));
	CHECK(w.peer[1].gets == 1);
	end();
}

static void
too_few_good_peers_publish_nothing_and_are_asked_again(void)
{
	begin();
	w.peer[1].mode = PEER_CORRUPT;
	w.peer[3].mode = PEER_MISSING;
	CHECK(repair_step(&w.core) == REPAIR_STEP_FAILED);
	CHECK(!nodeworld_has(&w, P, blob.id));
	CHECK(nodeworld_queued(&w, blob.id));
	CHECK(attempts(blob.id) == 1);
	CHECK(w.core.counters.repair_failures == 1);
	w.peer[3].mode = PEER_OK;
	CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
	CHECK(is_whole(&blob, P));
	end();
}

/* A record that tells another CRC-64 of the shard than peers rebuild. */
static void
what_does_not_agree_with_the_record_is_not_published(void)
{
	struct shardtest other;
	struct record put;

	begin();
	nodeworld_blob(&other, SIZE, 2);
	put = nodeworld_put("k2", &other);
	put.blob.shard_crc64[nodeworld_shard(P)] ^= 1;
	nodeworld_apply(&w, P, &put);
	w.blob = &other;
	CHECK(repair_step(&w.core) == REPAIR_STEP_FAILED);
	CHECK(attempts(other.id) == 1);
	CHECK(!nodeworld_has(&w, P, other.id));
	shardtest_free(&other);
	end();
}

static void
what_was_superseded_is_not_rebuilt(void)
{
	struct record del = nodeworld_record(RECORD_DELETE, "k",
	    nodeworld_id(50));

	begin();
	nodeworld_apply(&w, P, &del);
	CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
	CHECK(!nodeworld_queued(&w, blob.id));
	CHECK(!nodeworld_has(&w, P, blob.id));
	for (uint32_t i = 1; i < WORLD_MACHINES; i++)
		CHECK(w.peer[i].gets == 0);
	end();
}

static int
version_made_at(uint64_t seq)
{
	struct metaquery *read = NULL;
	struct object_row row;
	int rc;

	CHECK(metaquery_begin(&read, w.core.meta, NULL) == 0);
	rc = metaquery_version(read, P, bytes_str("b"), bytes_str("k"), seq,
	    &row, NULL);
	metaquery_end(read);
	return rc;
}

/* By what made it and not by its key, which has another version by now. */
static void
an_older_version_is_rebuilt_too(void)
{
	struct shardtest newer;
	struct record r;
	uint64_t made;

	begin();
	made = w.seq[P];
	r = nodeworld_record(RECORD_BUCKET_CONFIG, NULL, nodeworld_id(40));
	r.revision = r.ruling = 1000;
	r.settings = bytes_str("{\"versioning\":\"Enabled\"}");
	nodeworld_apply(&w, P, &r);
	nodeworld_blob(&newer, SIZE, 2);
	nodeworld_store(&w, P, &newer);
	r = nodeworld_put("k", &newer);
	r.revision = 1000;
	nodeworld_apply(&w, P, &r);
	/* None was made between the two. */
	CHECK(version_made_at(made) == 0);
	CHECK(version_made_at(made + 1) == -ERRC_NOTFOUND);
	CHECK(version_made_at(w.seq[P]) == 0);
	CHECK(nodeworld_queued(&w, blob.id));
	CHECK(!nodeworld_queued(&w, newer.id));
	CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
	CHECK(is_whole(&blob, P));
	shardtest_free(&newer);
	end();
}

/* What is rebuilt is data: the reserve is for records (protocol.md 8). */
static void
a_disk_that_is_full_makes_a_repair_wait(void)
{
	begin();
	w.free_bytes = WORLD_RESERVE;
	CHECK(repair_step(&w.core) == REPAIR_STEP_FAILED);
	CHECK(!nodeworld_has(&w, P, blob.id));
	CHECK(nodeworld_queued(&w, blob.id) && attempts(blob.id) == 1);
	w.free_bytes = 1u << 30;
	CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
	CHECK(is_whole(&blob, P));
	end();
}

static void
who_has_no_vote_repairs_nothing(void)
{
	begin();
	nodeworld_vote(&w, P, false);
	CHECK(repair_step(&w.core) == REPAIR_STEP_NONE);
	CHECK(nodeworld_queued(&w, blob.id) && attempts(blob.id) == 0);
	nodeworld_vote(&w, P, true);
	CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
	end();
}

/* Choosing. */

static struct reqid
queue(uint32_t partition, uint32_t n)
{
	struct repair_row row = {
		.partition = partition,
		.seq = 2,
		.id = nodeworld_id(60),
		.bucket = bytes_str("b"),
		.key = bytes_str("nowhere"),
	};

	store_le32(row.id.b + 11, n);
	CHECK(shardmeta_repair_put(w.core.meta, &row, NULL) == 0);
	return row.id;
}

static void
a_halted_partition_starves_no_other(void)
{
	begin();
	CHECK(shardmeta_begin(w.core.meta, NULL) == 0);
	for (uint32_t i = 0; i < 300; i++)
		(void)queue(1 + i % 3, i);
	CHECK(shardmeta_commit(w.core.meta, NULL) == 0);
	for (uint32_t p = 1; p < WORLD_PARTITIONS; p++)
		nodeworld_vote(&w, p, false);
	CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
	CHECK(is_whole(&blob, P));
	CHECK(repair_step(&w.core) == REPAIR_STEP_NONE);
	CHECK(nodeworld_repairs(&w) == 300);
	end();
}

static void
few_attempts_come_first_then_the_newest(void)
{
	struct reqid id[4];

	begin();
	CHECK(shardmeta_begin(w.core.meta, NULL) == 0);
	CHECK(shardmeta_repair_del(w.core.meta, blob.id, NULL) == 0);
	for (uint32_t i = 0; i < 4; i++)
		id[i] = queue(i % 2, i);
	CHECK(shardmeta_repair_failed(w.core.meta, id[3], NULL) == 0);
	CHECK(shardmeta_commit(w.core.meta, NULL) == 0);
	/* No row refers to any of them: each is dropped in its turn. */
	for (unsigned i = 0; i < 4; i++) {
		static const unsigned order[] = { 2, 1, 0, 3 };

		for (unsigned j = 0; j < 4; j++)
			CHECK(nodeworld_queued(&w, id[order[j]]) == (j >= i));
		CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
	}
	CHECK(nodeworld_repairs(&w) == 0);
	end();
}

/* Small objects: machines 0, 1 and 2 keep those of partition 0. */

static const char base64[] = "aGVsbG8=";

static struct reqid
lose_inline(void)
{
	struct reqid id = nodeworld_id(5);
	struct record r = nodeworld_inline("tiny", id, base64,
	    bytes_str("hello"));
	struct repair_row row = {
		.partition = P,
		.id = id,
		.whole = true,
		.bucket = bytes_str("b"),
		.key = bytes_str("tiny"),
	};

	CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
	nodeworld_apply(&w, P, &r);
	row.seq = w.seq[P];
	CHECK(shardmeta_begin(w.core.meta, NULL) == 0);
	CHECK(shardmeta_inline_del(w.core.meta, id, NULL) == 0);
	CHECK(shardmeta_repair_put(w.core.meta, &row, NULL) == 0);
	CHECK(shardmeta_commit(w.core.meta, NULL) == 0);
	w.whole = bytes_str("hello");
	return id;
}

static bool
has_inline(struct reqid id)
{
	struct metaquery *read = NULL;
	struct buf content = buf_make(100);
	bool has;

	CHECK(metaquery_begin(&read, w.core.meta, NULL) == 0);
	has = metaquery_inline(read, id, &content, NULL) == 0;
	metaquery_end(read);
	CHECK(!has || bytes_equal(buf_bytes(&content), bytes_str("hello")));
	buf_fini(&content);
	return has;
}

static void
inline_bytes_come_from_a_holder_that_has_them_right(void)
{
	struct reqid id;

	begin();
	id = lose_inline();
	w.peer[1].mode = PEER_CORRUPT;
	CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
	CHECK(has_inline(id));
	CHECK(!nodeworld_queued(&w, id));
	end();
}

static void
damaged_inline_bytes_of_all_holders_are_not_taken(void)
{
	struct reqid id;

	begin();
	id = lose_inline();
	w.peer[1].mode = w.peer[2].mode = PEER_CORRUPT;
	CHECK(repair_step(&w.core) == REPAIR_STEP_FAILED);
	CHECK(!has_inline(id));
	CHECK(nodeworld_queued(&w, id));
	end();
}

static void
delete_tiny(struct nodeworld *world)
{
	struct record del = nodeworld_record(RECORD_DELETE, "tiny",
	    nodeworld_id(51));

	world->on_serve = NULL;
	nodeworld_apply(world, P, &del);
}

static void
inline_bytes_superseded_while_a_peer_sends_are_not_put_back(void)
{
	struct reqid id;

	begin();
	id = lose_inline();
	w.on_serve = delete_tiny;
	CHECK(repair_step(&w.core) == REPAIR_STEP_DONE);
	CHECK(w.on_serve == NULL);
	CHECK(!has_inline(id));
	CHECK(!nodeworld_queued(&w, id));
	end();
}

/* Uploads that were open when their record came. */

static void
an_upload_that_ends_without_its_shard_is_queued(void)
{
	struct shardfile_upload *upload;
	struct shardtest other;
	struct record put;

	begin();
	nodeworld_blob(&other, SIZE, 2);
	upload = nodeworld_begin(&w, P, &other, 1000);
	put = nodeworld_put("k2", &other);
	nodeworld_apply(&w, P, &put);
	CHECK(!nodeworld_queued(&w, other.id));
	CHECK(pending_count(w.core.pending) == 1);
	CHECK(repair_count(&w.core) == 2);
	repair_tend(&w.core);
	CHECK(pending_count(w.core.pending) == 1);
	shardfile_abort(upload);
	repair_tend(&w.core);
	CHECK(pending_count(w.core.pending) == 0);
	CHECK(nodeworld_queued(&w, other.id));
	shardtest_free(&other);
	end();
}

static void
one_that_falls_silent_is_queued_and_one_that_ends_well_is_not(void)
{
	struct shardfile_upload *upload;
	struct shardtest other;
	struct record put;
	bool existed;

	for (unsigned well = 0; well < 2; well++) {
		begin();
		nodeworld_blob(&other, SIZE, 2);
		upload = nodeworld_begin(&w, P, &other, 1000);
		put = nodeworld_put("k2", &other);
		nodeworld_apply(&w, P, &put);
		if (well) {
			CHECK(shardfile_write(upload,
				  other.file[nodeworld_shard(P)].p + 1000,
				  other.file[nodeworld_shard(P)].n - 1000,
				  NULL) == 0);
			CHECK(shardfile_finish(upload, &existed, NULL) == 0);
		}
		w.clock.now_ms += w.core.upload_timeout_ms;
		repair_tend(&w.core);
		CHECK(pending_count(w.core.pending) == 0);
		CHECK(nodeworld_queued(&w, other.id) == !well);
		if (!well)
			shardfile_abort(upload);
		shardtest_free(&other);
		end();
	}
}

int
main(void)
{
	RUN(a_missing_shard_is_rebuilt);
	RUN(one_damaged_peer_is_worked_around);
	RUN(one_that_has_nothing_is_worked_around);
	RUN(one_that_is_down_is_asked_last);
	RUN(too_few_good_peers_publish_nothing_and_are_asked_again);
	RUN(what_does_not_agree_with_the_record_is_not_published);
	RUN(what_was_superseded_is_not_rebuilt);
	RUN(an_older_version_is_rebuilt_too);
	RUN(a_disk_that_is_full_makes_a_repair_wait);
	RUN(who_has_no_vote_repairs_nothing);
	RUN(a_halted_partition_starves_no_other);
	RUN(few_attempts_come_first_then_the_newest);
	RUN(inline_bytes_come_from_a_holder_that_has_them_right);
	RUN(damaged_inline_bytes_of_all_holders_are_not_taken);
	RUN(inline_bytes_superseded_while_a_peer_sends_are_not_put_back);
	RUN(an_upload_that_ends_without_its_shard_is_queued);
	RUN(one_that_falls_silent_is_queued_and_one_that_ends_well_is_not);
	return tap_done();
}
