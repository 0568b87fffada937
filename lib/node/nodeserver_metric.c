/* SPDX-License-Identifier: MIT */

/* GET /metrics of a node. */

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/metric.h"
#include "base/nowait.h"
#include "commit/commitlog.h"
#include "member/nodecore.h"
#include "node/applier.h"
#include "node/nodeserver_call.h"
#include "node/nodeserver_health.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"
#include "upkeep/bucketusage.h"
#include "upkeep/repair.h"
#include "wire/nodehealth.h"

#define PAGE_BYTES (1u << 20)

/* So that what is told by instance can be joined with who that is. */
static void
metric_add_info(struct metric_page *page, const struct nodecore *core)
{
	char node[32];
	char set[16];
	struct metric_label labels[] = {
		{ "cluster", core->cluster },
		{ "set", set },
		{ "node", node },
		{ "disk", core->disk },
	};

	assert(core->index < core->set.n);
	snprintf(set, sizeof(set), "%" PRIu32, core->set.number);
	snprintf(node, sizeof(node), "%" PRIu32 "/%" PRIu32, core->set.number,
	    core->index);
	metric_begin(page, METRIC_GAUGE, "koop_node_info",
	    "1; its labels are the node's place and disk.");
	metric_value(page, labels, nitems(labels), 1);
}

static void
metric_add_health(struct metric_page *page, const struct nodehealth *h)
{
	static const struct {
		unsigned bit;
		const char *text;
	} reasons[] = {
#define X(name, bit, text) { NODEHEALTH_##name, text },
		NODEHEALTH_REASONS(X)
#undef X
	};

	metric_gauge(page, "koop_node_health",
	    "0 ok, 1 degraded, 2 readonly, 3 down; as /health.",
	    nodehealth_judge(h));
	metric_begin(page, METRIC_GAUGE, "koop_node_health_reason",
	    "1 for each reason that /health gives, else 0.");
	for (size_t i = 0; i < nitems(reasons); i++) {
		struct metric_label label = { "reason", reasons[i].text };

		/* Who does not answer says nothing. */
		if (reasons[i].bit != NODEHEALTH_UNREACHABLE)
			metric_value(page, &label, 1,
			    (h->reasons & reasons[i].bit) != 0);
	}
	assert(h->voting <= h->partitions);
	metric_gauge(page, "koop_node_partitions", "Partitions of this node.",
	    h->partitions);
	metric_gauge(page, "koop_node_partitions_voting",
	    "Partitions in which it has a vote.", h->voting);
	metric_gauge(page, "koop_node_partitions_halted",
	    "Partitions that halted at a record.", h->halted);
}

static void
metric_add_disk(struct metric_page *page, const struct nodehealth *h,
    const struct nodecore *core)
{
	const struct shardfile_metrics *m = shardfile_metrics(core->files);

	metric_gauge(page, "koop_node_disk_size_bytes",
	    "Size of the file system of the data directory.",
	    (double)h->total_bytes);
	metric_gauge(page, "koop_node_disk_free_bytes",
	    "Free space of that file system.", (double)h->free_bytes);
	metric_gauge(page, "koop_node_disk_reserve_bytes",
	    "Space of it that is kept for records.", (double)h->reserve_bytes);
	metric_gauge(page, "koop_node_disk_full", "1: no shard is taken.",
	    (h->reasons & NODEHEALTH_DISK_FULL) != 0);
	metric_counter(page, "koop_node_disk_written_bytes_total",
	    "Bytes of shards written, by clients and by repair.",
	    m->written_bytes);
	metric_counter(page, "koop_node_disk_errors_total",
	    "Reads and writes of shards that failed; full disks are none.",
	    m->errors);
	metric_begin(page, METRIC_HISTOGRAM, "koop_node_disk_write_seconds",
	    "One write of bytes of a shard.");
	metric_times(page, NULL, 0, &m->write);
	metric_begin(page, METRIC_HISTOGRAM, "koop_node_disk_sync_seconds",
	    "Until a shard and its name were on the disk.");
	metric_times(page, NULL, 0, &m->sync);
}

static void
metric_add_state(struct metric_page *page, const char *state, uint64_t value)
{
	struct metric_label label = { "state", state };

	metric_value(page, &label, 1, (double)value);
}

/* What lies in the folders is known once they were read, after a start. */
static void
metric_add_shards(struct metric_page *page, const struct nodecore *core,
    const struct shardfile_counts *files, uint64_t quarantine)
{
	metric_begin(page, METRIC_GAUGE, "koop_node_shards",
	    "Shards here, by state.");
	if (files->counted)
		metric_add_state(page, "stored", files->files);
	metric_add_state(page, "uploading", files->uploads);
	metric_add_state(page, "quarantined", quarantine);
	metric_add_state(page, "unplaced",
	    atomic_load(&core->counters.unplaced));
	metric_begin(page, METRIC_GAUGE, "koop_node_shard_bytes",
	    "Bytes of shards here, by state.");
	if (files->counted)
		metric_add_state(page, "stored", files->file_bytes);
	metric_add_state(page, "uploading", files->upload_bytes);
}

static void
metric_add_rows(struct metric_page *page, const struct nodecore *core,
    const struct shardmeta_counts *rows)
{
	uint64_t database, wal;

	shardmeta_bytes(core->meta, &database, &wal);
	metric_gauge(page, "koop_node_repairs_waiting",
	    "Shards and inline bytes that wait for repair.",
	    (double)rows->repairs);
	metric_gauge(page, "koop_node_garbage_waiting",
	    "Rows of garbage that are not collected yet.",
	    (double)rows->garbage);
	metric_gauge(page, "koop_node_meta_bytes",
	    "Size of the metadata's database.", (double)database);
	metric_gauge(page, "koop_node_meta_wal_bytes",
	    "Size of the metadata's write-ahead log.", (double)wal);
}

