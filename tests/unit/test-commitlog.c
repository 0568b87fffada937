/* SPDX-License-Identifier: MIT */

/*
 * The conformance suite of the commit log: every case runs for every backend.
 * Those that need several processes run this program again with a role:
 *
 *      test-commitlog [-f] [URL]       the cases whose URL begins so
 *      test-commitlog append URL N P   append N records to partition P
 *      test-commitlog hold URL         take the log's lock and wait to die
 */

#include "commit/commitlog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "commit/commitlog_lock.h"
#include "commit/record.h"
#include "tap.h"

#define CLUSTER "0123456789abcdef0123456789abcdef"
#define THREADS 8
#define EACH 200
#define LATER (clock_mono_ms(&clock_system) + 60000)

static const uint32_t partitions[] = { 0, 1, 5 };
static char folder[256];
static const char *scheme; /* of the backend under test */
static const char *self;
static char url[512];
static int made;

static struct commitlog_genesis genesis = {
	.cluster = CLUSTER,
	.partitions = partitions,
	.count = 3,
};

/* A new log's URL. */
static void
fresh(void)
{
	made++;
	if (strcmp(scheme, "sqlite:") == 0)
		snprintf(url, sizeof(url), "sqlite:%s/%d.db", folder, made);
	else
		snprintf(url, sizeof(url), "mem:%d", made);
}

static const char *
path(const char *suffix)
{
	static char out[600];

	snprintf(out, sizeof(out), "%s%s", url + strlen("sqlite:"), suffix);
	return out;
}

static struct commitlog *
make(void)
{
	struct commitlog *log = NULL;
	struct error err = { 0 };

	fresh();
	if (commitlog_create(url, &genesis, NULL, &err) < 0 ||
	    commitlog_open(&log, url, NULL, &err) < 0) {
		printf("# %s\n", err.text);
		exit(1);
	}
	return log;
}

static struct reqid
new_id(void)
{
	return reqid_new(&clock_system, &random_system);
}

static int
append(struct commitlog *log, uint32_t partition, const char *line,
    uint64_t *seq, struct error *err)
{
	struct commitlog_item item = {
		.partition = partition,
		.request_id = new_id(),
		.line = bytes_str(line),
	};
	int rc = commitlog_append(log, &item, 1, LATER, err);

	if (rc == 0 && seq != NULL)
		*seq = item.seq;
	return rc;
}

static void
a_new_log_has_one_genesis_record_a_partition(void)
{
	struct commitlog *log = make();
	struct commitlog_entry entry;
	struct record *record = NULL;
	struct buf line = buf_make(COMMITLOG_LINE_MAX);
	const uint32_t *have;
	uint64_t first, last, end;
	size_t count;

	CHECK_STR(commitlog_cluster(log), CLUSTER);
	have = commitlog_partitions(log, &count);
	CHECK(count == 3 && memcmp(have, partitions, sizeof(partitions)) == 0);
	for (size_t i = 0; i < 3; i++) {
		CHECK(commitlog_stored(log, partitions[i], &first, &last,
			  NULL) == 0);
		CHECK(first == 0 && last == 0);
		CHECK(commitlog_end(log, partitions[i], &end, NULL) == 0);
		CHECK(end == 0);
		CHECK(commitlog_get(log, partitions[i], 0, &entry, &line,
			  NULL) == 0);
		REQUIRE(record_parse(&record, entry.line, CLUSTER, NULL) ==
		    RECORD_OK);
		CHECK(record->type == RECORD_GENESIS);
		CHECK(record->partition == partitions[i]);
		CHECK(record->generation == 1 && record->base_seq == 0);
		CHECK(record->partition_count == 3);
		record_free(record);
	}
	buf_fini(&line);
	commitlog_close(log);
}

