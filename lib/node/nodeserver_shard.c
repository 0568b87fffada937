/* SPDX-License-Identifier: MIT */
#include "node/nodeserver_call.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "http/range.h"
#include "member/idstate.h"
#include "member/lastread.h"
#include "member/nodecore.h"
#include "member/pending.h"
#include "member/room.h"
#include "member/uploadlist.h"
#include "member/watermark.h"
#include "store/metaquery.h"
#include "store/shardfile.h"
#include "upkeep/gc.h"
#include "upkeep/repair.h"
#include "wire/nodehealth.h"

/* PUT. */

/* An upload's errors have statuses of their own (shardfile.h). */
static void
refuse_upload(struct nodeserver_call *call, const struct error *err)
{
	int status = error_http_status(err->code);

	switch (err->code) {
	case ERRC_CORRUPT:
		status = 400;
		break;
	case ERRC_MISMATCH:
		status = 409;
		break;
	default:
		break;
	}
	atomic_fetch_add(&call->core->counters.shard_refused, 1);
	if (err->code == ERRC_FULL)
		nodeserver_full(call, err);
	else
		nodeserver_refuse(call, status, "%s", err->text);
}

static bool
parse_shard(struct nodeserver_call *call)
{
	uint64_t shard = UINT64_MAX;
	uint32_t mine = nodecore_shard(call->core, call->partition);

	assert(mine < call->core->set.n);
	if (!call->has_id ||
	    !nodeserver_number(call, "shard", &shard, UINT32_MAX) ||
	    shard == UINT64_MAX) {
		nodeserver_refuse(call, 400, "requestId=ID&shard=J are needed");
		return false;
	}
	if (shard != mine) {
		nodeserver_refuse(call, 400,
		    "shard %" PRIu64 ": this node holds shard %u of "
		    "partition %u",
		    shard, mine, call->partition);
		return false;
	}
	call->shard = mine;
	return true;
}

/*
 * What is known of the id.  False when the answer is given.  A dead id has
 * been aborted, refused or superseded, or is so old that every record which
 * names it expires; what came of it must be collected, and the row of the
 * garbage may be gone already.
 */
static bool
check_idstate(struct nodeserver_call *call, struct idstate *state,
    bool position)
{
	struct partition_row row;
	struct error err = { 0 };
	struct metaquery *read = nodeserver_read(call, &row);
	int rc;

	if (read == NULL)
		return false;
	assert(call->has_id);
	rc = idstate_read(read, call->partition, call->id, state, &err);
	metaquery_end(read);
	if (rc != 0) {
		nodeserver_error(call, &err);
		return false;
	}
	if (position || state->dead)
		nodeserver_position(call, &row);
	if (state->dead)
		nodeserver_refuse(call, 410, "requestId: %s",
		    state->decided ? "aborted, refused or superseded" :
				     "expired");
	return !state->dead;
}

/*
 * Room for the body, before it is read: all of it when its length is told,
 * else as it comes.  A shard that is here already is only compared, and must
 * be answered with 200 whatever the disk (protocol.md 4: repeated, the same).
 * False when the answer is given.
 */
static bool
take_room(struct nodeserver_call *call, uint64_t bytes)
{
	struct nodecore *core = call->core;
	struct error err = { 0 };
	int rc;

	assert(call->given <= call->taken);
	rc = room_take(core->room, bytes, &err);
	if (rc == 0) {
		call->taken += bytes;
		return true;
	}
	if (shardfile_exists(core->files, call->id, call->shard))
		return true;
	refuse_upload(call, &err);
	return false;
}

/* What was written counts as used by itself, once it left the memory of the
 * upload (shardfile_upload.c keeps back less than ROOM_LEAST_BYTES). */
