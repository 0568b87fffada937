/* SPDX-License-Identifier: MIT */
#include "upkeep/repair.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cluster/topology_source.h"
#include "commit/record.h"
#include "member/nodecore.h"
#include "member/pending.h"
#include "member/watermark.h"
#include "store/metaquery_version.h"
#include "store/rowset.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"
#include "upkeep/rebuild.h"
#include "upkeep/repair_scan.h"

#define IDLE_MS 1000
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 10000

struct repair {
	struct nodecore *core;
	pthread_t thread;
};

/* What is to be done, with memory of its own. */
struct task {
	struct repair_row row;
	char text[RECORD_BUCKET_MAX + RECORD_KEY_MAX];
	bool found;
};

void
repair_wake(struct nodecore *core)
{
	uint64_t one = 1;

	/* A full counter is readable, too. */
	(void)!write(core->repair_fd, &one, sizeof(one));
}

static void
rest(struct repair *repair, uint64_t ms)
{
	struct pollfd fd[] = {
		{ .fd = repair->core->stop_fd, .events = POLLIN },
		{ .fd = repair->core->repair_fd, .events = POLLIN },
	};
	uint64_t count;

	if (poll(fd, nitems(fd), (int)ms) > 0 && fd[1].revents != 0)
		(void)!read(fd[1].fd, &count, sizeof(count));
}

/* The durable queue. */

static int
change_queue(struct nodecore *core, const struct repair_row *row,
    int (*change)(struct nodecore *, const struct repair_row *, struct error *),
    struct error *err)
{
	int rc = shardmeta_begin(core->meta, err);

	if (rc != 0)
		return rc;
	rc = change(core, row, err);
	if (rc != 0) {
		shardmeta_rollback(core->meta);
		return rc;
	}
	return shardmeta_commit(core->meta, err);
}

static int
queue_put(struct nodecore *core, const struct repair_row *row,
    struct error *err)
{
	return shardmeta_repair_put(core->meta, row, err);
}

static int
queue_del(struct nodecore *core, const struct repair_row *row,
    struct error *err)
{
	return shardmeta_repair_del(core->meta, row->id, err);
}

static int
queue_failed(struct nodecore *core, const struct repair_row *row,
    struct error *err)
{
	return shardmeta_repair_failed(core->meta, row->id, err);
}

/* Uploads that ended, or fell silent, without their shard. */

static bool
upload_over(void *arg, const struct repair_row *row)
{
	struct nodecore *core = arg;
	uint64_t idle_ms;

	return !shardfile_uploading(core->files, row->id, &idle_ms) ||
	    idle_ms >= core->upload_timeout_ms;
}

void
repair_tend(struct nodecore *core)
{
	struct pending_item *item;
	struct error err = { 0 };

	while (
	    (item = pending_take(core->pending, upload_over, core)) != NULL) {
		const struct repair_row *row = pending_row(item);

		if (!shardfile_exists(core->files, row->id,
			nodecore_shard(core, row->partition)) &&
		    change_queue(core, row, queue_put, &err) != 0) {
			log_error("node", "repair: not queued: %s", err.text);
			atomic_store(&core->rescan, true);
		}
		pending_release(item);
	}
}

/* Choosing. */

static void
keep_task(struct task *task, const struct repair_row *row)
{
	assert(row->bucket.n + row->key.n <= sizeof(task->text));
	task->row = *row;
	if (row->bucket.n > 0)
		memcpy(task->text, row->bucket.p, row->bucket.n);
	if (row->key.n > 0)
		memcpy(task->text + row->bucket.n, row->key.p, row->key.n);
	task->row.bucket = bytes_of(task->text, row->bucket.n);
	task->row.key = bytes_of(task->text + row->bucket.n, row->key.n);
	task->found = true;
}

static bool
comes_first(const struct repair_row *a, const struct repair_row *b)
{
	assert(a->number != b->number);
	if (a->attempts != b->attempts)
		return a->attempts < b->attempts;
	return a->number > b->number;
}

/*
 * The first of the queue, over the partitions where this node has a vote
 * (protocol 8): one that is behind would rebuild what others have collected.
 * Each partition is asked for its own first one, so that however many rows of
 * a halted partition wait, they are in nobody's way.
 */
