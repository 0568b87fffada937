/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_FILE_H
#define KOOP_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/compiler.h"

/*
 * What a store does to files, behind an interface: tests put a failing or
 * recording twin in its place.  Each function behaves as the system call of
 * its name (-1 and errno).
 */

struct error;

struct file_ops {
	int (*openat)(int dirfd, const char *name, int flags, mode_t mode);
	ssize_t (*pwritev)(int fd, const struct iovec *iov, int n, off_t at);
	ssize_t (*pread)(int fd, void *p, size_t n, off_t at);
	int (*fdatasync)(int fd);
	int (*fsync)(int fd);
	int (*unlinkat)(int dirfd, const char *name, int flags);
	int (*renameat)(int olddir, const char *old, int newdir,
	    const char *name);
};

extern const struct file_ops file_system; /* the real thing */

/*
 * Replace a small file: write NAME.tmp, fsync, rename, fsync the directory.
 * A crash leaves the old file or the new one, and perhaps a stray NAME.tmp.
 */
KOOP_MUST int file_publish(const struct file_ops *ops, int dirfd,
    const char *name, const void *p, size_t n, struct error *err);

/*
 * What PATH SUFFIX holds reaches the disk, whoever wrote it; no such file is
 * no error.  For a write-ahead log that a killed process left: its last
 * commit may be whole, be found and be believed, and yet lie in memory only.
 */
KOOP_MUST int file_sync_left(const char *path, const char *suffix,
    struct error *err);

/* A failed sync means that the kernel may have dropped the pages and will
 * say "success" next time: nothing after it can be believed.  Logs and
 * aborts the process. */
KOOP_NORETURN void file_sync_failed(const char *what);

#endif