static void
a_later_generation_begins_at_its_base(void)
{
	static const uint64_t base[] = { 100, 7, 0 };
	static const uint8_t chain[3][32] = { { 1 }, { 2 }, { 3 } };
	struct commitlog_genesis later = genesis;
	struct commitlog *log = NULL;
	struct commitlog_position from = { 0, 100 };
	struct commitlog_reader *reader = NULL;
	struct error err;
	uint64_t seq;

	later.generation = 2;
	later.base_seq = base;
	later.chain = chain;
	fresh();
	REQUIRE(commitlog_create(url, &later, NULL, NULL) == 0);
	REQUIRE(commitlog_open(&log, url, NULL, NULL) == 0);
	CHECK(append(log, 0, "a", &seq, NULL) == 0 && seq == 101);
	CHECK(append(log, 1, "b", &seq, NULL) == 0 && seq == 8);
	CHECK(append(log, 5, "c", &seq, NULL) == 0 && seq == 1);
	CHECK(commitlog_reader_open(&reader, log, &from, 1, NULL) == 0);
	commitlog_reader_close(reader);
	from.next_seq = 99;
	CHECK(commitlog_reader_open(&reader, log, &from, 1, &err) ==
	    -ERRC_NOTFOUND);
	CHECK(strstr(err.text, "begins at 100, after the 99") != NULL);
	commitlog_close(log);
}

static void
a_log_is_made_once_and_must_be_there(void)
{
	struct commitlog *log = make();
	struct error err;

	CHECK(commitlog_create(url, &genesis, NULL, &err) == -ERRC_MISMATCH);
	CHECK(strstr(err.text, "exists already") != NULL);
	commitlog_close(log);
	fresh();
	log = NULL;
	CHECK(commitlog_open(&log, url, NULL, &err) == -ERRC_CONFIG);
	CHECK(log == NULL);
	CHECK(commitlog_open(&log, "kafka://a:1", NULL, &err) == -ERRC_CONFIG);
	CHECK_STR(err.text,
	    "commit log kafka://a:1: unknown kind of URL: this program knows "
	    "sqlite:PATH");
	CHECK(commitlog_open(&log, "", NULL, &err) == -ERRC_CONFIG);
}

static void
positions_are_given_per_partition_and_without_gaps(void)
{
	struct commitlog *log = make();
	struct commitlog_item items[6] = { 0 };
	uint64_t seq, end;

	for (int i = 0; i < 6; i++) {
		items[i].partition = partitions[i % 3];
		items[i].request_id = new_id();
		items[i].line = bytes_str("{}");
	}
	CHECK(commitlog_append(log, items, 6, LATER, NULL) == 0);
	for (int i = 0; i < 6; i++)
		CHECK(items[i].seq == (uint64_t)i / 3 + 1);
	CHECK(append(log, 5, "x", &seq, NULL) == 0 && seq == 3);
	CHECK(commitlog_end(log, 5, &end, NULL) == 0 && end == 3);
	CHECK(commitlog_end(log, 0, &end, NULL) == 0 && end == 2);
	commitlog_close(log);
}

static void
nonsense_is_refused_and_nothing_of_its_batch_is_kept(void)
{
	struct commitlog *log = make();
	char *big = malloc(COMMITLOG_LINE_MAX + 1);
	struct commitlog_item items[2] = { 0 };
	struct error err;
	uint64_t last;

	REQUIRE(big != NULL);
	memset(big, 'x', COMMITLOG_LINE_MAX + 1);
	for (int i = 0; i < 2; i++) {
		items[i].request_id = new_id();
		items[i].line = bytes_str("{}");
	}
	items[1].partition = 2;
	CHECK(commitlog_append(log, items, 2, LATER, &err) == -ERRC_USAGE);
	items[1].partition = 1;
	items[1].line = bytes_str("two\nlines");
	CHECK(commitlog_append(log, items, 2, LATER, &err) == -ERRC_USAGE);
	items[1].line = BYTES_NONE;
	CHECK(commitlog_append(log, items, 2, LATER, &err) == -ERRC_USAGE);
	items[1].line = bytes_of(big, COMMITLOG_LINE_MAX + 1);
	CHECK(commitlog_append(log, items, 2, LATER, &err) == -ERRC_USAGE);
	CHECK(commitlog_stored(log, 0, NULL, &last, NULL) == 0 && last == 0);
	items[1].line = bytes_of(big, COMMITLOG_LINE_MAX);
	CHECK(commitlog_append(log, items, 2, LATER, &err) == 0);
	CHECK(commitlog_append(log, items, 0, LATER, &err) == 0);
	CHECK(commitlog_end(log, 9, &last, &err) == -ERRC_USAGE);
	free(big);
	commitlog_close(log);
}

