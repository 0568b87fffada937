/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "tap.h"
#include "tempdir.h"

static char folder[TEMPDIR_BYTES];
static int dirfd_;

/* A twin that counts, records the steps, and fails the step it is told to. */
static char steps[64];
static int step_count;
static int fail_at;

static int
step(char name)
{
	steps[step_count++] = name;
	steps[step_count] = '\0';
	if (step_count == fail_at) {
		errno = EIO;
		return -1;
	}
	return 0;
}

static int
twin_openat(int dir, const char *name, int flags, mode_t mode)
{
	return step('o') == -1 ? -1 : openat(dir, name, flags, mode);
}

/* One byte at a time, so that the rest must be written, too. */
static ssize_t
twin_pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
	(void)count;
	if (at == 0 && step('w') == -1)
		return -1;
	return pwrite(fd, iov->iov_base, 1, at);
}

static int
twin_fsync(int fd)
{
	struct stat st;

	fstat(fd, &st);
	return step(S_ISDIR(st.st_mode) ? 'd' : 'f');
}

static int
twin_unlinkat(int dir, const char *name, int flags)
{
	(void)step('u');
	return unlinkat(dir, name, flags);
}

static int
twin_renameat(int dir, const char *old, int newdir, const char *name)
{
	return step('r') == -1 ? -1 : renameat(dir, old, newdir, name);
}

static const struct file_ops twin = {
	.openat = twin_openat,
	.pwritev = twin_pwritev,
	.fsync = twin_fsync,
	.unlinkat = twin_unlinkat,
	.renameat = twin_renameat,
};

static void
twin_reset(int fail)
{
	step_count = 0;
	steps[0] = '\0';
	fail_at = fail;
}

static bool
file_is(const char *name, const char *want)
{
	char path[128];
	char *p = NULL;
	size_t n = 0;
	bool same;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (io_read_file(&p, &n, path, 1000, NULL) < 0)
		return want == NULL;
	same = want != NULL && strcmp(p, want) == 0;
	free(p);
	return same;
}

static void
bytes_come_before_the_name_and_the_name_before_the_directory(void)
{
	struct error err;

	twin_reset(0);
	CHECK(file_publish(&twin, dirfd_, "a", "hello", 5, &err) == 0);
	CHECK_STR(steps, "owfrd");
	CHECK(file_is("a", "hello"));
	CHECK(file_is("a.tmp", NULL));
}

static void
a_failure_leaves_the_old_file_or_the_new_one(void)
{
	static const char *const states[] = { NULL, "old", "old", "old", "old",
		"new" };
	struct error err;

	for (int fail = 1; fail <= 5; fail++) {
		twin_reset(0);
		CHECK(file_publish(&twin, dirfd_, "b", "old", 3, &err) == 0);
		twin_reset(fail);
		CHECK(file_publish(&twin, dirfd_, "b", "new", 3, &err) ==
		    (fail == 1 ? -ERRC_CANTCREATE : -ERRC_IO));
		CHECK(strstr(err.text, "Input/output error") != NULL);
		CHECK(file_is("b", states[fail]));
		CHECK(file_is("b.tmp", NULL));
	}
}

static void
the_system_publishes_files_of_any_size(void)
{
	struct error err;
	struct stat st;

	CHECK(file_publish(&file_system, dirfd_, "c", "", 0, &err) == 0);
	CHECK(file_is("c", ""));
	CHECK(file_publish(&file_system, dirfd_, "c", "xyz", 3, &err) == 0);
	CHECK(file_is("c", "xyz"));
	CHECK(fstatat(dirfd_, "c", &st, 0) == 0 && (st.st_mode & 0022) == 0);
}

static void
a_name_that_is_too_long_is_refused(void)
{
	struct error err;
	char name[260];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CHECK(file_publish(&file_system, dirfd_, name, "", 0, &err) ==
	    -ERRC_USAGE);
	name[252] = '\0'; /* ".tmp" makes it 256 */
	CHECK(file_publish(&file_system, dirfd_, name, "", 0, &err) ==
	    -ERRC_USAGE);
	name[251] = '\0';
	CHECK(file_publish(&file_system, dirfd_, name, "", 0, &err) == 0);
	CHECK(unlinkat(dirfd_, name, 0) == 0);
}

static void
files_are_opened_with_cloexec(void)
{
	int fd = file_system.openat(dirfd_, "c", O_RDONLY, 0);

	CHECK(fd != -1 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	close(fd);
}

static void
what_is_left_is_synced_and_what_is_not_there_is_no_error(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/c", folder);
	CHECK(file_sync_left(path, "", NULL) == 0);
	CHECK(file_sync_left(path, "-wal", NULL) == 0);
	snprintf(path, sizeof(path), "%s/c/d", folder);
	CHECK(file_sync_left(path, "-wal", NULL) == -ERRC_IO);
}

static void
a_failed_sync_ends_the_process(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		errno = EIO;
		file_sync_failed("shard");
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int
main(void)
{
	tempdir_make(folder);
	dirfd_ = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	RUN(bytes_come_before_the_name_and_the_name_before_the_directory);
	RUN(a_failure_leaves_the_old_file_or_the_new_one);
	RUN(the_system_publishes_files_of_any_size);
	RUN(a_name_that_is_too_long_is_refused);
	RUN(files_are_opened_with_cloexec);
	RUN(what_is_left_is_synced_and_what_is_not_there_is_no_error);
	RUN(a_failed_sync_ends_the_process);
	unlinkat(dirfd_, "a", 0);
	unlinkat(dirfd_, "b", 0);
	unlinkat(dirfd_, "c", 0);
	rmdir(folder);
	return tap_done();
}
