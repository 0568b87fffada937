/* SPDX-License-Identifier: MIT */

/* /health and /metrics of the gateway. */

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logfile.h"
#include "client/acks.h"
#include "client/clientstats.h"
#include "client/nodeclient.h"
#include "client/nodewatch.h"
#include "cluster/placement.h"
#include "cluster/topology.h"
#include "commit/positions.h"
#include "http/httpd.h"
#include "s3/s3shared.h"
#include "s3/s3ops.h"

#define STATUS_BYTES (4u << 20)

/* Of those that something is the matter with. */
static void
print_nodes(const struct nodewatch_set *s, struct buf *out)
{
	char address[ADDRESS_BYTES];
	const char *comma = "";

	buf_addstr(out, "\"nodes\":[");
	for (uint32_t i = 0; i < s->set.n; i++) {
		const struct nodewatch_node *node = &s->node[i];

		if (node->reasons == 0)
			continue;
		machine_address(address, &s->set.machine[i]);
		buf_printf(out,
		    "%s{\"node\":\"%u/%u\",\"address\":\"%s\",\"reasons\":",
		    comma, s->set.number, i, address);
		nodehealth_print_reasons(out, node->reasons);
		if ((node->reasons & NODEHEALTH_UNREACHABLE) == 0)
			buf_printf(out,
			    ",\"voting\":%u,\"partitions\":%u,\"free\":%llu",
			    node->voting, node->partitions,
			    (unsigned long long)node->free_bytes);
		buf_addch(out, '}');
		comma = ",";
	}
	buf_addch(out, ']');
}

static void
print_set(const struct nodewatch_set *s, struct buf *out)
{
	buf_printf(out,
	    "{\"set\":%u,\"status\":\"%s\",\"n\":%u,\"dataShards\":%u,"
	    "\"writeQuorum\":%u,\"usable\":%u,\"voting\":%u,\"room\":%u,",
	    s->set.number, nodehealth_name(nodewatch_judge(s)), s->set.n,
	    s->set.data_shards, s->set.write_quorum, s->reachable, s->voters,
	    s->roomy);
	print_nodes(s, out);
	buf_addch(out, '}');
}

/* What the data path will say, from what the nodes said last.  Only looks:
 * each set is counted once, and no probe is taken from it. */
static int
print_health(struct s3req *r, struct buf *out)
{
	struct gateway *gw = r->gw;
	const struct topology *t = nodeclient_topology(gw->nc);
	struct nodewatch_set *sets = NULL;
	enum nodehealth_word word = NODEHEALTH_DOWN;
	size_t count = 0;

	if (nodewatch_look(gw->watch, &sets, &count, NULL) == 0)
		word = nodewatch_worst(sets, count);
	buf_printf(out,
	    "{\"status\":\"%s\",\"cluster\":\"%s\",\"epoch\":%llu,"
	    "\"partitions\":%zu,\"connections\":%u,\"sets\":[",
	    nodehealth_name(word), nodeclient_cluster(gw->nc),
	    (unsigned long long)t->epoch, t->partition_count,
	    httpd_request_connections(r->http));
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_addch(out, ',');
		print_set(&sets[i], out);
	}
	buf_addstr(out, "]}\n");
	free(sets);
	return word == NODEHEALTH_DOWN ? 503 : 200;
}

/* How many nodes more may go before writes stop: of those that apply, or of
 * those with room, whichever are fewer. */
static void
print_spare(const struct nodewatch_set *sets, size_t count,
    struct metric_page *page)
{
	char number[16];
	const struct metric_label label = { "set", number };

	metric_begin(page, METRIC_GAUGE, "koop_gw_set_spare_nodes",
	    "Nodes of a set that writes could do without; below 0 they stop.");
	for (size_t i = 0; i < count; i++) {
		const struct nodewatch_set *s = &sets[i];

		snprintf(number, sizeof(number), "%u", s->set.number);
		metric_value(page, &label, 1,
		    (double)KOOP_MIN(s->appliers, s->roomy) -
			(double)s->set.write_quorum);
	}
}

