/* SPDX-License-Identifier: MIT */
#include "up/control.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "up/lastword.h"
#include "up/layout.h"

/*
 * A socket address holds 108 bytes, a path may be longer: the folder is
 * opened and the socket named through /proc, which is short always.
 */
static int
socket_address(struct sockaddr_un *sun, const char *dir, int *dirfd,
    struct error *err)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int n;

	if (fd == -1)
		return error_no_cluster(err, "%s: %s", dir, strerror(errno));
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(sun->sun_path, sizeof(sun->sun_path),
	    "/proc/self/fd/%d/" CONTROL_SOCKET, fd);
	assert(n > 0 && (size_t)n < sizeof(sun->sun_path));
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

void
control_close(const char *dir, int fd)
{
	struct sockaddr_un sun;
	int dirfd, client;

	assert(fd != -1);
	/* Nobody comes any more; who came is told, not just cut off. */
	if (socket_address(&sun, dir, &dirfd, NULL) == 0) {
		unlinkat(dirfd, CONTROL_SOCKET, 0);
		close(dirfd);
	}
	while ((client = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) != -1) {
		(void)!send(client, CONTROL_GONE "\n", strlen(CONTROL_GONE) + 1,
		    MSG_NOSIGNAL);
		close(client);
	}
	close(fd);
}

/* Everything until the peer closes, or is no more. */
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
		n = recv(fd, room, 4096, 0);
		if (n == -1 && errno == EINTR)
			continue;
		/* A reset: it ended without having read what we said. */
		if (n == 0 || (n == -1 && errno == ECONNRESET))
			return 0;
		if (n == -1)
			return error_errno(err, ERRC_IO, "the supervisor");
		assert((size_t)n <= 4096);
		answer->n += (size_t)n;
	}
}

/* Take the last line off the answer and judge it; one that is neither word
 * is ERRC_RETRY. */
static int
judge_answer(const char *dir, struct buf *answer, size_t from,
    struct error *err)
{
	char last[CONTROL_LINE_MAX * 4];
	size_t end = answer->n;
	size_t start;

	assert(from <= end);
	if (end > from && answer->p[end - 1] == '\n')
		end--;
	for (start = end; start > from && answer->p[start - 1] != '\n';)
		start--;
	assert(start >= from && start <= end);
	snprintf(last, sizeof(last), "%.*s", (int)(end - start),
	    answer->n == 0 ? "" : answer->p + start);
	answer->n = start;
	if (answer->p != NULL)
		answer->p[start] = '\0';
	if (strcmp(last, "ok") == 0)
		return 0;
	if (strcmp(last, CONTROL_GONE) == 0)
		return error_no_cluster(err, "none runs in %s", dir);
	if (strncmp(last, "error ", 6) == 0)
		return error_set(err, ERRC_USAGE, "%s", last + 6);
	return -ERRC_RETRY;
}

/* A socket that is connected to the supervisor. */
static int
control_connect(const char *dir, int timeout_ms, int *out, struct error *err)
{
	struct timeval wait = { timeout_ms / 1000, timeout_ms % 1000 * 1000L };
	struct sockaddr_un sun;
	int dirfd, rc;
	int fd;

	assert(timeout_ms > 0); /* 0 is for ever to SO_SNDTIMEO */
	rc = socket_address(&sun, dir, &dirfd, err);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1) {
		rc = error_errno(err, ERRC_NOMEM, "socket");
		goto out;
	}
	/* So many ask at once that we must wait in front of the door. */
	(void)!setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		rc = errno == EAGAIN ?
		    error_set(err, ERRC_RETRY,
			"the supervisor did not answer in time") :
		    error_no_cluster(err, "none runs in %s", dir);
		close(fd);
		goto out;
	}
	*out = fd;
out:
	close(dirfd);
	return rc;
}

static int
control_unanswered(const struct lastword *word, const char *dir,
    struct error *err)
{
	char socket_path[2 * LAYOUT_DIR_BYTES], log_path[2 * LAYOUT_DIR_BYTES];
	char why[LASTWORD_BYTES];

	snprintf(socket_path, sizeof(socket_path), "%s/" CONTROL_SOCKET, dir);
	snprintf(log_path, sizeof(log_path), "%s/koop-up.log", dir);
	lastword_tell(word, socket_path, log_path, why);
	return error_set(err, ERRC_RETRY, "%s", why);
}

int
control_ask(const char *dir, const char *request, struct buf *answer,
    int timeout_ms, struct error *err)
{
	uint64_t deadline = clock_mono_ms(&clock_system) + (uint64_t)timeout_ms;
	char line[CONTROL_LINE_MAX];
	struct lastword word;
	size_t from = answer->n;
	int fd = -1;
	int n, rc;

	rc = control_connect(dir, timeout_ms, &fd, err);
	if (rc < 0)
		return rc;
	lastword_open(&word, fd);
	n = snprintf(line, sizeof(line), "%s\n", request);
	assert(n > 1 && (size_t)n < sizeof(line));
	/* One that ends just now has perhaps answered, and does not read. */
	(void)!send(fd, line, strlen(line), MSG_NOSIGNAL);
	rc = read_answer(fd, answer, deadline, err);
	if (rc < 0)
		goto out;
	rc = judge_answer(dir, answer, from, err);
	if (rc == -ERRC_RETRY)
		rc = control_unanswered(&word, dir, err);
out:
	lastword_close(&word);
	close(fd);
	return rc;
}
