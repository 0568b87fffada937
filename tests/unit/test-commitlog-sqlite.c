/* SPDX-License-Identifier: MIT */

/*
 * What only the SQLite log has: several processes, files that are removed or
 * damaged, a lock.  Other processes are this program with a role:
 *
 *      test-commitlog-sqlite append URL N P   append N records to partition P
 *      test-commitlog-sqlite hold URL 0 0     take the lock and wait to die
 */

#include "commit/commitlog_lock.h"
#include "commit/positions.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "logtest_read.h"

static const char *self;

static const char *
path(const char *suffix)
{
	static char out[600];

	snprintf(out, sizeof(out), "%s%s", url + strlen("sqlite:"), suffix);
	return out;
}

static pid_t
run_role(const char *role, const char *count, const char *partition)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/proc/self/exe", self, role, url, count, partition,
		    (char *)NULL);
		_exit(127);
	}
	return pid;
}

static int
wait_for(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return status;
}

/* All records of the log, in order and without gaps; returns how many. */
static int
read_all(struct commitlog *log)
{
	struct commitlog_position at[] = { { 0, 1 }, { 1, 1 }, { 5, 1 } };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };
	struct error err = { 0 };
	int rc;

	if (commitlog_reader_open(&reader, log, at, 3, LATER, &err) < 0)
		return -1;
	do {
		rc = commitlog_reader_next(reader, 1000, 1 << 20, see, &seen,
		    LATER, &err);
	} while (rc > 0);
	if (rc < 0)
		printf("# %s\n", err.text);
	CHECK(rc == 0);
	commitlog_reader_close(reader);
	return seen.count;
}

