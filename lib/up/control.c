/* SPDX-License-Identifier: MIT */
#include "up/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"

/*
 * A socket address holds 108 bytes, a path may be longer: the folder is
 * opened and the socket named through /proc, which is short always.
 */
static int
socket_address(struct sockaddr_un *sun, const char *dir, int *dirfd,
    struct error *err)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		return error_errno(err, ERRC_NOTFOUND, "%s", dir);
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(sun->sun_path, sizeof(sun->sun_path),
	    "/proc/self/fd/%d/" CONTROL_SOCKET, fd);
	*dirfd = fd;
	return 0;
}

int
control_listen(const char *dir, int *out, struct error *err)
{
	struct sockaddr_un sun;
	int dirfd = -1;
	int fd = -1;
	int rc;

	rc = socket_address(&sun, dir, &dirfd, err);
	if (rc < 0)
		return rc;
	/* The caller holds the folder's lock: what lies there is stale. */
	unlinkat(dirfd, CONTROL_SOCKET, 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    fchmodat(dirfd, CONTROL_SOCKET, 0600, 0) == -1 ||
	    listen(fd, 16) == -1) {
		rc = error_errno(err, ERRC_CANTCREATE, "%s/%s", dir,
		    CONTROL_SOCKET);
		goto out;
	}
	*out = fd;
	fd = -1;
out:
	if (fd != -1)
		close(fd);
	close(dirfd);
	return rc;
}

/* Everything until the peer closes. */
static int
read_answer(int fd, struct buf *answer, uint64_t deadline, struct error *err)
{
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		int left = clock_left_ms(&clock_system, deadline);
		ssize_t n;
		char *room;

		n = poll(&pfd, 1, left);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			return error_set(err, ERRC_RETRY,
			    "the supervisor did not answer in time");
		room = buf_reserve(answer, 4096);
		if (room == NULL)
			return error_set(err, ERRC_PROTOCOL,
			    "the supervisor's answer is too long");
		n = io_read_some(fd, room, 4096, err);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return 0;
		answer->n += (size_t)n;
	}
}

/* Take the last line off the answer and judge it. */
static int
judge_answer(struct buf *answer, size_t from, struct error *err)
{
	char last[CONTROL_LINE_MAX * 4];
	size_t end = answer->n;
	size_t start;

	if (end > from && answer->p[end - 1] == '\n')
		end--;
	for (start = end; start > from && answer->p[start - 1] != '\n';)
		start--;
	snprintf(last, sizeof(last), "%.*s", (int)(end - start),
	    answer->n == 0 ? "" : answer->p + start);
	answer->n = start;
	if (answer->p != NULL)
		answer->p[start] = '\0';
	if (strcmp(last, "ok") == 0)
		return 0;
	if (strncmp(last, "error ", 6) == 0)
		return error_set(err, ERRC_USAGE, "%s", last + 6);
	return error_set(err, ERRC_RETRY,
	    "the supervisor ended before it had answered");
}

int
control_ask(const char *dir, const char *request, struct buf *answer,
    int timeout_ms, struct error *err)
{
	uint64_t deadline = clock_mono_ms(&clock_system) + (uint64_t)timeout_ms;
	char line[CONTROL_LINE_MAX];
	struct sockaddr_un sun;
	size_t from = answer->n;
	int dirfd = -1;
	int fd = -1;
	int rc;

	rc = socket_address(&sun, dir, &dirfd, err);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1) {
		rc = error_errno(err, ERRC_NOMEM, "socket");
		goto out;
	}
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		rc = error_set(err, ERRC_NOTFOUND,
		    "no cluster runs in %s; start it with: koop up --data %s",
		    dir, dir);
		goto out;
	}
	snprintf(line, sizeof(line), "%s\n", request);
	rc = io_write_full(fd, line, strlen(line), err);
	if (rc == 0)
		rc = read_answer(fd, answer, deadline, err);
	if (rc == 0)
		rc = judge_answer(answer, from, err);
out:
	if (fd != -1)
		close(fd);
	close(dirfd);
	return rc;
}
