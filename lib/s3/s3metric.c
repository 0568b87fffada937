/* SPDX-License-Identifier: MIT */

#include "s3/s3metric.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/compiler.h"

static const struct {
	int status;
	const char *name;
} codes[S3METRIC_CODES] = {
	{ 200, "200" },
	{ 204, "204" },
	{ 206, "206" },
	{ 304, "304" },
	{ 400, "400" },
	{ 403, "403" },
	{ 404, "404" },
	{ 405, "405" },
	{ 409, "409" },
	{ 411, "411" },
	{ 412, "412" },
	{ 413, "413" },
	{ 414, "414" },
	{ 416, "416" },
	{ 431, "431" },
	{ S3METRIC_CUT, "499" },
	{ 500, "500" },
	{ 501, "501" },
	{ 503, "503" },
	{ 505, "505" },
	{ 507, "507" },
	{ 0, "other" },
};

static const char *
op_name(unsigned i)
{
	return s3op_name((enum s3op)i);
}

static const char *
code_name(unsigned i)
{
	assert(i < S3METRIC_CODES);
	return codes[i].name;
}

static const char *
phase_name(unsigned i)
{
	static const char *const names[] = {
		[S3METRIC_QUEUE] = "queue",
		[S3METRIC_METADATA] = "metadata",
		[S3METRIC_FIRST_BYTE] = "first_byte",
		[S3METRIC_WHOLE] = "whole",
	};

	assert(i < nitems(names));
	return names[i];
}

static unsigned
code_of(int status)
{
	unsigned i = 0;

	while (i < S3METRIC_CODES - 1 && codes[i].status != status)
		i++;
	return i;
}

void
s3metric_count(struct s3metric *m, enum s3op op, int status)
{
	assert(op < S3OP_MAX);
	atomic_fetch_add_explicit(&m->requests[op * S3METRIC_CODES +
				      code_of(status)],
	    1, memory_order_relaxed);
}

void
s3metric_time(struct s3metric *m, enum s3op op, enum s3metric_phase phase,
    uint64_t us)
{
	assert(op < S3OP_MAX && phase < S3METRIC_PHASES);
	metric_observe(&m->times[op * S3METRIC_PHASES + phase], us);
}

uint64_t
s3metric_class(const struct s3metric *m, int class)
{
	uint64_t sum = 0;

	assert(class >= 2 && class <= 5);
	for (unsigned i = 0; i < S3OP_MAX * S3METRIC_CODES; i++) {
		int status = codes[i % S3METRIC_CODES].status;

		if (status / 100 == class && status != S3METRIC_CUT)
			sum += atomic_load_explicit(&m->requests[i],
			    memory_order_relaxed);
	}
	return sum;
}

void
s3metric_print(struct metric_page *page, const struct s3metric *m)
{
	static const struct metric_grid requests = { "operation", op_name,
		S3OP_MAX, "code", code_name, S3METRIC_CODES };
	static const struct metric_grid times = { "operation", op_name,
		S3OP_MAX, "phase", phase_name, S3METRIC_PHASES };

	metric_begin(page, METRIC_COUNTER, "koop_gw_requests_total",
	    "Requests, by operation and status; 499: the client left.");
	metric_grid_values(page, &requests, m->requests);
	metric_begin(page, METRIC_HISTOGRAM, "koop_gw_request_duration_seconds",
	    "How long requests took, by operation and phase.");
	metric_grid_times(page, &times, m->times);
	metric_counter(page, "koop_gw_received_bytes_total",
	    "Bytes of bodies received from clients.",
	    atomic_load(&m->received_bytes));
	metric_counter(page, "koop_gw_sent_bytes_total",
	    "Bytes of bodies sent to clients.", atomic_load(&m->sent_bytes));
}
