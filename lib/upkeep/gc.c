/* SPDX-License-Identifier: MIT */
#include "upkeep/gc.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "member/idstate.h"
#include "member/lastread.h"
#include "member/nodecore.h"
#include "member/room.h"
#include "member/uploadlist.h"
#include "member/watermark.h"
#include "store/metaquery.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"
#include "wire/nodehealth.h"

#define BATCH 256 /* rows of garbage looked at in one read */
#define PARTS 1000
#define TOMBSTONES 512
#define SWEEP_ROWS 1024
#define ROUND_MAX_MS 60000
#define ROUND_MIN_MS 100
#define ORPHANS_MAX_MS 900000
#define STRANGERS_MS (24ull * 3600 * 1000)
/* On a disk that is nearly full: rounds, and the least grace.  Readers renew
 * their pins every NODEHEALTH_LEASE_MS; a minute more for one that is late. */
#define PRESSED_ROUND_MS 5000
#define PRESSED_GRACE_MS (NODEHEALTH_LEASE_MS + 60000ull)

struct gc {
	struct nodecore *core;
	pthread_t thread;
	uint64_t orphans_ms; /* the next round (monotonic) */
	uint64_t strangers_ms;
};

static void
complain(const char *what, int rc, const struct error *err)
{
	if (rc != 0)
		log_error("node", "gc: %s: %s", what, err->text);
}

/* Rules. */

uint64_t
gc_grace_ms(const struct nodecore *core)
{
	struct room_state room;

	room_look(core->room, &room);
	if (!room.pressed)
		return core->gc_grace_ms;
	return KOOP_MIN(core->gc_grace_ms, PRESSED_GRACE_MS);
}

/* Has the grace since its last read or lease passed (protocol.md 8)?  By the
 * time since boot, which nobody sets; what a reader has pinned must not go
 * under it (why: S18).  A restart counts as a read. */
static bool
graced(const struct nodecore *core, struct reqid id)
{
	uint64_t now = clock_boot_ms(core->clock);

	assert(!reqid_is_zero(id));
	return now >= lastread_of(core->lastread, id) + gc_grace_ms(core);
}

/* Does a live row of any partition here need it?  Ids are unique over all of
 * them; this is the belt to the braces. */
static int
is_needed(struct metaquery *read, const struct garbage_row *row,
    struct error *err)
{
	struct idstate state;
	struct upload_row upload;
	int rc;

	assert(row->kind == GARBAGE_BLOB || row->kind == GARBAGE_UPLOAD);
	if (row->kind == GARBAGE_UPLOAD) {
		rc = metaquery_upload(read, row->partition, row->id, &upload,
		    err);
		return rc == 0 ? upload.live : rc == -ERRC_NOTFOUND ? 0 : rc;
	}
	rc = idstate_read(read, row->partition, row->id, &state, err);
	return rc != 0 ? rc : state.live;
}

/* Deleting.  The files go first, then the rows: a crash between leaves rows
 * without a file, which the next round removes. */

static int
drop_row(struct nodecore *core, const struct garbage_row *row,
    struct error *err)
{
	int rc = shardmeta_inline_del(core->meta, row->id, err);

	if (rc == 0)
		rc = shardmeta_repair_del(core->meta, row->id, err);
	if (rc == 0)
		rc = shardmeta_garbage_del(core->meta, row, err);
	return rc;
}

static int
drop_rows(struct nodecore *core, const struct garbage_row *rows, size_t n,
    struct error *err)
{
	int rc;

	assert(n <= BATCH);
	if (n == 0)
		return 0;
	rc = shardmeta_begin(core->meta, err);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = drop_row(core, &rows[i], err);
	if (rc != 0) {
		shardmeta_rollback(core->meta);
		return rc;
	}
	rc = shardmeta_commit(core->meta, err);
	if (rc == 0)
		atomic_fetch_add(&core->counters.collected, n);
	return rc;
}

static int
unlink_shard(struct nodecore *core, uint32_t partition, struct reqid id,
    struct error *err)
{
	assert(watermark_index(core->wm, partition) >= 0);
	if (FAULT(GC_UNLINK))
		return error_set(err, ERRC_IO, "gc: fault");
	return shardfile_unlink(core->files, id,
	    nodecore_shard(core, partition), err);
}

