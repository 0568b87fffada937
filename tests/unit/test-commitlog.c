/* SPDX-License-Identifier: MIT */

/*
 * The conformance suite of the commit log: every case runs for every backend,
 * and for a memory log that gives nothing which the port does not promise.
 *
 *      test-commitlog [URL]    the cases of backends whose URL begins so
 */

#include "commit/commitlog.h"

#include <pthread.h>

#include "commit/commitlog_mem.h"
#include "commit/positions.h"
#include "commit/record.h"
#include "logtest_read.h"

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
	size_t count;

	CHECK_STR(commitlog_cluster(log), CLUSTER);
	have = commitlog_partitions(log, &count);
	CHECK(count == 3 && memcmp(have, partitions, sizeof(partitions)) == 0);
	for (size_t i = 0; i < 3; i++) {
		struct commitlog_span span = { .partition = partitions[i] };

		CHECK(commitlog_stored(log, &span, 1, LATER, NULL) == 0);
		CHECK(span.first == 0 && span.last == 0);
		CHECK(commitlog_get(log, partitions[i], 0, &entry, &line, LATER,
			  NULL) == 0);
		CHECK(entry.base_seq == 0 && entry.generation == 1);
		REQUIRE(record_parse(&record, entry.line, CLUSTER, NULL) ==
		    RECORD_OK);
		CHECK(record->type == RECORD_GENESIS);
		CHECK(record->partition == partitions[i]);
		CHECK(record->generation == 1 && record->base_seq == 0);
		CHECK(record->partition_count == 3);
		record_free(record);
		/* A log that can only tell its end by appending has one more
		 * record then. */
		CHECK(log_end(log, partitions[i]) <= (hostile ? 3 : 0));
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
	struct commitlog_position from = { 0, 99 };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };
	struct commitlog_entry entry;
	struct buf line = buf_make(COMMITLOG_LINE_MAX);
	uint64_t seq;

	later.generation = 2;
	later.base_seq = base;
	later.chain = chain;
	fresh();
	REQUIRE(create(&later, NULL, NULL) == 0);
	REQUIRE(commitlog_open(&log, url, NULL, NULL) == 0);
	CHECK(append(log, 0, "a", &seq, NULL) == 0 && seq >= 101);
	CHECK(hostile || seq == 101);
	CHECK(commitlog_get(log, 0, seq, &entry, &line, LATER, NULL) == 0);
	CHECK(entry.base_seq == 100 && entry.generation == 2);
	CHECK(append(log, 1, "b", &seq, NULL) == 0 && seq >= 8);
	CHECK(append(log, 5, "c", &seq, NULL) == 0 && seq >= 1);
	/* What was before it is trouble of that partition. */
	REQUIRE(
	    commitlog_reader_open(&reader, log, &from, 1, LATER, NULL) == 0);
	CHECK(commitlog_reader_next(reader, 9, 9999, see, &seen, LATER, NULL) ==
	    1);
	CHECK(seen.trouble.code == ERRC_NOTFOUND && seen.troubled == 0);
	CHECK(strstr(seen.trouble.text, "begins at 100, after the 99") != NULL);
	commitlog_reader_close(reader);
	buf_fini(&line);
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
	uint64_t seq;

	for (int i = 0; i < 6; i++) {
		items[i].partition = partitions[i % 3];
		items[i].request_id = new_id();
		items[i].line = bytes_str("{}");
	}
	CHECK(commitlog_append(log, items, 6, LATER, NULL) == 0);
	for (int i = 0; i < 6; i++)
		CHECK(items[i].seq == (uint64_t)i / 3 + 1);
	CHECK(append(log, 5, "x", &seq, NULL) == 0 && seq == 3);
	CHECK(log_end(log, 5) == 3 && log_end(log, 0) == 2);
	commitlog_close(log);
}

