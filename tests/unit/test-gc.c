/* SPDX-License-Identifier: MIT */

/* What is collected, and what never is. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/nowait.h"
#include "commit/commitlog.h"
#include "member/idstate.h"
#include "member/lastread.h"
#include "member/uploadlist.h"
#include "nodeworld.h"
#include "store/metaquery.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"
#include "tap.h"
#include "upkeep/gc.h"
#include "wire/nodehealth.h"

#define P 2
#define SIZE 30000
#define GRACE_MS (3600ull * 1000)
#define DAY_MS (24ull * 3600 * 1000)

static struct nodeworld w;
static struct shardtest blob;

/* A version of key "k" whose shard is here. */
static void
begin(void)
{
	struct record put;

	nodeworld_open(&w);
	nodeworld_blob(&blob, SIZE, 1);
	nodeworld_store(&w, P, &blob);
	put = nodeworld_put("k", &blob);
	nodeworld_apply(&w, P, &put);
	nodeworld_all_stable(&w);
}

static void
end(void)
{
	shardtest_free(&blob);
	nodeworld_close(&w);
}

static void
delete_it(void)
{
	struct record del = nodeworld_record(RECORD_DELETE, "k",
	    nodeworld_id(50));

	nodeworld_apply(&w, P, &del);
}

static bool
has(void)
{
	return nodeworld_has(&w, P, blob.id);
}

static void
what_is_live_is_never_collected(void)
{
	begin();
	w.clock.now_ms += 2 * DAY_MS;
	gc_collect(&w.core);
	CHECK(has());
	CHECK(gc_delete(&w.core, P, blob.id, NULL) == -ERRC_NOTFOUND);
	CHECK(has());
	end();
}

static void
what_was_deleted_goes_after_its_grace_and_not_before(void)
{
	begin();
	/* Its grace begins with the delete, however long it lived. */
	w.clock.now_ms += 2 * DAY_MS;
	delete_it();
	nodeworld_all_stable(&w);
	w.clock.now_ms += GRACE_MS - 2000;
	gc_collect(&w.core);
	CHECK(has());
	CHECK(gc_delete(&w.core, P, blob.id, NULL) == -ERRC_MISMATCH);
	CHECK(has());
	w.clock.now_ms += 4000;
	gc_collect(&w.core);
	CHECK(!has());
	CHECK(nodeworld_garbage(&w) == 0);
	CHECK(w.core.counters.collected == 1);
	end();
}

static void
a_read_renews_the_grace(void)
{
	begin();
	delete_it();
	nodeworld_all_stable(&w);
	w.clock.now_ms += GRACE_MS - 2000;
	lastread_note(w.core.lastread, blob.id, w.clock.now_ms);
	w.clock.now_ms += GRACE_MS - 2000;
	gc_collect(&w.core);
	CHECK(has());
	w.clock.now_ms += 4000;
	gc_collect(&w.core);
	CHECK(!has());
	end();
}

/* The delete shall give back what it can: after the time that a reader's lease
 * may take, and a minute. */
static void
a_disk_that_is_nearly_full_waits_for_leases_only(void)
{
	begin();
	delete_it();
	nodeworld_all_stable(&w);
	w.clock.now_ms += NODEHEALTH_LEASE_MS + 58 * 1000;
	w.free_bytes = 2 * WORLD_RESERVE - 1;
	gc_collect(&w.core);
	CHECK(has());
	w.clock.now_ms += 4000;
	w.free_bytes = 2 * WORLD_RESERVE;
	gc_collect(&w.core);
	CHECK(has());
	w.free_bytes = 2 * WORLD_RESERVE - 1;
	gc_collect(&w.core);
	CHECK(!has());
	end();
}

/* One of four that are needed has not applied the delete: a reader may yet be
 * told of the version, by it and by whoever did not hear. */
