/* SPDX-License-Identifier: MIT */
#include "up/program.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/signals.h"

/* Who has ended is known to have ended: a number that the kernel has given to
 * another is never sent a signal. */
static void
program_check(const struct program *p)
{
	bool runs = p->state != PROGRAM_DOWN && p->state != PROGRAM_STOPPED;

	assert(p->pid >= 0 && runs == (p->pid != 0));
}

int
program_arg(struct program *p, struct error *err, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (p->args >= PROGRAM_ARGS_MAX)
		return error_set(err, ERRC_USAGE, "%s: too many arguments",
		    p->name);
	va_start(ap, fmt);
	n = vsnprintf(p->arg[p->args], PROGRAM_ARG_BYTES, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= PROGRAM_ARG_BYTES)
		return error_set(err, ERRC_USAGE, "%s: argument too long",
		    p->name);
	p->args++;
	assert(p->args <= PROGRAM_ARGS_MAX);
	return 0;
}

/* In the child: only what execve(2) needs; ends the process on failure. */
static KOOP_NORETURN void
become(const struct program *p, int log_fd, int ready_fd, pid_t parent)
{
	const char *argv[PROGRAM_ARGS_MAX + 4];
	char fd_text[16];
	unsigned n = 0;

	/* A group of its own: Ctrl-C is the supervisor's to hear, which then
	 * stops gateways before nodes. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(71);
	signals_unblock();
	if (dup2(log_fd, STDERR_FILENO) == -1 ||
	    dup2(log_fd, STDOUT_FILENO) == -1)
		_exit(71);
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null_fd == -1 || dup2(null_fd, STDIN_FILENO) == -1 ||
	    fcntl(ready_fd, F_SETFD, 0) == -1)
		_exit(71);
	/* The configuration of this cluster, not of another that the caller
	 * may have set, or has in the folder where he stands. */
	unsetenv("KOOP_CONFIG");
	if (chdir(p->folder) == -1)
		_exit(71);
	argv[n++] = p->path;
	for (unsigned i = 0; i < p->args; i++)
		argv[n++] = p->arg[i];
	assert(n + 3 <= nitems(argv));
	snprintf(fd_text, sizeof(fd_text), "%d", ready_fd);
	argv[n++] = "--ready-fd";
	argv[n++] = fd_text;
	argv[n] = NULL;
	execv(p->path, (char *const *)argv);
	dprintf(STDERR_FILENO, "%s: cannot run: %s\n", p->path,
	    strerror(errno));
	_exit(71);
}

int
program_start(struct program *p, const struct clock *clock, struct error *err)
{
	int pipe_fd[2] = { -1, -1 };
	int log_fd;
	pid_t parent = getpid();
	int rc = 0;

	assert(p->pid == 0 && p->state == PROGRAM_DOWN && p->ready_fd == -1);
	log_fd = open(p->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
	    0640);
	if (log_fd == -1)
		return error_errno(err, ERRC_CANTCREATE, "%s", p->log_path);
	if (pipe2(pipe_fd, O_CLOEXEC) == -1) {
		rc = error_errno(err, ERRC_NOMEM, "%s: pipe", p->name);
		goto out;
	}
	/* Lower ones would be written over by become(). */
	assert(log_fd > STDERR_FILENO && pipe_fd[1] > STDERR_FILENO);
	p->pid = fork();
	if (p->pid == -1) {
		p->pid = 0;
		rc = error_errno(err, ERRC_NOMEM, "%s: fork", p->name);
		goto out;
	}
	if (p->pid == 0)
		become(p, log_fd, pipe_fd[1], parent);
	p->ready_fd = pipe_fd[0];
	pipe_fd[0] = -1;
	p->state = PROGRAM_STARTING;
	p->started_ms = clock_mono_ms(clock);
	p->since_ms = clock_real_ms(clock);
out:
	for (int i = 0; i < 2; i++)
		if (pipe_fd[i] != -1)
			close(pipe_fd[i]);
	close(log_fd);
	program_check(p);
	return rc;
}

bool
program_check_ready(struct program *p)
{
	char text[128];
	ssize_t n;

	assert(p->ready_fd != -1);
	n = read(p->ready_fd, text, sizeof(text) - 1);
	if (n == -1 && errno == EINTR)
		return false;
	close(p->ready_fd);
	p->ready_fd = -1;
	if (n < 6 || memcmp(text, "ready ", 6) != 0)
		return false;
	if (p->state == PROGRAM_STARTING)
		p->state = PROGRAM_READY;
	if (p->once) {
		/* A folder that is lost from now on is not made anew. */
		assert(p->args > 0);
		p->args--;
		p->once = false;
	}
	return true;
}

void
program_ended(struct program *p, int status, const struct clock *clock)
{
	uint64_t now = clock_mono_ms(clock);

	assert(p->state != PROGRAM_DOWN && p->state != PROGRAM_STOPPED);
	assert(now >= p->started_ms);
	p->pid = 0;
	p->since_ms = clock_real_ms(clock);
	p->last_status = status;
	if (p->ready_fd != -1)
		close(p->ready_fd);
	p->ready_fd = -1;
	if (p->state == PROGRAM_STOPPING) {
		p->state = p->again ? PROGRAM_DOWN : PROGRAM_STOPPED;
		p->restart_at_ms = 0;
		p->backoff_ms = 0;
		p->again = false;
		return;
	}
	if (now - p->started_ms >= PROGRAM_YOUNG_MS ||
	    p->state == PROGRAM_READY)
		p->backoff_ms = 0;
	p->state = PROGRAM_DOWN;
	p->restart_at_ms = now + p->backoff_ms;
	p->backoff_ms = p->backoff_ms == 0 ?
	    50 :
	    KOOP_MIN(2 * p->backoff_ms, PROGRAM_BACKOFF_MAX_MS);
	assert(p->backoff_ms <= PROGRAM_BACKOFF_MAX_MS);
	p->restarts++;
}

void
program_stop(struct program *p)
{
	program_check(p);
	p->again = false;
	if (p->pid == 0) {
		p->state = PROGRAM_STOPPED;
		return;
	}
	p->state = PROGRAM_STOPPING;
	assert(p->pid > 1); /* -1 would be every process that we may end */
	kill(p->pid, SIGTERM);
	/* A program that was stopped by a signal would not hear it. */
	kill(p->pid, SIGCONT);
}

const char *
program_state_name(enum program_state state)
{
	static const char *const name[] = {
		[PROGRAM_DOWN] = "down",
		[PROGRAM_STARTING] = "starting",
		[PROGRAM_READY] = "running",
		[PROGRAM_STOPPING] = "stopping",
		[PROGRAM_STOPPED] = "stopped",
	};

	assert(state < nitems(name));
	return name[state];
}

void
program_describe_end(char out[static 64], int status)
{
	if (WIFEXITED(status))
		snprintf(out, 64, "exited with status %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		snprintf(out, 64, "killed by signal %d", WTERMSIG(status));
	else
		snprintf(out, 64, "ended");
}