static void
processes_append_at_once(void)
{
	struct commitlog *log = make();
	pid_t pid[4];

	for (int i = 0; i < 4; i++)
		pid[i] = run_role("append", "300", i % 2 == 0 ? "0" : "5");
	for (int i = 0; i < 300; i++)
		CHECK(append(log, 5, "mine", NULL, NULL) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(wait_for(pid[i]) == 0);
	CHECK(read_all(log) == 1500);
	commitlog_close(log);
}

static void
appenders_that_are_killed_leave_a_good_log(void)
{
	struct commitlog *log = make();
	int before = 0;

	for (int round = 0; round < 8; round++) {
		pid_t pid[2];
		int now;

		for (int i = 0; i < 2; i++)
			pid[i] = run_role("append", "1000000", "1");
		/* Until they have got somewhere; then in the midst of it. */
		do {
			uint32_t bell = commitlog_bell(log);

			now = read_all(log);
			if (now < before + 20)
				commitlog_wait(log, bell, 1000);
		} while (now < before + 20);
		for (int i = 0; i < 2; i++) {
			kill(pid[i], SIGKILL);
			CHECK(WIFSIGNALED(wait_for(pid[i])));
		}
		before = read_all(log);
		/* Nobody has to clean up, and end covers what was read. */
		CHECK(append(log, 1, "after", NULL, NULL) == 0);
		before++;
		CHECK(read_all(log) == before);
		CHECK(log_end(log, 1) == (uint64_t)before);
		CHECK(log_last(log, 1) == (uint64_t)before);
	}
	commitlog_close(log);
}

static void
a_stopped_holder_of_the_lock_is_named_and_not_waited_for_for_ever(void)
{
	struct commitlog *log = make();
	struct commitlog_item item = { .line = bytes_str("x") };
	struct error err;
	char expected[64];
	uint64_t held;
	int pid, holder;

	CHECK(!commitlog_holder(url, &holder, &held));
	pid = run_role("hold", "0", "0");
	while (!commitlog_holder(url, &holder, &held) || holder != pid)
		usleep(1000);
	kill(pid, SIGSTOP);
	item.request_id = new_id();
	CHECK(
	    commitlog_append(log, &item, 1, LATER, &err) == -ERRC_UNAVAILABLE);
	CHECK(item.fate == COMMITLOG_NOT_IN);
	snprintf(expected, sizeof(expected), "locked by process %d for ", pid);
	CHECK(strstr(err.text, expected) != NULL);
	CHECK(commitlog_find(log, 0, item.request_id, 0, NULL, NULL, LATER,
		  NULL) == -ERRC_NOTFOUND);
	CHECK(commitlog_holder(url, &holder, &held) && held >= 4000);
	/* Reading goes on. */
	CHECK(log_last(log, 0) == 0);
	kill(pid, SIGKILL);
	wait_for(pid);
	CHECK(!commitlog_holder(url, &holder, &held));
	CHECK(append(log, 0, "x", NULL, NULL) == 0);
	commitlog_close(log);
}

static void
a_page_that_is_removed_is_made_again(void)
{
	struct commitlog *log = make();
	struct commitlog *other = NULL;
	struct commitlog_position at = { 0, 1 };
	struct commitlog_reader *reader = NULL;
	const struct positions_member four = { 1, 4 };
	struct positions *mine = NULL;
	struct positions *its = NULL;
	struct seen seen = { .stop_at = -1 };

	REQUIRE(commitlog_open(&other, url, NULL, NULL) == 0);
	REQUIRE(positions_open(&mine, log, NULL) == 0);
	REQUIRE(positions_open(&its, other, NULL) == 0);
	CHECK(append(log, 0, "a", NULL, NULL) == 0);
	CHECK(unlink(path(".page")) == 0);
	/* Both find the same new one, whoever comes first. */
	CHECK(append(other, 0, "b", NULL, NULL) == 0);
	CHECK(access(path(".page"), F_OK) == 0);
	CHECK(log_end(log, 0) == 2);

	CHECK(unlink(path(".page")) == 0);
	REQUIRE(commitlog_reader_open(&reader, log, &at, 1, LATER, NULL) == 0);
	CHECK(commitlog_reader_next(reader, 9, 9999, see, &seen, LATER, NULL) ==
	    2);
	CHECK(log_end(other, 0) == 2);
	positions_publish(mine, four, 0, 2);
	CHECK(positions_applied(its, four, 0) == 2);

	CHECK(unlink(path(".page")) == 0);
	positions_publish(mine, four, 0, 2);
	CHECK(log_end(other, 0) == 2);
	CHECK(positions_applied(its, four, 0) == 2);
	commitlog_reader_close(reader);
	positions_close(its);
	positions_close(mine);
	commitlog_close(other);
	commitlog_close(log);
}

static void
overwrite(const char *file, const void *p, size_t n, off_t at)
{
	int fd = open(file, O_WRONLY | O_CREAT, 0644);

	CHECK(fd != -1 && pwrite(fd, p, n, at) == (ssize_t)n);
	close(fd);
}

static void
a_page_of_another_boot_or_database_counts_for_nothing(void)
{
	/* The end of partition 1, behind the header and the numbers. */
	const off_t end_at = 128 + 64 + 8;
	const uint64_t end = 99;
	struct commitlog *log = NULL;
	char garbage[64];
	struct stat st;

	memset(garbage, 'g', sizeof(garbage));
	/* That is where it is: a page that is in order is believed. */
	log = make();
	commitlog_close(log);
	overwrite(path(".page"), &end, sizeof(end), end_at);
	REQUIRE(commitlog_open(&log, url, NULL, NULL) == 0);
	CHECK(log_end(log, 1) == end);
	commitlog_close(log);
	/* Everything in the header is compared: byte by byte. */
	for (off_t at = 0; at < 80; at += 8) {
		log = make();
		CHECK(append(log, 1, "x", NULL, NULL) == 0);
		commitlog_close(log);
		overwrite(path(".page"), garbage, 8, at);
		/* An end that nobody must believe. */
		overwrite(path(".page"), &end, sizeof(end), end_at);
		REQUIRE(stat(path(".page"), &st) == 0);
		REQUIRE(commitlog_open(&log, url, NULL, NULL) == 0);
		CHECK(log_end(log, 1) == 1);
		CHECK(append(log, 1, "x", NULL, NULL) == 0);
		commitlog_close(log);
	}
	/* One that is cut, one that is empty, one that is no file. */
	CHECK(truncate(path(".page"), 100) == 0);
	REQUIRE(commitlog_open(&log, url, NULL, NULL) == 0);
	CHECK(log_end(log, 1) == 2);
	commitlog_close(log);
	CHECK(truncate(path(".page"), 0) == 0);
	REQUIRE(commitlog_open(&log, url, NULL, NULL) == 0);
	commitlog_close(log);
	CHECK(unlink(path(".page")) == 0);
	CHECK(symlink("/dev/zero", path(".page")) == 0);
	REQUIRE(commitlog_open(&log, url, NULL, NULL) == 0);
	CHECK(append(log, 1, "x", NULL, NULL) == 0);
	commitlog_close(log);
}

static void
sql(const char *text)
{
	sqlite3 *db = NULL;

	CHECK(sqlite3_open(path(""), &db) == SQLITE_OK);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	CHECK(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
}

static void
rows_that_vanish_are_noticed_and_their_numbers_not_given_again(void)
{
	struct commitlog *log = make();
	struct commitlog_position at = { 0, 1 };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };
	struct error err;

	for (int i = 0; i < 10; i++)
		CHECK(append(log, 0, "x", NULL, NULL) == 0);
	sql("DELETE FROM record WHERE partition=0 AND seq>8");
	CHECK(append(log, 0, "x", NULL, &err) == -ERRC_CORRUPT);
	CHECK(strstr(err.text, "ends at 8, but 10 was there") != NULL);
	CHECK(append(log, 1, "x", NULL, &err) == 0);
	/* end stays above what nodes may have applied; the table tells. */
	CHECK(log_end(log, 0) == 10);
	CHECK(log_last(log, 0) == 8);

	sql("DELETE FROM record WHERE partition=0 AND seq=4");
	REQUIRE(commitlog_reader_open(&reader, log, &at, 1, LATER, NULL) == 0);
	CHECK(commitlog_reader_next(reader, 100, 9999, see, &seen, LATER,
		  &err) == 3);
	CHECK(commitlog_reader_next(reader, 100, 9999, see, &seen, LATER,
		  &err) == 1);
	CHECK(seen.troubles == 1 && seen.trouble.code == ERRC_CORRUPT);
	CHECK_STR(seen.trouble.text,
	    "commit log: partition 0: 5 comes where 4 should: records are "
	    "missing");
	commitlog_reader_close(reader);
	commitlog_close(log);
}

static void
damaged_rows_are_errors_after_the_good_ones(void)
{
	static const char *const damage[] = {
		"UPDATE record SET line='' WHERE partition=0 AND seq=2",
		"UPDATE record SET request_id=x'00' WHERE partition=0 AND "
		"seq=2",
		"UPDATE record SET partition=77 WHERE partition=0 AND seq=2",
		"UPDATE record SET partition=-1 WHERE partition=0 AND seq=2",
		"UPDATE record SET time_ms=-2 WHERE partition=0 AND seq=2",
		"UPDATE record SET line=zeroblob(600000)"
		" WHERE partition=0 AND seq=2",
	};

	for (size_t i = 0; i < nitems(damage); i++) {
		struct commitlog *log = make();
		struct commitlog_position at = { 0, 1 };
		struct commitlog_reader *reader = NULL;
		struct seen seen = { .stop_at = -1 };

		for (int j = 0; j < 3; j++)
			CHECK(append(log, 0, "x", NULL, NULL) == 0);
		sql(damage[i]);
		REQUIRE(commitlog_reader_open(&reader, log, &at, 1, LATER,
			    NULL) == 0);
		CHECK(commitlog_reader_next(reader, 9, 9999, see, &seen, LATER,
			  NULL) == 1);
		CHECK(commitlog_reader_next(reader, 9, 9999, see, &seen, LATER,
			  NULL) == 1);
		CHECK(seen.trouble.code == ERRC_CORRUPT);
		CHECK(seen.troubled == 0 && seen.last[0] == 1);
		sql("UPDATE record SET seq=-2 WHERE partition=0 AND seq=1");
		REQUIRE(
		    commitlog_reader_seek(reader, &at, 1, LATER, NULL) == 0);
		CHECK(commitlog_reader_next(reader, 9, 9999, see, &seen, LATER,
			  NULL) == 1);
		CHECK(seen.troubles == 2);
		CHECK(seen.trouble.code == ERRC_CORRUPT);
		commitlog_reader_close(reader);
		commitlog_close(log);
	}
}

/* The others are read on, behind the gap and after it. */
static void
damage_of_one_partition_leaves_the_others_readable(void)
{
	struct commitlog *log = make();
	struct commitlog_position at[] = { { 0, 1 }, { 1, 1 } };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };
	int rc;

	for (int i = 0; i < 4; i++) {
		CHECK(append(log, 0, "zero", NULL, NULL) == 0);
		CHECK(append(log, 1, "one", NULL, NULL) == 0);
	}
	sql("DELETE FROM record WHERE partition=0 AND seq=2");
	REQUIRE(commitlog_reader_open(&reader, log, at, 2, LATER, NULL) == 0);
	while ((rc = commitlog_reader_next(reader, 2, 9999, see, &seen, LATER,
		    NULL)) > 0)
		;
	CHECK(rc == 0 && seen.last[0] == 1 && seen.last[1] == 4);
	CHECK(seen.troubles == 1 && seen.troubled == 0);
	CHECK(append(log, 1, "one", NULL, NULL) == 0);
	CHECK(commitlog_reader_next(reader, 9, 9999, see, &seen, LATER, NULL) ==
	    1);
	CHECK(seen.last[1] == 5 && seen.troubles == 1);
	commitlog_reader_close(reader);
	commitlog_close(log);
}

