/* SPDX-License-Identifier: MIT */

/*
 * The conformance suite of the commit log: every case runs for every backend.
 *
 *      test-commitlog [URL]    the cases of backends whose URL begins so
 */

#include "commit/commitlog.h"

#include <pthread.h>

#include "commit/record.h"
#include "logtest.h"

#define THREADS 8
#define EACH 200

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
}

int
main(int argc, char *argv[])
{
	const char *only = argc == 2 ? argv[1] : "";

	make_folder();
	if (strncmp("mem:", only, strlen(only)) == 0)
		every_case("mem:");
	if (strncmp("sqlite:", only, strlen(only)) == 0)
		every_case("sqlite:");
	remove_folder();
	return tap_done();
}
