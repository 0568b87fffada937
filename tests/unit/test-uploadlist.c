/* SPDX-License-Identifier: MIT */
#include "member/uploadlist.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "member/lastread.h"
#include "tap.h"
#include "tempdir.h"

static char dir[TEMPDIR_BYTES];
static int dirfd_;

static struct reqid
id_of(uint8_t n)
{
	struct reqid id = { .b = { 1, 2, 3, 4, 5, 6, 0x70, 0, 0x80 } };

	id.b[15] = n;
	id.b[10] = n;
	return id;
}

static struct nodeproto_store
store_of(const char *key)
{
	struct nodeproto_store store = { .partition = 7,
		.bucket = "films",
		.bucket_bytes = 5 };

	store.key_bytes = strlen(key);
	memcpy(store.key, key, store.key_bytes + 1);
	return store;
}

static void
add(struct uploadlist *uploads, uint8_t n, const char *key)
{
	struct nodeproto_store store = store_of(key);

	CHECK(uploadlist_add(uploads, id_of(n), n, &store, NULL) == 0);
}

struct seen {
	size_t n;
	struct uploadlist_entry entry[8];
	int answer[8];
};

static int
see(void *arg, struct uploadlist_entry *entry)
{
	struct seen *seen = arg;

	seen->entry[seen->n] = *entry;
	return seen->answer[seen->n++];
}

static struct clock_manual manual;

static struct uploadlist *
reopen(struct uploadlist *uploads)
{
	uploadlist_close(uploads);
	uploads = NULL;
	if (uploadlist_open(&uploads, dirfd_, &manual.clock, NULL) != 0)
		abort();
	return uploads;
}

static void
places_come_back_with_bucket_and_key(void)
{
	struct uploadlist *uploads = reopen(NULL);
	struct seen seen = { .answer = { 1, 0, 1 } };

	add(uploads, 1, "a key");
	add(uploads, 2, "b");
	add(uploads, 3, "c\n/\xc3\xa9");
	CHECK(uploadlist_visit(uploads, see, &seen, NULL) == 0);
	REQUIRE(seen.n == 3);
	CHECK(reqid_equal(seen.entry[0].id, id_of(1)));
	CHECK(seen.entry[0].shard == 1 && seen.entry[0].store.partition == 7);
	CHECK_STR(seen.entry[0].store.key, "a key");
	CHECK_STR(seen.entry[2].store.key, "c\n/\xc3\xa9");
	CHECK_STR(seen.entry[2].store.bucket, "films");
	/* What was not wanted is gone, also from the file. */
	uploads = reopen(uploads);
	seen = (struct seen){ .answer = { 0, 0, 0 } };
	CHECK(uploadlist_visit(uploads, see, &seen, NULL) == 0);
	CHECK(seen.n == 2);
	CHECK(uploadlist_bytes(uploads) == 0);
	uploadlist_close(uploads);
}

static void
ages_begin_anew_with_the_program(void)
{
	struct uploadlist *uploads = reopen(NULL);
	struct seen seen = { .answer = { 1 } };

	atomic_store(&manual.now_ms, 5000);
	add(uploads, 1, "a");
	CHECK(uploadlist_visit(uploads, see, &seen, NULL) == 0);
	REQUIRE(seen.n == 1);
	CHECK(seen.entry[0].since_ms == 5000);
	atomic_store(&manual.now_ms, 9000);
	uploads = reopen(uploads);
	seen = (struct seen){ .answer = { 0 } };
	CHECK(uploadlist_visit(uploads, see, &seen, NULL) == 0);
	REQUIRE(seen.n == 1);
	CHECK(seen.entry[0].since_ms == 9000);
	uploadlist_close(uploads);
}

static void
a_torn_line_loses_itself_only(void)
{
	struct uploadlist *uploads = reopen(NULL);
	struct seen seen = { .answer = { 0, 0 } };
	int fd;

	add(uploads, 1, "a");
	fd = openat(dirfd_, "uploads", O_WRONLY | O_APPEND | O_CLOEXEC);
	REQUIRE(fd != -1);
	CHECK(write(fd, "0123 45 01020", 13) == 13);
	close(fd);
	uploads = reopen(uploads);
	add(uploads, 2, "b");
	CHECK(uploadlist_visit(uploads, see, &seen, NULL) == 0);
	CHECK(seen.n == 2);
	uploadlist_close(uploads);
}