/* A commit whose appender died before it told anybody. */
static void
a_row_that_nobody_told_of_raises_the_end_before_it_is_delivered(void)
{
	struct commitlog *log = make();
	struct commitlog_position at = { 1, 1 };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };

	REQUIRE(commitlog_reader_open(&reader, log, &at, 1, LATER, NULL) == 0);
	sql("INSERT INTO record(partition,seq,time_ms,request_id,line)"
	    " VALUES(1,1,1,zeroblob(16),'x')");
	CHECK(log_end(log, 1) == 0);
	CHECK(
	    commitlog_reader_next(reader, 9, 99, see, &seen, LATER, NULL) == 1);
	CHECK(log_end(log, 1) == 1);
	commitlog_reader_close(reader);
	commitlog_close(log);
}

/* In the page that the others read by now, and not in one that was removed. */
static void
a_row_raises_the_end_in_the_page_that_is_everybody_s(void)
{
	struct commitlog *log = make();
	struct commitlog *other = NULL;
	struct commitlog_position at = { 1, 1 };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };

	REQUIRE(commitlog_open(&other, url, NULL, NULL) == 0);
	CHECK(unlink(path(".page")) == 0);
	CHECK(append(other, 0, "makes the page", NULL, NULL) == 0);
	sql("INSERT INTO record(partition,seq,time_ms,request_id,line)"
	    " VALUES(1,1,1,zeroblob(16),'x')");
	CHECK(log_end(other, 1) == 0);
	REQUIRE(commitlog_reader_open(&reader, log, &at, 1, LATER, NULL) == 0);
	CHECK(
	    commitlog_reader_next(reader, 9, 99, see, &seen, LATER, NULL) == 1);
	CHECK(log_end(other, 1) == 1);
	commitlog_reader_close(reader);
	commitlog_close(other);
	commitlog_close(log);
}

