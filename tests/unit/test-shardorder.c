/* SPDX-License-Identifier: MIT */

/*
 * The order of what makes a shard durable, as the disk sees it: counted calls
 * would not tell a sync that came too early.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "shardtest.h"
#include "store/shardfile.h"
#include "store/shardfile_in.h"
#include "store/shardpath.h"
#include "tap.h"
#include "tempdir.h"

#define EVENTS 256

static char root[TEMPDIR_BYTES];
static int dirfd_;
static struct shardfiles *files;
static struct file_ops twin;
static struct shardtest blob;

/* What was done, in order, and to which inode. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char done[EVENTS + 1];
static ino_t done_to[EVENTS];
static size_t count;
static char fail;                  /* the call that fails */
static struct shardfile_dir *held; /* its first fsync waits for a second one */

static ino_t
inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* Writes in a row are one event. */
static void
note(char what, ino_t inode)
{
	pthread_mutex_lock(&lock);
	if (count < EVENTS &&
	    (what != 'w' || count == 0 || done[count - 1] != 'w')) {
		done[count] = what;
		done_to[count++] = inode;
		done[count] = '\0';
	}
	pthread_mutex_unlock(&lock);
}

static void
forget(void)
{
	count = 0;
	done[0] = '\0';
}

static int
t_openat(int fd, const char *name, int flags, mode_t mode)
{
	int opened = openat(fd, name, flags, mode);

	if (opened != -1 && (flags & O_CREAT) != 0)
		note('c', inode_of(opened));
	return opened;
}

static ssize_t
t_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	note('w', inode_of(fd));
	return pwritev(fd, iov, n, at);
}

static int
t_fdatasync(int fd)
{
	note('d', inode_of(fd));
	errno = EIO;
	return fail == 'd' ? -1 : 0;
}

static int
t_fsync(int fd)
{
	struct shardfile_dir *dir = held;
	uint64_t asked = 0;

	note('D', inode_of(fd));
	/* Until somebody asked for another one while this goes on. */
	held = NULL;
	while (dir != NULL && asked < 2) {
		pthread_mutex_lock(&dir->lock);
		asked = dir->asked;
		pthread_mutex_unlock(&dir->lock);
	}
	errno = EIO;
	return fail == 'D' ? -1 : 0;
}

static int
t_renameat(int from, const char *old, int to, const char *name)
{
	note('r', inode_of(to));
	errno = EIO;
	return fail == 'r' ? -1 : renameat(from, old, to, name);
}

static int
t_unlinkat(int fd, const char *name, int flags)
{
	note('u', inode_of(fd));
	return unlinkat(fd, name, flags);
}

static int
put(struct reqid id, size_t cut)
{
	struct shardfile_upload *u;
	struct error err;
	bool existed;
	int rc = shardfile_begin(&u, files, id, 0, &err);

	if (rc == 0)
		rc = shardfile_write(u, blob.file[0].p, blob.file[0].n - cut,
		    &err);
	return rc != 0 ? rc : shardfile_finish(u, &existed, &err);
}

