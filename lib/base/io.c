/* SPDX-License-Identifier: MIT */
#include "base/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/nowait.h"

/* A descriptor that another process made non-blocking is waited for. */
static bool
io_try_again(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (errno == EINTR)
		return true;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return false;
	return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

ssize_t
io_read_some(int fd, void *p, size_t n, struct error *err)
{
	assert(n > 0); /* reading none would look like the end */
	nowait_touch("a descriptor");
	for (;;) {
		ssize_t got = read(fd, p, n);

		if (got >= 0)
			return got;
		if (!io_try_again(fd, POLLIN))
			return error_errno(err, ERRC_IO, "read");
	}
}

ssize_t
io_read_full(int fd, void *p, size_t n, struct error *err)
{
	char *to = p;
	size_t at = 0;

	while (at < n) {
		ssize_t got = io_read_some(fd, to + at, n - at, err);

		if (got < 0)
			return got;
		if (got == 0)
			break;
		assert((size_t)got <= n - at);
		at += (size_t)got;
	}
	return (ssize_t)at;
}

int
io_write_full(int fd, const void *p, size_t n, struct error *err)
{
	const char *from = p;

	nowait_touch("a descriptor");
	while (n > 0) {
		ssize_t put = write(fd, from, n);

		if (put >= 0) {
			assert((size_t)put <= n);
			from += put;
			n -= (size_t)put;
		} else if (!io_try_again(fd, POLLOUT)) {
			return error_errno(err, ERRC_IO, "write");
		}
	}
	return 0;
}

/* Take n bytes off the front; returns the first iovec that has some left. */
static struct iovec *
io_advance(struct iovec *iov, int *count, size_t n)
{
	while (*count > 0 && n >= iov->iov_len) {
		n -= iov->iov_len;
		iov++;
		--*count;
	}
	assert(*count > 0 || n == 0); /* no more was written than they hold */
	if (*count > 0) {
		iov->iov_base = (char *)iov->iov_base + n;
		iov->iov_len -= n;
	}
	return iov;
}

int
io_writev_full(int fd, struct iovec *iov, int count, struct error *err)
{
	assert(count >= 0);
	nowait_touch("a descriptor");
	iov = io_advance(iov, &count, 0);
	while (count > 0) {
		ssize_t put = writev(fd, iov, KOOP_MIN(count, 1024));

		if (put >= 0)
			iov = io_advance(iov, &count, (size_t)put);
		else if (!io_try_again(fd, POLLOUT))
			return error_errno(err, ERRC_IO, "write");
	}
	return 0;
}

ssize_t
io_pread_full(int fd, void *p, size_t n, off_t at, struct error *err)
{
	char *to = p;
	size_t done = 0;

	assert(at >= 0);
	nowait_touch("a descriptor");
	while (done < n) {
		ssize_t got = pread(fd, to + done, n - done, at + (off_t)done);

		if (got == 0)
			break;
		if (got > 0)
			done += (size_t)got;
		else if (errno != EINTR)
			return error_errno(err, ERRC_IO, "read");
	}
	assert(done <= n);
	return (ssize_t)done;
}

void
io_pipe_size(int fd, int n)
{
	assert(n > 0);
	/* EPERM above /proc/sys/fs/pipe-max-size, EBADF when no pipe: the
	 * transfer is only slower. */
	(void)fcntl(fd, F_SETPIPE_SZ, n);
}

bool
io_is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* Read to the end; one byte more than max shows that there is more. */
static int
io_read_end(int fd, struct buf *b, const char *path, struct error *err)
{
	char some[4096];
	ssize_t got;

	do {
		got = io_read_some(fd, some, sizeof(some), err);
		if (got < 0)
			return error_wrap(err, "%s", path);
		buf_add(b, some, (size_t)got);
		if (buf_failed(b) && b->n + (size_t)got > b->max)
			return error_set(err, ERRC_NOINPUT,
			    "%s: larger than %zu bytes", path, b->max);
		if (buf_failed(b))
			return error_set(err, ERRC_NOMEM, "%s: out of memory",
			    path);
	} while (got > 0);
	return 0;
}

int
io_read_file(char **out, size_t *out_n, const char *path, size_t max,
    struct error *err)
{
	struct buf b = buf_make(max);
	struct stat st;
	int rc = 0;
	int fd;

	nowait_touch("a file");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		return error_errno(err,
		    errno == EACCES ? ERRC_DENIED : ERRC_NOINPUT, "%s", path);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		rc = error_set(err, ERRC_NOINPUT, "%s: is a directory", path);
	if (rc == 0)
		rc = io_read_end(fd, &b, path, err);
	if (rc == 0) {
		size_t n = 0;
		char *p = buf_take(&b, &n);

		if (p == NULL) {
			rc = error_set(err, ERRC_NOMEM, "%s: out of memory",
			    path);
		} else {
			assert(n <= max && p[n] == '\0');
			*out = p;
			if (out_n != NULL)
				*out_n = n;
		}
	}
	buf_fini(&b);
	close(fd);
	return rc;
}

unsigned
io_terminal_columns(int fd)
{
	struct winsize size;

	assert(fd >= 0);
	if (!isatty(fd))
		return 0;
	if (ioctl(fd, TIOCGWINSZ, &size) == -1 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

bool
io_program_folder(char *out, size_t room)
{
	ssize_t n = readlink("/proc/self/exe", out, room);
	char *slash;

	assert(room > 1);
	if (n <= 0 || (size_t)n >= room)
		return false;
	out[n] = '\0';
	slash = strrchr(out, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}