/* A disk that is full takes a part of a line: the next one is whole. */
static void
a_line_that_did_not_fit_does_not_spoil_the_next(void)
{
	struct uploadlist *uploads = reopen(NULL);
	struct seen seen = { .answer = { 0, 0, 0 } };
	struct nodeproto_store store = store_of("b");
	struct rlimit all;
	struct rlimit few;

	add(uploads, 1, "a");
	signal(SIGXFSZ, SIG_IGN);
	REQUIRE(getrlimit(RLIMIT_FSIZE, &all) == 0);
	few = all;
	few.rlim_cur = (rlim_t)uploadlist_bytes(uploads) + 20;
	REQUIRE(setrlimit(RLIMIT_FSIZE, &few) == 0);
	CHECK(uploadlist_add(uploads, id_of(2), 2, &store, NULL) < 0);
	REQUIRE(setrlimit(RLIMIT_FSIZE, &all) == 0);
	add(uploads, 3, "c");
	CHECK(uploadlist_visit(uploads, see, &seen, NULL) == 0);
	REQUIRE(seen.n == 2);
	CHECK(reqid_equal(seen.entry[1].id, id_of(3)));
	uploadlist_close(uploads);
}

static void
a_visit_that_fails_changes_nothing(void)
{
	struct uploadlist *uploads = reopen(NULL);
	struct seen seen = { .answer = { 0, -ERRC_IO } };

	add(uploads, 1, "a");
	add(uploads, 2, "b");
	CHECK(uploadlist_visit(uploads, see, &seen, NULL) == -ERRC_IO);
	seen = (struct seen){ .answer = { 0, 0 } };
	CHECK(uploadlist_visit(uploads, see, &seen, NULL) == 0);
	CHECK(seen.n == 2);
	uploadlist_close(uploads);
}

/* Appends go on while a visit looks at the disk. */
static int
see_and_add(void *arg, struct uploadlist_entry *entry)
{
	add(arg, 2, "b");
	(void)entry;
	return 1;
}

static void
what_begins_during_a_visit_is_kept(void)
{
	struct uploadlist *uploads = reopen(NULL);
	struct seen seen = { .answer = { 0, 0, 0 } };

	add(uploads, 1, "a");
	CHECK(uploadlist_visit(uploads, see_and_add, uploads, NULL) == 0);
	add(uploads, 3, "c");
	CHECK(uploadlist_visit(uploads, see, &seen, NULL) == 0);
	REQUIRE(seen.n == 3);
	for (uint8_t i = 0; i < 3; i++)
		CHECK(reqid_equal(seen.entry[i].id, id_of((uint8_t)(i + 1))));
	uploadlist_close(uploads);
}

static void
a_read_is_remembered_and_never_thought_earlier(void)
{
	struct lastread *touch = NULL;

	REQUIRE(lastread_new(&touch, 1000, NULL) == 0);
	CHECK(lastread_of(touch, id_of(9)) == 1000);
	lastread_note(touch, id_of(9), 50500);
	CHECK(lastread_of(touch, id_of(9)) >= 50500);
	CHECK(lastread_of(touch, id_of(9)) <= 51500);
	CHECK(lastread_of(touch, id_of(10)) == 1000);
	lastread_free(touch);
}

int
main(void)
{
	tempdir_make(dir);
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	clock_manual_init(&manual, 1000);
	RUN(places_come_back_with_bucket_and_key);
	RUN(ages_begin_anew_with_the_program);
	RUN(a_torn_line_loses_itself_only);
	RUN(a_line_that_did_not_fit_does_not_spoil_the_next);
	RUN(a_visit_that_fails_changes_nothing);
	RUN(what_begins_during_a_visit_is_kept);
	RUN(a_read_is_remembered_and_never_thought_earlier);
	unlinkat(dirfd_, "uploads", 0);
	unlinkat(dirfd_, "uploads.tmp", 0);
	close(dirfd_);
	rmdir(dir);
	return tap_done();
}