static off_t
size_of(const char *file)
{
	struct stat st;

	return stat(file, &st) == -1 ? -1 : st.st_size;
}

static void
a_large_wal_is_moved_into_the_database(void)
{
	struct commitlog *log = make();
	char *line = malloc(COMMITLOG_LINE_MAX);
	struct commitlog_item item = { .partition = 1 };

	REQUIRE(line != NULL);
	memset(line, 'x', COMMITLOG_LINE_MAX);
	item.line = bytes_of(line, COMMITLOG_LINE_MAX);
	for (int i = 0; i < 30; i++)
		CHECK(commitlog_append(log, &item, 1, LATER, NULL) == 0);
	CHECK(size_of(path("")) < (4 << 20));
	for (int i = 0; i < 200; i++)
		CHECK(commitlog_append(log, &item, 1, LATER, NULL) == 0);
	/* 115 MiB were written; the WAL was used again and again. */
	CHECK(size_of(path("")) > (80 << 20));
	CHECK(size_of(path("-wal")) < (24 << 20));
	CHECK(read_all(log) == 230);
	commitlog_close(log);
	free(line);
}

static void
a_database_that_is_replaced_is_not_written_to(void)
{
	struct commitlog *log = make();
	struct error err;
	char old[600];

	snprintf(old, sizeof(old), "%s", path(".old"));
	CHECK(rename(path(""), old) == 0);
	CHECK(append(log, 0, "x", NULL, &err) == -ERRC_CONFIG);
	CHECK(strstr(err.text, "moved or replaced while in use") != NULL);
	CHECK(rename(old, path("")) == 0);
	CHECK(append(log, 0, "x", NULL, &err) == 0);
	commitlog_close(log);
}