/* Whatever becomes of one says nothing of the others. */
static void
each_item_of_an_append_has_its_own_fate(void)
{
	struct commitlog *log = make();
	struct commitlog_item items[9];
	int in = 0;

	for (int round = 0; round < 20; round++) {
		int rc;

		memset(items, 0, sizeof(items));
		for (int i = 0; i < 9; i++) {
			items[i].partition = partitions[i % 3];
			items[i].request_id = new_id();
			items[i].line = bytes_str("{}");
		}
		rc = commitlog_append(log, items, 9, LATER, NULL);
		for (int i = 0; i < 9; i++) {
			uint64_t seq = 0;
			int found;

			in += items[i].fate == COMMITLOG_IN;
			if (items[i].fate == COMMITLOG_UNKNOWN)
				continue;
			found = commitlog_find(log, items[i].partition,
			    items[i].request_id, 0, &seq, NULL, LATER, NULL);
			CHECK(found ==
			    (items[i].fate == COMMITLOG_IN ? 0 :
							     -ERRC_NOTFOUND));
			CHECK(found < 0 || seq == items[i].seq);
		}
		CHECK(hostile || rc == 0);
	}
	CHECK(in > 100 && (hostile ? in < 180 : in == 180));
	commitlog_close(log);
}

static void
nonsense_is_refused_and_nothing_of_its_batch_is_kept(void)
{
	struct commitlog *log = make();
	char *big = malloc(COMMITLOG_LINE_MAX + 1);
	struct commitlog_item items[2] = { 0 };
	struct commitlog_end end = { .partition = 9 };
	struct error err;

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
	CHECK(items[0].fate == COMMITLOG_NOT_IN);
	CHECK(items[1].code == ERRC_USAGE);
	CHECK(log_last(log, 0) == 0 && log_last(log, 1) == 0);
	items[1].line = bytes_of(big, COMMITLOG_LINE_MAX);
	CHECK(append_item(log, &items[1], 0, &err) == 0);
	CHECK(commitlog_append(log, items, 0, LATER, &err) == 0);
	CHECK(commitlog_ends(log, &end, 1, LATER, &err) == -ERRC_USAGE);
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
	uint64_t first, seq, time_ms;

	CHECK(append(log, 1, "before", NULL, NULL) == 0);
	CHECK(append_item(log, &item, 0, NULL) == 0);
	first = item.seq;
	/* A second one of the id: the first counts, but who asks for one after
	 * it never gets the first (an append after not_yet_here). */
	CHECK(commitlog_find(log, 1, item.request_id, first, &seq, NULL, LATER,
		  NULL) == -ERRC_NOTFOUND);
	CHECK(append_item(log, &item, first, NULL) == 0);
	CHECK(item.seq > first);
	CHECK(commitlog_find(log, 1, item.request_id, 0, &seq, &time_ms, LATER,
		  NULL) == 0);
	CHECK(seq == first);
	CHECK(commitlog_get(log, 1, first, &entry, &line, LATER, NULL) == 0);
	CHECK(bytes_is(entry.line, "the very bytes"));
	CHECK(entry.seq == first && entry.partition == 1);
	CHECK(entry.kind == COMMITLOG_RECORD);
	CHECK(reqid_equal(entry.request_id, item.request_id));
	CHECK(entry.time_ms == time_ms);
	CHECK(commitlog_find(log, 1, item.request_id, first, &seq, NULL, LATER,
		  NULL) == 0);
	CHECK(seq == item.seq);
	CHECK(commitlog_find(log, 0, item.request_id, 0, &seq, NULL, LATER,
		  NULL) == -ERRC_NOTFOUND);
	CHECK(commitlog_find(log, 1, new_id(), 0, &seq, NULL, LATER, NULL) ==
	    -ERRC_NOTFOUND);
	CHECK(commitlog_get(log, 1, item.seq + 9, &entry, &line, LATER, NULL) ==
	    -ERRC_NOTFOUND);
	buf_fini(&line);
	commitlog_close(log);
}

