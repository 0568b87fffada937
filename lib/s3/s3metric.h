/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3METRIC_H
#define KOOP_S3_S3METRIC_H

#include <stddef.h>
#include <stdint.h>

#include "base/metric.h"
#include "s3/s3op.h"

/*
 * What a gateway counts of its requests: how many, by operation and status;
 * how long they took, by operation and phase.  Names and meanings are in
 * koop-metrics(5).  Threads: any.
 */

/* The statuses that the gateway answers with, and one for what is none. */
#define S3METRIC_CODES 22
/* The client left, or was cut because it crawled: no status says so, and this
 * is what nginx calls it. */
#define S3METRIC_CUT 499

enum s3metric_phase {
	S3METRIC_QUEUE,      /* in line for a place to fetch */
	S3METRIC_METADATA,   /* looking bucket and version up */
	S3METRIC_FIRST_BYTE, /* from the headers to the reply's first byte */
	S3METRIC_WHOLE,      /* from the headers to the reply's last byte */
	S3METRIC_PHASES,
};

struct s3metric {
	_Atomic uint64_t requests[S3OP_MAX * S3METRIC_CODES];
	struct metric_histogram times[S3OP_MAX * S3METRIC_PHASES];
	_Atomic uint64_t received_bytes; /* of bodies */
	_Atomic uint64_t sent_bytes;
	_Atomic uint64_t session_hits, session_misses;
};

void s3metric_count(struct s3metric *m, enum s3op op, int status);
void s3metric_time(struct s3metric *m, enum s3op op, enum s3metric_phase phase,
    uint64_t us);
/* How many requests had a status of this class, 2 to 5; cut ones are none. */
uint64_t s3metric_class(const struct s3metric *m, int class);
void s3metric_print(struct metric_page *page, const struct s3metric *m);

#endif
