/* SPDX-License-Identifier: MIT */
#include "up/lastword.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/number.h"
#include "up/program.h"

#define LASTWORD_WAIT_MS 2000
#define LASTWORD_LOOK_MS 20
#define LASTWORD_TAIL_BYTES 4096 /* the longest line of a log */
/* proc(5): exit_code is field 52 of stat; the state, field 3, is the first
 * after the name. */
#define STAT_EXIT_CODE (52 - 3)
#define STAT_MAX 4096

/* Of linux/pidfd.h, which has it since 6.15; the numbers never change. */
struct lastword_info {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, id[8];
	int32_t exit_code;
};
#define LASTWORD_INFO _IOWR(0xff, 11, struct lastword_info)
#define LASTWORD_INFO_EXIT (1u << 3)
static_assert(sizeof(struct lastword_info) == 64, "the kernel's first version");

void
lastword_open(struct lastword *word, int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	*word = (struct lastword){ .pidfd = -1 };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == -1)
		return;
	word->pid = peer.pid;
	word->pidfd = pidfd_open(peer.pid, 0);
	assert(word->pidfd == -1 || word->pid > 0);
}

void
lastword_close(struct lastword *word)
{
	if (word->pidfd != -1)
		close(word->pidfd);
	word->pidfd = -1;
}

/* It was waited for: the kernel keeps how it ended for who holds on to it. */
static bool
lastword_reaped(const struct lastword *word, int *status)
{
	struct lastword_info info = { .mask = LASTWORD_INFO_EXIT };

	if (ioctl(word->pidfd, LASTWORD_INFO, &info) == -1 ||
	    (info.mask & LASTWORD_INFO_EXIT) == 0)
		return false;
	*status = info.exit_code;
	return true;
}

/* Nobody has waited for it: its entry in /proc is still there. */
static bool
lastword_zombie(const struct lastword *word, int *status)
{
	char path[64], *save = NULL;
	char *text = NULL;
	const char *field;
	uint64_t code = 0;
	size_t n;
	bool known;

	assert(word->pid > 0);
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)word->pid);
	if (io_read_file(&text, &n, path, STAT_MAX, NULL) < 0)
		return false;
	field = strrchr(text, ')');
	field = field == NULL ?
	    NULL :
	    strtok_r(text + (field + 1 - text), " \n", &save);
	known = field != NULL && strcmp(field, "Z") == 0;
	for (int i = 0; i < STAT_EXIT_CODE && field != NULL; i++)
		field = strtok_r(NULL, " \n", &save);
	known = known && field != NULL &&
	    number_parse(&code, field, strlen(field), 0, UINT16_MAX);
	free(text);
	if (known)
		*status = (int)code;
	return known;
}

bool
lastword_of_log(const char *log_path, char out[static LASTWORD_BYTES])
{
	char tail[LASTWORD_TAIL_BYTES + 1];
	int fd = open(log_path, O_RDONLY | O_CLOEXEC);
	off_t size, from;
	ssize_t n;
	char *last;

	out[0] = '\0';
	if (fd == -1)
		return false;
	size = lseek(fd, 0, SEEK_END);
	from = size > LASTWORD_TAIL_BYTES ? size - LASTWORD_TAIL_BYTES : 0;
	n = pread(fd, tail, LASTWORD_TAIL_BYTES, from);
	close(fd);
	while (n > 0 && tail[n - 1] == '\n')
		n--;
	if (n <= 0)
		return false;
	tail[n] = '\0';
	last = strrchr(tail, '\n');
	snprintf(out, LASTWORD_BYTES, "%.*s", LASTWORD_BYTES - 1,
	    last == NULL ? tail : last + 1);
	return out[0] != '\0';
}

/* If the log is of this supervisor: one in the foreground writes to its
 * terminal, and an older one's log may lie there. */
static bool
lastword_log(const char *socket_path, const char *log_path,
    char line[static LASTWORD_BYTES])
{
	struct stat socket_st, log_st;

	return stat(socket_path, &socket_st) == 0 &&
	    stat(log_path, &log_st) == 0 &&
	    log_st.st_mtime >= socket_st.st_mtime &&
	    lastword_of_log(log_path, line);
}

void
lastword_tell(const struct lastword *word, const char *socket_path,
    const char *log_path, char out[static LASTWORD_BYTES])
{
	const struct timespec pause = { .tv_nsec = LASTWORD_LOOK_MS *
		    1000000L };
	struct pollfd pfd = { .fd = word->pidfd, .events = POLLIN };
	char how[64], why[80] = "ended", line[LASTWORD_BYTES] = "";
	bool ended = word->pidfd == -1 || poll(&pfd, 1, LASTWORD_WAIT_MS) == 1;
	int status;

	assert(word->pidfd == -1 || word->pid != 0);
	if (!ended)
		snprintf(why, sizeof(why), "hung up");
	/* Between its end and its parent's look at it neither is there. */
	for (int ms = 0; ended && word->pid != 0 && ms < LASTWORD_WAIT_MS / 4;
	     ms += LASTWORD_LOOK_MS) {
		if (lastword_reaped(word, &status) ||
		    lastword_zombie(word, &status)) {
			program_describe_end(how, status);
			snprintf(why, sizeof(why), "ended (%s)", how);
			break;
		}
		nanosleep(&pause, NULL);
	}
	snprintf(out, LASTWORD_BYTES,
	    "the supervisor %s before it had answered%s%.160s", why,
	    lastword_log(socket_path, log_path, line) ? "; its log ends: " : "",
	    line);
}
