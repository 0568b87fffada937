/* SPDX-License-Identifier: MIT */
#include "base/metric.h"

#include "base/buf.h"
#include "base/compiler.h"
#include "tap.h"

static struct metric metrics[] = {
	{ "koop_puts_total", "Shards stored.", METRIC_COUNTER, "", 0 },
	{ "koop_answers_total", "Answers.", METRIC_COUNTER, "code=\"200\"", 0 },
	{ "koop_answers_total", "Answers.", METRIC_COUNTER, "code=\"404\"", 0 },
	{ "koop_open", "Open.", METRIC_GAUGE, NULL, 0 },
};

static void
help_and_type_come_once_for_a_name(void)
{
	struct buf out = buf_make(10000);

	metric_add(&metrics[0], 3);
	metric_add(&metrics[0], 2);
	metric_add(&metrics[2], 1);
	metric_set(&metrics[3], -4);
	CHECK(metric_get(&metrics[0]) == 5);
	metric_print(&out, metrics, (int)nitems(metrics));
	CHECK_STR(buf_cstr(&out),
	    "# HELP koop_puts_total Shards stored.\n"
	    "# TYPE koop_puts_total counter\n"
	    "koop_puts_total 5\n"
	    "# HELP koop_answers_total Answers.\n"
	    "# TYPE koop_answers_total counter\n"
	    "koop_answers_total{code=\"200\"} 0\n"
	    "koop_answers_total{code=\"404\"} 1\n"
	    "# HELP koop_open Open.\n"
	    "# TYPE koop_open gauge\n"
	    "koop_open -4\n");
	buf_fini(&out);
}

int
main(void)
{
	RUN(help_and_type_come_once_for_a_name);
	return tap_done();
}
