/* SPDX-License-Identifier: MIT */

/* Parts of the SQLite log by themselves: the shared page, group commit. */

#include "commit/commitlog_group.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "commit/commitlog_page.h"

#include "tap.h"
#include "tempdir.h"

#define SOON_MS 20000
#define WRITERS 12
#define LINE_BYTES (1u << 20)

static const uint32_t partitions[] = { 0, 1, 5 };

/* A member that is seen above the end would let a reader at the end miss what
 * another has shown (protocol-why.md S7). */
static void
a_member_never_stands_above_the_end(void)
{
	char dir[TEMPDIR_BYTES];
	char path[TEMPDIR_BYTES + 8];
	struct commitlog_page_options options = {
		.path = path,
		.partitions = partitions,
		.count = 3,
	};
	const uint64_t ends[] = { 7, 0, 3 };
	struct commitlog_page *page = NULL;

	tempdir_make(dir);
	snprintf(path, sizeof(path), "%s/page", dir);
	REQUIRE(commitlog_page_new(&page, &options, NULL) == 0);
	REQUIRE(commitlog_page_make(page, ends, NULL) == 0);
	commitlog_page_publish(page, 0, 1, 4, 5);
	CHECK(commitlog_page_end(page, 0) == 7);
	CHECK(commitlog_page_applied(page, 0, 1, 4) == 5);
	commitlog_page_publish(page, 0, 1, 4, 9);
	CHECK(commitlog_page_end(page, 0) == 9);
	CHECK(commitlog_page_applied(page, 0, 1, 4) == 9);
	CHECK(commitlog_page_end(page, 2) == 3);
	/* Back is fine for a member, and never for the end. */
	commitlog_page_publish(page, 0, 1, 4, 2);
	CHECK(commitlog_page_end(page, 0) == 9);
	CHECK(commitlog_page_applied(page, 0, 1, 4) == 2);
	/* The machine of that number in another set is another member. */
	commitlog_page_publish(page, 0, 2, 4, 8);
	CHECK(commitlog_page_applied(page, 0, 1, 4) == 2);
	CHECK(commitlog_page_applied(page, 0, 2, 4) == 8);
	commitlog_page_free(page);
}

static void
each_bell_is_rung_for_its_own(void)
{
	char dir[TEMPDIR_BYTES];
	char path[TEMPDIR_BYTES + 8];
	struct commitlog_page_options options = {
		.path = path,
		.partitions = partitions,
		.count = 3,
	};
	const uint64_t ends[] = { 0, 0, 0 };
	struct commitlog_page *page = NULL;
	uint32_t records, positions;

	tempdir_make(dir);
	snprintf(path, sizeof(path), "%s/page", dir);
	REQUIRE(commitlog_page_new(&page, &options, NULL) == 0);
	REQUIRE(commitlog_page_make(page, ends, NULL) == 0);
	records = commitlog_page_bell(page, PAGE_BELL_RECORDS);
	positions = commitlog_page_bell(page, PAGE_BELL_POSITIONS);
	commitlog_page_publish(page, 1, 1, 0, 1);
	CHECK(commitlog_page_bell(page, PAGE_BELL_RECORDS) == records);
	CHECK(commitlog_page_bell(page, PAGE_BELL_POSITIONS) == positions + 1);
	commitlog_page_ring(page, PAGE_BELL_RECORDS);
	CHECK(commitlog_page_bell(page, PAGE_BELL_RECORDS) == records + 1);
	CHECK(commitlog_page_bell(page, PAGE_BELL_POSITIONS) == positions + 1);
	commitlog_page_free(page);
}

struct commits {
	struct commitlog_group group;
	atomic_bool go;                  /* the first one waits for it */
	size_t groups, batches, largest; /* bytes */
	bool fails;
};

static void
commit(void *arg, struct commitlog_batch *batches)
{
	struct commits *commits = arg;
	size_t bytes = 0;

	while (!atomic_load(&commits->go))
		usleep(1000);
	commits->groups++;
	for (; batches != NULL; batches = batches->next) {
		commits->batches++;
		bytes += batches->bytes;
		batches->fate = commits->fails ? COMMITLOG_UNKNOWN :
						 COMMITLOG_IN;
		if (commits->fails)
			(void)error_set(&batches->err, ERRC_UNAVAILABLE,
			    "no answer");
	}
	commits->largest = KOOP_MAX(commits->largest, bytes);
}

static void
after(void *arg, struct commitlog_batch *none)
{
	(void)arg;
	(void)none;
}

static void *
write_one(void *arg)
{
	static uint8_t line[LINE_BYTES];
	struct commits *commits = arg;
	struct commitlog_item item = { .line = bytes_of(line, LINE_BYTES) };
	uint64_t late = clock_mono_ms(&clock_system) + SOON_MS;
	int rc = commitlog_group_append(&commits->group, &item, 1, late, NULL);

	CHECK(commits->fails ? rc == -ERRC_UNAVAILABLE : rc == 0);
	CHECK(item.fate == (commits->fails ? COMMITLOG_UNKNOWN : COMMITLOG_IN));
	CHECK(item.code == (commits->fails ? ERRC_UNAVAILABLE : ERRC_OK));
	/* Who leads next is woken: it does not find out at its deadline. */
	CHECK(clock_mono_ms(&clock_system) < late);
	return NULL;
}

static void
write_at_once(struct commits *commits)
{
	pthread_t thread[WRITERS];
	size_t waiting = 0;

	commitlog_group_init(&commits->group, &clock_system, commit, after,
	    commits);
	for (int i = 0; i < WRITERS; i++)
		pthread_create(&thread[i], NULL, write_one, commits);
	/* One leads; all others are in the queue. */
	while (waiting < WRITERS - 1) {
		waiting = 0;
		pthread_mutex_lock(&commits->group.lock);
		for (const struct commitlog_batch *b = commits->group.first;
		     b != NULL; b = b->next)
			waiting++;
		pthread_mutex_unlock(&commits->group.lock);
		usleep(1000);
	}
	atomic_store(&commits->go, true);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(thread[i], NULL);
	commitlog_group_fini(&commits->group);
}

static void
a_group_takes_no_more_bytes_than_one_transaction_should(void)
{
	static struct commits commits;

	write_at_once(&commits);
	CHECK(commits.batches == WRITERS);
	CHECK(commits.largest <= COMMITLOG_GROUP_BYTES);
	/* The leader's own, then eight, then the rest. */
	CHECK(commits.groups == 3);
}

static void
what_a_commit_says_is_told_to_each_of_its_group(void)
{
	static struct commits commits = { .fails = true };

	write_at_once(&commits);
	CHECK(commits.batches == WRITERS);
}

int
main(void)
{
	RUN(a_member_never_stands_above_the_end);
	RUN(each_bell_is_rung_for_its_own);
	RUN(a_group_takes_no_more_bytes_than_one_transaction_should);
	RUN(what_a_commit_says_is_told_to_each_of_its_group);
	return tap_done();
}