static void
a_record_is_found_by_its_id_and_by_its_position(void)
{
	struct commitlog *log = make();
	struct commitlog_item item = {
		.partition = 1,
		.request_id = new_id(),
		.line = bytes_str("the very bytes"),
	};
	struct commitlog_entry entry;
	struct buf line = buf_make(COMMITLOG_LINE_MAX);
	uint64_t seq, time_ms;

	CHECK(append(log, 1, "before", NULL, NULL) == 0);
	CHECK(commitlog_append(log, &item, 1, LATER, NULL) == 0);
	/* A duplicate: the first counts. */
	CHECK(commitlog_append(log, &item, 1, LATER, NULL) == 0);
	CHECK(item.seq == 3);
	CHECK(
	    commitlog_find(log, 1, item.request_id, &seq, &time_ms, NULL) == 0);
	CHECK(seq == 2 && time_ms <= item.time_ms);
	CHECK(commitlog_find(log, 0, item.request_id, &seq, NULL, NULL) ==
	    -ERRC_NOTFOUND);
	CHECK(commitlog_find(log, 1, new_id(), &seq, NULL, NULL) ==
	    -ERRC_NOTFOUND);
	CHECK(commitlog_get(log, 1, 2, &entry, &line, NULL) == 0);
	CHECK(bytes_is(entry.line, "the very bytes"));
	CHECK(entry.seq == 2 && entry.partition == 1);
	CHECK(reqid_equal(entry.request_id, item.request_id));
	CHECK(entry.time_ms == time_ms);
	CHECK(commitlog_get(log, 1, 4, &entry, &line, NULL) == -ERRC_NOTFOUND);
	buf_fini(&line);
	commitlog_close(log);
}

static void
append_time_never_goes_back(void)
{
	struct clock_manual manual;
	struct commitlog_options options = { .clock = &manual.clock };
	struct commitlog *log = NULL;
	struct commitlog_item item = { .line = bytes_str("x") };
	uint64_t now = clock_real_ms(&clock_system) + 1000000;

	clock_manual_init(&manual, now);
	fresh();
	REQUIRE(commitlog_create(url, &genesis, &options, NULL) == 0);
	REQUIRE(commitlog_open(&log, url, &options, NULL) == 0);
	CHECK(commitlog_append(log, &item, 1, now + 60000, NULL) == 0);
	CHECK(item.time_ms == now);
	manual.now_ms = now - 50000;
	item.partition = 5;
	CHECK(commitlog_append(log, &item, 1, now + 60000, NULL) == 0);
	CHECK(item.time_ms == now);
	manual.now_ms = now + 7;
	CHECK(commitlog_append(log, &item, 1, now + 60000, NULL) == 0);
	CHECK(item.time_ms == now + 7);
	commitlog_close(log);
}

/* What a reader saw. */
struct seen {
	uint64_t last[6]; /* by partition */
	uint64_t time_ms;
	int count;
	int stop_at; /* stop before the so-manyeth; -1: never */
	int stop_with;
};