static void
ends_are_told_for_many_partitions_at_once(void)
{
	struct commitlog *log = make();
	struct commitlog_end ends[] = { { .partition = 5 },
		{ .partition = 0 } };
	struct commitlog_span spans[] = { { .partition = 0 },
		{ .partition = 5 } };
	uint64_t five = 0;
	uint64_t zero = 0;
	int rc;

	for (int i = 0; i < 3; i++)
		CHECK(append(log, 5, "x", &five, NULL) == 0);
	CHECK(append(log, 0, "x", &zero, NULL) == 0);
	CHECK(commitlog_stored(log, spans, 2, LATER, NULL) == 0);
	CHECK(spans[0].last >= zero && spans[1].last >= five);
	do
		rc = commitlog_ends(log, ends, 2, LATER, NULL);
	while (hostile && rc == -ERRC_UNAVAILABLE);
	CHECK(rc == 0 && ends[0].seq >= five && ends[1].seq >= zero);
	CHECK(hostile || (ends[0].seq == 3 && ends[1].seq == 1));
	/* Who only reports does not write. */
	zero = log_last(log, 0);
	CHECK(commitlog_stored(log, spans, 2, LATER, NULL) == 0);
	CHECK(log_last(log, 0) == zero);
	commitlog_close(log);
}

/* Of SQLite only, and no promise of the port. */
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
	struct commitlog_position at[] = { { 5, 3 }, { 0, 0 } };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };
	uint64_t last[6] = { 0 };
	uint64_t seq;
	int rc;

	for (int i = 0; i < 10; i++) {
		CHECK(append(log, 0, "zero", &last[0], NULL) == 0);
		CHECK(append(log, 1, "one", &last[1], NULL) == 0);
		CHECK(append(log, 5, "five", &last[5], NULL) == 0);
	}
	/* One more than there is: the next that comes. */
	at[1].next_seq = last[0] + 1;
	REQUIRE(commitlog_reader_open(&reader, log, at, 2, LATER, NULL) == 0);
	while ((rc = read_on(reader, at, 2, 3, &seen)) > 0)
		CHECK(rc <= 3);
	CHECK(rc == 0);
	/* Partition 0 is at its end, 1 was not asked for. */
	CHECK(seen.last[5] == last[5] && seen.last[0] == 0);
	CHECK(seen.last[1] == 0 && (uint64_t)seen.count == last[5] - 2);
	CHECK(append(log, 1, "one", NULL, NULL) == 0);
	CHECK(append(log, 0, "zero", &seq, NULL) == 0 && seq > last[0]);
	while ((rc = read_on(reader, at, 2, 3, &seen)) > 0)
		;
	CHECK(rc == 0 && seen.last[0] == seq && seen.last[1] == 0);
	commitlog_reader_close(reader);

	/* From the genesis records on. */
	at[0].next_seq = 0;
	at[1].next_seq = 0;
	memset(&seen, 0, sizeof(seen));
	seen.stop_at = -1;
	REQUIRE(commitlog_reader_open(&reader, log, at, 2, LATER, NULL) == 0);
	while ((rc = read_on(reader, at, 2, 1000, &seen)) > 0)
		;
	CHECK(rc == 0 && seen.records == 23);
	commitlog_reader_close(reader);
	CHECK(commitlog_reader_open(&reader, log,
		  &(struct commitlog_position){ 2, 0 }, 1, LATER,
		  NULL) == -ERRC_USAGE);
	commitlog_close(log);
}

