/* SPDX-License-Identifier: MIT */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/io.h"
#include "store/superblock.h"
#include "tap.h"
#include "tempdir.h"

#define CLUSTER "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"

static char root[TEMPDIR_BYTES];
static char dir[128];
static struct error err;
static unsigned made;

static struct superblock_want want = {
	.cluster = CLUSTER,
	.set = 1,
	.index = 3,
};

static void
fresh(void)
{
	(void)snprintf(dir, sizeof(dir), "%s/d%u", root, made++);
}

static int
open_as(struct superblock_want w, struct superblock *out, int fds[2])
{
	err.text[0] = '\0';
	return superblock_open(out, &fds[0], &fds[1], dir, &w, &file_system,
	    &err);
}

static void
close_it(struct superblock *block, int fds[2])
{
	superblock_fini(block);
	close(fds[0]);
	close(fds[1]);
}

static void
init(void)
{
	struct superblock_want w = want;
	struct superblock block;
	int fds[2];

	fresh();
	w.mode = SUPERBLOCK_INIT;
	CHECK(open_as(w, &block, fds) == 0);
	close_it(&block, fds);
}

static void
init_makes_the_directory_that_open_then_takes(void)
{
	struct superblock_want w = want;
	struct superblock block, again;
	struct stat st;
	char name[160];
	int fds[2];

	fresh();
	CHECK(open_as(want, &block, fds) == -ERRC_CONFIG);
	CHECK(strstr(err.text, "No such file") != NULL);
	w.mode = SUPERBLOCK_INIT;
	CHECK(open_as(w, &block, fds) == 0);
	CHECK(block.set == 1 && block.index == 3);
	CHECK_STR(block.cluster, CLUSTER);
	CHECK(strlen(block.disk) == 32);
	for (unsigned i = 0; i < 256; i++) {
		(void)snprintf(name, sizeof(name), "%s/shards/%02x", dir, i);
		CHECK(stat(name, &st) == 0 && S_ISDIR(st.st_mode));
	}
	(void)snprintf(name, sizeof(name), "%s/quarantine", dir);
	CHECK(stat(name, &st) == 0 && S_ISDIR(st.st_mode));
	close(fds[0]);
	close(fds[1]);
	CHECK(open_as(want, &again, fds) == 0);
	CHECK_STR(again.disk, block.disk);
	close_it(&again, fds);
	superblock_fini(&block);
	/* A second --init is an open. */
	CHECK(open_as(w, &again, fds) == 0);
	close_it(&again, fds);
}

/* What was synced, and what was renamed, in order. */
static struct stat synced[64];
static size_t synced_count;
static size_t renamed_at; /* so many syncs came before */

static int
noting_fsync(int fd)
{
	if (synced_count < nitems(synced))
		CHECK(fstat(fd, &synced[synced_count++]) == 0);
	return fsync(fd);
}

static int
noting_rename(int from, const char *old, int to, const char *name)
{
	renamed_at = synced_count;
	return renameat(from, old, to, name);
}

static size_t
when_synced(const char *path)
{
	struct stat st;

	CHECK(stat(path, &st) == 0);
	for (size_t i = 0; i < synced_count; i++)
		if (synced[i].st_ino == st.st_ino &&
		    synced[i].st_dev == st.st_dev)
			return i;
	return SIZE_MAX;
}

/* Or a power loss takes the directory, and with it every shard of the disk. */
static void
folders_and_names_are_durable_before_the_superblock_says_so(void)
{
	struct file_ops noting = file_system;
	struct superblock_want w = want;
	struct superblock block;
	char shards[160];
	int fds[2];

	fresh();
	noting.fsync = noting_fsync;
	noting.renameat = noting_rename;
	w.mode = SUPERBLOCK_INIT;
	synced_count = 0;
	renamed_at = 0;
	CHECK(superblock_open(&block, &fds[0], &fds[1], dir, &w, &noting,
		  &err) == 0);
	(void)snprintf(shards, sizeof(shards), "%s/shards", dir);
	CHECK(renamed_at > 0);
	CHECK(when_synced(shards) < renamed_at);
	CHECK(when_synced(root) < renamed_at);
	/* Its own name comes last. */
	CHECK(when_synced(dir) >= renamed_at && when_synced(dir) != SIZE_MAX);
	close_it(&block, fds);
}