static void
give_room(struct nodeserver_call *call, bool all)
{
	uint64_t written = call->got > ROOM_LEAST_BYTES ?
	    call->got - ROOM_LEAST_BYTES :
	    0;
	uint64_t up_to = all ? call->taken : KOOP_MIN(written, call->taken);

	assert(call->given <= call->taken);
	if (up_to <= call->given)
		return;
	room_give(call->core->room, up_to - call->given);
	call->given = up_to;
}

void
nodeserver_put_begin(struct nodeserver_call *call)
{
	struct nodecore *core = call->core;
	int64_t length = httpd_content_length(call->req);
	struct idstate state;
	struct error err = { 0 };
	int rc;

	assert(call->upload == NULL && call->taken == 0);
	if (!parse_shard(call))
		return;
	if (!nodeserver_admit_body(call)) {
		atomic_fetch_add(&core->counters.shard_refused, 1);
		return;
	}
	if (!check_idstate(call, &state, false)) {
		atomic_fetch_add(&core->counters.shard_refused, 1);
		return;
	}
	if (!take_room(call, length > 0 ? (uint64_t)length : 0))
		return;
	if (!state.live) {
		rc = uploadlist_add(core->uploads, call->id, call->shard,
		    &call->store, &err);
		if (rc != 0) {
			refuse_upload(call, &err);
			return;
		}
	}
	assert(call->admitted && call->shard < core->set.n);
	rc = shardfile_begin(&call->upload, core->files, call->id, call->shard,
	    &err);
	if (rc != 0)
		refuse_upload(call, &err);
}

int
nodeserver_put_body(struct nodeserver_call *call, const uint8_t *p, size_t n)
{
	struct error err = { 0 };

	if (call->upload == NULL)
		return -1;
	assert(call->admitted && call->got <= UINT64_MAX - n);
	/* A body of unknown length: in steps, so that its end may be near. */
	if (httpd_content_length(call->req) < 0 &&
	    call->got + n > call->taken &&
	    !take_room(call, KOOP_MAX(n, ROOM_LEAST_BYTES))) {
		shardfile_abort(call->upload);
		call->upload = NULL;
		return -1;
	}
	call->got += n;
	if (shardfile_write(call->upload, p, n, &err) == 0) {
		give_room(call, false);
		return 0;
	}
	shardfile_abort(call->upload);
	call->upload = NULL;
	refuse_upload(call, &err);
	return -1;
}

/*
 * The order matters: first the shard is durable, then the id's state is read.
 * An ABORT that was applied before is seen here; one that is applied later
 * finds the file.  Either way there is a row of garbage for it.
 */
void
nodeserver_put_end(struct nodeserver_call *call)
{
	struct nodecore *core = call->core;
	struct idstate state;
	struct error err = { 0 };
	bool existed;
	int rc;

	if (call->upload == NULL) {
		nodeserver_refuse(call, 405, "no body is wanted here");
		return;
	}
	assert(call->admitted && call->has_id);
	rc = shardfile_finish(call->upload, &existed, &err);
	call->upload = NULL;
	if (rc != 0) {
		refuse_upload(call, &err);
		return;
	}
	if (FAULT(STORE_REPLY)) {
		nodeserver_refuse(call, 500, "fault");
		return;
	}
	if (!check_idstate(call, &state, true)) {
		if (state.dead)
			gc_dead_shard(core, call->partition, call->id, &state);
		return;
	}
	atomic_fetch_add(&core->counters.shard_puts, 1);
	httpd_reply(call->req, 200, NULL, 0);
}

void
nodeserver_put_done(struct nodeserver_call *call)
{
	shardfile_abort(call->upload);
	call->upload = NULL;
	give_room(call, true);
	assert(call->given == call->taken);
	nodeserver_body_gone(call);
	if (pending_count(call->core->pending) > 0)
		repair_wake(call->core);
}

/* GET. */