static void
what_is_not_stable_stays_however_old(void)
{
	begin();
	delete_it();
	w.clock.now_ms += 2 * DAY_MS;
	for (uint32_t machines = 1; machines < WORLD_QUORUM; machines++) {
		nodeworld_applied(&w, P, w.seq[P], machines);
		gc_collect(&w.core);
		CHECK(has());
		CHECK(gc_delete(&w.core, P, blob.id, NULL) == -ERRC_MISMATCH);
	}
	nodeworld_applied(&w, P, w.seq[P], WORLD_QUORUM);
	CHECK(gc_delete(&w.core, P, blob.id, NULL) == 0);
	CHECK(!has());
	end();
}

static bool
has_tombstone(void)
{
	struct metaquery *read = NULL;
	struct object_row row = { 0 };
	int rc;

	CHECK(metaquery_begin(&read, w.core.meta, NULL) == 0);
	rc = metaquery_object(read, P, bytes_str("b"), bytes_str("k"), &row,
	    NULL);
	metaquery_end(read);
	CHECK(rc == -ERRC_NOTFOUND || row.kind == OBJECT_TOMBSTONE);
	return rc == 0;
}

/* A reader that finds nothing must learn from it what it has to wait for: the
 * delete may not have come to the others yet (protocol.md 7). */
static void
a_tombstone_stays_until_it_is_stable(void)
{
	begin();
	delete_it();
	nodeworld_applied(&w, P, w.seq[P], WORLD_QUORUM - 1);
	w.clock.now_ms += 2 * DAY_MS;
	gc_collect(&w.core);
	CHECK(has_tombstone());
	nodeworld_all_stable(&w);
	gc_collect(&w.core);
	CHECK(!has_tombstone());
	end();
}

static void
an_aborted_one_goes_at_once_when_it_is_stable(void)
{
	struct shardtest other;
	struct record abort_;

	begin();
	nodeworld_blob(&other, SIZE, 2);
	nodeworld_store(&w, P, &other);
	abort_ = nodeworld_record(RECORD_ABORT, "k2", other.id);
	nodeworld_apply(&w, P, &abort_);
	gc_collect(&w.core);
	CHECK(nodeworld_has(&w, P, other.id));
	nodeworld_all_stable(&w);
	gc_collect(&w.core);
	CHECK(!nodeworld_has(&w, P, other.id));
	CHECK(has());
	shardtest_free(&other);
	end();
}

/* Garbage of which a live row says that it is needed: a defect elsewhere must
 * not become a loss. */
static void
garbage_that_a_row_needs_is_kept(void)
{
	struct garbage_row row = {
		.partition = P,
		.seq = 2,
		.kind = GARBAGE_BLOB,
		.reason = GARBAGE_ABORTED,
	};

	begin();
	row.id = blob.id;
	CHECK(shardmeta_begin(w.core.meta, NULL) == 0);
	CHECK(shardmeta_garbage_put(w.core.meta, &row, NULL) == 0);
	CHECK(shardmeta_commit(w.core.meta, NULL) == 0);
	gc_collect(&w.core);
	CHECK(has());
	CHECK(gc_delete(&w.core, P, blob.id, NULL) == -ERRC_MISMATCH);
	CHECK(has());
	end();
}

/* A directory in the shard's place: unlink fails. */
static void
a_file_that_will_not_go_keeps_no_other_one(void)
{
	struct shardtest other;
	struct record put, del;
	char path[128];

	begin();
	nodeworld_blob(&other, SIZE, 2);
	nodeworld_store(&w, P, &other);
	put = nodeworld_put("k2", &other);
	nodeworld_apply(&w, P, &put);
	delete_it();
	del = nodeworld_record(RECORD_DELETE, "k2", nodeworld_id(51));
	nodeworld_apply(&w, P, &del);
	nodeworld_all_stable(&w);
	nodeworld_path(path, &w, P, blob.id);
	CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
	w.clock.now_ms += 2 * GRACE_MS;
	gc_collect(&w.core);
	CHECK(!nodeworld_has(&w, P, other.id));
	CHECK(nodeworld_garbage(&w) == 1);
	CHECK(rmdir(path) == 0);
	gc_collect(&w.core);
	CHECK(nodeworld_garbage(&w) == 0);
	shardtest_free(&other);
	end();
}

/* Uploads. */

