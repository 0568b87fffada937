/* SPDX-License-Identifier: MIT */
#include "base/metric.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "base/buf.h"

void
metric_add(struct metric *metric, int64_t n)
{
	/* Who reads a counter takes a smaller number for a new process. */
	assert(metric->kind == METRIC_GAUGE || n >= 0);
	atomic_fetch_add_explicit(&metric->value, n, memory_order_relaxed);
}

void
metric_set(struct metric *metric, int64_t n)
{
	assert(metric->kind == METRIC_GAUGE || n >= 0);
	atomic_store_explicit(&metric->value, n, memory_order_relaxed);
}

int64_t
metric_get(const struct metric *metric)
{
	return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

void
metric_print(struct buf *out, const struct metric *metrics, int count)
{
	const char *last = "";

	for (int i = 0; i < count; i++) {
		const struct metric *m = &metrics[i];
		const char *labels = m->labels != NULL ? m->labels : "";

		if (strcmp(m->name, last) != 0)
			buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name,
			    m->help, m->name,
			    m->kind == METRIC_COUNTER ? "counter" : "gauge");
		last = m->name;
		if (labels[0] == '\0')
			buf_printf(out, "%s %" PRId64 "\n", m->name,
			    metric_get(m));
		else
			buf_printf(out, "%s{%s} %" PRId64 "\n", m->name, labels,
			    metric_get(m));
	}
}
