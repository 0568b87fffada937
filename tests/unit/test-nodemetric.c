/* SPDX-License-Identifier: MIT */

/* What a node counts of its requests. */

#include "node/nodemetric.h"

#include <string.h>

#include "base/buf.h"
#include "tap.h"

static struct nodemetric m;

static bool
says(const struct buf *page, const char *line)
{
	return strstr((const char *)page->p, line) != NULL;
}

static void
requests_are_told_by_operation_and_status_and_only_those_that_came(void)
{
	struct buf out = buf_make(1u << 20);
	struct metric_page page = metric_page(&out);

	nodemetric_count(&m, NODEOP_PUT_SHARD, 200, 900);
	nodemetric_count(&m, NODEOP_PUT_SHARD, 200, 1100);
	nodemetric_count(&m, NODEOP_PUT_SHARD, 507, 10);
	nodemetric_count(&m, NODEOP_GET_SHARD, 0, 10);
	nodemetric_count(&m, NODEOP_OTHER, 418, 10);
	nodemetric_print(&page, &m);
	buf_addch(&out, '\0');
	CHECK(says(&out,
	    "\nkoop_node_requests_total{operation=\"put_shard\",code=\"200\"} "
	    "2\n"));
	CHECK(says(&out, "{operation=\"put_shard\",code=\"507\"} 1\n"));
	CHECK(says(&out, "{operation=\"get_shard\",code=\"cut\"} 1\n"));
	CHECK(says(&out, "{operation=\"other\",code=\"other\"} 1\n"));
	CHECK(!says(&out, "operation=\"lease\""));
	CHECK(!says(&out, "code=\"404\""));
	CHECK(says(&out,
	    "_duration_seconds_bucket{operation=\"put_shard\","
	    "le=\"0.001\"} 2\n"));
	CHECK(
	    says(&out, "_duration_seconds_count{operation=\"put_shard\"} 3\n"));
	buf_fini(&out);
}

int
main(void)
{
	RUN(requests_are_told_by_operation_and_status_and_only_those_that_came);
	return tap_done();
}
