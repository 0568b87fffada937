/* SPDX-License-Identifier: MIT */
#include "node/nodeserver_call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "member/nodecore.h"
#include "member/watermark.h"
#include "store/metaquery.h"
#include "wire/nodeline.h"

#define STREAM_MAGIC 0x6b6f7374u
#define STREAM_BLOCK 4096
#define STREAM_LINE 128 /* bytes that a line may take */
#define PING_MS 4000
/* Ids expire after two days: this is news enough. */
#define TIME_STEP_MS 60000
#define SENDER_MAX 64

/* GET /applied/PARTITION: one record. */

static void
reply_applied(struct nodeserver_call *call, const struct partition_row *row,
    const struct nodeline_ack *ack)
{
	struct buf body = buf_make(NODELINE_MAX);

	/* What is told as applied is: the answer counts towards w. */
	assert(ack->seq <= row->applied && ack->partition == row->partition);
	nodeserver_position(call, row);
	nodeline_applied_print(&body, ack);
	httpd_reply_header(call->req, "Content-Type", "application/json");
	httpd_reply(call->req, 200, body.p, body.n);
	buf_fini(&body);
}

/* Not applied, or not known any more: which of the two, the position says. */
static void
reply_not_applied(struct nodeserver_call *call, int status)
{
	struct partition_row row;
	struct metaquery *read = nodeserver_read(call, &row);

	assert(status == 504 || status == 404);
	if (read == NULL)
		return;
	metaquery_end(read);
	nodeserver_position(call, &row);
	nodeserver_refuse(call, status, "partition %u: %s", call->partition,
	    status == 504 ? "not applied yet" : "no record of it here");
}

static void
applied_seq(struct nodeserver_call *call, uint64_t seq, uint64_t deadline)
{
	struct nodeline_ack ack = { .kind = NODELINE_OUTCOME };
	struct partition_row row;
	struct oplog_row op;
	struct error err = { 0 };
	struct metaquery *read;
	int rc;

	if (watermark_wait(call->core->wm, call->index, seq, deadline, &err) !=
	    0) {
		reply_not_applied(call, 504);
		return;
	}
	read = nodeserver_read(call, &row);
	if (read == NULL)
		return;
	rc = metaquery_oplog_at(read, call->partition, seq, &op, &err);
	if (rc == 0) {
		ack.partition = call->partition;
		ack.seq = seq;
		ack.id = op.id;
		ack.outcome = (enum outcome)op.outcome;
	}
	metaquery_end(read);
	if (rc == 0)
		reply_applied(call, &row, &ack);
	else if (rc == -ERRC_NOTFOUND)
		reply_not_applied(call, 404);
	else
		nodeserver_error(call, &err);
}

/* One look: 1 found and answered, 0 not yet, negative answered otherwise. */
static int
look_for_id(struct nodeserver_call *call)
{
	struct nodeline_ack ack = { .kind = NODELINE_OUTCOME };
	struct partition_row row;
	struct decided_row decided;
	struct error err = { 0 };
	struct metaquery *read = nodeserver_read(call, &row);
	int rc;

	if (read == NULL)
		return -1;
	rc = metaquery_decided(read, call->partition, call->id, &decided, &err);
	metaquery_end(read);
	if (rc == -ERRC_NOTFOUND)
		return 0;
	if (rc != 0) {
		nodeserver_error(call, &err);
		return -1;
	}
	assert(decided.seq <= row.applied);
	ack.partition = call->partition;
	ack.seq = decided.seq;
	ack.id = call->id;
	ack.outcome = (enum outcome)decided.outcome;
	reply_applied(call, &row, &ack);
	return 1;
}

static void
applied_id(struct nodeserver_call *call, uint64_t deadline)
{
	uint64_t seen = UINT64_MAX;
	bool more = true;

	/* The version is read before the row: nothing falls between. */
	watermark_wait_change(call->core->wm, &seen, 0);
	while (look_for_id(call) == 0) {
		if (!more) {
			reply_not_applied(call, 504);
			return;
		}
		more = watermark_wait_change(call->core->wm, &seen, deadline);
	}
}

