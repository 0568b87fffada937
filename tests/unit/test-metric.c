/* SPDX-License-Identifier: MIT */
#include "base/metric.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "tap.h"

#define PAGE_BYTES 100000

static void
help_and_type_come_once_for_a_family(void)
{
	struct buf out = buf_make(PAGE_BYTES);
	struct metric_page page = metric_page(&out);

	metric_counter(&page, "koop_puts_total", "Shards stored.", 5);
	metric_begin(&page, METRIC_COUNTER, "koop_answers_total", "Answers.");
	metric_value(&page,
	    (struct metric_label[]){ { "op", "Get" }, { "code", "200" } }, 2,
	    0);
	metric_value(&page,
	    (struct metric_label[]){ { "op", "Get" }, { "code", "404" } }, 2,
	    1);
	metric_gauge(&page, "koop_open", "Open.", -4);
	CHECK_STR(buf_cstr(&out),
	    "# HELP koop_puts_total Shards stored.\n"
	    "# TYPE koop_puts_total counter\n"
	    "koop_puts_total 5\n"
	    "# HELP koop_answers_total Answers.\n"
	    "# TYPE koop_answers_total counter\n"
	    "koop_answers_total{op=\"Get\",code=\"200\"} 0\n"
	    "koop_answers_total{op=\"Get\",code=\"404\"} 1\n"
	    "# HELP koop_open Open.\n"
	    "# TYPE koop_open gauge\n"
	    "koop_open -4\n");
	buf_fini(&out);
}

/* What stands behind the last blank of a gauge of this value. */
static void
check_number(double value, const char *want)
{
	struct buf out = buf_make(PAGE_BYTES);
	struct metric_page page = metric_page(&out);
	char line[80];

	metric_gauge(&page, "koop_x", "X.", value);
	snprintf(line, sizeof(line), "\nkoop_x %s\n", want);
	CHECK(strstr(buf_cstr(&out), line) != NULL);
	if (strstr(buf_cstr(&out), line) == NULL)
		printf("# %s in %s\n", line, buf_cstr(&out));
	buf_fini(&out);
}

static void
numbers_are_told_exactly_and_shortly(void)
{
	check_number(0, "0");
	check_number(-1, "-1");
	check_number(0.1, "0.1");
	check_number(0.001234, "0.001234");
	check_number(1.0 / 3, "0.3333333333333333");
	check_number(1764120000.123, "1764120000.123");
	check_number(5368709120.0, "5368709120");
	check_number(9007199254740991.0, "9007199254740991");
	check_number(1e300, "1e+300");
	check_number(-2.5e-7, "-2.5e-07");
	check_number((double)INFINITY, "+Inf");
	check_number(-(double)INFINITY, "-Inf");
	check_number((double)NAN, "NaN");
}

static void
check_label(const char *value, const char *want)
{
	struct buf out = buf_make(PAGE_BYTES);
	struct metric_page page = metric_page(&out);
	struct metric_label label = { "l", value };
	char line[200];

	metric_begin(&page, METRIC_GAUGE, "koop_x", "X.");
	metric_value(&page, &label, 1, 1);
	snprintf(line, sizeof(line), "\nkoop_x{l=\"%s\"} 1\n", want);
	CHECK(strstr(buf_cstr(&out), line) != NULL);
	buf_fini(&out);
}

static void
a_label_breaks_out_of_nothing(void)
{
	check_label("", "");
	check_label("plain", "plain");
	check_label("a\"} 9\nkoop_y 1", "a\\\"} 9\\nkoop_y 1");
	check_label("back\\slash", "back\\\\slash");
	check_label("b\xc3\xbc"
		    "cher",
	    "b\xc3\xbc"
	    "cher");
	check_label("\xf0\x9f\x8e\xac", "\xf0\x9f\x8e\xac");
	/* Latin-1, a cut sequence, a surrogate, an overlong form. */
	check_label("b\xfc"
		    "cher",
	    "b?cher");
	check_label("\xf0\x9f", "??");
	check_label("\xed\xa0\x80", "???");
	check_label("\xc0\xaf", "??");
}

/* The number of a line that begins with series. */
static double
number_of(const char *text, const char *series)
{
	size_t n = strlen(series);

	for (const char *line = text; line[0] != '\0';
	     line += strcspn(line, "\n") + 1)
		if (strncmp(line, series, n) == 0 && line[n] == ' ')
			return strtod(line + n + 1, NULL);
	return -1;
}

static void
buckets_are_cumulative_and_a_bound_belongs_to_its_bucket(void)
{
	static struct metric_histogram h;
	struct buf out = buf_make(PAGE_BYTES);
	struct metric_page page = metric_page(&out);
	struct metric_label label = { "phase", "whole" };
	uint64_t sum_us = 0;
	const char *text;

	metric_observe(&h, 0);
	metric_observe(&h, 100);
	metric_observe(&h, 101);
	metric_observe(&h, 2000000);              /* 2 s */
	metric_observe(&h, UINT64_C(3600000000)); /* an hour */
	metric_observe(&h, UINT64_C(9000000000));
	metric_begin(&page, METRIC_HISTOGRAM, "koop_x_seconds", "X.");
	metric_times(&page, &label, 1, &h);
	text = buf_cstr(&out);
#define BUCKET(le) \
	number_of(text, "koop_x_seconds_bucket{phase=\"whole\",le=\"" le "\"}")
	CHECK(BUCKET("0.0001") == 2);
	CHECK(BUCKET("0.00025") == 3);
	CHECK(BUCKET("1") == 3);
	CHECK(BUCKET("2.5") == 4);
	CHECK(BUCKET("2500") == 4);
	CHECK(BUCKET("5000") == 5);
	CHECK(BUCKET("+Inf") == 6);
#undef BUCKET
	CHECK(number_of(text, "koop_x_seconds_count{phase=\"whole\"}") == 6);
	CHECK(number_of(text, "koop_x_seconds_sum{phase=\"whole\"}") ==
	    12602.000201);
	CHECK(metric_observed(&h, &sum_us) == 6 &&
	    sum_us == UINT64_C(12602000201));
	buf_fini(&out);
}

