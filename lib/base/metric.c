/* SPDX-License-Identifier: MIT */
#include "base/metric.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"

#define NUMBER_BYTES 32
/* Below it a double tells each whole number from the next. */
#define EXACT_MAX 9007199254740992.0

/* In microseconds, and as le shows them. */
static const struct {
	uint64_t us;
	const char *seconds;
} bounds[METRIC_BOUNDS] = {
	{ UINT64_C(100), "0.0001" },
	{ UINT64_C(250), "0.00025" },
	{ UINT64_C(500), "0.0005" },
	{ UINT64_C(1000), "0.001" },
	{ UINT64_C(2500), "0.0025" },
	{ UINT64_C(5000), "0.005" },
	{ UINT64_C(10000), "0.01" },
	{ UINT64_C(25000), "0.025" },
	{ UINT64_C(50000), "0.05" },
	{ UINT64_C(100000), "0.1" },
	{ UINT64_C(250000), "0.25" },
	{ UINT64_C(500000), "0.5" },
	{ UINT64_C(1000000), "1" },
	{ UINT64_C(2500000), "2.5" },
	{ UINT64_C(5000000), "5" },
	{ UINT64_C(10000000), "10" },
	{ UINT64_C(25000000), "25" },
	{ UINT64_C(50000000), "50" },
	{ UINT64_C(100000000), "100" },
	{ UINT64_C(250000000), "250" },
	{ UINT64_C(500000000), "500" },
	{ UINT64_C(1000000000), "1000" },
	{ UINT64_C(2500000000), "2500" },
	{ UINT64_C(5000000000), "5000" },
};

void
metric_observe(struct metric_histogram *h, uint64_t us)
{
	unsigned low = 0;
	unsigned high = METRIC_BOUNDS;

	/* The first bound that it is not above. */
	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (us <= bounds[mid].us)
			high = mid;
		else
			low = mid + 1;
	}
	assert(low <= METRIC_BOUNDS);
	atomic_fetch_add_explicit(&h->bucket[low], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum_us, us, memory_order_relaxed);
}

uint64_t
metric_observed(const struct metric_histogram *h, uint64_t *sum_us)
{
	uint64_t count = 0;

	for (unsigned i = 0; i <= METRIC_BOUNDS; i++)
		count += atomic_load_explicit(&h->bucket[i],
		    memory_order_relaxed);
	if (sum_us != NULL)
		*sum_us = atomic_load_explicit(&h->sum_us,
		    memory_order_relaxed);
	return count;
}

struct metric_page
metric_page(struct buf *out)
{
	return (struct metric_page){ .out = out };
}

static bool
metric_ends_in(const char *name, const char *end)
{
	size_t n = strlen(name);
	size_t end_n = strlen(end);

	return n > end_n && strcmp(name + n - end_n, end) == 0;
}

void
metric_begin(struct metric_page *page, enum metric_kind kind, const char *name,
    const char *help)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};

	/* What promtool(1) would say of it. */
	assert(metric_ends_in(name, "_total") == (kind == METRIC_COUNTER));
	assert(kind != METRIC_HISTOGRAM || metric_ends_in(name, "_seconds"));
	assert(!metric_ends_in(name, "_ms") && !metric_ends_in(name, "_count"));
	assert(help[0] != '\0' && strpbrk(help, "\n\\") == NULL);
	page->family = name;
	page->kind = kind;
	buf_printf(page->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
	    types[kind]);
}

/* The length of the sequence at p if it is UTF-8, else 0. */
static size_t
utf8_length(const char *p)
{
	for (size_t n = 1; n <= 4 && p[n - 1] != '\0'; n++)
		if (utf8_valid(p, n))
			return n;
	return 0;
}

static void
add_escaped(struct buf *out, const char *s)
{
	while (*s != '\0') {
		size_t n = utf8_length(s);

		if (n == 0)
			buf_addch(out, '?');
		else if (*s == '\n')
			buf_addstr(out, "\\n");
		else if (*s == '"' || *s == '\\')
			buf_printf(out, "\\%c", *s);
		else
			buf_add(out, s, n);
		s += n > 0 ? n : 1;
	}
}

