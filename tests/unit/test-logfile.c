/* SPDX-License-Identifier: MIT */
#include "base/logfile.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "tap.h"
#include "tempdir.h"

#define FILE_MAX (8u << 20)
#define WAIT_MS 10000

static char dir[TEMPDIR_BYTES];

static void
path_of(char out[static 100], const char *name)
{
	snprintf(out, 100, "%s/%s", dir, name);
}

/* What is in the file, or "". */
static char *
contents(const char *path)
{
	char *text = NULL;
	size_t n = 0;
	struct error err;

	if (io_read_file(&text, &n, path, FILE_MAX, &err) < 0)
		return calloc(1, 1);
	return text;
}

/* Until the file is so long; looks every millisecond. */
static bool
grows_to(const char *path, off_t bytes)
{
	uint64_t until = clock_mono_ms(&clock_system) + WAIT_MS;
	struct stat st;

	while (stat(path, &st) == -1 || st.st_size < bytes) {
		if (clock_mono_ms(&clock_system) > until)
			return false;
		usleep(1000);
	}
	return true;
}

static void
lines_are_appended_in_order(void)
{
	struct logfile *file = NULL;
	struct error err = { 0 };
	char path[100];
	char *text;

	path_of(path, "a.log");
	REQUIRE(logfile_open(&file, path, &err) == 0);
	CHECK(logfile_write(file, "one", 3));
	CHECK(logfile_write(file, "", 0));
	logfile_close(file);
	REQUIRE(logfile_open(&file, path, &err) == 0);
	CHECK(logfile_write(file, "three", 5));
	CHECK(grows_to(path, 11));
	CHECK(logfile_dropped(file) == 0);
	logfile_close(file);
	text = contents(path);
	CHECK_STR(text, "one\n\nthree\n");
	free(text);
}

static void
a_rotated_file_is_left_and_a_new_one_begun(void)
{
	struct logfile *file = NULL;
	struct error err = { 0 };
	char path[100], old[100];
	char *text;

	path_of(path, "r.log");
	path_of(old, "r.log.1");
	REQUIRE(logfile_open(&file, path, &err) == 0);
	CHECK(logfile_write(file, "before", 6));
	CHECK(grows_to(path, 7));
	REQUIRE(rename(path, old) == 0);
	CHECK(logfile_reopen(file, &err) == 0);
	/* Twice in a row is once. */
	CHECK(logfile_reopen(file, &err) == 0);
	CHECK(logfile_write(file, "after", 5));
	logfile_close(file);
	text = contents(old);
	CHECK_STR(text, "before\n");
	free(text);
	text = contents(path);
	CHECK_STR(text, "after\n");
	free(text);
}

static void
a_name_that_cannot_be_opened_keeps_the_old_file(void)
{
	struct logfile *file = NULL;
	struct error err = { 0 };
	char path[100], folder[100], moved[100];
	char *text;

	path_of(folder, "sub");
	path_of(moved, "moved");
	path_of(path, "sub/k.log");
	REQUIRE(mkdir(folder, 0755) == 0);
	REQUIRE(logfile_open(&file, path, &err) == 0);
	REQUIRE(rename(folder, moved) == 0);
	CHECK(logfile_reopen(file, &err) == -ERRC_CONFIG);
	CHECK(strstr(err.text, path) != NULL);
	CHECK(logfile_write(file, "still", 5));
	logfile_close(file);
	path_of(path, "moved/k.log");
	text = contents(path);
	CHECK_STR(text, "still\n");
	free(text);
}

static void
a_file_that_cannot_be_made_is_told_by_its_name(void)
{
	struct logfile *file = NULL;
	struct error err = { 0 };

	CHECK(logfile_open(&file, "/nowhere/at/all.log", &err) == -ERRC_CONFIG);
	CHECK_STR(err.text,
	    "log file /nowhere/at/all.log: No such file or directory");
}

/* A pipe that nobody reads is the slowest disk there is. */
static void
who_writes_never_waits_and_what_does_not_fit_is_counted(void)
{
	struct logfile *file = NULL;
	struct error err = { 0 };
	static char line[1000];
	uint64_t began;
	unsigned refused = 0;
	char path[100];
	int fd;

	path_of(path, "fifo");
	REQUIRE(mkfifo(path, 0600) == 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	REQUIRE(fd >= 0);
	REQUIRE(logfile_open(&file, path, &err) == 0);
	memset(line, 'x', sizeof(line));
	began = clock_mono_ms(&clock_system);
	for (int i = 0; i < 5000; i++)
		refused += !logfile_write(file, line, sizeof(line));
	CHECK(clock_mono_ms(&clock_system) - began < 2000);
	/* The pipe, and two buffers at most, took the others. */
	CHECK(refused > 5000 - (2 * LOGFILE_ROOM + (1u << 20)) / 1001);
	CHECK(refused < 5000);
	CHECK(logfile_dropped(file) == refused);
	/* Nor does the end wait for ever. */
	began = clock_mono_ms(&clock_system);
	logfile_close(file);
	CHECK(clock_mono_ms(&clock_system) - began < 2 * LOGFILE_CLOSE_MS);
	close(fd);
}

#define WRITERS 4
#define LINES 5000

static void *
write_many(void *arg)
{
	static const char line[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	for (int i = 0; i < LINES; i++)
		while (!logfile_write(arg, line, sizeof(line) - 1))
			usleep(1000);
	return NULL;
}

static void
lines_of_many_threads_stay_whole(void)
{
	struct logfile *file = NULL;
	struct error err = { 0 };
	pthread_t writers[WRITERS];
	char path[100];
	char *text;
	size_t lines = 0;

	path_of(path, "m.log");
	REQUIRE(logfile_open(&file, path, &err) == 0);
	for (int i = 0; i < WRITERS; i++)
		REQUIRE(
		    pthread_create(&writers[i], NULL, write_many, file) == 0);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	logfile_close(file);
	text = contents(path);
	for (const char *p = text; *p != '\0'; p += 37, lines++)
		if (strncmp(p, "0123456789abcdefghijklmnopqrstuvwxyz\n", 37) !=
		    0)
			break;
	CHECK(lines == (size_t)WRITERS * LINES);
	free(text);
}

int
main(void)
{
	tempdir_make(dir);
	/* As every daemon does. */
	signal(SIGPIPE, SIG_IGN);
	RUN(lines_are_appended_in_order);
	RUN(a_rotated_file_is_left_and_a_new_one_begun);
	RUN(a_name_that_cannot_be_opened_keeps_the_old_file);
	RUN(a_file_that_cannot_be_made_is_told_by_its_name);
	RUN(who_writes_never_waits_and_what_does_not_fit_is_counted);
	RUN(lines_of_many_threads_stay_whole);
	return tap_done();
}