static int
choose(struct nodecore *core, struct task *task, struct error *err)
{
	struct metaquery *read = NULL;
	struct repair_row row;
	int rc = metaquery_begin(&read, core->meta, err);

	for (size_t i = 0; i < watermark_count(core->wm) && rc == 0; i++) {
		if (!watermark_voting(core->wm, i))
			continue;
		rc = metaquery_repair_next(read,
		    watermark_partition(core->wm, i), &row, err);
		assert(rc != 0 ||
		    row.partition == watermark_partition(core->wm, i));
		if (rc == 0 && (!task->found || comes_first(&row, &task->row)))
			keep_task(task, &row);
		else if (rc == -ERRC_NOTFOUND)
			rc = 0;
	}
	metaquery_end(read);
	return rc;
}

/* What the row says now of the blob; ERRC_NOTFOUND: nothing refers to it. */
static int
look_up(struct nodecore *core, const struct repair_row *row,
    struct rebuild_job *job, struct error *err)
{
	struct metaquery *read = NULL;
	struct object_row object;
	struct upload_row upload;
	struct part_row part;
	int rc = metaquery_begin(&read, core->meta, err);

	assert(watermark_index(core->wm, row->partition) >= 0);
	if (rc != 0)
		return rc;
	if (reqid_is_zero(row->upload)) {
		/* By the seq that made it, not by its key alone: it may be an
		 * older version by now, which must be whole, too. */
		rc = metaquery_version(read, row->partition, row->bucket,
		    row->key, row->seq, &object, err);
		if (rc == 0 &&
		    (object.kind > OBJECT_INLINE ||
			!reqid_equal(object.id, row->id)))
			rc = -ERRC_NOTFOUND;
		if (rc == 0) {
			job->size = object.size;
			job->info = object.blob;
		}
	} else {
		rc = metaquery_part(read, row->partition, row->upload,
		    row->part, &part, err);
		if (rc == 0 && !reqid_equal(part.id, row->id))
			rc = -ERRC_NOTFOUND;
		if (rc == 0) {
			job->size = part.size;
			job->info = part.blob;
			rc = metaquery_upload(read, row->partition, row->upload,
			    &upload, err);
		}
		if (rc == 0 && !upload.live)
			rc = -ERRC_NOTFOUND;
	}
	metaquery_end(read);
	return rc;
}

/* Doing. */

/* Within a write transaction.  What was superseded while a peer sent it, and
 * perhaps collected, has nobody who would ever delete it again. */
static int
put_inline(struct nodecore *core, const struct rebuild_job *job,
    const uint8_t *content, struct error *err)
{
	struct rowset *rows = shardmeta_rowset(core->meta);
	struct decided_row decided;
	int rc = rows->ops->decided_get(rows, job->place.partition, job->id,
	    &decided, err);

	assert(job->size > 0);
	if (rc == -ERRC_NOTFOUND || (rc == 0 && !decided.live))
		rc = 0;
	else if (rc == 0)
		rc = shardmeta_inline_put(core->meta, job->id,
		    bytes_of(content, job->size), err);
	return rc == 0 ? shardmeta_repair_del(core->meta, job->id, err) : rc;
}

static int
fix_inline(struct nodecore *core, const struct rebuild_job *job,
    struct error *err)
{
	uint8_t *content = malloc(job->size > 0 ? job->size : 1);
	int rc;

	assert(job->info.shard_count == 0);
	if (content == NULL)
		return error_set(err, ERRC_NOMEM, "repair: no memory");
	rc = rebuild_inline(core, job, content, err);
	if (rc == 0)
		rc = shardmeta_begin(core->meta, err);
	if (rc == 0) {
		rc = put_inline(core, job, content, err);
		if (rc == 0)
			rc = shardmeta_commit(core->meta, err);
		else
			shardmeta_rollback(core->meta);
	}
	free(content);
	return rc;
}

static int
fix_shard(struct nodecore *core, const struct repair_row *row,
    const struct rebuild_job *job, struct error *err)
{
	uint32_t shard = nodecore_shard(core, row->partition);
	int rc = 0;

	assert(!row->whole);
	if (job->info.set == core->set.number &&
	    shard < job->info.shard_count &&
	    !shardfile_exists(core->files, row->id, shard))
		rc = rebuild_shard(core, job, err);
	return rc != 0 ? rc : change_queue(core, row, queue_del, err);
}

