/* SPDX-License-Identifier: MIT */

/*
 * up/lastword and up/control: a client learns why a supervisor ended that owed
 * it an answer, whoever its parent is.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/number.h"
#include "tap.h"
#include "tempdir.h"
#include "up/control.h"

static char dir[TEMPDIR_BYTES];

/* One that listens, takes a request, and ends by that signal; 0: exits 3. */
static pid_t
supervisor(int number)
{
	int fd, client;
	char word[16];
	pid_t pid;
	int ready[2];

	CHECK(pipe2(ready, O_CLOEXEC) == 0);
	pid = fork();
	if (pid != 0) {
		close(ready[1]);
		CHECK(read(ready[0], word, 1) == 1);
		close(ready[0]);
		return pid;
	}
	if (control_listen(dir, &fd, NULL) < 0 || write(ready[1], "r", 1) != 1)
		_exit(1);
	while ((client = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) == -1)
		usleep(1000);
	if (read(client, word, sizeof(word)) != 5)
		_exit(1);
	if (number == 0)
		_exit(3);
	/* A sanitizer has a handler of its own. */
	(void)signal(number, SIG_DFL);
	raise(number);
	_exit(1);
}

static void
say(const char *line)
{
	char path[TEMPDIR_BYTES + 16];
	FILE *f;

	snprintf(path, sizeof(path), "%s/koop-up.log", dir);
	f = fopen(path, "we");
	REQUIRE(f != NULL);
	fputs(line, f);
	fclose(f);
}

static void
ask(const char *wanted)
{
	struct buf answer = buf_make(CONTROL_ANSWER_MAX);
	struct error err;

	CHECK(control_ask(dir, "down", &answer, 10000, &err) == -ERRC_RETRY);
	CHECK(strncmp(err.text, wanted, strlen(wanted)) == 0);
	buf_fini(&answer);
}

static void
it_is_told_how_it_ended_while_nobody_has_waited_for_it(void)
{
	pid_t pid = supervisor(SIGKILL);

	say("older\nnode-1.0 stopped\n\n");
	ask("the supervisor ended (killed by signal 9) before it had answered; "
	    "its log ends: node-1.0 stopped");
	CHECK(waitpid(pid, NULL, 0) == pid);
	pid = supervisor(0);
	say("");
	ask("the supervisor ended (exited with status 3) before it had "
	    "answered");
	CHECK(waitpid(pid, NULL, 0) == pid);
}

/* Since 6.15 the kernel remembers. */
static bool
kernel_remembers(void)
{
	struct utsname name;
	unsigned major = 0, minor = 0;

	CHECK(uname(&name) == 0);
	CHECK(sscanf(name.release, "%u.%u", &major, &minor) == 2);
	return major > 6 || (major == 6 && minor >= 15);
}

static void
it_is_told_after_its_parent_has_waited_for_it(void)
{
	struct sigaction nobody = { .sa_handler = SIG_IGN }, old;

	/* It is waited for at once. */
	REQUIRE(sigaction(SIGCHLD, &nobody, &old) == 0);
	supervisor(SIGSEGV);
	say("one line only");
	ask(kernel_remembers() ?
		"the supervisor ended (killed by signal 11) before it had "
		"answered; its log ends: one line only" :
		"the supervisor ended before it had answered; its log ends: "
		"one line only");
	REQUIRE(sigaction(SIGCHLD, &old, NULL) == 0);
}

static void
who_waits_in_front_of_the_door_is_told_of_the_end(void)
{
	struct buf answer = buf_make(CONTROL_ANSWER_MAX);
	struct error err;
	char wanted[2 * TEMPDIR_BYTES + 80];
	pid_t pid;
	int fd;

	REQUIRE(control_listen(dir, &fd, &err) == 0);
	pid = fork();
	if (pid == 0) {
		usleep(200000);
		control_close(dir, fd);
		_exit(0);
	}
	close(fd);
	CHECK(control_ask(dir, "status", &answer, 10000, &err) ==
	    -ERRC_UNAVAILABLE);
	snprintf(wanted, sizeof(wanted), "no cluster: none runs in %s; ", dir);
	CHECK(strncmp(err.text, wanted, strlen(wanted)) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
	/* Its socket has gone, too. */
	CHECK(control_ask(dir, "status", &answer, 10000, &err) ==
	    -ERRC_UNAVAILABLE);
	CHECK(strncmp(err.text, wanted, strlen(wanted)) == 0);
	buf_fini(&answer);
}

int
main(void)
{
	tempdir_make(dir);
	alarm(60);
	RUN(it_is_told_how_it_ended_while_nobody_has_waited_for_it);
	RUN(it_is_told_after_its_parent_has_waited_for_it);
	RUN(who_waits_in_front_of_the_door_is_told_of_the_end);
	return tap_done();
}