/* As /health, and never anything else. */
static void
print_nodes_metrics(struct gateway *gw, struct metric_page *page)
{
	struct nodewatch_set *sets = NULL;
	unsigned reachable = 0;
	unsigned roomy = 0;
	unsigned all = 0;
	size_t count = 0;
	enum nodehealth_word word = NODEHEALTH_DOWN;

	if (nodewatch_look(gw->watch, &sets, &count, NULL) == 0)
		word = nodewatch_worst(sets, count);
	for (size_t i = 0; i < count; i++) {
		all += sets[i].set.n;
		reachable += sets[i].reachable;
		roomy += sets[i].roomy;
	}
	print_spare(sets, count, page);
	free(sets);
	metric_gauge(page, "koop_gw_health",
	    "0 ok, 1 degraded, 2 readonly, 3 down; as /health.", word);
	metric_gauge(page, "koop_gw_nodes", "Storage nodes of the topology.",
	    all);
	metric_gauge(page, "koop_gw_nodes_reachable",
	    "Storage nodes that answer.", reachable);
	metric_gauge(page, "koop_gw_nodes_with_room",
	    "Storage nodes that take shards.", roomy);
}

/* A sample of the family that was begun, with one label. */
static void
labelled(struct metric_page *page, const char *name, const char *label,
    double value)
{
	const struct metric_label labels[] = { { name, label } };

	metric_value(page, labels, nitems(labels), value);
}

static void
print_connections(struct s3req *r, struct metric_page *page)
{
	struct nodeclient *nc = r->gw->nc;

	metric_begin(page, METRIC_GAUGE, "koop_gw_connections",
	    "Open connections, by whom they are with.");
	labelled(page, "kind", "clients", httpd_request_connections(r->http));
	labelled(page, "kind", "nodes", nodeclient_connections(nc));
	metric_gauge(page, "koop_gw_ack_streams",
	    "Nodes whose stream of applied records is up.",
	    acks_streams(nodeclient_acks(nc)));
	metric_gauge(page, "koop_gw_writes",
	    "Writes under way that hold connections to nodes.",
	    atomic_load(&r->gw->writes));
}

static void
print_reads(const struct clientstats *stats, struct metric_page *page)
{
	metric_counter(page, "koop_gw_degraded_reads_total",
	    "Windows of objects that were rebuilt from parity.",
	    atomic_load(&stats->degraded_reads));
	metric_counter(page, "koop_gw_bad_cells_total",
	    "Damaged cells that were met; their nodes were told.",
	    atomic_load(&stats->bad_cells));
	metric_begin(page, METRIC_COUNTER, "koop_gw_hedges_total",
	    "Answers that were late, so that another node was asked, too.");
	labelled(page, "kind", "cells",
	    (double)atomic_load(&stats->hedged_cells));
	labelled(page, "kind", "rows",
	    (double)atomic_load(&stats->hedged_rows));
	metric_begin(page, METRIC_COUNTER, "koop_gw_metadata_reads_total",
	    "Reads of rows, by whether one node was enough.");
	labelled(page, "from", "one",
	    (double)atomic_load(&stats->reads_of_one));
	labelled(page, "from", "quorum",
	    (double)atomic_load(&stats->reads_of_quorum));
}

static void
print_caches(const struct gateway *gw, const struct clientstats *stats,
    struct metric_page *page)
{
	const struct s3metric *m = &gw->metric;

	metric_begin(page, METRIC_COUNTER, "koop_gw_cache_hits_total",
	    "Questions that a cache answered.");
	labelled(page, "cache", "bucket",
	    (double)atomic_load(&stats->bucket_hits));
	if (gw->session != NULL)
		labelled(page, "cache", "session",
		    (double)atomic_load(&m->session_hits));
	metric_begin(page, METRIC_COUNTER, "koop_gw_cache_misses_total",
	    "Questions that nodes had to answer.");
	labelled(page, "cache", "bucket",
	    (double)atomic_load(&stats->bucket_misses));
	if (gw->session != NULL)
		labelled(page, "cache", "session",
		    (double)atomic_load(&m->session_misses));
}

static void
print_commits(const struct clientstats *stats, struct metric_page *page)
{
	metric_counter(page, "koop_gw_missed_shards_total",
	    "Shards without which a write went on; repair makes them.",
	    atomic_load(&stats->missed_shards));
	metric_begin(page, METRIC_HISTOGRAM,
	    "koop_gw_commit_append_duration_seconds",
	    "How long appends to the commit log took.");
	metric_times(page, NULL, 0, &stats->append);
	metric_begin(page, METRIC_HISTOGRAM,
	    "koop_gw_commit_apply_duration_seconds",
	    "From an append until a write quorum had applied the record.");
	metric_times(page, NULL, 0, &stats->apply);
}