static int
see(void *arg, const struct commitlog_entry *entry)
{
	struct seen *seen = arg;

	if (seen->count == seen->stop_at)
		return seen->stop_with;
	CHECK(entry->partition <= 5);
	if (seen->last[entry->partition] != 0)
		CHECK(entry->seq == seen->last[entry->partition] + 1);
	seen->last[entry->partition] = entry->seq;
	CHECK(entry->time_ms >= seen->time_ms);
	seen->time_ms = entry->time_ms;
	seen->count++;
	return 0;
}

static void
a_reader_gets_each_partition_in_order_from_where_it_wants(void)
{
	struct commitlog *log = make();
	struct commitlog_position at[] = { { 5, 3 }, { 0, 11 } };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };
	uint64_t seq;
	int rc;

	for (int i = 0; i < 10; i++) {
		CHECK(append(log, 0, "zero", NULL, NULL) == 0);
		CHECK(append(log, 1, "one", NULL, NULL) == 0);
		CHECK(append(log, 5, "five", NULL, NULL) == 0);
	}
	REQUIRE(commitlog_reader_open(&reader, log, at, 2, NULL) == 0);
	while ((rc = commitlog_reader_next(reader, 3, 1 << 20, see, &seen,
		    NULL)) > 0)
		CHECK(rc <= 3);
	CHECK(rc == 0);
	/* Partition 0 is at its end, 1 was not asked for. */
	CHECK(seen.count == 8 && seen.last[5] == 10 && seen.last[0] == 0);
	CHECK(append(log, 1, "one", NULL, NULL) == 0);
	CHECK(commitlog_reader_next(reader, 3, 1 << 20, see, &seen, NULL) == 0);
	CHECK(append(log, 0, "zero", &seq, NULL) == 0 && seq == 11);
	CHECK(commitlog_reader_next(reader, 3, 1 << 20, see, &seen, NULL) == 1);
	CHECK(seen.last[0] == 11);
	commitlog_reader_close(reader);

	/* From the genesis records on. */
	at[0].next_seq = 0;
	at[1].next_seq = 0;
	memset(&seen, 0, sizeof(seen));
	seen.stop_at = -1;
	REQUIRE(commitlog_reader_open(&reader, log, at, 2, NULL) == 0);
	CHECK(commitlog_reader_next(reader, 1000, 1 << 20, see, &seen, NULL) ==
	    23);
	commitlog_reader_close(reader);
	CHECK(
	    commitlog_reader_open(&reader, log,
		&(struct commitlog_position){ 2, 0 }, 1, NULL) == -ERRC_USAGE);
	commitlog_close(log);
}

static void
a_reader_takes_no_more_bytes_than_it_was_told(void)
{
	struct commitlog *log = make();
	struct commitlog_position at = { 0, 1 };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };
	char line[1001];

	memset(line, 'x', 1000);
	line[1000] = '\0';
	for (int i = 0; i < 10; i++)
		CHECK(append(log, 0, line, NULL, NULL) == 0);
	REQUIRE(commitlog_reader_open(&reader, log, &at, 1, NULL) == 0);
	CHECK(commitlog_reader_next(reader, 100, 2500, see, &seen, NULL) == 3);
	CHECK(commitlog_reader_next(reader, 100, 1, see, &seen, NULL) == 1);
	CHECK(
	    commitlog_reader_next(reader, 100, 100000, see, &seen, NULL) == 6);
	commitlog_reader_close(reader);
	commitlog_close(log);
}

