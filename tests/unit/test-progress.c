/* SPDX-License-Identifier: MIT */
#include "base/progress.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"
#include "tempdir.h"

static char got[4096];
static int saved = -1;
static int fds[2];

static void
capture(void)
{
	saved = dup(STDERR_FILENO);
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0)
		dup2(fds[1], STDERR_FILENO);
}

static void
captured(void)
{
	ssize_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], got, sizeof(got) - 1);
	got[n > 0 ? n : 0] = '\0';
	close(fds[0]);
}

static void
without_a_terminal_nothing_is_shown(void)
{
	struct progress p;

	capture();
	progress_start(&p, "encode", PROGRESS_AUTO, 100);
	progress_add(&p, 50);
	progress_end(&p);
	captured();
	CHECK(!p.on);
	CHECK(p.done == 50);
	CHECK_STR(got, "");
}

static void
when_forced_it_is_drawn_and_erased(void)
{
	struct progress p;

	capture();
	progress_start(&p, "encode", PROGRESS_FORCED, 4096);
	progress_add(&p, 1024);
	progress_add(&p, 1024); /* too soon for another */
	progress_end(&p);
	captured();
	CHECK(strncmp(got,
		  "\rencode: [======..................]  25% 1K of "
		  "4K, ",
		  49) == 0);
	CHECK(strcmp(got + strlen(got) - 4, "\r\033[K") == 0);
	CHECK(strstr(got, "50%") == NULL);
}

static void
a_signal_asks_for_one_line(void)
{
	struct progress p;

	capture();
	progress_start(&p, "decode", PROGRESS_AUTO, 2048);
	raise(SIGUSR1);
	progress_add(&p, 1024);
	progress_add(&p, 1024);
	progress_end(&p);
	captured();
	CHECK(strncmp(got, "decode: [", 9) == 0);
	CHECK(strchr(got, '\n') == got + strlen(got) - 1);
}

static void
more_than_the_total_has_no_percentage(void)
{
	struct progress p;

	capture();
	progress_start(&p, "x", PROGRESS_FORCED, 10);
	progress_add(&p, 2048);
	progress_end(&p);
	captured();
	CHECK(strncmp(got, "\rx: 2K, ", 8) == 0);
	CHECK(strchr(got, '%') == NULL);
}

static void
the_total_is_the_rest_of_a_file_on_standard_input(void)
{
	char dir[TEMPDIR_BYTES], path[TEMPDIR_BYTES + 8];
	int fd;
	int in = dup(STDIN_FILENO);
	struct progress p;

	tempdir_make(dir);
	snprintf(path, sizeof(path), "%s/in", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	REQUIRE(fd != -1 && ftruncate(fd, 1000) == 0);
	lseek(fd, 300, SEEK_SET);
	dup2(fd, STDIN_FILENO);
	progress_start(&p, "x", PROGRESS_AUTO, 0);
	CHECK(p.total == 700);
	dup2(in, STDIN_FILENO);
	close(in);
	close(fd);
	unlink(path);
}

int
main(void)
{
	RUN(without_a_terminal_nothing_is_shown);
	RUN(when_forced_it_is_drawn_and_erased);
	RUN(a_signal_asks_for_one_line);
	RUN(more_than_the_total_has_no_percentage);
	RUN(the_total_is_the_rest_of_a_file_on_standard_input);
	return tap_done();
}