static struct shardtest part[2];

/* The record that ends an upload sweeps so many of its parts itself, each of
 * which is then garbage of its own; the rest waits for later records. */
#define SWEPT 128

static void
put_part(struct reqid upload, const struct shardtest *t, struct reqid id,
    uint32_t n)
{
	struct record r = nodeworld_put("film", t);

	r.type = RECORD_PART;
	r.request_id = id;
	r.has_upload = true;
	r.upload_id = upload;
	r.part_number = n;
	nodeworld_apply(&w, P, &r);
}

/* An upload whose last two parts have their shards here. */
static void
make_upload(struct reqid upload)
{
	struct record r = nodeworld_record(RECORD_INITIATE, "film", upload);
	struct reqid id = nodeworld_id(60);

	r.owner = bytes_str("me");
	nodeworld_apply(&w, P, &r);
	for (uint32_t i = 1; i <= SWEPT; i++) {
		store_le32(id.b + 11, i);
		put_part(upload, &blob, id, i);
	}
	for (uint8_t i = 0; i < 2; i++) {
		nodeworld_blob(&part[i], SIZE, (uint8_t)(20 + i));
		nodeworld_store(&w, P, &part[i]);
		put_part(upload, &part[i], part[i].id, SWEPT + 1 + i);
	}
}

static bool
has_part(unsigned i)
{
	return nodeworld_has(&w, P, part[i].id);
}

static void
a_lease_on_one_part_keeps_the_whole_upload(void)
{
	struct reqid upload = nodeworld_id(30);
	struct record abort_;

	begin();
	make_upload(upload);
	abort_ = nodeworld_record(RECORD_ABORT, "film", nodeworld_id(31));
	abort_.has_upload = true;
	abort_.upload_id = upload;
	nodeworld_apply(&w, P, &abort_);
	nodeworld_all_stable(&w);
	w.clock.now_ms += GRACE_MS;
	lastread_note(w.core.lastread, part[1].id, w.clock.now_ms);
	w.clock.now_ms += 2000;
	gc_collect(&w.core);
	CHECK(has_part(0) && has_part(1));
	w.clock.now_ms += GRACE_MS;
	gc_collect(&w.core);
	CHECK(!has_part(0) && !has_part(1));
	CHECK(has());
	shardtest_free(&part[0]);
	shardtest_free(&part[1]);
	end();
}

static void
no_read_is_open_while_files_go(void)
{
	uint64_t broken = nowait_broken();
	struct reqid upload = nodeworld_id(30);
	struct record r;

	begin();
	make_upload(upload);
	delete_it();
	r = nodeworld_record(RECORD_ABORT, "film", nodeworld_id(31));
	r.has_upload = true;
	r.upload_id = upload;
	nodeworld_apply(&w, P, &r);
	nodeworld_all_stable(&w);
	w.clock.now_ms += 2 * GRACE_MS;
	gc_collect(&w.core);
	CHECK(!has() && !has_part(0));
	CHECK(gc_strangers(&w.core, NULL) == 0);
	CHECK(nowait_broken() == broken);
	shardtest_free(&part[0]);
	shardtest_free(&part[1]);
	end();
}

/* More than a page of rows: each is met, and none twice. */
static void
pages_cover_all_garbage(void)
{
	struct garbage_row row = {
		.partition = P,
		.kind = GARBAGE_BLOB,
		.reason = GARBAGE_ABORTED,
	};

	begin();
	CHECK(shardmeta_begin(w.core.meta, NULL) == 0);
	for (uint32_t i = 0; i < 1000; i++) {
		row.seq = 1 + i / 400;
		row.id = nodeworld_id(60);
		store_le32(row.id.b + 11, i);
		CHECK(shardmeta_garbage_put(w.core.meta, &row, NULL) == 0);
	}
	CHECK(shardmeta_commit(w.core.meta, NULL) == 0);
	CHECK(gc_delete(&w.core, P, row.id, NULL) == 0);
	CHECK(nodeworld_garbage(&w) == 999);
	gc_collect(&w.core);
	CHECK(nodeworld_garbage(&w) == 0);
	CHECK(w.core.counters.collected == 1000);
	end();
}

