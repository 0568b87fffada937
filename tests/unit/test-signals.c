/* SPDX-License-Identifier: MIT */
#include "base/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/ready.h"
#include "tap.h"

static void
signals_wait_until_they_are_asked_for(void)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };

	CHECK(signals_wait(0) == 0);
	for (size_t i = 0; i < nitems(ours); i++) {
		kill(getpid(), ours[i]);
		CHECK(signals_wait(-1) == ours[i]);
	}
	CHECK(signals_wait(5) == 0);
}

static void
a_child_that_ends_is_a_signal(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK(signals_wait(10000) == SIGCHLD);
	CHECK(waitpid(pid, NULL, 0) == pid);
}

static void
a_broken_pipe_is_an_error_of_the_write(void)
{
	int fds[2];

	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	close(fds[0]);
	CHECK(write(fds[1], "x", 1) == -1 && errno == EPIPE);
	close(fds[1]);
}

static void
a_child_gets_the_signals_back(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		signals_unblock();
		raise(SIGTERM);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	CHECK(signals_wait(10000) == SIGCHLD);
}

static void
readiness_is_one_line_and_the_end(void)
{
	struct error err;
	char text[64] = "";
	int fds[2];

	CHECK(ready_tell(-1, "x", &err) == 0);
	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	CHECK(ready_tell(fds[1], "127.0.0.1:41233", &err) == 0);
	CHECK(read(fds[0], text, sizeof(text) - 1) == 22);
	CHECK_STR(text, "ready 127.0.0.1:41233\n");
	CHECK(read(fds[0], text, 1) == 0);
	close(fds[0]);
	CHECK(ready_tell(1000, "x", &err) == -ERRC_IO);
}

static void
every_fault_point_has_its_own_name(void)
{
	for (int i = 0; i < FAULT_MAX; i++)
		for (int j = 0; j < i; j++)
			CHECK(strcmp(fault_name((enum fault_point)i),
				  fault_name((enum fault_point)j)) != 0);
	CHECK_STR(fault_name(FAULT_STORE_FSYNC), "store.fsync");
	fault_setup();
	CHECK(FAULT(STORE_FSYNC) == 0);
}

int
main(void)
{
	signals_block();
	RUN(signals_wait_until_they_are_asked_for);
	RUN(a_child_that_ends_is_a_signal);
	RUN(a_broken_pipe_is_an_error_of_the_write);
	RUN(a_child_gets_the_signals_back);
	RUN(readiness_is_one_line_and_the_end);
	RUN(every_fault_point_has_its_own_name);
	return tap_done();
}
