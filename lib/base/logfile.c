/* SPDX-License-Identifier: MIT */
#include "base/logfile.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/wait.h"

/* So long lines gather, so that a busy program makes few writes of many. */
#define GATHER_MS 50
#define MODE 0640
#define STACK_BYTES (128u << 10)

struct logfile {
	char *path; /* NULL: standard output, which is never opened again */
	pthread_t thread;
	_Atomic uint64_t dropped;
	int fd; /* the thread's */

	/* lock guards what follows. */
	pthread_mutex_t lock;
	pthread_cond_t wake;  /* of the thread */
	pthread_cond_t ended; /* by the thread */
	bool stopping, over, abandoned;
	int next_fd; /* to go on with, or -1 */
	/* Lines go into the one, while the thread writes the other. */
	char *filling;
	char *writing;
	size_t filled;
	uint64_t lines; /* in filling */
};

static int
logfile_open_path(const char *path, struct error *err)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, MODE);

	if (fd == -1)
		return error_errno(err, ERRC_CONFIG, "log file %s", path);
	return fd;
}

/* Until there is something to do, and lines have gathered; false: the end. */
static bool
wait_lines(struct logfile *file)
{
	bool more;

	pthread_mutex_lock(&file->lock);
	while (file->filled == 0 && file->next_fd == -1 && !file->stopping)
		pthread_cond_wait(&file->wake, &file->lock);
	/* A full buffer rings, too. */
	if (!file->stopping && file->next_fd == -1 &&
	    file->filled < LOGFILE_ROOM / 2)
		(void)wait_mono_for(&file->wake, &file->lock, GATHER_MS);
	more = file->filled > 0 || !file->stopping;
	pthread_mutex_unlock(&file->lock);
	return more;
}

static void
write_lines(struct logfile *file)
{
	struct error err = { 0 };
	int old_fd = -1;
	uint64_t lines;
	size_t n;
	char *p;

	pthread_mutex_lock(&file->lock);
	p = file->filling;
	n = file->filled;
	lines = file->lines;
	file->filling = file->writing;
	file->writing = p;
	file->filled = 0;
	file->lines = 0;
	if (file->next_fd != -1) {
		old_fd = file->fd;
		file->fd = file->next_fd;
		file->next_fd = -1;
	}
	pthread_mutex_unlock(&file->lock);
	assert(n <= LOGFILE_ROOM);
	if (old_fd != -1)
		close(old_fd);
	if (n > 0 && io_write_full(file->fd, p, n, &err) < 0) {
		/* Some of them may be there; nobody can say which. */
		atomic_fetch_add(&file->dropped, lines);
		log_warn("log", "log file %s: %llu lines are lost: %s",
		    file->path != NULL ? file->path : "-",
		    (unsigned long long)lines, err.text);
	}
}

static void
logfile_free(struct logfile *file)
{
	if (file->path != NULL && file->fd != -1)
		close(file->fd);
	if (file->next_fd != -1)
		close(file->next_fd);
	pthread_cond_destroy(&file->wake);
	pthread_cond_destroy(&file->ended);
	pthread_mutex_destroy(&file->lock);
	free(file->filling);
	free(file->writing);
	free(file->path);
	free(file);
}

static void *
logfile_main(void *arg)
{
	struct logfile *file = arg;
	bool abandoned;

	while (wait_lines(file))
		write_lines(file);
	pthread_mutex_lock(&file->lock);
	file->over = true;
	abandoned = file->abandoned;
	pthread_cond_signal(&file->ended);
	pthread_mutex_unlock(&file->lock);
	if (abandoned)
		logfile_free(file);
	return NULL;
}

static int
prepare(struct logfile *file, const char *path, struct error *err)
{
	pthread_attr_t attr;
	int rc;

	file->filling = malloc(LOGFILE_ROOM);
	file->writing = malloc(LOGFILE_ROOM);
	file->fd = STDOUT_FILENO;
	if (strcmp(path, "-") != 0) {
		file->fd = logfile_open_path(path, err);
		if (file->fd < 0) {
			rc = file->fd;
			file->fd = -1;
			return rc;
		}
		file->path = strdup(path);
	}
	if (file->filling == NULL || file->writing == NULL ||
	    (file->fd != STDOUT_FILENO && file->path == NULL))
		return error_set(err, ERRC_NOMEM, "log file: out of memory");
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	rc = pthread_create(&file->thread, &attr, logfile_main, file);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return error_set(err, ERRC_NOMEM,
		    "log file: cannot start a thread: %s", strerror(rc));
	return 0;
}

int
logfile_open(struct logfile **out, const char *path, struct error *err)
{
	struct logfile *file = calloc(1, sizeof(*file));
	int rc;

	if (file == NULL)
		return error_set(err, ERRC_NOMEM, "log file: out of memory");
	file->next_fd = -1;
	pthread_mutex_init(&file->lock, NULL);
	wait_mono_init(&file->wake);
	wait_mono_init(&file->ended);
	rc = prepare(file, path, err);
	if (rc < 0) {
		logfile_free(file);
		return rc;
	}
	*out = file;
	return 0;
}

void
logfile_close(struct logfile *file)
{
	uint64_t until = clock_mono_ms(&clock_system) + LOGFILE_CLOSE_MS;
	bool over;

	if (file == NULL)
		return;
	pthread_mutex_lock(&file->lock);
	assert(!file->stopping);
	file->stopping = true;
	pthread_cond_signal(&file->wake);
	while (!file->over && wait_mono_until(&file->ended, &file->lock, until))
		continue;
	over = file->over;
	if (!over) {
		/* It hangs in a write; what it uses is its own from here on. */
		log_warn("log",
		    "log file %s: the last lines are lost: nobody "
		    "takes them",
		    file->path != NULL ? file->path : "-");
		pthread_detach(file->thread);
		file->abandoned = true;
	}
	pthread_mutex_unlock(&file->lock);
	if (!over)
		return;
	pthread_join(file->thread, NULL);
	logfile_free(file);
}

bool
logfile_write(struct logfile *file, const char *line, size_t n)
{
	bool rings = false;
	bool fits;

	assert(memchr(line, '\n', n) == NULL);
	pthread_mutex_lock(&file->lock);
	fits = n < LOGFILE_ROOM - file->filled;
	if (fits) {
		size_t before = file->filled;

		memcpy(file->filling + before, line, n);
		file->filling[before + n] = '\n';
		file->filled = before + n + 1;
		file->lines++;
		rings = before == 0 ||
		    (before < LOGFILE_ROOM / 2 &&
			file->filled >= LOGFILE_ROOM / 2);
	}
	assert(file->filled <= LOGFILE_ROOM);
	pthread_mutex_unlock(&file->lock);
	if (rings)
		pthread_cond_signal(&file->wake);
	if (!fits)
		atomic_fetch_add(&file->dropped, 1);
	return fits;
}

int
logfile_reopen(struct logfile *file, struct error *err)
{
	int fd, unused;

	if (file->path == NULL)
		return 0;
	fd = logfile_open_path(file->path, err);
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&file->lock);
	unused = file->next_fd;
	file->next_fd = fd;
	pthread_cond_signal(&file->wake);
	pthread_mutex_unlock(&file->lock);
	if (unused != -1)
		close(unused);
	return 0;
}

uint64_t
logfile_dropped(const struct logfile *file)
{
	return atomic_load(&file->dropped);
}
