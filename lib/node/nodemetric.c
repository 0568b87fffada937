/* SPDX-License-Identifier: MIT */
#include "node/nodemetric.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/compiler.h"

/* In order; the last is for what is none of them. */
static const struct {
	int status;
	const char *label;
} codes[NODEMETRIC_CODES] = {
	{ 0, "cut" },
	{ 200, "200" },
	{ 202, "202" },
	{ 204, "204" },
	{ 206, "206" },
	{ 400, "400" },
	{ 404, "404" },
	{ 405, "405" },
	{ 409, "409" },
	{ 410, "410" },
	{ 413, "413" },
	{ 416, "416" },
	{ 421, "421" },
	{ 500, "500" },
	{ 503, "503" },
	{ 507, "507" },
	{ -1, "other" },
};

static const char *const op_labels[NODEOP_MAX] = {
#define X(name, label) label,
	NODEOPS(X)
#undef X
};

static const char *
op_label(unsigned i)
{
	assert(i < NODEOP_MAX);
	return op_labels[i];
}

static const char *
code_label(unsigned i)
{
	assert(i < NODEMETRIC_CODES);
	return codes[i].label;
}

void
nodemetric_count(struct nodemetric *m, enum nodeop op, int status, uint64_t us)
{
	unsigned code = 0;

	assert(op < NODEOP_MAX);
	while (code < NODEMETRIC_CODES - 1 && codes[code].status != status)
		code++;
	atomic_fetch_add_explicit(&m->requests[(unsigned)op * NODEMETRIC_CODES +
				      code],
	    1, memory_order_relaxed);
	metric_observe(&m->times[op], us);
}

void
nodemetric_print(struct metric_page *page, const struct nodemetric *m)
{
	const struct metric_grid requests = {
		.row_label = "operation",
		.row_name = op_label,
		.rows = NODEOP_MAX,
		.column_label = "code",
		.column_name = code_label,
		.columns = NODEMETRIC_CODES,
	};

	metric_begin(page, METRIC_COUNTER, "koop_node_requests_total",
	    "Requests, by operation and status.");
	metric_grid_values(page, &requests, m->requests);
	metric_begin(page, METRIC_HISTOGRAM,
	    "koop_node_request_duration_seconds",
	    "From the headers of a request to the last byte of its answer.");
	for (unsigned i = 0; i < NODEOP_MAX; i++) {
		struct metric_label label = { "operation", op_labels[i] };

		if (metric_observed(&m->times[i], NULL) > 0)
			metric_times(page, &label, 1, &m->times[i]);
	}
}