static void
a_histogram_without_labels_has_le_alone(void)
{
	static struct metric_histogram h;
	struct buf out = buf_make(PAGE_BYTES);
	struct metric_page page = metric_page(&out);

	metric_begin(&page, METRIC_HISTOGRAM, "koop_x_seconds", "X.");
	metric_times(&page, NULL, 0, &h);
	CHECK(number_of(buf_cstr(&out),
		  "koop_x_seconds_bucket{le=\"0.0001\"}") == 0);
	CHECK(number_of(buf_cstr(&out), "koop_x_seconds_sum") == 0);
	CHECK(number_of(buf_cstr(&out), "koop_x_seconds_count") == 0);
	buf_fini(&out);
}

#define THREADS 4
#define EACH 20000

static struct metric_histogram shared;

static void *
observe_many(void *arg)
{
	for (uint64_t i = 0; i < EACH; i++)
		metric_observe(&shared, i);
	return arg;
}

static void
what_threads_observe_at_once_is_all_counted(void)
{
	pthread_t threads[THREADS];
	uint64_t sum_us;

	for (int i = 0; i < THREADS; i++)
		REQUIRE(
		    pthread_create(&threads[i], NULL, observe_many, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK(metric_observed(&shared, &sum_us) == (uint64_t)THREADS * EACH);
	CHECK(sum_us == (uint64_t)THREADS * EACH * (EACH - 1) / 2);
}

static const char *
row_name(unsigned i)
{
	return i == 0 ? "Get" : "Put";
}

static const char *
column_name(unsigned i)
{
	static const char *const names[] = { "200", "404", "499" };

	return names[i];
}

static void
a_grid_tells_what_was_counted_under_its_names(void)
{
	static const struct metric_grid grid = { "op", row_name, 2, "code",
		column_name, 3 };
	static _Atomic uint64_t counts[6];
	static struct metric_histogram times[6];
	struct buf out = buf_make(PAGE_BYTES);
	struct metric_page page = metric_page(&out);

	counts[0] = 7;
	counts[5] = 1;
	metric_begin(&page, METRIC_COUNTER, "koop_x_total", "X.");
	metric_grid_values(&page, &grid, counts);
	CHECK_STR(buf_cstr(&out),
	    "# HELP koop_x_total X.\n"
	    "# TYPE koop_x_total counter\n"
	    "koop_x_total{op=\"Get\",code=\"200\"} 7\n"
	    "koop_x_total{op=\"Put\",code=\"499\"} 1\n");
	buf_clear(&out);
	metric_observe(&times[4], 1);
	metric_begin(&page, METRIC_HISTOGRAM, "koop_x_seconds", "X.");
	metric_grid_times(&page, &grid, times);
	CHECK(number_of(buf_cstr(&out),
		  "koop_x_seconds_count{op=\"Put\",code=\"404\"}") == 1);
	CHECK(strstr(buf_cstr(&out), "Get") == NULL);
	buf_fini(&out);
}

static void
a_process_tells_its_version_times_memory_and_descriptors(void)
{
	struct buf out = buf_make(PAGE_BYTES);
	struct metric_page page = metric_page(&out);
	double started, fds;
	int fd;

	metric_process(&page);
	CHECK(number_of(buf_cstr(&out),
		  "koop_build_info{version=\"" KOOP_VERSION "\"}") == 1);
	CHECK(number_of(buf_cstr(&out), "process_cpu_seconds_total") > 0);
	CHECK(number_of(buf_cstr(&out), "process_resident_memory_bytes") >
	    100000);
	CHECK(number_of(buf_cstr(&out), "process_threads") == 1);
	CHECK(number_of(buf_cstr(&out), "process_max_fds") > 10);
	fds = number_of(buf_cstr(&out), "process_open_fds");
	started = number_of(buf_cstr(&out), "process_start_time_seconds");
	CHECK(started <= (double)time(NULL) + 1);
	CHECK(started >= (double)time(NULL) - 3600);

	fd = dup(0);
	buf_clear(&out);
	metric_process(&page);
	CHECK(number_of(buf_cstr(&out), "process_open_fds") == fds + 1);
	CHECK(
	    number_of(buf_cstr(&out), "process_start_time_seconds") == started);
	close(fd);
	buf_fini(&out);
}

static void
a_page_that_does_not_fit_says_so(void)
{
	struct buf out = buf_make(100);
	struct metric_page page = metric_page(&out);

	metric_process(&page);
	CHECK(buf_failed(&out));
	buf_fini(&out);
}

int
main(void)
{
	RUN(help_and_type_come_once_for_a_family);
	RUN(numbers_are_told_exactly_and_shortly);
	RUN(a_label_breaks_out_of_nothing);
	RUN(buckets_are_cumulative_and_a_bound_belongs_to_its_bucket);
	RUN(a_histogram_without_labels_has_le_alone);
	RUN(what_threads_observe_at_once_is_all_counted);
	RUN(a_grid_tells_what_was_counted_under_its_names);
	RUN(a_process_tells_its_version_times_memory_and_descriptors);
	RUN(a_page_that_does_not_fit_says_so);
	return tap_done();
}