static void
a_reader_that_seeks_begins_anew_there(void)
{
	struct commitlog *log = make();
	struct commitlog_position at[] = { { 0, 1 }, { 1, 1 } };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };
	uint64_t zero = 0;
	uint64_t one = 0;

	for (int i = 0; i < 6; i++) {
		CHECK(append(log, 0, "zero", &zero, NULL) == 0);
		CHECK(append(log, 1, "one", &one, NULL) == 0);
	}
	REQUIRE(commitlog_reader_open(&reader, log, at, 2, LATER, NULL) == 0);
	while (read_on(reader, at, 2, 100, &seen) > 0)
		;
	CHECK(seen.last[0] == zero && seen.last[1] == one);
	/* Another partition, and further back; the first is left out. */
	memset(&seen, 0, sizeof(seen));
	seen.stop_at = -1;
	at[1].next_seq = one - 1;
	REQUIRE(commitlog_reader_seek(reader, &at[1], 1, LATER, NULL) == 0);
	CHECK(append(log, 0, "zero", NULL, NULL) == 0);
	while (read_on(reader, &at[1], 1, 100, &seen) > 0)
		;
	CHECK(seen.count == 2 && seen.last[1] == one && seen.last[0] == 0);
	commitlog_reader_close(reader);
	commitlog_close(log);
}