void
nodeserver_send_shard(struct nodeserver_call *call, int fd, uint64_t bytes)
{
	struct range range = { 0 };
	char text[72];

	assert(fd != -1);
	atomic_fetch_add(&call->core->counters.shard_gets, 1);
	httpd_reply_header(call->req, "Content-Type",
	    "application/octet-stream");
	switch (range_parse(&range, httpd_header(call->req, "Range"), bytes)) {
	case RANGE_NONE:
		atomic_fetch_add(&call->core->counters.read_bytes, bytes);
		httpd_reply_fd(call->req, 200, fd, 0, bytes);
		return;
	case RANGE_OK:
		atomic_fetch_add(&call->core->counters.read_bytes,
		    range.last - range.first + 1);
		snprintf(text, sizeof(text),
		    "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range.first,
		    range.last, bytes);
		httpd_reply_header(call->req, "Content-Range", text);
		httpd_reply_fd(call->req, 206, fd, range.first,
		    range.last - range.first + 1);
		return;
	case RANGE_UNSATISFIABLE:
		close(fd);
		snprintf(text, sizeof(text), "bytes */%" PRIu64, bytes);
		httpd_reply_header(call->req, "Content-Range", text);
		nodeserver_refuse(call, 416, "range: not in the shard");
		return;
	}
}

/* Inline bytes by id: what a peer rebuilds its own from. */
static void
send_inline_by_id(struct nodeserver_call *call)
{
	struct metaquery *read = NULL;
	struct error err = { 0 };
	struct buf content = buf_make(1u << 20);
	int rc = metaquery_begin(&read, call->core->meta, &err);

	assert(call->has_id);
	if (rc == 0)
		rc = metaquery_inline(read, call->id, &content, &err);
	metaquery_end(read);
	if (rc == -ERRC_NOTFOUND) {
		httpd_reply_header(call->req, NODEPROTO_MISSING, "1");
		nodeserver_refuse(call, 404, "not here");
	} else if (rc != 0) {
		nodeserver_error(call, &err);
	} else {
		httpd_reply_header(call->req, NODEPROTO_KIND, "inline");
		httpd_reply(call->req, 200, content.p, content.n);
	}
	buf_fini(&content);
}

void
nodeserver_get_blob(struct nodeserver_call *call)
{
	struct nodecore *core = call->core;
	struct error err = { 0 };
	char shard[16];
	uint64_t bytes;
	int fd;
	int rc;

	/* By id, so that also who has not applied the record yet may be read
	 * (protocol.md 7.3). */
	assert(call->has_id);
	call->op = NODEOP_GET_SHARD;
	call->shard = nodecore_shard(core, call->partition);
	lastread_note(core->lastread, call->id, clock_boot_ms(core->clock));
	httpd_reply_header(call->req, NODEPROTO_DISK, core->disk);
	rc = shardfile_open(core->files, call->id, call->shard, &fd, &bytes,
	    &err);
	if (rc == -ERRC_NOTFOUND) {
		send_inline_by_id(call);
		/* A peer looks for it because a row needs it: one of ours, not
		 * of a partition that has moved away. */
		if (watermark_mine(core->wm, call->index))
			(void)!repair_check(core, call->partition, call->id,
			    NULL, NULL);
		return;
	}
	if (rc != 0) {
		nodeserver_error(call, &err);
		return;
	}
	snprintf(shard, sizeof(shard), "%u", call->shard);
	httpd_reply_header(call->req, NODEPROTO_SHARD, shard);
	nodeserver_send_shard(call, fd, bytes);
}

/* DELETE: for operators; the rules are the collector's. */
void
nodeserver_delete(struct nodeserver_call *call)
{
	struct error err = { 0 };
	int rc;

	if (!call->has_id) {
		nodeserver_refuse(call, 400, "requestId=ID is needed");
		return;
	}
	assert(!reqid_is_zero(call->id));
	rc = gc_delete(call->core, call->partition, call->id, &err);
	if (rc == 0)
		httpd_reply(call->req, 204, NULL, 0);
	else if (rc == -ERRC_MISMATCH)
		nodeserver_refuse(call, 409, "%s", err.text);
	else
		nodeserver_error(call, &err);
}