/* Parts of an upload, by pages: there may be ten thousand. */

struct parts {
	struct reqid id[PARTS];
	uint32_t last; /* number of the last one */
	size_t n;
};

static int
take_part(void *arg, const struct part_row *row)
{
	struct parts *parts = arg;

	assert(parts->n <= PARTS);
	if (parts->n == PARTS)
		return 1;
	parts->id[parts->n++] = row->id;
	parts->last = row->number;
	return 0;
}

/* The next page; 0 parts at the end. */
static int
read_parts(struct nodecore *core, const struct garbage_row *row,
    struct parts *parts, struct error *err)
{
	struct metaquery *read = NULL;
	int rc = metaquery_begin(&read, core->meta, err);

	assert(row->kind == GARBAGE_UPLOAD);
	parts->n = 0;
	if (rc == 0)
		rc = metaquery_parts(read, row->partition, row->id, parts->last,
		    take_part, parts, err);
	metaquery_end(read);
	return rc < 0 ? rc : 0;
}

typedef int part_fn(struct nodecore *core, uint32_t partition, struct reqid id,
    struct error *err);

static int
part_graced(struct nodecore *core, uint32_t partition, struct reqid id,
    struct error *err)
{
	(void)partition;
	(void)err;
	return graced(core, id) ? 0 : 1;
}

static int
each_part(struct nodecore *core, const struct garbage_row *row, part_fn *fn,
    struct error *err)
{
	struct parts parts = { .n = 0 };
	int rc;

	assert(row->kind == GARBAGE_UPLOAD);
	while ((rc = read_parts(core, row, &parts, err)) == 0 && parts.n > 0)
		for (size_t i = 0; i < parts.n; i++)
			if ((rc = fn(core, row->partition, parts.id[i], err)))
				return rc;
	return rc;
}

/* 1: not yet.  All parts are looked at before the first one goes: whoever
 * reads one reads the others next. */
static int
collect_upload(struct nodecore *core, const struct garbage_row *row,
    struct error *err)
{
	int rc = each_part(core, row, part_graced, err);

	return rc != 0 ? rc : each_part(core, row, unlink_shard, err);
}

/* A row of garbage that is stable, and whether a live row needs it. */
struct judged {
	struct garbage_row row;
	bool needed;
};

/* 0 unlinked, 1 not yet, negative an error.  No read is open: what is dead
 * stays dead, so that the verdict holds. */
static int
collect(struct nodecore *core, const struct judged *judged, struct error *err)
{
	const struct garbage_row *row = &judged->row;

	assert(!reqid_is_zero(row->id));
	if (judged->needed) {
		log_error("node",
		    "garbage that a row needs is kept partition=%" PRIu32
		    " seq=%" PRIu64,
		    row->partition, row->seq);
		return 1;
	}
	/* Protocol 8: an abort needs to be stable only; what was superseded
	 * may have readers, who would lose it under their hands. */
	if (row->reason != GARBAGE_ABORTED && !graced(core, row->id))
		return 1;
	if (row->kind == GARBAGE_UPLOAD)
		return collect_upload(core, row, err);
	return unlink_shard(core, row->partition, row->id, err);
}

/* Rounds. */

struct look {
	struct judged judged[BATCH];
	size_t n;
	struct garbage_row gone[BATCH];
	size_t gone_count;
};

static int
look_row(void *arg, const struct garbage_row *row)
{
	struct look *look = arg;

	assert(look->n < BATCH);
	look->judged[look->n++].row = *row;
	return look->n == BATCH;
}

/* A page of garbage after *after, at or below seq, each row judged; one read,
 * which is over before a file is touched. */
static int
read_page(struct nodecore *core, uint32_t partition, uint64_t seq,
    const struct garbage_row *after, struct look *look, struct error *err)
{
	struct metaquery *read = NULL;
	int rc = metaquery_begin(&read, core->meta, err);

	look->n = 0;
	if (rc == 0)
		rc = metaquery_garbage(read, partition, seq, after, look_row,
		    look, err);
	for (size_t i = 0; rc >= 0 && i < look->n; i++) {
		struct judged *judged = &look->judged[i];
		struct error why = { 0 };
		int needed = is_needed(read, &judged->row, &why);

		/* A row that cannot be read keeps its own garbage only. */
		judged->needed = needed != 0;
		complain("garbage", KOOP_MIN(needed, 0), &why);
	}
	metaquery_end(read);
	return rc < 0 ? rc : 0;
}