static void
what_is_missing_or_foreign_is_refused_with_the_way_out(void)
{
	struct superblock_want w = want;
	struct superblock block;
	char text[300];
	int fds[2];

	fresh();
	CHECK(mkdir(dir, 0755) == 0);
	CHECK(open_as(want, &block, fds) == -ERRC_CONFIG);
	CHECK(strstr(err.text, "has no superblock: is its disk mounted?") !=
	    NULL);
	CHECK(rmdir(dir) == 0); /* nothing was put there */

	init();
	w.index = 4;
	CHECK(open_as(w, &block, fds) == -ERRC_CONFIG);
	(void)snprintf(text, sizeof(text),
	    "data directory \"%s\" belongs to node 1/3, not 1/4; by "
	    "hand, pass --node 1/3 or another --data-dir; under koop up, "
	    "koop status tells the way",
	    dir);
	CHECK_STR(err.text, text);
	w = want;
	w.cluster = OTHER;
	CHECK(open_as(w, &block, fds) == -ERRC_CONFIG);
	CHECK(strstr(err.text, "belongs to cluster " CLUSTER) != NULL);
	w.any_index = true;
	w.cluster = NULL;
	w.index = 9;
	CHECK(open_as(w, &block, fds) == 0 && block.index == 3);
	close_it(&block, fds);
}

static void
two_never_open_one_directory(void)
{
	struct superblock one, two;
	char pid[32];
	int fds[2], more[2];

	init();
	CHECK(open_as(want, &one, fds) == 0);
	CHECK(open_as(want, &two, more) == -ERRC_CONFIG);
	(void)snprintf(pid, sizeof(pid), "pid %ld", (long)getpid());
	CHECK(strstr(err.text, "is in use by another process") != NULL);
	CHECK(strstr(err.text, pid) != NULL);
	close_it(&one, fds);
	CHECK(open_as(want, &two, more) == 0);
	close_it(&two, more);
}

static void
a_full_directory_is_not_made_into_a_node(void)
{
	struct superblock_want w = want;
	struct superblock block;
	char name[160];
	int fds[2];

	fresh();
	CHECK(mkdir(dir, 0755) == 0);
	(void)snprintf(name, sizeof(name), "%s/photos", dir);
	CHECK(mkdir(name, 0755) == 0);
	w.mode = SUPERBLOCK_INIT;
	CHECK(open_as(w, &block, fds) == -ERRC_CONFIG);
	CHECK(strstr(err.text, "\"photos\" in it") != NULL);
	/* An init that was interrupted goes on. */
	CHECK(rmdir(name) == 0);
	(void)snprintf(name, sizeof(name), "%s/shards", dir);
	CHECK(mkdir(name, 0755) == 0);
	CHECK(open_as(w, &block, fds) == 0);
	close_it(&block, fds);
}

static void
every_flipped_bit_is_seen(void)
{
	struct superblock block;
	char name[160];
	char line[4096];
	int fds[2];
	int fd;
	ssize_t n;

	init();
	(void)snprintf(name, sizeof(name), "%s/superblock", dir);
	fd = open(name, O_RDWR | O_CLOEXEC);
	n = pread(fd, line, sizeof(line), 0);
	CHECK(n > 100);
	for (ssize_t i = 0; i < n; i++) {
		char c = (char)(line[i] ^ (1 << (i % 8)));

		CHECK(pwrite(fd, &c, 1, i) == 1);
		if (open_as(want, &block, fds) == 0) {
			CHECK(false);
			close_it(&block, fds);
		}
		CHECK(pwrite(fd, &line[i], 1, i) == 1);
	}
	CHECK(ftruncate(fd, n - 1) == 0);
	CHECK(open_as(want, &block, fds) == -ERRC_CORRUPT);
	close(fd);
}

static void
a_new_disk_knows_what_is_newer_than_itself(void)
{
	struct superblock_want w = want;
	struct superblock block;
	int fds[2];

	fresh();
	w.mode = SUPERBLOCK_REPLACE;
	w.init_seq = "0:100,17:5";
	CHECK(open_as(w, &block, fds) == 0);
	close_it(&block, fds);
	CHECK(open_as(want, &block, fds) == 0);
	CHECK_STR(block.init_seq, "0:100,17:5");
	CHECK(!superblock_is_newer(&block, 0, 100));
	CHECK(superblock_is_newer(&block, 0, 101));
	CHECK(!superblock_is_newer(&block, 17, 5));
	CHECK(superblock_is_newer(&block, 17, 6));
	CHECK(superblock_is_newer(&block, 3, 1));
	close_it(&block, fds);
	fresh();
	w.init_seq = "\"}";
	CHECK(open_as(w, &block, fds) == -ERRC_USAGE);
}

int
main(void)
{

	tempdir_make(root);
	RUN(init_makes_the_directory_that_open_then_takes);
	RUN(folders_and_names_are_durable_before_the_superblock_says_so);
	RUN(what_is_missing_or_foreign_is_refused_with_the_way_out);
	RUN(two_never_open_one_directory);
	RUN(a_full_directory_is_not_made_into_a_node);
	RUN(every_flipped_bit_is_seen);
	RUN(a_new_disk_knows_what_is_newer_than_itself);
	return tap_done();
}
