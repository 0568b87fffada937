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
#include "commit/commitlog.h"
#include "commit/record_type.h"
#include "member/lastread.h"
#include "member/nodecore.h"
#include "member/room.h"
#include "node/applier.h"
#include "node/nodeserver.h"
#include "node/nodeserver_health.h"
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

int
nodeserver_look(struct nodeserver_call *call, struct nodehealth *h,
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

int
nodeserver_counts(struct nodeserver_call *call, struct shardmeta_counts *rows,
    uint64_t *quarantine, struct shardfile_counts *files, struct error *err)
{
	struct nodecore *core = call->core;
	int rc = shardfile_quarantined(core->files, quarantine, err);

	shardmeta_counts(core->meta, rows);
	rows->repairs = repair_count(core);
	return rc == 0 ? shardfile_counts(core->files, files, err) : rc;
}

void
nodeserver_spans(struct nodeserver_call *call, struct commitlog_span *spans)
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
		nodeserver_spans(call, spans);
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
	int rc = nodeserver_counts(call, &rows, &quarantine, &files, err);

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
	int rc = nodeserver_look(call, &h, &err);

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
