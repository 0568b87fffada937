/* SPDX-License-Identifier: MIT */

/* A report that a shard is bad: what is looked at, what is believed. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/nowait.h"
#include "member/checks.h"
#include "nodeworld.h"
#include "store/metaquery.h"
#include "store/shardfile.h"
#include "store/shardpath.h"
#include "tap.h"
#include "upkeep/repair.h"

#define P 1
#define SIZE 50000

static struct nodeworld w;
static struct shardtest blob;
static unsigned hooked;

static void
begin(void)
{
	struct record put;

	nodeworld_open(&w);
	nodeworld_blob(&blob, SIZE, 1);
	nodeworld_store(&w, P, &blob);
	put = nodeworld_put("k", &blob);
	nodeworld_apply(&w, P, &put);
	hooked = 0;
}

static void
end(void)
{
	w.on_read = NULL;
	shardtest_free(&blob);
	nodeworld_close(&w);
}

static enum repair_verdict
report(int *rc)
{
	enum repair_verdict verdict = REPAIR_GOOD;

	*rc = repair_check(&w.core, P, blob.id, &verdict, NULL);
	return verdict;
}

static void
a_good_shard_stays(void)
{
	int rc;

	begin();
	CHECK(report(&rc) == REPAIR_GOOD && rc == 0);
	CHECK(nodeworld_has(&w, P, blob.id));
	CHECK(nodeworld_repairs(&w) == 0 && nodeworld_quarantined(&w) == 0);
	end();
}

static void
a_bad_one_is_quarantined_and_queued(void)
{
	int rc;

	begin();
	nodeworld_damage(&w, P, blob.id);
	CHECK(report(&rc) == REPAIR_QUEUED && rc == 0);
	CHECK(!nodeworld_has(&w, P, blob.id));
	CHECK(nodeworld_queued(&w, blob.id));
	CHECK(nodeworld_quarantined(&w) == 1);
	CHECK(!w.core.rescan);
	end();
}

static void
one_that_is_gone_is_queued(void)
{
	char path[128];
	int rc;

	begin();
	nodeworld_path(path, &w, P, blob.id);
	CHECK(unlink(path) == 0);
	CHECK(report(&rc) == REPAIR_QUEUED && rc == 0);
	CHECK(nodeworld_queued(&w, blob.id));
	end();
}

static void
what_no_row_refers_to_is_left_alone(void)
{
	struct reqid other = nodeworld_id(9);

	begin();
	CHECK(repair_check(&w.core, P, other, NULL, NULL) == -ERRC_NOTFOUND);
	CHECK(nodeworld_repairs(&w) == 0);
	end();
}

/* There is one connection for reads: while the file is read it is free. */
static void
read_the_rows(struct nodeworld *world)
{
	struct metaquery *read = NULL;

	CHECK(metaquery_begin(&read, world->core.meta, NULL) == 0);
	metaquery_end(read);
	hooked++;
}

static void
no_read_is_open_while_the_file_is_read(void)
{
	uint64_t broken = nowait_broken();
	int rc;

	begin();
	nodeworld_damage(&w, P, blob.id);
	w.on_read = read_the_rows;
	CHECK(report(&rc) == REPAIR_QUEUED && rc == 0);
	CHECK(hooked > 0);
	CHECK(nowait_broken() == broken);
	end();
}

static void
report_again(struct nodeworld *world)
{
	enum repair_verdict verdict = REPAIR_GOOD;

	if (hooked++ > 0)
		return;
	CHECK(repair_check(&world->core, P, blob.id, &verdict, NULL) == 0);
	CHECK(verdict == REPAIR_LOOKING);
}

static void
one_look_answers_all_who_report_the_same_shard(void)
{
	int rc;

	begin();
	nodeworld_damage(&w, P, blob.id);
	w.on_read = report_again;
	CHECK(report(&rc) == REPAIR_QUEUED && rc == 0);
	CHECK(hooked > 0);
	CHECK(nodeworld_quarantined(&w) == 1);
	/* Over: the next one looks again. */
	w.on_read = NULL;
	nodeworld_store(&w, P, &blob);
	CHECK(report(&rc) == REPAIR_GOOD && rc == 0);
	end();
}