static void
a_reader_that_stops_gets_the_same_record_again(void)
{
	struct commitlog *log = make();
	struct commitlog_position at[] = { { 0, 0 }, { 1, 0 } };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = 4, .stop_with = -ERRC_IO };

	for (int i = 0; i < 3; i++) {
		CHECK(append(log, 0, "a", NULL, NULL) == 0);
		CHECK(append(log, 1, "b", NULL, NULL) == 0);
	}
	REQUIRE(commitlog_reader_open(&reader, log, at, 2, NULL) == 0);
	CHECK(commitlog_reader_next(reader, 100, 9999, see, &seen, NULL) ==
	    -ERRC_IO);
	CHECK(seen.count == 4);
	CHECK(commitlog_reader_next(reader, 100, 9999, see, &seen, NULL) ==
	    -ERRC_IO);
	CHECK(seen.count == 4);
	seen.stop_at = 5;
	seen.stop_with = 1;
	CHECK(commitlog_reader_next(reader, 100, 9999, see, &seen, NULL) == 1);
	seen.stop_at = -1;
	CHECK(commitlog_reader_next(reader, 100, 9999, see, &seen, NULL) == 3);
	CHECK(seen.count == 8);
	commitlog_reader_close(reader);
	commitlog_close(log);
}

struct appender {
	struct commitlog *log;
	uint32_t partition;
	uint64_t seq[EACH];
};

static void *
append_many(void *arg)
{
	struct appender *appender = arg;
	struct error err;

	for (int i = 0; i < EACH; i++) {
		if (append(appender->log, appender->partition, "{\"some\":1}",
			&appender->seq[i], &err) < 0) {
			printf("# %s\n", err.text);
			CHECK(false);
			break;
		}
		if (i > 0)
			CHECK(appender->seq[i] > appender->seq[i - 1]);
	}
	return NULL;
}

static void
threads_append_at_once_and_each_gets_its_own_position(void)
{
	static struct appender appender[THREADS];
	static char taken[3][THREADS * EACH + 2];
	struct commitlog *log = make();
	pthread_t thread[THREADS];
	struct commitlog_position at[] = { { 0, 1 }, { 1, 1 }, { 5, 1 } };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };

	memset(taken, 0, sizeof(taken));
	for (int i = 0; i < THREADS; i++) {
		appender[i].log = log;
		appender[i].partition = partitions[i % 3];
		pthread_create(&thread[i], NULL, append_many, &appender[i]);
	}
	/* A reader at the same time sees no gap and nothing out of order. */
	REQUIRE(commitlog_reader_open(&reader, log, at, 3, NULL) == 0);
	while (seen.count < THREADS * EACH) {
		uint32_t bell = commitlog_record_bell(log);
		int rc = commitlog_reader_next(reader, 64, 1 << 20, see, &seen,
		    NULL);

		CHECK(rc >= 0);
		if (rc < 0)
			break;
		if (rc == 0)
			commitlog_record_wait(log, bell, 1000);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < THREADS; i++) {
		for (int j = 0; j < EACH; j++) {
			uint64_t seq = appender[i].seq[j];

			REQUIRE(seq >= 1 && seq <= THREADS * EACH);
			CHECK(taken[i % 3][seq]++ == 0);
		}
	}
	commitlog_reader_close(reader);
	commitlog_close(log);
}

static void *
ring_later(void *arg)
{
	CHECK(append(arg, 1, "ring", NULL, NULL) == 0);
	return NULL;
}

static void *
publish_later(void *arg)
{
	commitlog_publish(arg, 1, 3, 5, 42);
	return NULL;
}

static void
a_sleeper_is_woken_by_a_record_and_by_what_a_node_applied(void)
{
	struct commitlog *log = make();
	uint32_t any = commitlog_bell(log);
	uint32_t record = commitlog_record_bell(log);
	pthread_t thread;

	pthread_create(&thread, NULL, ring_later, log);
	while (commitlog_record_bell(log) == record)
		commitlog_record_wait(log, record, 60000);
	pthread_join(thread, NULL);
	CHECK(commitlog_bell(log) != any);

	any = commitlog_bell(log);
	record = commitlog_record_bell(log);
	pthread_create(&thread, NULL, publish_later, log);
	while (commitlog_bell(log) == any)
		commitlog_wait(log, any, 60000);
	pthread_join(thread, NULL);
	CHECK(commitlog_record_bell(log) == record);
	commitlog_wait(log, any, 60000); /* rung before: returns at once */
	commitlog_close(log);
}

