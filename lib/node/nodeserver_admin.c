/* SPDX-License-Identifier: MIT */
#include "node/nodeserver_call.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/metric.h"
#include "base/nowait.h"
#include "commit/commitlog.h"
#include "commit/record_type.h"
#include "member/lastread.h"
#include "member/nodecore.h"
#include "member/room.h"
#include "node/applier.h"
#include "node/nodeserver.h"
#include "store/metaquery.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"
#include "upkeep/repair.h"
#include "wire/nodehealth.h"
#include "wire/nodetime.h"

#define OPLOG_BYTES (2u << 20) /* of one answer */
#define HEALTH_BYTES (1u << 20)
#define HEALTH_LOG_MS 1000

/* Leases and repairs. */

void
nodeserver_lease(struct nodeserver_call *call)
{
	if (!call->has_id) {
		nodeserver_refuse(call, 400, "requestId=ID is needed");
		return;
	}
	lastread_note(call->core->lastread, call->id,
	    clock_boot_ms(call->core->clock));
	httpd_reply(call->req, 200, NULL, 0);
}

void
nodeserver_repair(struct nodeserver_call *call)
{
	static const struct {
		int status;
		const char *text;
	} answers[] = {
		[REPAIR_QUEUED] = { 202, "its repair is queued" },
		[REPAIR_GOOD] = { 200, "the shard is good" },
		[REPAIR_UPLOADING] = { 409, "it is being uploaded" },
		[REPAIR_LOOKING] = { 202, "it is being looked at" },
	};
	enum repair_verdict verdict;
	struct error err = { 0 };
	uint64_t shard = nodecore_shard(call->core, call->partition);
	uint64_t mine = shard;
	int rc;

	if (!call->has_id ||
	    !nodeserver_number(call, "shard", &shard, UINT32_MAX)) {
		nodeserver_refuse(call, 400, "requestId=ID is needed");
		return;
	}
	if (shard != mine) {
		nodeserver_refuse(call, 400,
		    "shard %" PRIu64 ": this node holds shard %" PRIu64
		    " of partition %u",
		    shard, mine, call->partition);
		return;
	}
	assert(mine < call->core->set.n);
	rc = repair_check(call->core, call->partition, call->id, &verdict,
	    &err);
	assert(rc != 0 || (size_t)verdict < nitems(answers));
	if (rc != 0)
		nodeserver_error(call, &err);
	else
		nodeserver_refuse(call, answers[verdict].status, "%s",
		    answers[verdict].text);
}

/* For peers that fell behind. */

struct oplog_page {
	struct buf body;
	uint64_t next;
};

/* SEQ TIME_MS LINE */
static int
add_oplog(void *arg, const struct oplog_row *row)
{
	struct oplog_page *page = arg;

	/* Without gaps: who catches up from here counts (protocol.md 8). */
	assert(page->next == 0 || row->seq >= page->next);
	if (page->body.n + row->line.n + 64 > OPLOG_BYTES)
		return 1;
	buf_printf(&page->body, "%" PRIu64 " %" PRIu64 " ", row->seq,
	    row->time_ms);
	buf_add(&page->body, row->line.p, row->line.n);
	buf_addch(&page->body, '\n');
	page->next = row->seq + 1;
	return 0;
}

void
nodeserver_oplog(struct nodeserver_call *call)
{
	struct oplog_page page = { .body = buf_make(OPLOG_BYTES) };
	struct partition_row row;
	struct oplog_row first;
	struct error err = { 0 };
	struct metaquery *read;
	uint64_t from = 0;
	int rc = 0;

	if (!nodeserver_number(call, "from", &from, INT64_MAX)) {
		nodeserver_refuse(call, 400, "from: bad value");
		return;
	}
	read = nodeserver_read(call, &row);
	if (read == NULL)
		return;
	assert(row.partition == call->partition);
	nodeserver_position(call, &row);
	if (from <= row.applied)
		rc = metaquery_oplog_at(read, call->partition, from, &first,
		    &err);
	if (rc == 0)
		rc = metaquery_oplog(read, call->partition, from, add_oplog,
		    &page, &err);
	metaquery_end(read);
	if (rc >= 0 && buf_failed(&page.body))
		rc = error_set(&err, ERRC_NOMEM, "oplog: no memory");
	if (rc == -ERRC_NOTFOUND)
		nodeserver_refuse(call, 404, "oplog: trimmed: take a snapshot");
	else if (rc < 0)
		nodeserver_error(call, &err);
	else
		httpd_reply(call->req, 200, page.body.p, page.body.n);
	buf_fini(&page.body);
}

/* Health. */

