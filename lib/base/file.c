/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

static int
system_openat(int dirfd, const char *name, int flags, mode_t mode)
{
	return openat(dirfd, name, flags | O_CLOEXEC, mode);
}

const struct file_ops file_system = {
	.openat = system_openat,
	.pwritev = pwritev,
	.pread = pread,
	.fdatasync = fdatasync,
	.fsync = fsync,
	.unlinkat = unlinkat,
	.renameat = renameat,
};

static int
publish_write(const struct file_ops *ops, int fd, const void *p, size_t n)
{
	const char *from = p;
	off_t at = 0;

	while (n > 0) {
		struct iovec iov = { (void *)from, n };
		ssize_t put = ops->pwritev(fd, &iov, 1, at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		assert((size_t)put <= n);
		from += put;
		at += put;
		n -= (size_t)put;
	}
	return 0;
}

/*
 * The order is the durability promise: bytes, then name, then directory.  A
 * crash between any two steps leaves the old file, or the new one, or a stray
 * NAME.tmp that the owner of the directory removes when it starts.
 */
int
file_publish(const struct file_ops *ops, int dirfd, const char *name,
    const void *p, size_t n, struct error *err)
{
	char tmp[NAME_MAX + 1];
	bool made = false;
	int fd = -1;
	int rc = 0;
	int len;

	assert(name[0] != '\0');
	len = snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	if (len < 0 || (size_t)len >= sizeof(tmp))
		return error_set(err, ERRC_USAGE, "%s: name too long", name);
	fd = ops->openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0644);
	if (fd == -1)
		return error_errno(err, ERRC_CANTCREATE, "create %s", tmp);
	made = true;

	if (publish_write(ops, fd, p, n) == -1) {
		rc = error_errno(err, ERRC_IO, "write %s", tmp);
		goto out;
	}
	if (ops->fsync(fd) == -1) {
		rc = error_errno(err, ERRC_IO, "fsync %s", tmp);
		goto out;
	}
	rc = close(fd);
	fd = -1;
	if (rc == -1) {
		rc = error_errno(err, ERRC_IO, "close %s", tmp);
		goto out;
	}
	if (ops->renameat(dirfd, tmp, dirfd, name) == -1) {
		rc = error_errno(err, ERRC_IO, "rename %s to %s", tmp, name);
		goto out;
	}
	made = false;
	if (ops->fsync(dirfd) == -1)
		rc = error_errno(err, ERRC_IO, "fsync directory of %s", name);
out:
	if (fd != -1)
		close(fd);
	if (made)
		ops->unlinkat(dirfd, tmp, 0);
	assert(rc < 0 || !made); /* success is a file that has its name */
	return rc;
}

int
file_sync_left(const char *path, const char *suffix, struct error *err)
{
	char name[PATH_MAX];
	int n = snprintf(name, sizeof(name), "%s%s", path, suffix);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(name))
		return error_set(err, ERRC_USAGE, "%s%s: path too long", path,
		    suffix);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT)
		return 0;
	if (fd == -1)
		return error_errno(err, ERRC_IO, "open %s", name);
	if (fdatasync(fd) == -1)
		file_sync_failed(name);
	close(fd);
	return 0;
}

void
file_sync_failed(const char *what)
{
	log_error("store",
	    "%s: sync failed: %s; stopping, because nothing "
	    "written since the last sync can be trusted",
	    what, strerror(errno));
	abort();
}
