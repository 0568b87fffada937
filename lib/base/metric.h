/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_METRIC_H
#define KOOP_BASE_METRIC_H

#include <stdint.h>

/*
 * Counters and gauges in Prometheus' text format.  A program declares its
 * metrics as one static table; the values are atomics, so counting needs no
 * lock.  Names end in _total for counters.
 */

struct buf;

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric {
	const char *name; /* "koop_node_shard_puts_total" */
	const char *help;
	enum metric_kind kind;
	const char *labels; /* "" or "code=\"200\"" */
	_Atomic int64_t value;
};

void metric_add(struct metric *metric, int64_t n);
void metric_set(struct metric *metric, int64_t n);
int64_t metric_get(const struct metric *metric);
/* HELP and TYPE once for each run of equal names. */
void metric_print(struct buf *out, const struct metric *metrics, int count);

#endif