void
nodeserver_applied(struct nodeserver_call *call)
{
	uint64_t seq = UINT64_MAX;
	uint64_t deadline;

	if (!nodeserver_deadline(call, &deadline) ||
	    !nodeserver_number(call, "seq", &seq, INT64_MAX)) {
		nodeserver_refuse(call, 400, "seq, timeout: bad value");
		return;
	}
	assert(call->partition ==
	    watermark_partition(call->core->wm, call->index));
	if (seq != UINT64_MAX)
		applied_seq(call, seq, deadline);
	else if (call->has_id)
		applied_id(call, deadline);
	else
		nodeserver_refuse(call, 400, "requestId=ID or seq=N is needed");
}

/* GET /applied?sender=ID: the stream. */

struct stream {
	uint32_t magic;
	struct nodecore *core;
	uint64_t sender;
	uint64_t cursor;
	uint64_t seen;
	uint64_t time_ms; /* as told */
	size_t started;   /* partitions whose first lines are out */
	bool *voting;     /* as told */
	/* As told, when the sender wants to hear of each; else NULL. */
	uint64_t *applied;
	struct buf out;
};

static void
stream_free(void *arg)
{
	struct stream *stream = arg;

	assert(stream->magic == STREAM_MAGIC);
	stream->magic = 0;
	free(stream->voting);
	free(stream->applied);
	buf_fini(&stream->out);
	free(stream);
}

static bool
has_room(const struct stream *stream)
{
	return stream->out.n + 2 * STREAM_LINE <= STREAM_BLOCK;
}

static void
add_voting(struct stream *stream, size_t i)
{
	struct nodeline_ack line = {
		.kind = NODELINE_VOTING,
		.partition = watermark_partition(stream->core->wm, i),
	};

	assert(stream->out.n + STREAM_LINE <= STREAM_BLOCK);
	assert(i < watermark_count(stream->core->wm));
	line.voting = watermark_voting(stream->core->wm, i);
	stream->voting[i] = line.voting;
	nodeline_ack_print(&stream->out, &line);
}

static void
add_start(struct stream *stream)
{
	struct watermark *wm = stream->core->wm;
	struct nodeline_ack line = { .kind = NODELINE_POSITION };
	size_t i;

	assert(stream->started <= watermark_count(wm));
	while (stream->started < watermark_count(wm) && has_room(stream)) {
		i = stream->started++;
		if (!watermark_mine(wm, i))
			continue;
		line.partition = watermark_partition(wm, i);
		line.seq = watermark_applied(wm, i);
		nodeline_ack_print(&stream->out, &line);
		add_voting(stream, i);
	}
}

/* Protocol 1: a writer must hear of T before its ids are too old for it. */
static void
add_time(struct stream *stream)
{
	struct nodeline_ack line = {
		.kind = NODELINE_TIME,
		.time_ms = atomic_load(&stream->core->time_ms),
	};

	assert(stream->magic == STREAM_MAGIC);
	if (line.time_ms < stream->time_ms + TIME_STEP_MS)
		return;
	stream->time_ms = line.time_ms;
	nodeline_ack_print(&stream->out, &line);
}

/* For who has no page to look at.  A floor: what is applied meanwhile is told
 * the next time. */
static void
add_positions(struct stream *stream)
{
	const struct watermark *wm = stream->core->wm;
	struct nodeline_ack line = { .kind = NODELINE_POSITION };

	assert(stream->applied != NULL);
	for (size_t i = 0; i < watermark_count(wm) && has_room(stream); i++) {
		line.seq = watermark_applied(wm, i);
		if (line.seq == stream->applied[i])
			continue;
		line.partition = watermark_partition(wm, i);
		stream->applied[i] = line.seq;
		nodeline_ack_print(&stream->out, &line);
	}
}

/* Votes that changed, then outcomes; false when outcomes were lost. */
static bool
add_news(struct stream *stream)
{
	struct watermark *wm = stream->core->wm;
	struct watermark_event event;
	struct nodeline_ack line = { .kind = NODELINE_OUTCOME };
	enum watermark_next next;

	assert(stream->out.n <= STREAM_BLOCK);
	add_time(stream);
	for (size_t i = 0; i < watermark_count(wm) && has_room(stream); i++)
		if (watermark_voting(wm, i) != stream->voting[i])
			add_voting(stream, i);
	if (stream->applied != NULL)
		add_positions(stream);
	while (has_room(stream)) {
		next = watermark_next(wm, &stream->cursor, stream->sender,
		    &event);
		if (next == WATERMARK_LOST)
			return false;
		if (next == WATERMARK_EMPTY)
			break;
		line.partition = event.partition;
		line.seq = event.seq;
		line.outcome = event.outcome;
		line.id = event.id;
		nodeline_ack_print(&stream->out, &line);
	}
	return true;
}