/* What this node says of itself; the caller calls nodehealth_fini(). */
static int
take_health(struct nodeserver_call *call, struct nodehealth *h,
    struct error *err)
{
	struct nodecore *core = call->core;
	struct applier_state state;
	struct room_state room;

	assert(h->partitions == 0 && h->mute.partition == NULL);
	snprintf(h->cluster, sizeof(h->cluster), "%s", core->cluster);
	h->set = core->set.number;
	h->index = core->index;
	h->partitions = (uint32_t)applier_count(call->applier);
	h->mute.partition = calloc(h->partitions + 1, sizeof(uint32_t));
	h->stuck.partition = calloc(h->partitions + 1, sizeof(uint32_t));
	if (h->mute.partition == NULL || h->stuck.partition == NULL)
		return error_set(err, ERRC_NOMEM, "health: no memory");
	for (size_t i = 0; i < h->partitions; i++) {
		applier_state(call->applier, i, &state);
		h->halted += state.halted;
		h->voting += state.voting;
		if (!state.voting)
			h->mute.partition[h->mute.count++] = state.partition;
		/* A reason is given by what waits for a cure, too. */
		if (state.halted || state.reason[0] != '\0')
			h->stuck.partition[h->stuck.count++] = state.partition;
	}
	assert(h->voting + h->mute.count == h->partitions);
	nodecore_room(core, &room);
	h->free_bytes = room.free_bytes;
	h->total_bytes = room.total_bytes;
	h->reserve_bytes = room.reserve_bytes;
	h->reasons = (room.full ? NODEHEALTH_DISK_FULL : 0u) |
	    (h->voting < h->partitions || h->stuck.count > h->halted ?
		    NODEHEALTH_BEHIND :
		    0u) |
	    (h->halted > 0 ? NODEHEALTH_HALTED : 0u) |
	    (atomic_load(&core->log_reachable) ? 0u : NODEHEALTH_NO_LOG) |
	    (nodetime_is_skewed(core->clock) ? NODEHEALTH_CLOCK : 0u);
	return 0;
}

static int
read_counts(struct nodeserver_call *call, struct shardmeta_counts *rows,
    uint64_t *quarantine, struct shardfile_counts *files, struct error *err)
{
	struct nodecore *core = call->core;
	int rc = shardfile_quarantined(core->files, quarantine, err);

	shardmeta_counts(core->meta, rows);
	rows->repairs = repair_count(core);
	return rc == 0 ? shardfile_counts(core->files, files, err) : rc;
}

/* What the log holds, in one call and without an append: who is asked for
 * health every second must not write to the log. */
static void
read_spans(struct nodeserver_call *call, struct commitlog_span *spans)
{
	size_t count = applier_count(call->applier);
	struct applier_state state;

	for (size_t i = 0; i < count; i++) {
		applier_state(call->applier, i, &state);
		spans[i].partition = state.partition;
	}
	/* What is not known is 0 in the answer. */
	(void)!commitlog_stored(call->core->log, spans, count,
	    nodecore_deadline(call->core, HEALTH_LOG_MS), NULL);
}

static void
add_partitions(struct buf *body, struct nodeserver_call *call)
{
	struct nodecore *core = call->core;
	size_t count = applier_count(call->applier);
	struct commitlog_span *spans = calloc(count + 1, sizeof(*spans));
	struct applier_state state;

	if (spans != NULL)
		read_spans(call, spans);
	buf_addstr(body, ",\"partitions\":[");
	for (size_t i = 0; i < count; i++) {
		applier_state(call->applier, i, &state);
		buf_printf(body,
		    "%s{\"partition\":%" PRIu32 ",\"applied\":%" PRIu64
		    ",\"end\":%" PRIu64 ",\"stable\":%" PRIu64
		    ",\"voting\":%s,\"halted\":%s}",
		    i > 0 ? "," : "", state.partition, state.applied,
		    spans != NULL && spans[i].code == ERRC_OK ? spans[i].last :
								0,
		    nodecore_stable(core, state.partition),
		    state.voting ? "true" : "false",
		    state.halted ? "true" : "false");
	}
	buf_addch(body, ']');
	free(spans);
}

/* What costs more than a look: rows counted, folders listed. */
static int
add_counts(struct buf *body, struct nodeserver_call *call, struct error *err)
{
	struct shardmeta_counts rows = { 0 };
	struct shardfile_counts files = { 0 };
	uint64_t quarantine = 0;
	int rc = read_counts(call, &rows, &quarantine, &files, err);

	if (rc != 0)
		return rc;
	buf_printf(body,
	    ",\"repairs\":%" PRIu64 ",\"garbage\":%" PRIu64
	    ",\"quarantine\":%" PRIu64 ",\"unplaced\":%" PRIu64
	    ",\"uploads\":%" PRIu64,
	    rows.repairs, rows.garbage, quarantine,
	    (uint64_t)atomic_load(&call->core->counters.unplaced),
	    files.uploads);
	add_partitions(body, call);
	return 0;
}