/* A log that was cut: silence there would look like "nothing new". */
static void
a_position_beyond_the_end_is_trouble_of_that_partition(void)
{
	struct commitlog *log = make();
	struct commitlog_position at[] = { { 0, 0 }, { 1, 1 } };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };
	uint64_t zero = 0;
	uint64_t one = 0;

	CHECK(append(log, 0, "zero", &zero, NULL) == 0);
	CHECK(append(log, 1, "one", &one, NULL) == 0);
	at[0].next_seq = zero + 2;
	REQUIRE(commitlog_reader_open(&reader, log, at, 2, LATER, NULL) == 0);
	while (
	    commitlog_reader_next(reader, 9, 9999, see, &seen, LATER, NULL) > 0)
		;
	CHECK(seen.last[1] == one && seen.last[0] == 0);
	CHECK(seen.troubles == 1 && seen.troubled == 0);
	CHECK(seen.trouble.code == ERRC_MISMATCH);
	CHECK(strstr(seen.trouble.text, "before the ") != NULL);
	commitlog_reader_close(reader);
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
	REQUIRE(commitlog_reader_open(&reader, log, &at, 1, LATER, NULL) == 0);
	CHECK(commitlog_reader_next(reader, 100, 2500, see, &seen, LATER,
		  NULL) == 3);
	CHECK(commitlog_reader_next(reader, 100, 1, see, &seen, LATER, NULL) ==
	    1);
	CHECK(commitlog_reader_next(reader, 100, 100000, see, &seen, LATER,
		  NULL) == 6);
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
	REQUIRE(commitlog_reader_open(&reader, log, at, 2, LATER, NULL) == 0);
	CHECK(commitlog_reader_next(reader, 100, 9999, see, &seen, LATER,
		  NULL) == -ERRC_IO);
	CHECK(seen.count == 4);
	CHECK(commitlog_reader_next(reader, 100, 9999, see, &seen, LATER,
		  NULL) == -ERRC_IO);
	CHECK(seen.count == 4);
	seen.stop_at = 5;
	seen.stop_with = 1;
	CHECK(commitlog_reader_next(reader, 100, 9999, see, &seen, LATER,
		  NULL) == 1);
	seen.stop_at = -1;
	CHECK(commitlog_reader_next(reader, 100, 9999, see, &seen, LATER,
		  NULL) == 3);
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
	static char taken[3][2 * THREADS * EACH];
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
	REQUIRE(commitlog_reader_open(&reader, log, at, 3, LATER, NULL) == 0);
	while (seen.records < THREADS * EACH) {
		uint32_t bell = commitlog_bell(log);
		int rc = read_on(reader, at, 3, 64, &seen);

		CHECK(rc >= 0);
		if (rc < 0)
			break;
		if (rc == 0)
			commitlog_wait(log, bell, 1000);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < THREADS; i++) {
		for (int j = 0; j < EACH; j++) {
			uint64_t seq = appender[i].seq[j];

			REQUIRE(seq >= 1 && seq < sizeof(taken[0]));
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

static void
a_sleeper_is_woken_by_a_record(void)
{
	struct commitlog *log = make();
	struct positions *positions = NULL;
	uint32_t record = commitlog_bell(log);
	pthread_t thread;

	pthread_create(&thread, NULL, ring_later, log);
	while (commitlog_bell(log) == record)
		commitlog_wait(log, record, 60000);
	pthread_join(thread, NULL);
	commitlog_wait(log, record, 60000); /* rung before: returns at once */

	/* Who waits for records is not woken by what nodes have applied. */
	REQUIRE(positions_open(&positions, log, NULL) == 0);
	record = commitlog_bell(log);
	positions_publish(positions, (struct positions_member){ 1, 3 }, 5, 1);
	CHECK(commitlog_bell(log) == record);
	positions_close(positions);
	commitlog_close(log);
}

/* What only the memory log can be told to do. */

static void
one_partition_out_of_reach_leaves_the_others_in(void)
{
	struct commitlog *log = make();
	struct commitlog_item items[] = {
		{ .partition = 0, .line = bytes_str("a") },
		{ .partition = 1, .line = bytes_str("b") },
		{ .partition = 5, .line = bytes_str("c") },
	};
	struct commitlog_position at[] = { { 0, 1 }, { 1, 1 }, { 5, 1 } };
	struct commitlog_end ends[] = { { .partition = 0 },
		{ .partition = 1 } };
	struct commitlog_reader *reader = NULL;
	struct seen seen = { .stop_at = -1 };
	struct error err;

	for (int i = 0; i < 3; i++)
		items[i].request_id = new_id();
	commitlog_mem_outage(log, 1, true);
	CHECK(
	    commitlog_append(log, items, 3, LATER, &err) == -ERRC_UNAVAILABLE);
	CHECK(strstr(err.text, "partition 1: out of reach") != NULL);
	CHECK(items[0].fate == COMMITLOG_IN && items[2].fate == COMMITLOG_IN);
	CHECK(items[1].fate == COMMITLOG_NOT_IN);
	CHECK(commitlog_ends(log, ends, 2, LATER, &err) == -ERRC_UNAVAILABLE);
	CHECK(ends[0].code == ERRC_OK && ends[0].seq >= items[0].seq);
	CHECK(ends[1].code == ERRC_UNAVAILABLE);
	REQUIRE(commitlog_reader_open(&reader, log, at, 3, LATER, NULL) == 0);
	while (
	    commitlog_reader_next(reader, 9, 9999, see, &seen, LATER, NULL) > 0)
		;
	CHECK(seen.troubles == 1 && seen.troubled == 1);
	CHECK(seen.last[0] >= 1 && seen.last[5] >= 1 && seen.last[1] == 0);
	commitlog_mem_outage(log, 1, false);
	CHECK(append(log, 1, "b", NULL, NULL) == 0);
	REQUIRE(commitlog_reader_seek(reader, &at[1], 1, LATER, NULL) == 0);
	CHECK(commitlog_reader_next(reader, 9, 9999, see, &seen, LATER, NULL) ==
	    1);
	CHECK(seen.last[1] == 1);
	commitlog_reader_close(reader);
	commitlog_close(log);
}

static void
an_append_of_unknown_fate_may_land_later(void)
{
	struct commitlog *log = make();
	struct commitlog_item item = {
		.partition = 5,
		.request_id = new_id(),
		.line = bytes_str("late"),
	};
	uint64_t seq = 0;

	commitlog_mem_hold(log);
	CHECK(
	    commitlog_append(log, &item, 1, LATER, NULL) == -ERRC_UNAVAILABLE);
	CHECK(item.fate == COMMITLOG_UNKNOWN);
	for (int i = 0; i < 10; i++)
		CHECK(commitlog_find(log, 5, item.request_id, 0, &seq, NULL,
			  LATER, NULL) == -ERRC_NOTFOUND);
	CHECK(append(log, 5, "before it", NULL, NULL) == 0);
	commitlog_mem_land(log);
	CHECK(commitlog_find(log, 5, item.request_id, 0, &seq, NULL, LATER,
		  NULL) == 0);
	CHECK(seq == 2);
	commitlog_close(log);
}

static void
a_create_that_was_interrupted_is_finished_as_it_was_begun(void)
{
	struct commitlog_genesis other = genesis;
	struct commitlog *log = NULL;
	struct commitlog_entry entry[3];
	struct buf line = buf_make(COMMITLOG_LINE_MAX);

	memset(other.cluster, 'b', 32);
	fresh();
	CHECK(commitlog_create(url, &genesis, NULL, NULL) == -ERRC_UNAVAILABLE);
	CHECK(commitlog_open(&log, url, NULL, NULL) == -ERRC_CONFIG);
	/* Whoever comes next has another cluster in mind; too late. */
	CHECK(commitlog_create(url, &other, NULL, NULL) == 0);
	CHECK(commitlog_create(url, &other, NULL, NULL) == -ERRC_MISMATCH);
	REQUIRE(commitlog_open(&log, url, NULL, NULL) == 0);
	CHECK_STR(commitlog_cluster(log), CLUSTER);
	for (int i = 0; i < 3; i++) {
		struct record *record = NULL;

		CHECK(commitlog_get(log, partitions[i], 0, &entry[i], &line,
			  LATER, NULL) == 0);
		CHECK(reqid_equal(entry[i].request_id, entry[0].request_id));
		CHECK(record_parse(&record, entry[i].line, CLUSTER, NULL) ==
		    RECORD_OK);
		record_free(record);
	}
	buf_fini(&line);
	commitlog_close(log);
}

static void *
ask_end(void *arg)
{
	CHECK(log_end(arg, 1) > 0);
	return NULL;
}

/* An end costs a record, so those who wait together share one. */
static void
ends_by_append_are_shared_by_those_who_wait(void)
{
	struct commitlog *log = make();
	pthread_t thread[THREADS];
	uint64_t before = log_end(log, 1);

	CHECK(before == 1 && log_last(log, 1) == 1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, ask_end, log);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	CHECK(log_last(log, 1) <= before + THREADS);
	CHECK(log_end(log, 1) == log_last(log, 1));
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
	RUN(each_item_of_an_append_has_its_own_fate);
	RUN(nonsense_is_refused_and_nothing_of_its_batch_is_kept);
	RUN(a_record_is_found_by_its_id_and_by_its_position);
	RUN(ends_are_told_for_many_partitions_at_once);
	RUN(a_reader_gets_each_partition_in_order_from_where_it_wants);
	RUN(a_reader_that_seeks_begins_anew_there);
	RUN(a_position_beyond_the_end_is_trouble_of_that_partition);
	RUN(threads_append_at_once_and_each_gets_its_own_position);
	RUN(a_sleeper_is_woken_by_a_record);
}

/* Where the log is quiet: counts can be exact. */
static void
exact_cases(void)
{
	RUN(positions_are_given_per_partition_and_without_gaps);
	RUN(a_reader_takes_no_more_bytes_than_it_was_told);
	RUN(a_reader_that_stops_gets_the_same_record_again);
}

int
main(int argc, char *argv[])
{
	const char *only = argc == 2 ? argv[1] : "";

	make_folder();
	if (strncmp("mem:", only, strlen(only)) == 0) {
		every_case("mem:");
		exact_cases();
		RUN(one_partition_out_of_reach_leaves_the_others_in);
		RUN(an_append_of_unknown_fate_may_land_later);
		scheme = "mem:?begun=2";
		RUN(a_create_that_was_interrupted_is_finished_as_it_was_begun);
		scheme = "mem:?shared=no";
		RUN(ends_by_append_are_shared_by_those_who_wait);
		hostile = true;
		every_case("mem:" COMMITLOG_MEM_HOSTILE);
		hostile = false;
	}
	if (strncmp("sqlite:", only, strlen(only)) == 0) {
		every_case("sqlite:");
		exact_cases();
		RUN(append_time_never_goes_back);
	}
	remove_folder();
	return tap_done();
}