/* Orphans. */

static void
list_upload(const struct shardtest *t, const char *key)
{
	struct nodeproto_store store = { .partition = P };

	store.bucket_bytes = 1;
	memcpy(store.bucket, "b", 2);
	store.key_bytes = strlen(key);
	memcpy(store.key, key, store.key_bytes + 1);
	CHECK(uploadlist_add(w.core.uploads, t->id, nodeworld_shard(P), &store,
		  NULL) == 0);
}

static void
orphan_age(void)
{
	w.clock.now_ms += w.core.orphan_age_ms +
	    nodeworld_shard(P) * w.core.orphan_step_ms;
}

static bool
in_log(struct reqid id)
{
	uint64_t seq, time_ms;

	return commitlog_find(w.core.log, P, id, 0, &seq, &time_ms, UINT64_MAX,
		   NULL) == 0;
}

static void
an_upload_without_a_record_is_aborted_when_it_is_old(void)
{
	uint64_t broken = nowait_broken();
	struct shardtest other;

	begin();
	nodeworld_blob(&other, SIZE, 2);
	nodeworld_store(&w, P, &other);
	list_upload(&other, "k2");
	CHECK(gc_orphans(&w.core, NULL) == 0);
	CHECK(!in_log(other.id));
	orphan_age();
	w.clock.now_ms -= 1;
	CHECK(gc_orphans(&w.core, NULL) == 0);
	CHECK(!in_log(other.id));
	w.clock.now_ms += 1;
	/* Who has no vote may not know its record yet. */
	nodeworld_vote(&w, P, false);
	CHECK(gc_orphans(&w.core, NULL) == 0);
	CHECK(!in_log(other.id));
	nodeworld_vote(&w, P, true);
	CHECK(gc_orphans(&w.core, NULL) == 0);
	CHECK(in_log(other.id));
	CHECK(w.core.counters.orphans == 1);
	/* Once. */
	CHECK(gc_orphans(&w.core, NULL) == 0);
	CHECK(w.core.counters.orphans == 1);
	CHECK(nowait_broken() == broken);
	shardtest_free(&other);
	end();
}

static void
an_upload_that_trickles_is_no_orphan(void)
{
	struct shardfile_upload *upload;
	struct shardtest other;
	size_t n;
	bool existed;

	begin();
	nodeworld_blob(&other, 8 * SIZE, 2);
	n = other.file[nodeworld_shard(P)].n;
	list_upload(&other, "k2");
	upload = nodeworld_begin(&w, P, &other, 600);
	for (size_t at = 600; at < n; at += n / 4) {
		w.clock.now_ms += DAY_MS;
		CHECK(gc_orphans(&w.core, NULL) == 0);
		CHECK(shardfile_write(upload,
			  other.file[nodeworld_shard(P)].p + at,
			  KOOP_MIN(n / 4, n - at), NULL) == 0);
		CHECK(gc_orphans(&w.core, NULL) == 0);
	}
	CHECK(!in_log(other.id) && w.core.counters.orphans == 0);
	CHECK(shardfile_finish(upload, &existed, NULL) == 0);
	shardtest_free(&other);
	end();
}

static void
what_was_committed_is_no_orphan_and_leaves_the_list(void)
{
	begin();
	list_upload(&blob, "k");
	CHECK(uploadlist_bytes(w.core.uploads) > 0);
	CHECK(gc_orphans(&w.core, NULL) == 0);
	CHECK(uploadlist_bytes(w.core.uploads) == 0);
	list_upload(&blob, "k");
	orphan_age();
	CHECK(gc_orphans(&w.core, NULL) == 0);
	CHECK(!in_log(blob.id) && w.core.counters.orphans == 0);
	CHECK(has());
	end();
}

