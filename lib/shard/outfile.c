/* SPDX-License-Identifier: MIT */

#include "shard/outfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/random.h"
#include "codec/stripe.h"

#define PROC_FD_BYTES sizeof("/proc/self/fd/2147483647")

/* Signals that end a program, and that it can catch. */
static const int deadly[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE,
	SIGXCPU, SIGXFSZ };

/* What a signal must remove.  Written with signals blocked. */
static char *volatile stray[STRIPE_SHARDS_MAX + 1];

static void
remove_strays(int number)
{
	for (size_t i = 0; i < nitems(stray); i++)
		if (stray[i] != NULL)
			unlink(stray[i]);
	/* SA_RESETHAND: it has its usual effect now. */
	raise(number);
}

static void
block_signals(sigset_t *old)
{
	sigset_t set;
	int rc;

	sigemptyset(&set);
	for (size_t i = 0; i < nitems(deadly); i++)
		sigaddset(&set, deadly[i]);
	rc = pthread_sigmask(SIG_BLOCK, &set, old);
	assert(rc == 0);
}

static void
restore_signals(const sigset_t *old)
{
	int rc = pthread_sigmask(SIG_SETMASK, old, NULL);

	assert(rc == 0);
}

/* What is ignored (nohup) stays so, and who handles a signal has a reason. */
static void
catch_signals(void)
{
	static bool done;
	struct sigaction act = { .sa_handler = remove_strays,
		.sa_flags = (int)SA_RESETHAND };

	if (done)
		return;
	done = true;
	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < nitems(deadly); i++) {
		struct sigaction now;

		if (sigaction(deadly[i], NULL, &now) == 0 &&
		    (now.sa_flags & SA_SIGINFO) == 0 &&
		    now.sa_handler == SIG_DFL)
			sigaction(deadly[i], &act, NULL);
	}
}

/* A file gets the name f->temporary; signals are blocked. */
static void
add_stray(struct outfile *f)
{
	size_t i = 0;

	assert(f->temporary != NULL && !f->named);
	while (i < nitems(stray) && stray[i] != NULL)
		i++;
	assert(i < nitems(stray));
	stray[i] = f->temporary;
	f->named = true;
}

/* It has lost that name; signals are blocked. */
static void
drop_stray(struct outfile *f)
{
	for (size_t i = 0; i < nitems(stray); i++)
		if (stray[i] == f->temporary)
			stray[i] = NULL;
	f->named = false;
}

static void
proc_fd(char out[static PROC_FD_BYTES], int fd)
{
	assert(fd >= 0);
	snprintf(out, PROC_FD_BYTES, "/proc/self/fd/%d", fd);
}

/* A file without a name, in the folder of path: -1 where that cannot be, or
 * could not be given one later (no /proc). */
static int
open_unnamed(const char *path)
{
	char *copy = strdup(path);
	char proc[PROC_FD_BYTES];
	int fd;

	if (copy == NULL || FAULT(OUTFILE_UNNAMED)) {
		free(copy);
		return -1;
	}
	fd = open(dirname(copy), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
	free(copy);
	if (fd < 0)
		return -1;
	proc_fd(proc, fd);
	if (access(proc, F_OK) == 0)
		return fd;
	close(fd);
	return -1;
}

static int
open_named(struct outfile *f)
{
	sigset_t old;
	int saved;
	int fd;

	catch_signals();
	block_signals(&old);
	fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	saved = errno;
	if (fd >= 0)
		add_stray(f);
	restore_signals(&old);
	errno = saved;
	return fd;
}

int
outfile_open(struct outfile *f, const char *path, struct error *err)
{
	const size_t room = strlen(path) + sizeof(".0123456789abcdef.tmp");
	struct stat st;

	*f = (struct outfile){ .path = path };
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		f->fd = open(path, O_WRONLY | O_CLOEXEC);
	} else {
		f->temporary = malloc(room);
		if (f->temporary == NULL)
			return error_set(err, ERRC_NOMEM, "%s: out of memory",
			    path);
		snprintf(f->temporary, room, "%s.%016" PRIx64 ".tmp", path,
		    random_u64(&random_system));
		f->fd = open_unnamed(path);
		if (f->fd < 0)
			f->fd = open_named(f);
	}
	if (f->fd < 0) {
		int rc = error_errno(err, ERRC_CANTCREATE, "%s", path);

		free(f->temporary);
		*f = (struct outfile){ 0 };
		return rc;
	}
	assert(!f->published);
	f->open = true;
	return 0;
}

/* linkat() replaces nothing: a name that is taken gets a link beside it, and
 * rename() then does.  Signals are blocked. */
static int
give_name(struct outfile *f)
{
	char proc[PROC_FD_BYTES];

	if (!f->named) {
		proc_fd(proc, f->fd);
		if (linkat(AT_FDCWD, proc, AT_FDCWD, f->path,
			AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (errno != EEXIST ||
		    linkat(AT_FDCWD, proc, AT_FDCWD, f->temporary,
			AT_SYMLINK_FOLLOW) != 0)
			return -1;
		add_stray(f);
	}
	if (rename(f->temporary, f->path) != 0)
		return -1;
	drop_stray(f);
	return 0;
}

/* Bytes, then name: a crash between leaves whatever had the name before. */
static int
publish_one(struct outfile *f, struct error *err)
{
	int fd = f->fd;

	assert(f->open && !f->published);
	if (f->temporary != NULL && give_name(f) != 0)
		return error_errno(err, ERRC_CANTCREATE, "%s", f->path);
	f->published = true;
	f->open = false;
	if (close(fd) != 0)
		return error_errno(err, ERRC_IO, "write %s", f->path);
	return 0;
}

int
outfile_publish(struct outfile *f, size_t n, struct error *err)
{
	sigset_t old;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		if (f[i].temporary != NULL && fsync(f[i].fd) != 0)
			return error_errno(err, ERRC_IO, "write %s", f[i].path);
	block_signals(&old);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = publish_one(&f[i], err);
	for (size_t i = 0; i < n && rc < 0; i++)
		outfile_discard(&f[i]);
	restore_signals(&old);
	return rc;
}

void
outfile_close(struct outfile *f)
{
	sigset_t old;

	if (f->open)
		close(f->fd);
	if (f->named) {
		block_signals(&old);
		unlink(f->temporary);
		drop_stray(f);
		restore_signals(&old);
	}
	free(f->temporary);
	*f = (struct outfile){ 0 };
}

void
outfile_discard(struct outfile *f)
{
	if (f->temporary != NULL && f->published)
		unlink(f->path);
	outfile_close(f);
}