static ssize_t
stream_read(void *arg, uint64_t pos, uint8_t *p, size_t max)
{
	struct stream *stream = arg;
	uint64_t ping;
	size_t n;

	(void)pos;
	if (stream->magic != STREAM_MAGIC)
		return -1;
	assert(max > 0);
	ping = nodecore_deadline(stream->core, PING_MS);
	add_start(stream);
	while (stream->out.n == 0) {
		if (!add_news(stream))
			return -1;
		if (stream->out.n > 0)
			break;
		if (atomic_load(&stream->core->stopping))
			return 0;
		if (!watermark_wait_change(stream->core->wm, &stream->seen,
			ping))
			buf_addstr(&stream->out, "ping\n");
	}
	if (buf_failed(&stream->out))
		return -1;
	n = KOOP_MIN(max, stream->out.n);
	assert(n > 0 && n <= stream->out.n);
	memcpy(p, stream->out.p, n);
	buf_consume(&stream->out, n);
	return (ssize_t)n;
}

/* GET /applied: where this node is now, once, as the lines a stream begins
 * with. */
static void
reply_positions(struct nodeserver_call *call)
{
	const struct watermark *wm = call->core->wm;
	struct buf body = buf_make((watermark_count(wm) + 1) * 2 * STREAM_LINE);

	for (size_t i = 0; i < watermark_count(wm); i++) {
		struct nodeline_ack line = {
			.kind = NODELINE_VOTING,
			.partition = watermark_partition(wm, i),
			.voting = watermark_voting(wm, i),
		};

		/* The vote before the position: a node that lost its vote in
		 * between has told of one that it had there. */
		nodeline_ack_print(&body, &line);
		line.kind = NODELINE_POSITION;
		line.seq = watermark_applied(wm, i);
		nodeline_ack_print(&body, &line);
	}
	if (buf_failed(&body))
		nodeserver_refuse(call, 503, "no memory");
	else
		httpd_reply(call->req, 200, body.p, body.n);
	buf_fini(&body);
}

void
nodeserver_stream(struct nodeserver_call *call)
{
	const char *sender = httpreq_query_get(&call->query, "sender");
	struct watermark *wm = call->core->wm;
	struct stream *stream;
	bool positions = httpreq_query_get(&call->query, "positions") != NULL;

	if (sender == NULL) {
		reply_positions(call);
		return;
	}
	if (sender[0] == '\0' || strlen(sender) > SENDER_MAX) {
		nodeserver_refuse(call, 400, "sender=ID is needed");
		return;
	}
	stream = calloc(1, sizeof(*stream));
	if (stream != NULL)
		stream->voting = calloc(watermark_count(wm) + 1, 1);
	if (stream != NULL && stream->voting != NULL && positions)
		stream->applied = calloc(watermark_count(wm) + 1,
		    sizeof(*stream->applied));
	if (stream == NULL || stream->voting == NULL ||
	    (positions && stream->applied == NULL)) {
		if (stream != NULL)
			free(stream->voting);
		free(stream);
		nodeserver_refuse(call, 503, "no memory");
		return;
	}
	assert((stream->applied != NULL) == positions);
	stream->magic = STREAM_MAGIC;
	stream->core = call->core;
	stream->sender = watermark_sender(sender, strlen(sender));
	/* Before the positions are read: what comes between is told twice. */
	stream->cursor = watermark_cursor(wm);
	stream->out = buf_make(2 * STREAM_BLOCK);
	httpd_reply_header(call->req, NODEPROTO_DISK, call->core->disk);
	httpd_reply_block(call->req, STREAM_BLOCK);
	httpd_reply_stream(call->req, 200, HTTPD_CHUNKED, stream_read,
	    stream_free, stream);
}