/*
 * How many records each member is behind the one of its set that has applied
 * the most, over all partitions: from what this gateway knows anyway, so that
 * nobody is asked.  Of whom it knows nothing nothing is said.
 */
static void
count_behind(struct nodeclient *nc, const struct placement *place,
    uint64_t behind[static TOPOLOGY_MACHINES_MAX], uint32_t *known)
{
	uint64_t applied[TOPOLOGY_MACHINES_MAX];
	uint64_t most = 0;

	for (uint32_t i = 0; i < place->set->n; i++) {
		struct positions_member member = { place->set->number, i };

		applied[i] = positions_applied(nodeclient_positions(nc), member,
		    place->partition);
		most = KOOP_MAX(most, applied[i]);
	}
	for (uint32_t i = 0; i < place->set->n; i++) {
		if (applied[i] == 0)
			continue;
		assert(applied[i] <= most);
		*known |= 1u << i;
		behind[i] += most - applied[i];
	}
}

static void
print_behind_of_set(struct nodeclient *nc, const struct erasure_set *set,
    struct metric_page *page)
{
	const struct topology *t = nodeclient_topology(nc);
	uint64_t behind[TOPOLOGY_MACHINES_MAX] = { 0 };
	uint32_t known = 0;
	char name[32];

	for (size_t p = 0; p < t->partition_count; p++) {
		struct placement place;

		if (placement_partition(t, t->partitions[p], &place, NULL) ==
			0 &&
		    place.set == set)
			count_behind(nc, &place, behind, &known);
	}
	for (uint32_t i = 0; i < set->n; i++) {
		if ((known >> i & 1) == 0)
			continue;
		snprintf(name, sizeof(name), "%u/%u", set->number, i);
		labelled(page, "node", name, (double)behind[i]);
	}
}

static void
print_behind(struct nodeclient *nc, struct metric_page *page)
{
	const struct topology *t = nodeclient_topology(nc);

	metric_begin(page, METRIC_GAUGE, "koop_gw_node_records_behind",
	    "Records that a node has yet to apply, of those that others have.");
	for (size_t i = 0; i < t->set_count; i++)
		print_behind_of_set(nc, &t->sets[i], page);
}

static void
print_metrics(struct s3req *r, struct buf *out)
{
	const struct clientstats *stats = nodeclient_stats(r->gw->nc);
	struct metric_page page = metric_page(out);

	metric_process(&page);
	print_nodes_metrics(r->gw, &page);
	print_connections(r, &page);
	s3metric_print(&page, &r->gw->metric);
	print_reads(stats, &page);
	print_caches(r->gw, stats, &page);
	print_commits(stats, &page);
	print_behind(r->gw->nc, &page);
	if (r->gw->access != NULL)
		metric_counter(&page, "koop_gw_access_log_dropped_total",
		    "Lines of the access log that were dropped.",
		    logfile_dropped(r->gw->access));
}

void
s3status_reply(struct s3req *r)
{
	const char *method = httpd_method(r->http);
	struct buf out = buf_make(STATUS_BYTES);
	bool health = r->op == S3OP_HEALTH;
	int status = 200;

	assert(health || r->op == S3OP_METRICS);
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		/* These names are no buckets: they could never be reached. */
		if (strcmp(method, "PUT") == 0)
			s3req_fail(r, S3E_INVALID_BUCKET_NAME);
		else
			s3req_fail(r, S3E_METHOD_NOT_ALLOWED);
		return;
	}
	if (health)
		status = print_health(r, &out);
	else
		print_metrics(r, &out);
	if (buf_failed(&out)) {
		s3req_fail(r, S3E_SLOW_DOWN);
	} else {
		s3req_common(r, status);
		r->sent = r->head ? 0 : out.n;
		httpd_reply_header(r->http, "Content-Type",
		    health ? "application/json" : "text/plain; version=0.0.4");
		httpd_reply_header(r->http, "Cache-Control", "no-store");
		httpd_reply(r->http, status, out.p, out.n);
	}
	buf_fini(&out);
}