/* The next rows after *after, and what may go of them; false at the end. */
static int
collect_some(struct nodecore *core, uint32_t partition, uint64_t stable,
    struct garbage_row *after, bool *more, struct error *err)
{
	struct look *look = calloc(1, sizeof(*look));
	int rc;

	if (look == NULL)
		return error_set(err, ERRC_NOMEM, "gc: no memory");
	rc = read_page(core, partition, stable, after, look, err);
	for (size_t i = 0; rc == 0 && i < look->n; i++) {
		struct error why = { 0 };
		int one;

		if (atomic_load(&core->stopping))
			break;
		one = collect(core, &look->judged[i], &why);
		assert(look->gone_count < BATCH);
		assert(look->judged[i].row.seq <= stable);
		if (one == 0)
			look->gone[look->gone_count++] = look->judged[i].row;
		/* A file that will not go keeps no other one. */
		complain("garbage", KOOP_MIN(one, 0), &why);
		*after = look->judged[i].row;
	}
	if (rc == 0)
		rc = drop_rows(core, look->gone, look->gone_count, err);
	*more = rc == 0 && look->n == BATCH;
	free(look);
	return rc;
}

/* Only what is stable (protocol.md 8): a node that lags, and is read from,
 * still shows what this garbage was, and may yet have to serve it (why: S18).
 */
static int
collect_partition(struct nodecore *core, uint32_t partition, struct error *err)
{
	struct garbage_row after = { 0 };
	uint64_t stable = nodecore_stable(core, partition);
	bool more = true;
	int rc = 0;

	while (more && rc == 0 && !atomic_load(&core->stopping))
		rc = collect_some(core, partition, stable, &after, &more, err);
	return rc;
}

/* Tombstones, the oplog, and what is left of replaced snapshots. */
static int
tidy(struct nodecore *core, struct error *err)
{
	bool more = false;
	int rc = shardmeta_begin(core->meta, err);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < watermark_count(core->wm) && rc == 0; i++) {
		uint32_t p = watermark_partition(core->wm, i);

		if (!watermark_mine(core->wm, i))
			continue;
		rc = shardmeta_tombstones_del(core->meta, p,
		    nodecore_stable(core, p), TOMBSTONES, err);
	}
	if (rc == 0)
		rc = shardmeta_oplog_trim(core->meta, err);
	if (rc == 0)
		rc = shardmeta_sweep_slots(core->meta, SWEEP_ROWS, &more, err);
	if (rc != 0) {
		shardmeta_rollback(core->meta);
		return rc;
	}
	return shardmeta_commit(core->meta, err);
}

void
gc_collect(struct nodecore *core)
{
	struct error err = { 0 };
	int rc = 0;

	for (size_t i = 0; i < watermark_count(core->wm) && rc == 0; i++) {
		if (watermark_mine(core->wm, i))
			rc = collect_partition(core,
			    watermark_partition(core->wm, i), &err);
	}
	complain("garbage", rc, &err);
	complain("tidying", tidy(core, &err), &err);
}

static void
gc_round(struct gc *gc)
{
	struct nodecore *core = gc->core;
	struct error err = { 0 };
	uint64_t now = clock_mono_ms(core->clock);

	gc_collect(core);
	if (now >= gc->orphans_ms) {
		complain("orphans", gc_orphans(core, &err), &err);
		gc->orphans_ms = now +
		    KOOP_MIN(KOOP_MAX(core->orphan_age_ms / 8, ROUND_MIN_MS),
			ORPHANS_MAX_MS);
	}
	if (now >= gc->strangers_ms) {
		complain("strangers", gc_strangers(core, &err), &err);
		gc->strangers_ms = now + STRANGERS_MS;
	}
}