/* A log that does not answer costs one try a round, not one an orphan. */
static void
a_log_that_is_lost_is_tried_once_a_round(void)
{
	static const uint32_t elsewhere[] = { 99 };
	struct commitlog_genesis genesis = {
		.cluster = WORLD_CLUSTER,
		.partitions = elsewhere,
		.count = 1,
	};
	struct shardtest other[3];
	struct commitlog *good;

	begin();
	for (uint8_t i = 0; i < 3; i++) {
		nodeworld_blob(&other[i], SIZE, (uint8_t)(2 + i));
		list_upload(&other[i], "k2");
	}
	orphan_age();
	good = w.core.log;
	CHECK(commitlog_create("mem:lost", &genesis, NULL, NULL) == 0);
	CHECK(commitlog_open(&w.core.log, "mem:lost", NULL, NULL) == 0);
	CHECK(gc_orphans(&w.core, NULL) == 0);
	CHECK(w.core.counters.orphans == 0);
	commitlog_close(w.core.log);
	w.core.log = good;
	CHECK(gc_orphans(&w.core, NULL) == 0);
	CHECK(w.core.counters.orphans == 2);
	orphan_age();
	CHECK(gc_orphans(&w.core, NULL) == 0);
	for (uint8_t i = 0; i < 3; i++) {
		CHECK(in_log(other[i].id));
		shardtest_free(&other[i]);
	}
	end();
}

/* Late shards, and strangers. */

static void
a_late_shard_of_a_dead_id_is_collected(void)
{
	struct idstate state = { .decided = true, .dead = true };
	struct shardtest other;

	begin();
	nodeworld_blob(&other, SIZE, 2);
	nodeworld_store(&w, P, &other);
	/* Not before what killed it is stable. */
	state.seq = w.seq[P] + 1;
	gc_dead_shard(&w.core, P, other.id, &state);
	w.clock.now_ms += 2 * GRACE_MS;
	gc_collect(&w.core);
	CHECK(nodeworld_has(&w, P, other.id));
	nodeworld_applied(&w, P, state.seq, WORLD_QUORUM);
	gc_collect(&w.core);
	CHECK(!nodeworld_has(&w, P, other.id));
	shardtest_free(&other);
	end();
}

static void
a_shard_that_nobody_names_is_counted_and_kept(void)
{
	struct shardtest other;

	begin();
	nodeworld_blob(&other, SIZE, 2);
	nodeworld_store(&w, P, &other);
	CHECK(gc_strangers(&w.core, NULL) == 0);
	CHECK(w.core.counters.unplaced == 1);
	CHECK(nodeworld_has(&w, P, other.id) && has());
	list_upload(&other, "k2");
	CHECK(gc_strangers(&w.core, NULL) == 0);
	CHECK(w.core.counters.unplaced == 0);
	shardtest_free(&other);
	end();
}

static void
every_case(void)
{
	RUN(what_is_live_is_never_collected);
	RUN(what_was_deleted_goes_after_its_grace_and_not_before);
	RUN(a_read_renews_the_grace);
	RUN(a_disk_that_is_nearly_full_waits_for_leases_only);
	RUN(what_is_not_stable_stays_however_old);
	RUN(a_tombstone_stays_until_it_is_stable);
	RUN(an_aborted_one_goes_at_once_when_it_is_stable);
	RUN(garbage_that_a_row_needs_is_kept);
	RUN(a_file_that_will_not_go_keeps_no_other_one);
	RUN(a_lease_on_one_part_keeps_the_whole_upload);
	RUN(no_read_is_open_while_files_go);
	RUN(pages_cover_all_garbage);
	RUN(an_upload_without_a_record_is_aborted_when_it_is_old);
	RUN(an_upload_that_trickles_is_no_orphan);
	RUN(what_was_committed_is_no_orphan_and_leaves_the_list);
	RUN(a_log_that_is_lost_is_tried_once_a_round);
	RUN(a_late_shard_of_a_dead_id_is_collected);
	RUN(a_shard_that_nobody_names_is_counted_and_kept);
}

int
main(void)
{
	every_case();
	/* What is stable comes from what the machines tell each other. */
	printf("# a log that shares no positions\n");
	nodeworld_log = "?shared=no&gaps=3&back=5000";
	every_case();
	return tap_done();
}