static void
metric_add_gauges(struct metric_page *page, struct nodeserver_call *call)
{
	struct nodehealth h = { 0 };
	struct shardmeta_counts rows = { 0 };
	struct shardfile_counts files = { 0 };
	uint64_t quarantine = 0;

	assert(!httpd_replied(call->req));
	if (nodeserver_look(call, &h, NULL) == 0) {
		metric_add_health(page, &h);
		metric_add_disk(page, &h, call->core);
	}
	if (nodeserver_counts(call, &rows, &quarantine, &files, NULL) == 0) {
		metric_add_shards(page, call->core, &files, quarantine);
		metric_add_rows(page, call->core, &rows);
	}
	nodehealth_fini(&h);
	metric_gauge(page, "koop_node_connections", "Connections open now.",
	    httpd_request_connections(call->req));
}

/* Of a log that does not answer nothing is told: 0 would be a lie. */
static void
metric_add_behind(struct metric_page *page, struct nodeserver_call *call)
{
	size_t count = applier_count(call->applier);
	struct commitlog_span *spans = calloc(count + 1, sizeof(*spans));
	struct applier_state state;
	uint64_t most = 0;
	bool known = spans != NULL;

	if (spans != NULL)
		nodeserver_spans(call, spans);
	for (size_t i = 0; i < count && known; i++) {
		applier_state(call->applier, i, &state);
		known = spans[i].code == ERRC_OK;
		if (known && spans[i].last > state.applied)
			most = KOOP_MAX(most, spans[i].last - state.applied);
	}
	free(spans);
	metric_gauge(page, "koop_node_log_reachable",
	    "1: the commit log answers.",
	    atomic_load(&call->core->log_reachable));
	metric_begin(page, METRIC_GAUGE, "koop_node_behind_records",
	    "Records of the log that the partition which is most behind has "
	    "still to apply.");
	if (known)
		metric_value(page, NULL, 0, (double)most);
}

static void
metric_add_apply(struct metric_page *page, const struct nodecore *core)
{
	metric_begin(page, METRIC_HISTOGRAM, "koop_node_apply_seconds",
	    "One transaction that applies records, with its commit.");
	metric_times(page, NULL, 0, &core->counters.apply);
	metric_begin(page, METRIC_HISTOGRAM, "koop_node_apply_delay_seconds",
	    "From a record's time in the log until it was applied here.");
	metric_times(page, NULL, 0, &core->counters.apply_delay);
}

static void
metric_add_buckets(struct metric_page *page, const struct nodecore *core)
{
	struct bucketusage_row *rows;
	uint64_t age_ms;
	size_t n;

	if (core->usage == NULL ||
	    !bucketusage_look(core->usage, &rows, &n, &age_ms))
		return;
	metric_begin(page, METRIC_GAUGE, "koop_node_bucket_objects",
	    "Objects of a bucket, in the partitions of this node.");
	for (size_t i = 0; i < n; i++) {
		struct metric_label label = { "bucket", rows[i].name };

		metric_value(page, &label, 1, (double)rows[i].objects);
	}
	metric_begin(page, METRIC_GAUGE, "koop_node_bucket_bytes",
	    "Bytes of all versions of these objects, as clients sent them.");
	for (size_t i = 0; i < n; i++) {
		struct metric_label label = { "bucket", rows[i].name };

		metric_value(page, &label, 1, (double)rows[i].bytes);
	}
	metric_gauge(page, "koop_node_bucket_age_seconds",
	    "How old these numbers of buckets are.", (double)age_ms / 1000);
	free(rows);
}

/* How long reads last is what everybody waits for, commits included. */
static void
metric_add_reads(struct metric_page *page, struct nodecore *core)
{
	struct shardmeta_reads reads;

	shardmeta_reads(core->meta, &reads);
	metric_gauge(page, "koop_node_read_longest_seconds",
	    "The longest read of the metadata since the start.",
	    (double)reads.longest_ms / 1000);
	metric_counter(page, "koop_node_reads_long_total",
	    "Reads of the metadata that lasted 100 ms or longer.",
	    reads.lasted_long);
	metric_counter(page, "koop_node_read_waits_total",
	    "Files, peers or locks met within a read: a defect.",
	    nowait_broken());
}

void
nodeserver_metrics(struct nodeserver_call *call)
{
	struct nodecore *core = call->core;
	struct buf body = buf_make(PAGE_BYTES);
	struct metric_page page = metric_page(&body);

	metric_process(&page);
	metric_add_info(&page, core);
	metric_add_gauges(&page, call);
	nodemetric_print(&page, nodeserver_counted(call->server));
#define X(field, name, help) \
	metric_counter(&page, name, help, atomic_load(&core->counters.field));
	NODECOUNTERS(X)
#undef X
	metric_add_behind(&page, call);
	metric_add_apply(&page, core);
	metric_add_reads(&page, core);
	metric_add_buckets(&page, core);
	httpd_reply_header(call->req, "Content-Type",
	    "text/plain; version=0.0.4");
	if (buf_failed(&body))
		nodeserver_refuse(call, 503, "no memory");
	else
		httpd_reply(call->req, 200, body.p, body.n);
	buf_fini(&body);
}