static void
what_nodes_applied_is_seen_by_all(void)
{
	struct commitlog *log = make();
	struct commitlog *other = NULL;
	uint64_t end;

	REQUIRE(commitlog_open(&other, url, NULL, NULL) == 0);
	CHECK(commitlog_shared(log));
	CHECK(commitlog_applied(log, 1, 0, 5) == 0);
	for (uint32_t machine = 0; machine < 32; machine++)
		commitlog_publish(log, 1, machine, 5, 0);
	CHECK(append(log, 5, "x", NULL, NULL) == 0);
	commitlog_publish(log, 1, 31, 5, 1);
	commitlog_publish(log, 2, 31, 5, 1);
	CHECK(commitlog_applied(other, 1, 31, 5) == 1);
	CHECK(commitlog_applied(other, 1, 30, 5) == 0);
	CHECK(commitlog_applied(other, 2, 31, 5) == 1);
	CHECK(commitlog_applied(other, 1, 31, 0) == 0);
	CHECK(commitlog_end(other, 5, &end, NULL) == 0 && end == 1);
	/* A member may come back with less. */
	commitlog_publish(log, 1, 31, 5, 0);
	CHECK(commitlog_applied(other, 1, 31, 5) == 0);
	commitlog_close(other);
	commitlog_close(log);
}