static void
a_lock_file_that_is_removed_still_excludes(void)
{
	struct commitlog_lock *a = NULL;
	struct commitlog_lock *b = NULL;
	struct error err;

	fresh();
	REQUIRE(
	    commitlog_lock_open(&a, path(".lock"), &clock_system, &err) == 0);
	CHECK(unlink(path(".lock")) == 0);
	REQUIRE(
	    commitlog_lock_open(&b, path(".lock"), &clock_system, &err) == 0);
	CHECK(commitlog_lock_acquire(a, 1000, &err) == 0);
	CHECK(commitlog_lock_acquire(b, 50, &err) == -ERRC_UNAVAILABLE);
	commitlog_lock_release(a);
	CHECK(commitlog_lock_acquire(b, 50, &err) == 0);
	commitlog_lock_release(b);
	commitlog_lock_close(a);
	commitlog_lock_close(b);
}

static void
what_is_no_log_is_refused(void)
{
	struct commitlog *log = NULL;
	struct error err;

	fresh();
	overwrite(path(""), "no database at all, only some text", 34, 0);
	CHECK(commitlog_open(&log, url, NULL, &err) < 0);
	fresh();
	sql("CREATE TABLE other(x)");
	CHECK(commitlog_open(&log, url, NULL, &err) == -ERRC_CONFIG);
	CHECK(strstr(err.text, "is not a commit log") != NULL);
	log = make();
	commitlog_close(log);
	sql("PRAGMA user_version=1");
	CHECK(commitlog_open(&log, url, NULL, &err) == -ERRC_CONFIG);
	CHECK(strstr(err.text, "has format 1") != NULL);
	CHECK(commitlog_open(&log, "sqlite:", NULL, &err) == -ERRC_CONFIG);
	CHECK(commitlog_open(&log, "sqlite::memory:", NULL, &err) ==
	    -ERRC_CONFIG);
}