/* name_suffix{labels,le="..."}, and the blank before the value. */
static void
add_series(struct metric_page *page, const char *suffix,
    const struct metric_label *labels, size_t n, const char *le)
{
	struct buf *out = page->out;
	const char *before = "{";

	assert(page->family != NULL && n <= METRIC_LABELS_MAX);
	buf_addstr(out, page->family);
	buf_addstr(out, suffix);
	for (size_t i = 0; i < n; i++) {
		buf_addstr(out, before);
		buf_addstr(out, labels[i].name);
		buf_addstr(out, "=\"");
		add_escaped(out, labels[i].value);
		buf_addch(out, '"');
		before = ",";
	}
	if (le != NULL) {
		buf_printf(out, "%sle=\"%s\"", before, le);
		before = ",";
	}
	buf_addstr(out, before[0] == ',' ? "} " : " ");
}

/* Whole numbers as such, others with the fewest digits that give the same
 * number when they are read. */
static void
metric_add_number(struct buf *out, double value)
{
	char text[NUMBER_BYTES];

	if (isnan(value)) {
		buf_addstr(out, "NaN\n");
		return;
	}
	if (isinf(value)) {
		buf_addstr(out, value > 0 ? "+Inf\n" : "-Inf\n");
		return;
	}
	if (value > -EXACT_MAX && value < EXACT_MAX) {
		double whole = (double)(int64_t)value;

		if (whole >= value && whole <= value) {
			buf_printf(out, "%" PRId64 "\n", (int64_t)value);
			return;
		}
	}
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) >= value && strtod(text, NULL) <= value)
			break;
	}
	buf_printf(out, "%s\n", text);
}

void
metric_value(struct metric_page *page, const struct metric_label *labels,
    size_t n, double value)
{
	assert(page->kind != METRIC_HISTOGRAM);
	/* Who reads a counter takes a smaller number for a new process. */
	assert(page->kind == METRIC_GAUGE || value >= 0);
	add_series(page, "", labels, n, NULL);
	metric_add_number(page->out, value);
}

void
metric_times(struct metric_page *page, const struct metric_label *labels,
    size_t n, const struct metric_histogram *h)
{
	uint64_t count = 0;
	uint64_t sum_us = atomic_load_explicit(&h->sum_us,
	    memory_order_relaxed);

	assert(page->kind == METRIC_HISTOGRAM);
	/* Buckets are cumulative, and the last is the count: it is counted
	 * here, so that they agree while others observe. */
	for (unsigned i = 0; i <= METRIC_BOUNDS; i++) {
		count += atomic_load_explicit(&h->bucket[i],
		    memory_order_relaxed);
		add_series(page, "_bucket", labels, n,
		    i < METRIC_BOUNDS ? bounds[i].seconds : "+Inf");
		buf_printf(page->out, "%" PRIu64 "\n", count);
	}
	add_series(page, "_sum", labels, n, NULL);
	metric_add_number(page->out, (double)sum_us / 1e6);
	add_series(page, "_count", labels, n, NULL);
	buf_printf(page->out, "%" PRIu64 "\n", count);
}

void
metric_counter(struct metric_page *page, const char *name, const char *help,
    uint64_t value)
{
	metric_begin(page, METRIC_COUNTER, name, help);
	metric_value(page, NULL, 0, (double)value);
}

void
metric_gauge(struct metric_page *page, const char *name, const char *help,
    double value)
{
	metric_begin(page, METRIC_GAUGE, name, help);
	metric_value(page, NULL, 0, value);
}

static void
grid_labels(struct metric_label labels[static 2],
    const struct metric_grid *grid, unsigned i)
{
	assert(grid->columns > 0 && i / grid->columns < grid->rows);
	labels[0] = (struct metric_label){ grid->row_label,
		grid->row_name(i / grid->columns) };
	labels[1] = (struct metric_label){ grid->column_label,
		grid->column_name(i % grid->columns) };
}

void
metric_grid_values(struct metric_page *page, const struct metric_grid *grid,
    const _Atomic uint64_t *values)
{
	struct metric_label labels[2];

	for (unsigned i = 0; i < grid->rows * grid->columns; i++) {
		uint64_t value = atomic_load_explicit(&values[i],
		    memory_order_relaxed);

		if (value == 0)
			continue;
		grid_labels(labels, grid, i);
		metric_value(page, labels, nitems(labels), (double)value);
	}
}

void
metric_grid_times(struct metric_page *page, const struct metric_grid *grid,
    const struct metric_histogram *times)
{
	struct metric_label labels[2];

	for (unsigned i = 0; i < grid->rows * grid->columns; i++) {
		if (metric_observed(&times[i], NULL) == 0)
			continue;
		grid_labels(labels, grid, i);
		metric_times(page, labels, nitems(labels), &times[i]);
	}
}