static ino_t
folder_inode(const char *name)
{
	char path[160];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

static ino_t
fanout_inode(void)
{
	char name[16];

	shardpath_dir(name, shardpath_fanout(blob.id));
	return folder_inode(name);
}

static void
remove_it(void)
{
	CHECK(shardfile_unlink(files, blob.id, 0, NULL) == 0);
	forget();
}

/* A name without its bytes, or bytes without a name, is no shard. */
static void
bytes_come_before_their_sync_and_that_before_the_folder_s(void)
{
	forget();
	CHECK(put(blob.id, 0) == 0);
	CHECK_STR(done, "cwdD");
	CHECK(done_to[0] == done_to[2] && done_to[1] == done_to[2]);
	CHECK(done_to[3] == fanout_inode());
	remove_it();
}

/* Who wrote it may have died between the two, and told nobody. */
static void
a_shard_that_was_here_is_synced_again_before_it_is_told(void)
{
	CHECK(put(blob.id, 0) == 0);
	forget();
	CHECK(put(blob.id, 0) == 0);
	CHECK_STR(done, "dD");
	CHECK(done_to[1] == fanout_inode());
	remove_it();
}

static void
what_is_refused_is_not_synced(void)
{
	forget();
	CHECK(put(blob.id, 1) == -ERRC_CORRUPT);
	CHECK_STR(done, "cwu");
	forget();
}

static void *
put_first(void *arg)
{
	(void)arg;
	CHECK(put(blob.id, 0) == 0);
	return NULL;
}

/* Another blob of the same folder. */
static void *
put_second(void *arg)
{
	struct shardtest second;
	struct shardfile_upload *u;
	struct reqid id = blob.id;
	bool existed;

	(void)arg;
	id.b[0] ^= 1;
	shardtest_make_as(&second, blob.g, 10000, id);
	CHECK(shardfile_begin(&u, files, id, 0, NULL) == 0);
	CHECK(
	    shardfile_write(u, second.file[0].p, second.file[0].n, NULL) == 0);
	CHECK(shardfile_finish(u, &existed, NULL) == 0);
	CHECK(shardfile_unlink(files, id, 0, NULL) == 0);
	shardtest_free(&second);
	return NULL;
}

/* Its entry may have come after that sync had looked. */
static void
who_asks_while_a_folder_is_synced_waits_for_another_sync(void)
{
	struct shardfile_dir *dir = &files->dir[shardpath_fanout(blob.id)];
	pthread_t first, second;
	unsigned syncs = 0;

	dir->asked = dir->synced = 0;
	forget();
	held = dir;
	REQUIRE(pthread_create(&first, NULL, put_first, NULL) == 0);
	REQUIRE(pthread_create(&second, NULL, put_second, NULL) == 0);
	pthread_join(first, NULL);
	pthread_join(second, NULL);
	for (size_t i = 0; i < count; i++)
		syncs += done[i] == 'D';
	CHECK(syncs == 2);
	remove_it();
}

static void
quarantine_is_synced_after_the_rename(void)
{
	uint64_t bytes;
	int fd;

	CHECK(put(blob.id, 0) == 0);
	CHECK(shardfile_open(files, blob.id, 0, &fd, &bytes, NULL) == 0);
	forget();
	fail = 'r';
	CHECK(shardfile_quarantine(files, blob.id, 0, fd, NULL) == -ERRC_IO);
	CHECK_STR(done, "r");
	CHECK(shardfile_exists(files, blob.id, 0));
	fail = 0;
	forget();
	CHECK(shardfile_quarantine(files, blob.id, 0, fd, NULL) == 0);
	CHECK_STR(done, "rD");
	CHECK(done_to[0] == folder_inode("quarantine"));
	CHECK(done_to[1] == folder_inode("quarantine"));
	CHECK(!shardfile_exists(files, blob.id, 0));
	close(fd);
	forget();
}

/* Whatever sync it is: the kernel may say "success" the next time. */
static void
a_failed_sync_ends_the_process(void)
{
	static const char which[] = { 'd', 'D' };

	for (size_t i = 0; i < nitems(which); i++) {
		int status = 0;
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			(void)!freopen("/dev/null", "w", stderr);
			fail = which[i];
			_exit(put(blob.id, 0) == 0 ? 0 : 1);
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
		remove_it();
	}
}

static void
make_folders(void)
{
	char name[16];

	CHECK(mkdirat(dirfd_, "shards", 0755) == 0);
	CHECK(mkdirat(dirfd_, "quarantine", 0755) == 0);
	for (unsigned i = 0; i < SHARDPATH_FANOUT; i++) {
		shardpath_dir(name, i);
		CHECK(mkdirat(dirfd_, name, 0755) == 0);
	}
}

int
main(void)
{
	struct shardfile_options options = {
		.ops = &twin,
		.clock = &clock_system,
	};

	tempdir_make(root);
	dirfd_ = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_folders();
	twin = file_system;
	twin.openat = t_openat;
	twin.pwritev = t_pwritev;
	twin.fdatasync = t_fdatasync;
	twin.fsync = t_fsync;
	twin.renameat = t_renameat;
	twin.unlinkat = t_unlinkat;
	shardtest_make(&blob, (struct geometry){ 2, 1, 4096 }, 600000, 7);
	if (shardfiles_open(&files, dirfd_, &options, NULL) < 0)
		return 1;
	RUN(bytes_come_before_their_sync_and_that_before_the_folder_s);
	RUN(a_shard_that_was_here_is_synced_again_before_it_is_told);
	RUN(what_is_refused_is_not_synced);
	RUN(who_asks_while_a_folder_is_synced_waits_for_another_sync);
	RUN(quarantine_is_synced_after_the_rename);
	RUN(a_failed_sync_ends_the_process);
	shardfiles_close(files);
	shardtest_free(&blob);
	close(dirfd_);
	return tap_done();
}
