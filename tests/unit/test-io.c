/* SPDX-License-Identifier: MIT */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "tap.h"
#include "tempdir.h"

static char folder[TEMPDIR_BYTES];

static void
pattern(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 31 + i / 251);
}

#define BIG (300 * 1024)

struct feeder {
	int fd;
	uint8_t *bytes;
};

static void *
feed_slowly(void *arg)
{
	struct feeder *feeder = arg;

	for (size_t at = 0; at < BIG; at += 7001) {
		size_t n = KOOP_MIN((size_t)7001, BIG - at);

		if (write(feeder->fd, feeder->bytes + at, n) != (ssize_t)n)
			break;
	}
	close(feeder->fd);
	return NULL;
}

static void
a_read_goes_on_until_it_is_full_or_at_the_end(void)
{
	uint8_t *in = malloc(BIG), *out = malloc(BIG + 10);
	struct error err;
	pthread_t thread;
	struct feeder feeder;
	int fds[2];

	REQUIRE(in != NULL && out != NULL);
	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	pattern(in, BIG);
	feeder = (struct feeder){ fds[1], in };
	/* The reader must wait out EAGAIN. */
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	CHECK(pthread_create(&thread, NULL, feed_slowly, &feeder) == 0);
	CHECK(io_read_full(fds[0], out, 10, &err) == 10);
	CHECK(io_read_full(fds[0], out + 10, BIG, &err) == BIG - 10);
	CHECK(memcmp(in, out, BIG) == 0);
	CHECK(io_read_some(fds[0], out, 1, &err) == 0);
	pthread_join(thread, NULL);
	close(fds[0]);
	free(in);
	free(out);
}

static void *
drain(void *arg)
{
	struct feeder *feeder = arg;
	struct error err;

	if (io_read_full(feeder->fd, feeder->bytes, BIG, &err) != BIG)
		feeder->bytes[0] ^= 1;
	return NULL;
}

static void
a_vector_is_written_whole(void)
{
	uint8_t *in = malloc(BIG), *out = calloc(1, BIG);
	struct iovec iov[40];
	struct feeder feeder;
	struct error err;
	pthread_t thread;
	size_t at = 0;
	int fds[2];

	REQUIRE(in != NULL && out != NULL);
	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	pattern(in, BIG);
	for (size_t i = 0; i < nitems(iov); i++) {
		size_t n = i % 5 == 0 ? 0 : i == 39 ? BIG - at : 9001;

		iov[i] = (struct iovec){ in + at, n };
		at += n;
	}
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	feeder = (struct feeder){ fds[0], out };
	CHECK(pthread_create(&thread, NULL, drain, &feeder) == 0);
	CHECK(io_writev_full(fds[1], iov, (int)nitems(iov), &err) == 0);
	pthread_join(thread, NULL);
	CHECK(memcmp(in, out, BIG) == 0);
	CHECK(io_writev_full(fds[1], iov, 0, &err) == 0);
	close(fds[0]);
	close(fds[1]);
	free(in);
	free(out);
}

static void
positions_are_kept_apart(void)
{
	char out[16] = "";
	struct error err;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/at", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	REQUIRE(fd != -1);
	CHECK(io_write_full(fd, "hello world", 11, &err) == 0);
	CHECK(io_pread_full(fd, out, 16, 3, &err) == 8);
	CHECK(memcmp(out, "lo world", 8) == 0);
	CHECK(io_pread_full(fd, out, 16, 100, &err) == 0);
	close(fd);
	unlink(path);
}

static void
failures_say_what_was_done(void)
{
	struct iovec iov = { folder, 3 };
	struct error err;
	char out[4];
	int full = open("/dev/full", O_RDWR | O_CLOEXEC);

	CHECK(io_write_full(full, "abc", 3, &err) == -ERRC_IO);
	CHECK_STR(err.text, "write: No space left on device");
	CHECK(io_writev_full(full, &iov, 1, &err) == -ERRC_IO);
	close(full);
	CHECK(io_read_full(-1, out, 4, &err) == -ERRC_IO);
	CHECK_STR(err.text, "read: Bad file descriptor");
	CHECK(io_pread_full(-1, out, 4, 0, &err) == -ERRC_IO);
}

static void
pipes_are_known(void)
{
	int fds[2];
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	CHECK(io_is_pipe(fds[0]) && io_is_pipe(fds[1]));
	CHECK(!io_is_pipe(null) && !io_is_pipe(-1));
	io_pipe_size(fds[0], 1 << 18);
	io_pipe_size(null, 1 << 18);
	CHECK(fcntl(fds[0], F_GETPIPE_SZ) >= 1 << 12);
	close(fds[0]);
	close(fds[1]);
	close(null);
}

static void
a_file_is_read_up_to_the_maximum(void)
{
	struct error err;
	char path[64];
	char *p = NULL;
	size_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/file", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(io_write_full(fd, "0123456789", 10, &err) == 0);
	close(fd);
	CHECK(io_read_file(&p, &n, path, 10, &err) == 0);
	CHECK_STR(p, "0123456789");
	CHECK(n == 10);
	free(p);
	CHECK(io_read_file(&p, &n, path, 9, &err) == -ERRC_NOINPUT);
	CHECK(strstr(err.text, "larger than 9 bytes") != NULL);
	CHECK(io_read_file(&p, &n, "/dev/zero", 100, &err) == -ERRC_NOINPUT);
	CHECK(io_read_file(&p, &n, folder, 9, &err) == -ERRC_NOINPUT);
	CHECK(strstr(err.text, "is a directory") != NULL);
	unlink(path);
	CHECK(io_read_file(&p, &n, path, 9, &err) == -ERRC_NOINPUT);
	CHECK(strstr(err.text, "No such file") != NULL);
	CHECK(io_read_file(&p, &n, "/dev/null", 0, &err) == 0);
	CHECK(n == 0);
	free(p);
}

int
main(void)
{
	tempdir_make(folder);
	RUN(a_read_goes_on_until_it_is_full_or_at_the_end);
	RUN(a_vector_is_written_whole);
	RUN(positions_are_kept_apart);
	RUN(failures_say_what_was_done);
	RUN(pipes_are_known);
	RUN(a_file_is_read_up_to_the_maximum);
	rmdir(folder);
	return tap_done();
}