/* Rounds of a disk that is nearly full come soon: a delete shall give back. */
static uint64_t
next_round_ms(const struct gc *gc, uint64_t pace)
{
	struct room_state room;

	nodecore_room(gc->core, &room);
	return room.pressed ? KOOP_MIN(pace, PRESSED_ROUND_MS) : pace;
}

static void *
gc_main(void *arg)
{
	struct gc *gc = arg;
	uint64_t pace = KOOP_MIN(gc->core->gc_grace_ms,
			    gc->core->orphan_age_ms) /
	    4;

	pthread_setname_np(pthread_self(), "gc");
	pace = KOOP_MIN(KOOP_MAX(pace, ROUND_MIN_MS), ROUND_MAX_MS);
	while (!nodecore_sleep(gc->core, next_round_ms(gc, pace)))
		gc_round(gc);
	return NULL;
}

int
gc_start(struct gc **out, struct nodecore *core, struct error *err)
{
	struct gc *gc = calloc(1, sizeof(*gc));

	if (gc == NULL)
		return error_set(err, ERRC_NOMEM, "gc: no memory");
	gc->core = core;
	if (pthread_create(&gc->thread, NULL, gc_main, gc) != 0) {
		free(gc);
		return error_set(err, ERRC_NOMEM, "gc: no thread");
	}
	*out = gc;
	return 0;
}

void
gc_stop(struct gc *gc)
{
	if (gc == NULL)
		return;
	pthread_join(gc->thread, NULL);
	free(gc);
}

/* For others. */

static int
put_garbage(struct nodecore *core, const struct garbage_row *row,
    struct error *err)
{
	int rc = shardmeta_begin(core->meta, err);

	assert(row->partition != UINT32_MAX);
	if (rc != 0)
		return rc;
	rc = shardmeta_garbage_put(core->meta, row, err);
	if (rc != 0) {
		shardmeta_rollback(core->meta);
		return rc;
	}
	return shardmeta_commit(core->meta, err);
}

void
gc_dead_shard(struct nodecore *core, uint32_t partition, struct reqid id,
    const struct idstate *state)
{
	struct error err = { 0 };
	struct garbage_row row = {
		.partition = partition,
		.seq = state->seq,
		.id = id,
		.kind = GARBAGE_BLOB,
		.reason = GARBAGE_SUPERSEDED,
	};

	assert(state->dead);
	assert(!state->live);
	complain("late shard", put_garbage(core, &row, &err), &err);
}

/* The row of a blob's garbage, by pages; ERRC_NOTFOUND. */
static int
find_garbage(struct nodecore *core, uint32_t partition, struct reqid id,
    struct judged *out, struct error *err)
{
	struct look *look = calloc(1, sizeof(*look));
	struct garbage_row after = { 0 };
	int rc = -ERRC_NOTFOUND;

	if (look == NULL)
		return error_set(err, ERRC_NOMEM, "gc: no memory");
	do {
		int one = read_page(core, partition, INT64_MAX, &after, look,
		    err);

		if (one < 0)
			rc = one;
		for (size_t i = 0; one == 0 && i < look->n; i++) {
			after = look->judged[i].row;
			if (after.kind != GARBAGE_BLOB ||
			    !reqid_equal(after.id, id))
				continue;
			*out = look->judged[i];
			rc = 0;
			break;
		}
	} while (rc == -ERRC_NOTFOUND && look->n == BATCH);
	free(look);
	return rc == -ERRC_NOTFOUND ?
	    error_set(err, ERRC_NOTFOUND, "it is no garbage") :
	    rc;
}

int
gc_delete(struct nodecore *core, uint32_t partition, struct reqid id,
    struct error *err)
{
	struct judged found;
	int rc = find_garbage(core, partition, id, &found, err);

	assert(!reqid_is_zero(id));
	if (rc != 0)
		return rc;
	if (found.row.seq > nodecore_stable(core, partition))
		return error_set(err, ERRC_MISMATCH,
		    "the record that made it garbage is not stable yet");
	assert(found.row.partition == partition);
	rc = collect(core, &found, err);
	if (rc == 1)
		return error_set(err, ERRC_MISMATCH,
		    "it was read or leased lately, or is needed");
	return rc != 0 ? rc : drop_rows(core, &found.row, 1, err);
}