static void
one_that_shares_no_page_tells_its_end_by_a_record(void)
{
	struct commitlog *log = make(), *other = NULL;
	struct commitlog_span span = { .partition = 1 };
	struct commitlog_end end = { .partition = 1 };
	struct positions_member member = { 1, 0 };
	struct positions *mine = NULL, *others = NULL;
	uint64_t deadline = clock_mono_ms(&clock_system) + 5000;
	char unshared[sizeof(url) + 16];
	struct error err;

	commitlog_close(log);
	snprintf(unshared, sizeof(unshared), "%s?shared=no", url);
	REQUIRE(commitlog_open(&log, unshared, NULL, &err) == 0);
	REQUIRE(commitlog_open(&other, unshared, NULL, &err) == 0);
	CHECK(commitlog_stored(log, &span, 1, deadline, &err) == 0);
	CHECK(commitlog_ends(log, &end, 1, deadline, &err) == 0);
	CHECK(end.seq == span.last + 1);
	/* The same database, and what one publishes the other is not told. */
	CHECK(commitlog_stored(other, &span, 1, deadline, &err) == 0);
	CHECK(span.last == end.seq);
	CHECK(access(path("?shared=no"), F_OK) == -1);
	REQUIRE(positions_open(&mine, log, &err) == 0);
	REQUIRE(positions_open(&others, other, &err) == 0);
	CHECK(!positions_shared(mine));
	positions_publish(mine, member, 1, 7);
	CHECK(positions_applied(mine, member, 1) == 7);
	CHECK(positions_applied(others, member, 1) == 0);
	positions_close(mine);
	positions_close(others);
	commitlog_close(log);
	commitlog_close(other);
	/* Nothing else may stand there. */
	snprintf(unshared, sizeof(unshared), "%s?shared=maybe", url);
	CHECK(commitlog_open(&log, unshared, NULL, &err) == -ERRC_CONFIG);
}

static int
role_append(const char *count, const char *partition)
{
	struct commitlog *log = NULL;
	struct error err;
	int n = (int)strtol(count, NULL, 10);

	if (commitlog_open(&log, url, NULL, &err) < 0)
		return 1;
	for (int i = 0; i < n; i++) {
		if (append(log, (uint32_t)strtol(partition, NULL, 10), "child",
			NULL, &err) < 0) {
			fprintf(stderr, "%s\n", err.text);
			return 2;
		}
	}
	commitlog_close(log);
	return 0;
}

static int
role_hold(void)
{
	struct commitlog_lock *lock = NULL;

	if (commitlog_lock_open(&lock, path(".lock"), &clock_system, NULL) <
		0 ||
	    commitlog_lock_acquire(lock, 1000, NULL) < 0)
		return 1;
	pause();
	return 0;
}

int
main(int argc, char *argv[])
{
	self = argv[0];
	scheme = "sqlite:";
	if (argc == 5) {
		snprintf(url, sizeof(url), "%s", argv[2]);
		return strcmp(argv[1], "hold") == 0 ?
		    role_hold() :
		    role_append(argv[3], argv[4]);
	}
	make_folder();
	RUN(processes_append_at_once);
	RUN(appenders_that_are_killed_leave_a_good_log);
	RUN(a_stopped_holder_of_the_lock_is_named_and_not_waited_for_for_ever);
	RUN(one_that_shares_no_page_tells_its_end_by_a_record);
	RUN(a_page_that_is_removed_is_made_again);
	RUN(a_page_of_another_boot_or_database_counts_for_nothing);
	RUN(rows_that_vanish_are_noticed_and_their_numbers_not_given_again);
	RUN(damaged_rows_are_errors_after_the_good_ones);
	RUN(damage_of_one_partition_leaves_the_others_readable);
	RUN(a_row_that_nobody_told_of_raises_the_end_before_it_is_delivered);
	RUN(a_row_raises_the_end_in_the_page_that_is_everybody_s);
	RUN(a_large_wal_is_moved_into_the_database);
	RUN(a_database_that_is_replaced_is_not_written_to);
	RUN(a_lock_file_that_is_removed_still_excludes);
	RUN(what_is_no_log_is_refused);
	remove_folder();
	return tap_done();
}