/* ?brief leaves out what costs: gateways ask every second. */
void
nodeserver_health(struct nodeserver_call *call)
{
	struct nodecore *core = call->core;
	struct nodehealth h = { 0 };
	struct buf body = buf_make(HEALTH_BYTES);
	struct error err = { 0 };
	int rc = take_health(call, &h, &err);

	assert(!httpd_replied(call->req));
	buf_printf(&body, "{\"version\":\"%s\",\"level\":%u,\"disk\":\"%s\",",
	    KOOP_VERSION, record_level(), core->disk);
	if (rc == 0)
		nodehealth_print(&h, &body);
	if (rc == 0 && httpreq_query_get(&call->query, "brief") == NULL)
		rc = add_counts(&body, call, &err);
	buf_addstr(&body, "}\n");
	if (rc == 0 && buf_failed(&body))
		rc = error_set(&err, ERRC_NOMEM, "health: no memory");
	httpd_reply_header(call->req, "Content-Type", "application/json");
	if (rc != 0)
		nodeserver_error(call, &err);
	else
		httpd_reply(call->req,
		    nodehealth_judge(&h) == NODEHEALTH_DOWN ? 503 : 200, body.p,
		    body.n);
	nodehealth_fini(&h);
	buf_fini(&body);
}

/* Metrics. */

static void
add_gauges(struct metric_page *page, struct nodeserver_call *call)
{
	struct nodecore *core = call->core;
	struct nodehealth h = { 0 };
	struct shardmeta_counts rows = { 0 };
	struct shardfile_counts files = { 0 };
	uint64_t quarantine = 0;
	uint64_t database, wal;

	if (take_health(call, &h, NULL) != 0 ||
	    read_counts(call, &rows, &quarantine, &files, NULL) != 0) {
		nodehealth_fini(&h);
		return;
	}
	shardmeta_bytes(core->meta, &database, &wal);
	metric_gauge(page, "koop_node_partitions", "Partitions of this node.",
	    (double)h.partitions);
	metric_gauge(page, "koop_node_voting",
	    "Partitions in which it has a vote.", (double)h.voting);
	metric_gauge(page, "koop_node_halted", "Partitions that halted.",
	    (double)h.halted);
	metric_gauge(page, "koop_node_repairs", "Shards that wait for repair.",
	    (double)rows.repairs);
	metric_gauge(page, "koop_node_garbage",
	    "Rows of garbage to be collected.", (double)rows.garbage);
	metric_gauge(page, "koop_node_quarantine", "Files in quarantine.",
	    (double)quarantine);
	metric_gauge(page, "koop_node_unplaced", "Shards that no record names.",
	    (double)atomic_load(&core->counters.unplaced));
	metric_gauge(page, "koop_node_uploads", "Uploads open now.",
	    (double)files.uploads);
	metric_gauge(page, "koop_node_connections", "Connections open now.",
	    httpd_request_connections(call->req));
	metric_gauge(page, "koop_node_disk_free_bytes",
	    "Free space of the disk.", (double)h.free_bytes);
	metric_gauge(page, "koop_node_wal_bytes",
	    "The metadata's write-ahead log.", (double)wal);
	metric_gauge(page, "koop_node_disk_reserve_bytes",
	    "Space of the disk that is kept for records.",
	    (double)h.reserve_bytes);
	metric_gauge(page, "koop_node_disk_full", "1: no shard is taken.",
	    (h.reasons & NODEHEALTH_DISK_FULL) != 0);
	metric_gauge(page, "koop_node_health",
	    "0 ok, 1 degraded, 2 readonly, 3 down; as /health.",
	    nodehealth_judge(&h));
	nodehealth_fini(&h);
}

/* How long reads last is what everybody waits for, commits included. */
static void
add_reads(struct metric_page *page, struct nodecore *core)
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
	struct buf body = buf_make(HEALTH_BYTES);
	struct metric_page page = metric_page(&body);

	metric_process(&page);
#define X(field, name, help) \
	metric_counter(&page, name, help, atomic_load(&core->counters.field));
	NODECOUNTERS(X)
#undef X
	add_gauges(&page, call);
	add_reads(&page, core);
	httpd_reply_header(call->req, "Content-Type",
	    "text/plain; version=0.0.4");
	if (buf_failed(&body))
		nodeserver_refuse(call, 503, "no memory");
	else
		httpd_reply(call->req, 200, body.p, body.n);
	buf_fini(&body);
}
