/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_METRIC_H
#define KOOP_BASE_METRIC_H

#include <stddef.h>
#include <stdint.h>

/*
 * Metrics in Prometheus' text format (version 0.0.4).  Values are atomics in
 * structs of whoever counts, so counting takes no lock; a page is written when
 * it is asked for:
 *
 *      struct metric_page page = metric_page(&buf);
 *
 *      metric_counter(&page, "koop_node_shard_puts_total", "...", value);
 *      metric_begin(&page, METRIC_GAUGE, "koop_node_shards", "...");
 *      metric_value(&page, labels, nitems(labels), value);   any number
 *
 * The conventions are asserted: base units (seconds, bytes; a ratio is 0 to
 * 1), and _total at the end of counters and of nothing else.  A family is
 * begun once on a page.  Names of metrics and labels are ours; values of
 * labels may be anybody's: they are escaped, and what is no UTF-8, which would
 * void the whole page, becomes "?".
 *
 * A buf that is full makes buf_failed() true; then no page may be sent.
 */

struct buf;

/* Upper bounds of a histogram, 100 us to 5000 s: a look into a cache, and five
 * gigabytes through a telephone.  The one bucket more is for what is longer. */
#define METRIC_BOUNDS 24
#define METRIC_LABELS_MAX 4

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_label {
	const char *name;
	const char *value;
};

/* How long things take; all-zero is an empty one.  Threads: any. */
struct metric_histogram {
	_Atomic uint64_t bucket[METRIC_BOUNDS + 1];
	_Atomic uint64_t sum_us;
};

/* It took so many microseconds. */
void metric_observe(struct metric_histogram *h, uint64_t us);
/* How often something was observed; the time in sum, in microseconds. */
uint64_t metric_observed(const struct metric_histogram *h, uint64_t *sum_us);

struct metric_page {
	struct buf *out;
	const char *family; /* that was begun last */
	enum metric_kind kind;
};

struct metric_page metric_page(struct buf *out);

/* A family: HELP and TYPE.  Its samples follow before the next is begun. */
void metric_begin(struct metric_page *page, enum metric_kind kind,
    const char *name, const char *help);
/* Of a counter or gauge. */
void metric_value(struct metric_page *page, const struct metric_label *labels,
    size_t n, double value);
void metric_times(struct metric_page *page, const struct metric_label *labels,
    size_t n, const struct metric_histogram *h);

/* A family that is one sample without labels. */
void metric_counter(struct metric_page *page, const char *name,
    const char *help, uint64_t value);
void metric_gauge(struct metric_page *page, const char *name, const char *help,
    double value);

/*
 * Two labels whose values are known beforehand, as operation and status: what
 * is counted lies in an array, row by row.  Who was never counted is left out,
 * or there would be thousands of zeroes.
 */
typedef const char *metric_name_fn(unsigned i);
struct metric_grid {
	const char *row_label;
	metric_name_fn *row_name;
	unsigned rows;
	const char *column_label;
	metric_name_fn *column_name;
	unsigned columns;
};
void metric_grid_values(struct metric_page *page,
    const struct metric_grid *grid, const _Atomic uint64_t *values);
void metric_grid_times(struct metric_page *page, const struct metric_grid *grid,
    const struct metric_histogram *times);

/* What every daemon tells of itself: koop_build_info and process_*. */
void metric_process(struct metric_page *page);

#endif