static int
fix(struct nodecore *core, const struct repair_row *row, struct error *err)
{
	struct topology_snapshot *snapshot;
	struct rebuild_job job = {
		.id = row->id,
		.bucket = row->bucket,
		.key = row->key,
	};
	int rc = look_up(core, row, &job, err);

	assert(!reqid_is_zero(row->id));
	if (rc == -ERRC_NOTFOUND)
		return change_queue(core, row, queue_del, err);
	if (rc != 0)
		return rc;
	snapshot = topology_source_get(core->topology);
	rc = placement_partition(topology_snapshot_topology(snapshot),
	    row->partition, &job.place, err);
	if (rc == 0)
		rc = row->whole ? fix_inline(core, &job, err) :
				  fix_shard(core, row, &job, err);
	topology_snapshot_drop(snapshot);
	return rc;
}

static void
note_failure(struct nodecore *core, const struct task *task,
    const struct error *why)
{
	struct error err = { 0 };
	char id[REQID_HEX + 1];

	assert(task->found);
	assert(why->code != ERRC_OK);
	reqid_format(id, task->row.id);
	atomic_fetch_add(&core->counters.repair_failures, 1);
	log_warn("node", "repair failed id=%s partition=%u attempts=%u: %s", id,
	    task->row.partition, task->row.attempts + 1, why->text);
	if (change_queue(core, &task->row, queue_failed, &err) != 0)
		log_error("node", "repair: %s", err.text);
}

enum repair_step
repair_step(struct nodecore *core)
{
	struct task task = { .found = false };
	struct error err = { 0 };
	int rc = choose(core, &task, &err);

	if (rc != 0)
		log_error("node", "repair: %s", err.text);
	if (rc != 0 || !task.found)
		return REPAIR_STEP_NONE;
	rc = fix(core, &task.row, &err);
	if (atomic_load(&core->stopping))
		return REPAIR_STEP_NONE;
	if (rc != 0) {
		note_failure(core, &task, &err);
		return REPAIR_STEP_FAILED;
	}
	atomic_fetch_add(&core->counters.repaired, 1);
	return REPAIR_STEP_DONE;
}

static void *
repair_main(void *arg)
{
	struct repair *repair = arg;
	struct nodecore *core = repair->core;
	struct error err = { 0 };
	uint64_t backoff_ms = 0;

	pthread_setname_np(pthread_self(), "repair");
	while (!atomic_load(&core->stopping)) {
		repair_tend(core);
		if (atomic_load(&core->rescan) &&
		    repair_scan(core, &err) != 0 &&
		    !atomic_load(&core->stopping))
			log_error("node", "search for missing shards: %s",
			    err.text);
		switch (repair_step(core)) {
		case REPAIR_STEP_DONE:
			backoff_ms = 0;
			continue;
		case REPAIR_STEP_FAILED:
			backoff_ms = KOOP_MIN(KOOP_MAX(2 * backoff_ms,
						  BACKOFF_MIN_MS),
			    BACKOFF_MAX_MS);
			break;
		case REPAIR_STEP_NONE:
			break;
		}
		rest(repair, KOOP_MAX(backoff_ms, (uint64_t)IDLE_MS));
	}
	return NULL;
}

int
repair_start(struct repair **out, struct nodecore *core, struct error *err)
{
	struct repair *repair = calloc(1, sizeof(*repair));

	assert(core->repair_fd >= 0);
	if (repair == NULL)
		return error_set(err, ERRC_NOMEM, "repair: no memory");
	repair->core = core;
	atomic_store(&core->rescan, true);
	if (pthread_create(&repair->thread, NULL, repair_main, repair) != 0) {
		free(repair);
		return error_set(err, ERRC_NOMEM, "repair: no thread");
	}
	*out = repair;
	return 0;
}

void
repair_stop(struct repair *repair)
{
	if (repair == NULL)
		return;
	pthread_join(repair->thread, NULL);
	free(repair);
}

uint64_t
repair_count(struct nodecore *core)
{
	struct shardmeta_counts counts;

	shardmeta_counts(core->meta, &counts);
	return counts.repairs + pending_count(core->pending) +
	    atomic_load(&core->rescan);
}
