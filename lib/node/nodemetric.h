/* SPDX-License-Identifier: MIT */
#ifndef KOOP_NODE_NODEMETRIC_H
#define KOOP_NODE_NODEMETRIC_H

#include <stdint.h>

#include "base/metric.h"

/*
 * What a node counts of the requests that it answers: how many, by operation
 * and status, and how long each took from its headers to the last byte of the
 * answer.  Meanings are in koop-metrics(5).  Threads: any.
 */

#define NODEMETRIC_CODES 17

/*      operation   its label */
#define NODEOPS(X)                \
	X(OTHER, "other")         \
	X(PUT_SHARD, "put_shard") \
	X(GET_SHARD, "get_shard") \
	X(GET_ROW, "get_row")     \
	X(DELETE, "delete_shard") \
	X(BUCKET, "bucket")       \
	X(LIST, "list")           \
	X(APPLIED, "applied")     \
	X(STREAM, "stream")       \
	X(LEASE, "lease")         \
	X(REPAIR, "repair")       \
	X(CATCH_UP, "catch_up")   \
	X(HEALTH, "health")       \
	X(METRICS, "metrics")

enum nodeop {
#define X(name, label) NODEOP_##name,
	NODEOPS(X)
#undef X
	    NODEOP_MAX,
};

struct nodemetric {
	_Atomic uint64_t requests[NODEOP_MAX * NODEMETRIC_CODES];
	struct metric_histogram times[NODEOP_MAX];
};

/* Status 0: the client left before there was an answer. */
void nodemetric_count(struct nodemetric *m, enum nodeop op, int status,
    uint64_t us);
void nodemetric_print(struct metric_page *page, const struct nodemetric *m);

#endif