static void
looks_are_bounded(void)
{
	int rc;

	begin();
	for (uint8_t i = 0; i < CHECKS_MAX; i++)
		CHECK(checks_enter(w.core.checks,
			  nodeworld_id((uint8_t)(10 + i))) == CHECKS_MINE);
	(void)report(&rc);
	CHECK(rc == -ERRC_RETRY);
	for (uint8_t i = 0; i < CHECKS_MAX; i++)
		checks_leave(w.core.checks, nodeworld_id((uint8_t)(10 + i)));
	CHECK(report(&rc) == REPAIR_GOOD && rc == 0);
	end();
}

/* Whoever was faster: the bad file is gone, a good one has its name. */
static void
rebuild_meanwhile(struct nodeworld *world)
{
	char path[128];

	if (hooked++ > 0)
		return;
	nodeworld_path(path, world, P, blob.id);
	CHECK(unlink(path) == 0);
	world->on_read = NULL;
	nodeworld_store(world, P, &blob);
}

static void
a_rebuilt_file_is_never_quarantined_by_name(void)
{
	int rc;

	begin();
	nodeworld_damage(&w, P, blob.id);
	w.on_read = rebuild_meanwhile;
	CHECK(report(&rc) == REPAIR_GOOD && rc == 0);
	CHECK(hooked > 0);
	CHECK(nodeworld_has(&w, P, blob.id));
	CHECK(nodeworld_quarantined(&w) == 0);
	CHECK(nodeworld_repairs(&w) == 0);
	end();
}

static void
an_upload_that_goes_on_is_left_alone(void)
{
	struct shardfile_upload *upload;
	char path[128];
	bool existed;
	int rc;

	begin();
	nodeworld_path(path, &w, P, blob.id);
	CHECK(unlink(path) == 0);
	upload = nodeworld_begin(&w, P, &blob, 10000);
	CHECK(report(&rc) == REPAIR_UPLOADING && rc == 0);
	CHECK(nodeworld_quarantined(&w) == 0 && nodeworld_repairs(&w) == 0);
	CHECK(shardfile_write(upload, blob.file[4].p + 10000,
		  blob.file[4].n - 10000, NULL) == 0);
	CHECK(shardfile_finish(upload, &existed, NULL) == 0);
	CHECK(nodeworld_has(&w, P, blob.id));
	end();
}

/* The same file, bad, is sent again while it is looked at. */
static void
a_shard_under_upload_is_not_quarantined(void)
{
	struct shardfile_upload *upload;
	uint64_t bytes;
	int fd;

	begin();
	CHECK(shardfile_open(w.core.files, blob.id, nodeworld_shard(P), &fd,
		  &bytes, NULL) == 0);
	upload = nodeworld_begin(&w, P, &blob, 10000);
	CHECK(shardfile_quarantine(w.core.files, blob.id, nodeworld_shard(P),
		  fd, NULL) == -ERRC_RETRY);
	shardfile_abort(upload);
	CHECK(shardfile_quarantine(w.core.files, blob.id, nodeworld_shard(P),
		  fd, NULL) == 0);
	CHECK(shardfile_quarantine(w.core.files, blob.id, nodeworld_shard(P),
		  fd, NULL) == -ERRC_NOTFOUND);
	close(fd);
	end();
}

int
main(void)
{
	RUN(a_good_shard_stays);
	RUN(a_bad_one_is_quarantined_and_queued);
	RUN(one_that_is_gone_is_queued);
	RUN(what_no_row_refers_to_is_left_alone);
	RUN(no_read_is_open_while_the_file_is_read);
	RUN(one_look_answers_all_who_report_the_same_shard);
	RUN(looks_are_bounded);
	RUN(a_rebuilt_file_is_never_quarantined_by_name);
	RUN(an_upload_that_goes_on_is_left_alone);
	RUN(a_shard_under_upload_is_not_quarantined);
	return tap_done();
}