/* ---- SQLite only ---- */

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

	if (commitlog_reader_open(&reader, log, at, 3, &err) < 0)
		return -1;
	do {
		rc = commitlog_reader_next(reader, 1000, 1 << 20, see, &seen,
		    &err);
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
	uint64_t end, last;
	int before = 0;

	for (int round = 0; round < 8; round++) {
		pid_t pid[2];
		int now;

		for (int i = 0; i < 2; i++)
			pid[i] = run_role("append", "1000000", "1");
		/* Until they have got somewhere; then in the midst of it. */
		do {
			uint32_t bell = commitlog_record_bell(log);

			now = read_all(log);
			if (now < before + 20)
				commitlog_record_wait(log, bell, 1000);
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
		CHECK(commitlog_end(log, 1, &end, NULL) == 0);
		CHECK(commitlog_stored(log, 1, NULL, &last, NULL) == 0);
		CHECK(end == last && last == (uint64_t)before);
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
	uint64_t held, last;
	int pid, holder;

	CHECK(!commitlog_holder(url, &holder, &held));
	pid = run_role("hold", "0", "0");
	while (!commitlog_holder(url, &holder, &held) || holder != pid)
		usleep(1000);
	kill(pid, SIGSTOP);
	item.request_id = new_id();
	CHECK(commitlog_append(log, &item, 1, LATER, &err) == -ERRC_RETRY);
	snprintf(expected, sizeof(expected), "locked by process %d for ", pid);
	CHECK(strstr(err.text, expected) != NULL);
	CHECK(commitlog_find(log, 0, item.request_id, NULL, NULL, NULL) ==
	    -ERRC_NOTFOUND);
	CHECK(commitlog_holder(url, &holder, &held) && held >= 4000);
	/* Reading goes on. */
	CHECK(commitlog_stored(log, 0, NULL, &last, NULL) == 0);
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
	struct seen seen = { .stop_at = -1 };
	uint64_t end;

	REQUIRE(commitlog_open(&other, url, NULL, NULL) == 0);
	CHECK(append(log, 0, "a", NULL, NULL) == 0);
	CHECK(unlink(path(".page")) == 0);
	/* Both find the same new one, whoever comes first. */
	CHECK(append(other, 0, "b", NULL, NULL) == 0);
	CHECK(access(path(".page"), F_OK) == 0);
	CHECK(commitlog_end(log, 0, &end, NULL) == 0 && end == 2);

	CHECK(unlink(path(".page")) == 0);
	REQUIRE(commitlog_reader_open(&reader, log, &at, 1, NULL) == 0);
	CHECK(commitlog_reader_next(reader, 9, 9999, see, &seen, NULL) == 2);
	CHECK(commitlog_end(other, 0, &end, NULL) == 0 && end == 2);
	commitlog_publish(log, 1, 4, 0, 2);
	CHECK(commitlog_applied(other, 1, 4, 0) == 2);

	CHECK(unlink(path(".page")) == 0);
	commitlog_publish(log, 1, 4, 0, 2);
	CHECK(commitlog_end(other, 0, &end, NULL) == 0 && end == 2);
	CHECK(commitlog_applied(other, 1, 4, 0) == 2);
	commitlog_reader_close(reader);
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
	struct commitlog *log = NULL;
	char garbage[64];
	struct stat st;
	uint64_t end;

	memset(garbage, 'g', sizeof(garbage));
	/* Everything in the header is compared: byte by byte. */
	for (off_t at = 0; at < 80; at += 8) {
		log = make();
		CHECK(append(log, 1, "x", NULL, NULL) == 0);
		commitlog_close(log);
		overwrite(path(".page"), garbage, 8, at);
		/* An end that nobody must believe. */
		REQUIRE(stat(path(".page"), &st) == 0);
		REQUIRE(commitlog_open(&log, url, NULL, NULL) == 0);
		CHECK(commitlog_end(log, 1, &end, NULL) == 0 && end == 1);
		CHECK(append(log, 1, "x", NULL, NULL) == 0);
		commitlog_close(log);
	}
	/* One that is cut, one that is empty, one that is no file. */
	CHECK(truncate(path(".page"), 100) == 0);
	REQUIRE(commitlog_open(&log, url, NULL, NULL) == 0);
	CHECK(commitlog_end(log, 1, &end, NULL) == 0 && end == 2);
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
	uint64_t end, last;

	for (int i = 0; i < 10; i++)
		CHECK(append(log, 0, "x", NULL, NULL) == 0);
	sql("DELETE FROM record WHERE partition=0 AND seq>8");
	CHECK(append(log, 0, "x", NULL, &err) == -ERRC_CORRUPT);
	CHECK(strstr(err.text, "ends at 8, but 10 was there") != NULL);
	CHECK(append(log, 1, "x", NULL, &err) == 0);
	/* end stays above what nodes may have applied; the table tells. */
	CHECK(commitlog_end(log, 0, &end, NULL) == 0 && end == 10);
	CHECK(commitlog_stored(log, 0, NULL, &last, NULL) == 0 && last == 8);

	sql("DELETE FROM record WHERE partition=0 AND seq=4");
	REQUIRE(commitlog_reader_open(&reader, log, &at, 1, NULL) == 0);
	CHECK(commitlog_reader_next(reader, 100, 9999, see, &seen, &err) == 3);
	CHECK(commitlog_reader_next(reader, 100, 9999, see, &seen, &err) ==
	    -ERRC_CORRUPT);
	CHECK_STR(err.text,
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
		REQUIRE(commitlog_reader_open(&reader, log, &at, 1, NULL) == 0);
		CHECK(commitlog_reader_next(reader, 9, 9999, see, &seen,
			  NULL) == 1);
		CHECK(commitlog_reader_next(reader, 9, 9999, see, &seen,
			  NULL) == -ERRC_CORRUPT);
		commitlog_reader_close(reader);
		sql("UPDATE record SET seq=-2 WHERE partition=0 AND seq=1");
		CHECK(commitlog_reader_open(&reader, log, &at, 1, NULL) ==
		    -ERRC_CORRUPT);
		commitlog_close(log);
	}
}

/* A commit whose appender died before it told anybody. */
static void
a_row_that_nobody_told_of_raises_the_end_before_it_is_delivered(void)
{
	struct commitlog *log = make();
	struct commitlog_position at = { 1, 1 };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };
	uint64_t end;

	REQUIRE(commitlog_reader_open(&reader, log, &at, 1, NULL) == 0);
	sql("INSERT INTO record(partition,seq,time_ms,request_id,line)"
	    " VALUES(1,1,1,zeroblob(16),'x')");
	CHECK(commitlog_end(log, 1, &end, NULL) == 0 && end == 0);
	CHECK(commitlog_reader_next(reader, 9, 99, see, &seen, NULL) == 1);
	CHECK(commitlog_end(log, 1, &end, NULL) == 0 && end == 1);
	commitlog_reader_close(reader);
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
	CHECK(commitlog_lock_acquire(b, 50, &err) == -ERRC_RETRY);
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
	sql("PRAGMA user_version=2");
	CHECK(commitlog_open(&log, url, NULL, &err) == -ERRC_CONFIG);
	CHECK(strstr(err.text, "has format 2") != NULL);
	CHECK(commitlog_open(&log, "sqlite:", NULL, &err) == -ERRC_CONFIG);
	CHECK(commitlog_open(&log, "sqlite::memory:", NULL, &err) ==
	    -ERRC_CONFIG);
}

static void
every_case(const char *of)
{
	scheme = of;
	printf("# %s\n", of);
	RUN(a_new_log_has_one_genesis_record_a_partition);
	RUN(a_later_generation_begins_at_its_base);
	RUN(a_log_is_made_once_and_must_be_there);
	RUN(positions_are_given_per_partition_and_without_gaps);
	RUN(nonsense_is_refused_and_nothing_of_its_batch_is_kept);
	RUN(a_record_is_found_by_its_id_and_by_its_position);
	RUN(append_time_never_goes_back);
	RUN(a_reader_gets_each_partition_in_order_from_where_it_wants);
	RUN(a_reader_takes_no_more_bytes_than_it_was_told);
	RUN(a_reader_that_stops_gets_the_same_record_again);
	RUN(threads_append_at_once_and_each_gets_its_own_position);
	RUN(a_sleeper_is_woken_by_a_record_and_by_what_a_node_applied);
	RUN(what_nodes_applied_is_seen_by_all);
	if (strcmp(of, "sqlite:") != 0)
		return;
	RUN(processes_append_at_once);
	RUN(appenders_that_are_killed_leave_a_good_log);
	RUN(a_stopped_holder_of_the_lock_is_named_and_not_waited_for_for_ever);
	RUN(a_page_that_is_removed_is_made_again);
	RUN(a_page_of_another_boot_or_database_counts_for_nothing);
	RUN(rows_that_vanish_are_noticed_and_their_numbers_not_given_again);
	RUN(damaged_rows_are_errors_after_the_good_ones);
	RUN(a_row_that_nobody_told_of_raises_the_end_before_it_is_delivered);
	RUN(a_large_wal_is_moved_into_the_database);
	RUN(a_database_that_is_replaced_is_not_written_to);
	RUN(a_lock_file_that_is_removed_still_excludes);
	RUN(what_is_no_log_is_refused);
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

static void
remove_folder(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
	(void)rmdir(folder);
}

int
main(int argc, char *argv[])
{
	const char *tmp = getenv("TMPDIR");
	const char *only = argc == 2 ? argv[1] : "";

	self = argv[0];
	if (argc == 5) {
		snprintf(url, sizeof(url), "%s", argv[2]);
		return strcmp(argv[1], "hold") == 0 ?
		    role_hold() :
		    role_append(argv[3], argv[4]);
	}
	snprintf(folder, sizeof(folder), "%s/commitlog-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(folder) == NULL)
		return 1;
	if (strncmp("mem:", only, strlen(only)) == 0)
		every_case("mem:");
	if (strncmp("sqlite:", only, strlen(only)) == 0)
		every_case("sqlite:");
	remove_folder();
	return tap_done();
}
