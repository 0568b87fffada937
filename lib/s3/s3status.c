/* SPDX-License-Identifier: MIT */

/* /health and /metrics of the gateway. */

#include <string.h>

#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "http/httpd.h"
#include "s3/s3shared.h"
#include "s3/s3ops.h"

/* Machines of a set that are not known to be down. */
static uint32_t
usable(struct gateway *gw, const struct topology *t, size_t set)
{
	struct placement place = { .set = &t->sets[set], .set_index = set };
	uint32_t count = 0;

	for (uint32_t i = 0; i < place.set->n; i++)
		if (nodeclient_usable(gw->nc, &place, i))
			count++;
	return count;
}

static void
print_health(struct s3req *r, struct buf *out)
{
	struct gateway *gw = r->gw;
	const struct topology *t = nodeclient_topology(gw->nc);
	const char *status = "ok";

	for (size_t i = 0; i < t->set_count; i++)
		if (usable(gw, t, i) < t->sets[i].write_quorum)
			status = "degraded";
	buf_printf(out,
	    "{\"status\":\"%s\",\"cluster\":\"%s\",\"epoch\":%llu,"
	    "\"partitions\":%zu,\"connections\":%u,\"sets\":[",
	    status, nodeclient_cluster(gw->nc), (unsigned long long)t->epoch,
	    t->partition_count, httpd_request_connections(r->http));
	for (size_t i = 0; i < t->set_count; i++)
		buf_printf(out,
		    "%s{\"set\":%u,\"n\":%u,\"dataShards\":%u,"
		    "\"writeQuorum\":%u,\"usable\":%u}",
		    i ? "," : "", t->sets[i].number, t->sets[i].n,
		    t->sets[i].data_shards, t->sets[i].write_quorum,
		    usable(gw, t, i));
	buf_addstr(out, "]}\n");
}

void
s3status_reply(struct s3req *r, const char *path)
{
	const char *method = httpd_method(r->http);
	struct buf out = buf_make(1 << 20);
	bool health = strcmp(path, "/health") == 0;

	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		/* These names are no buckets: they could never be reached. */
		if (strcmp(method, "PUT") == 0)
			s3req_fail(r, S3E_INVALID_BUCKET_NAME);
		else
			s3req_fail(r, S3E_METHOD_NOT_ALLOWED);
		return;
	}
	if (health) {
		print_health(r, &out);
	} else {
		metric_set(&r->gw->metrics[S3METRIC_CONNECTIONS],
		    httpd_request_connections(r->http));
		metric_print(&out, r->gw->metrics, S3METRIC_MAX);
	}
	s3req_common(r, 200);
	httpd_reply_header(r->http, "Content-Type",
	    health ? "application/json" : "text/plain; version=0.0.4");
	httpd_reply_header(r->http, "Cache-Control", "no-store");
	httpd_reply(r->http, 200, out.p, out.n);
	buf_fini(&out);
}
