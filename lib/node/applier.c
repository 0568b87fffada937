/* SPDX-License-Identifier: MIT */
#include "node/applier.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "commit/commitlog.h"
#include "commit/commitlog_reader.h"
#include "commit/positions.h"
#include "commit/record.h"
#include "member/inventory.h"
#include "member/nodecore.h"
#include "member/watermark.h"
#include "node/partitionrun.h"
#include "store/shardmeta.h"
#include "upkeep/repair.h"

/* One batch: enough records that the fsync is shared, few enough that the
 * write lock and the memory stay small. */
#define BATCH_RECORDS 256
#define BATCH_BYTES (1u << 20)
#define BATCH_MEMORY (BATCH_BYTES + 2 * COMMITLOG_LINE_MAX)
#define RETRY_MS 500
#define SLEEP_MS 1000

struct entry {
	struct partitionrun *run;
	uint64_t seq, time_ms;
	size_t at, n; /* the line, in text */
	bool empty;   /* a seq of the log that holds no record */
	struct watermark_event event;
	bool has_event;
};

struct applier {
	struct nodecore *core;
	pthread_t thread;
	pthread_mutex_t lock;     /* guards the runs' state against readers */
	struct partitionrun *run; /* in the order of the watermark's indices */
	size_t count;
	struct commitlog_reader *reader;
	bool seek; /* the reader has to begin anew, behind what is applied */
	bool told_empty;
	struct entry entry[BATCH_RECORDS];
	size_t entries;
	struct buf text;
	struct apply_effects effects;
};

/* Effects. */

static int
effect_blob(void *ctx, const struct apply_blob *blob, struct error *err)
{
	struct applier *applier = ctx;

	assert(!reqid_is_zero(blob->id));
	return inventory_take(applier->core, blob, err);
}

static int
effect_garbage(void *ctx, const struct garbage_row *row, struct error *err)
{
	struct applier *applier = ctx;

	assert(row->seq > 0);
	return inventory_drop(applier->core, row, err);
}

/* Reading the log. */

/* The log does not answer for one partition, or has damage there.  The others
 * go on, with their votes: one leader that moves must not cost the reads of
 * the whole cluster (protocol.md 2). */
static void
partition_lost(struct applier *applier, struct partitionrun *run,
    const struct error *why)
{
	struct nodecore *core = applier->core;

	assert(run->mine);
	if (!run->out)
		log_error("node",
		    "commit log out of reach partition=%" PRIu32 ": %s",
		    run->partition, why->text);
	atomic_fetch_add(&core->counters.apply_failures, 1);
	pthread_mutex_lock(&applier->lock);
	partitionrun_log_lost(run, nodecore_deadline(core, RETRY_MS),
	    why->text);
	pthread_mutex_unlock(&applier->lock);
}

static int
take_entry(void *arg, const struct commitlog_entry *e)
{
	struct applier *applier = arg;
	int index = watermark_index(applier->core->wm, e->partition);
	struct entry *entry;

	if (index < 0 || !applier->run[index].mine)
		return 0;
	if (e->kind == COMMITLOG_TROUBLE) {
		partition_lost(applier, &applier->run[index], e->trouble);
		return 0;
	}
	assert((size_t)index < applier->count);
	if (applier->entries == BATCH_RECORDS ||
	    applier->text.n + e->line.n > BATCH_MEMORY)
		return 1;
	entry = &applier->entry[applier->entries++];
	*entry = (struct entry){
		.run = &applier->run[index],
		.seq = e->seq,
		.time_ms = e->time_ms,
		.at = applier->text.n,
		.n = e->line.n,
		.empty = e->kind == COMMITLOG_EMPTY,
	};
	buf_add(&applier->text, e->line.p, e->line.n);
	return 0;
}

static void
close_reader(struct applier *applier)
{
	commitlog_reader_close(applier->reader);
	applier->reader = NULL;
}

/* Nothing of the log answered. */
static void
log_lost(struct applier *applier, const struct error *err)
{
	struct nodecore *core = applier->core;

	if (atomic_exchange(&core->log_reachable, false))
		log_error("node", "commit log out of reach: %s", err->text);
	atomic_fetch_add(&core->counters.apply_failures, 1);
	assert(err->code != ERRC_OK);
	close_reader(applier);
	pthread_mutex_lock(&applier->lock);
	for (size_t i = 0; i < applier->count; i++)
		partitionrun_log_lost(&applier->run[i],
		    nodecore_deadline(core, RETRY_MS), err->text);
	pthread_mutex_unlock(&applier->lock);
}

/* A reader behind what is applied, of those that go on. */
static int
place_reader(struct applier *applier, struct error *err)
{
	struct nodecore *core = applier->core;
	uint64_t deadline = nodecore_deadline(core, NODECORE_LOG_MS);
	struct commitlog_position *at;
	uint64_t now = clock_mono_ms(core->clock);
	size_t n = 0;
	int rc;

	at = calloc(applier->count + 1, sizeof(*at));
	if (at == NULL)
		return error_set(err, ERRC_NOMEM, "applier: no memory");
	for (size_t i = 0; i < applier->count; i++)
		if (partitionrun_wants(&applier->run[i], now))
			at[n++] = (struct commitlog_position){
				.partition = applier->run[i].partition,
				.next_seq = applier->run[i].applied + 1,
			};
	assert(n <= applier->count);
	if (applier->reader == NULL)
		rc = commitlog_reader_open(&applier->reader, core->log, at, n,
		    deadline, err);
	else
		rc = commitlog_reader_seek(applier->reader, at, n, deadline,
		    err);
	applier->seek = rc != 0;
	free(at);
	return rc;
}

/* Fill the batch; how many entries, or an error of the log. */
static int
read_batch(struct applier *applier, struct error *err)
{
	int rc;

	applier->entries = 0;
	buf_clear(&applier->text);
	if (applier->reader == NULL || applier->seek) {
		rc = place_reader(applier, err);
		if (rc != 0)
			return rc;
	}
	rc = commitlog_reader_next(applier->reader, BATCH_RECORDS, BATCH_BYTES,
	    take_entry, applier,
	    nodecore_deadline(applier->core, NODECORE_LOG_MS), err);
	if (rc < 0)
		return rc;
	if (buf_failed(&applier->text))
		return error_set(err, ERRC_NOMEM, "applier: no memory");
	assert(applier->entries <= BATCH_RECORDS);
	return (int)applier->entries;
}

/* Applying. */

/* Never a NULL pointer: an empty line is one of 0 bytes in the oplog. */
static struct bytes
entry_line(const struct applier *applier, const struct entry *entry)
{
	if (entry->n == 0)
		return bytes_str("");
	assert(entry->at + entry->n <= applier->text.n);
	return bytes_of(applier->text.p + entry->at, entry->n);
}

static int
apply_known(struct applier *applier, struct entry *entry,
    enum record_verdict verdict, const struct record *record, struct error *err)
{
	struct apply_input input = {
		.partition = entry->run->partition,
		.seq = entry->seq,
		.time_ms = entry->time_ms,
		.line = entry_line(applier, entry),
		.verdict = verdict,
		.record = record,
	};
	struct apply_result result;
	int rc;

	/* Strictly in order (protocol.md 5): what is skipped here is missing on
	 * this node alone. */
	assert(entry->seq == entry->run->staged + 1);
	assert((verdict == RECORD_OK) <= (record != NULL));
	if (FAULT(APPLY_RECORD))
		return error_set(err, ERRC_IO, "apply: fault");
	rc = apply_entry(shardmeta_rowset(applier->core->meta),
	    &applier->effects, &input, &result, err);
	if (rc != 0)
		return rc;
	assert(result.applied == entry->seq);
	partitionrun_staged(entry->run, result.applied);
	nodecore_time(applier->core, result.time_ms);
	if (verdict == RECORD_IGNORED)
		atomic_fetch_add(&applier->core->counters.ignored, 1);
	entry->has_event = verdict == RECORD_OK;
	if (verdict == RECORD_OK)
		entry->event = (struct watermark_event){
			.partition = entry->run->partition,
			.outcome = result.outcome,
			.seq = entry->seq,
			.id = result.id,
			.sender = watermark_sender((const char *)
						       record->sender.p,
			    record->sender.n),
		};
	return 0;
}

static int
halt_at(struct applier *applier, struct entry *entry, const struct error *why,
    struct error *err)
{
	struct partitionrun *run = entry->run;
	int rc = apply_halt(shardmeta_rowset(applier->core->meta),
	    run->partition, entry->seq, err);

	assert(entry->seq == run->staged + 1);
	if (rc != 0)
		return rc;
	log_error("node", "partition halts partition=%u seq=%" PRIu64 ": %s",
	    run->partition, entry->seq, why->text);
	pthread_mutex_lock(&applier->lock);
	partitionrun_poison(run, entry->seq, why->text);
	pthread_mutex_unlock(&applier->lock);
	return 0;
}

/* A damaged copy of a record: read it again in a while. */
static void
stop_at_damage(struct applier *applier, struct entry *entry,
    const struct error *why)
{
	struct partitionrun *run = entry->run;

	assert(run->mine && !run->stuck);
	log_error("node", "record damaged partition=%u seq=%" PRIu64 ": %s",
	    run->partition, entry->seq, why->text);
	pthread_mutex_lock(&applier->lock);
	partitionrun_retry_at(run, nodecore_deadline(applier->core, RETRY_MS),
	    "a record is damaged in this copy of the log");
	pthread_mutex_unlock(&applier->lock);
}

/* An offset without a record is an ignored one to every node alike, so that
 * seq stays dense (protocol.md 5).  Counted; said once. */
static int
apply_empty(struct applier *applier, struct entry *entry, struct error *err)
{
	assert(entry->n == 0);
	if (!applier->told_empty)
		log_warn("node",
		    "commit log: a seq without a record partition=%" PRIu32
		    " seq=%" PRIu64 ": does somebody else write to it?",
		    entry->run->partition, entry->seq);
	applier->told_empty = true;
	return apply_known(applier, entry, RECORD_IGNORED, NULL, err);
}

static int
apply_one(struct applier *applier, struct entry *entry, struct error *err)
{
	struct record *record = NULL;
	struct error why = { 0 };
	int rc;

	if (partitionrun_stopped(entry->run))
		return 0;
	if (entry->empty)
		return apply_empty(applier, entry, err);
	rc = record_parse(&record, entry_line(applier, entry),
	    applier->core->cluster, &why);
	if (rc < 0)
		return error_set(err, ERRC_NOMEM, "%s", why.text);
	switch ((enum record_verdict)rc) {
	case RECORD_OK:
	case RECORD_IGNORED:
		rc = apply_known(applier, entry, (enum record_verdict)rc,
		    record, err);
		break;
	case RECORD_BAD_CRC:
		stop_at_damage(applier, entry, &why);
		rc = 0;
		break;
	case RECORD_UNKNOWN:
		rc = halt_at(applier, entry, &why, err);
		break;
	}
	record_free(record);
	if (rc == -ERRC_CORRUPT) {
		pthread_mutex_lock(&applier->lock);
		partitionrun_disagrees(entry->run,
		    "the log contradicts the rows");
		pthread_mutex_unlock(&applier->lock);
	}
	return rc;
}

static int
apply_batch(struct applier *applier, struct error *err)
{
	struct nodecore *core = applier->core;
	int rc;

	if (FAULT(APPLY_BEGIN))
		return error_set(err, ERRC_IO, "apply: fault");
	rc = shardmeta_begin(core->meta, err);
	if (rc != 0)
		return rc;
	assert(applier->entries <= BATCH_RECORDS);
	for (size_t i = 0; i < applier->entries && rc == 0; i++)
		rc = apply_one(applier, &applier->entry[i], err);
	if (rc == 0 && FAULT(APPLY_COMMIT))
		rc = error_set(err, ERRC_IO, "apply: fault");
	if (rc != 0) {
		shardmeta_rollback(core->meta);
		return rc;
	}
	return shardmeta_commit(core->meta, err);
}

/* Everything here is durable, and only now may anybody hear of it (protocol.md
 * 5): other members, the waiters, and the streams of the senders. */
static void
publish(struct applier *applier)
{
	struct nodecore *core = applier->core;
	struct entry *entry;
	bool voted;

	pthread_mutex_lock(&applier->lock);
	for (size_t i = 0; i < applier->count; i++) {
		struct partitionrun *run = &applier->run[i];

		voted = run->voting;
		if (!run->mine || !partitionrun_publish(run))
			continue;
		positions_publish(core->positions,
		    (struct positions_member){ core->set.number, core->index },
		    run->partition, run->applied);
		watermark_set(core->wm, i, run->applied, run->voting);
		if (run->voting && !voted)
			atomic_store(&core->repair_news, true);
	}
	pthread_mutex_unlock(&applier->lock);
	for (size_t i = 0; i < applier->entries; i++) {
		entry = &applier->entry[i];
		if (entry->has_event)
			watermark_event(core->wm, &entry->event);
	}
	watermark_publish(core->wm);
	if (atomic_exchange(&core->repair_news, false))
		repair_wake(core);
}

/* Partitions that stopped must not be read on; the others begin anew behind
 * what they have. */
static void
settle(struct applier *applier, int rc, const struct error *err)
{
	struct nodecore *core = applier->core;
	bool stopped = rc != 0;

	pthread_mutex_lock(&applier->lock);
	for (size_t i = 0; i < applier->count; i++)
		stopped |= partitionrun_settle(&applier->run[i], rc == 0);
	pthread_mutex_unlock(&applier->lock);
	applier->seek |= stopped;
	if (rc != 0) {
		atomic_fetch_add(&core->counters.apply_failures, 1);
		log_error("node", "applying stopped, will try again: %s",
		    err->text);
		return;
	}
	atomic_fetch_add(&core->counters.batches, 1);
	atomic_fetch_add(&core->counters.records, applier->entries);
	if (FAULT(APPLY_PUBLISH))
		return;
	publish(applier);
}

/* Is the log still the one that was applied?  On a copy of the run: others
 * wait for the lock, and the log may be slow. */
static int
compare_run(struct applier *applier, struct partitionrun *run,
    struct error *err)
{
	struct partitionrun seen = *run;
	int rc = partitionrun_compare(&seen, applier->core, err);

	if (rc != 0)
		return rc;
	pthread_mutex_lock(&applier->lock);
	*run = seen;
	pthread_mutex_unlock(&applier->lock);
	return 0;
}

/* Is it time to find out where the log ends, so that it may vote? */
static bool
wants_goal(const struct partitionrun *run)
{
	return run->mine && !run->vote.has_goal && !run->vote.barred &&
	    !run->out;
}

/* The ends of these partitions, in one call: a log may have to append for
 * them (protocol.md 5, votes). */
static void
take_goals(struct applier *applier, struct commitlog_end *ends, size_t n)
{
	struct nodecore *core = applier->core;
	struct error why = { 0 };

	if (n == 0)
		return;
	(void)!commitlog_ends(core->log, ends, n,
	    nodecore_deadline(core, NODECORE_LOG_MS), &why);
	for (size_t i = 0; i < n; i++) {
		int index = watermark_index(core->wm, ends[i].partition);
		struct partitionrun *run = &applier->run[index];

		assert(index >= 0);
		if (ends[i].code != ERRC_OK) {
			partition_lost(applier, run, &why);
			continue;
		}
		pthread_mutex_lock(&applier->lock);
		vote_goal(&run->vote, ends[i].seq);
		pthread_mutex_unlock(&applier->lock);
	}
}

/* Votes: the log's end for those that have no goal yet. */
static int
find_goals(struct applier *applier, struct error *err)
{
	struct commitlog_end *ends = NULL;
	size_t n = 0;

	for (size_t i = 0; i < applier->count; i++) {
		struct partitionrun *run = &applier->run[i];
		struct error why = { 0 };

		if (!wants_goal(run))
			continue;
		if (ends == NULL)
			ends = calloc(applier->count, sizeof(*ends));
		if (ends == NULL)
			return error_set(err, ERRC_NOMEM, "applier: no memory");
		/* A log that came back may be an older one. */
		if (compare_run(applier, run, &why) != 0)
			partition_lost(applier, run, &why);
		else if (!run->vote.barred)
			ends[n++].partition = run->partition;
	}
	take_goals(applier, ends, n);
	free(ends);
	return 0;
}

/* Is there a partition of which the log answers? */
static bool
log_answers(const struct applier *applier)
{
	size_t out = 0;
	size_t mine = 0;

	for (size_t i = 0; i < applier->count; i++) {
		mine += applier->run[i].mine;
		out += applier->run[i].mine && applier->run[i].out;
	}
	return mine == 0 || out < mine;
}

static void
note_reach(struct applier *applier)
{
	struct nodecore *core = applier->core;
	bool answers = log_answers(applier);

	if (atomic_exchange(&core->log_reachable, answers) == answers)
		return;
	if (answers)
		log_info("node", "commit log reached");
	else
		log_error("node",
		    "commit log out of reach: no partition of it "
		    "answers");
}

/* The topology gave one to this node, or took it.  What it has of one that
 * went stays on the disk: it may come back. */
static int
assign(struct applier *applier, size_t i, struct error *err)
{
	struct partitionrun *run = &applier->run[i];
	bool mine = watermark_mine(applier->core->wm, i);
	struct partitionrun loaded;
	int rc = 0;

	if (mine == run->mine)
		return 0;
	/* Without the lock: others wait for it, and the log may be slow. */
	if (mine)
		rc = partitionrun_load(&loaded, applier->core, run->partition,
		    err);
	if (rc != 0)
		return error_wrap(err, "partition %" PRIu32, run->partition);
	pthread_mutex_lock(&applier->lock);
	if (mine)
		*run = loaded;
	else
		partitionrun_drop(run);
	pthread_mutex_unlock(&applier->lock);
	applier->seek = true;
	log_info("node", "partition %s partition=%" PRIu32,
	    mine ? "gained" : "lost", run->partition);
	return 0;
}

/* One that cannot be taken now is tried again, the others go on. */
static void
assign_all(struct applier *applier)
{
	struct error err;

	for (size_t i = 0; i < applier->count; i++) {
		if (assign(applier, i, &err) == 0)
			continue;
		atomic_fetch_add(&applier->core->counters.apply_failures, 1);
		log_error("node", "taking what the topology gave: %s",
		    err.text);
	}
}

/* Partitions whose time to try again has come are read again. */
static void
revive(struct applier *applier)
{
	uint64_t now = clock_mono_ms(applier->core->clock);
	bool any = false;

	pthread_mutex_lock(&applier->lock);
	for (size_t i = 0; i < applier->count; i++)
		any |= partitionrun_revive(&applier->run[i], now);
	pthread_mutex_unlock(&applier->lock);
	applier->seek |= any;
}

/* Records only ring this bell: what other nodes have applied is no news for
 * who applies, and nine appliers would wake each other for nothing. */
static void
applier_sleep(struct applier *applier, uint32_t bell)
{
	bool again = false;

	for (size_t i = 0; i < applier->count; i++)
		again |= applier->run[i].retry_ms != 0;
	commitlog_wait(applier->core->log, bell, again ? RETRY_MS : SLEEP_MS);
}

/* A log on a machine whose clock is ahead makes records of no age. */
static void
note_times(struct applier *applier, uint64_t began_us)
{
	struct nodecore *core = applier->core;
	uint64_t now_ms = clock_real_ms(core->clock);

	assert(applier->entries > 0);
	metric_observe(&core->counters.apply,
	    clock_mono_us(core->clock) - began_us);
	for (size_t i = 0; i < applier->entries; i++) {
		uint64_t time_ms = applier->entry[i].time_ms;

		if (applier->entry[i].has_event)
			metric_observe(&core->counters.apply_delay,
			    now_ms > time_ms ? (now_ms - time_ms) * 1000 : 0);
	}
}

static void
applier_step(struct applier *applier)
{
	struct nodecore *core = applier->core;
	uint32_t bell = commitlog_bell(core->log);
	struct error err = { 0 };
	uint64_t began_us;
	int n;
	int rc;

	assign_all(applier);
	revive(applier);
	n = find_goals(applier, &err);
	if (n == 0)
		n = read_batch(applier, &err);
	if (n < 0) {
		log_lost(applier, &err);
		applier->entries = 0;
		publish(applier);
		commitlog_wait(core->log, bell, RETRY_MS);
		return;
	}
	note_reach(applier);
	if (n == 0) {
		publish(applier);
		applier_sleep(applier, bell);
		return;
	}
	began_us = clock_mono_us(core->clock);
	rc = apply_batch(applier, &err);
	if (rc == 0)
		note_times(applier, began_us);
	settle(applier, rc, &err);
	if (rc != 0)
		commitlog_wait(core->log, bell, RETRY_MS);
}

static void *
applier_main(void *arg)
{
	struct applier *applier = arg;

	pthread_setname_np(pthread_self(), "applier");
	while (!atomic_load(&applier->core->stopping))
		applier_step(applier);
	return NULL;
}

static void
applier_free(struct applier *applier)
{
	close_reader(applier);
	buf_fini(&applier->text);
	free(applier->run);
	pthread_mutex_destroy(&applier->lock);
	free(applier);
}

int
applier_start(struct applier **out, struct nodecore *core, struct error *err)
{
	struct applier *applier = calloc(1, sizeof(*applier));
	int rc = 0;

	if (applier == NULL)
		return error_set(err, ERRC_NOMEM, "applier: no memory");
	applier->core = core;
	applier->text = buf_make(BATCH_MEMORY);
	applier->count = watermark_count(core->wm);
	applier->effects = (struct apply_effects){
		.ctx = applier,
		.blob = effect_blob,
		.garbage = effect_garbage,
	};
	pthread_mutex_init(&applier->lock, NULL);
	applier->run = calloc(applier->count + 1, sizeof(*applier->run));
	if (applier->run == NULL)
		rc = error_set(err, ERRC_NOMEM, "applier: no memory");
	for (size_t i = 0; i < applier->count && rc == 0; i++) {
		applier->run[i].partition = watermark_partition(core->wm, i);
		if (watermark_mine(core->wm, i))
			rc = partitionrun_load(&applier->run[i], core,
			    applier->run[i].partition, err);
	}
	if (rc != 0) {
		applier_free(applier);
		return rc;
	}
	applier->entries = 0;
	publish(applier);
	rc = pthread_create(&applier->thread, NULL, applier_main, applier);
	if (rc != 0) {
		applier_free(applier);
		return error_set(err, ERRC_NOMEM, "applier: no thread");
	}
	*out = applier;
	return 0;
}

void
applier_stop(struct applier *applier)
{
	if (applier == NULL)
		return;
	/* core->stopping is set; the thread looks at least every second. */
	pthread_join(applier->thread, NULL);
	applier_free(applier);
}

size_t
applier_count(struct applier *applier)
{
	size_t mine = 0;

	pthread_mutex_lock(&applier->lock);
	for (size_t i = 0; i < applier->count; i++)
		mine += applier->run[i].mine;
	pthread_mutex_unlock(&applier->lock);
	return mine;
}

static const struct partitionrun *
nth_locked(const struct applier *applier, size_t n)
{
	for (size_t i = 0; i < applier->count; i++) {
		if (applier->run[i].mine && n-- == 0)
			return &applier->run[i];
	}
	return NULL;
}

void
applier_state(struct applier *applier, size_t index, struct applier_state *out)
{
	const struct partitionrun *run;

	*out = (struct applier_state){ 0 };
	pthread_mutex_lock(&applier->lock);
	run = nth_locked(applier, index);
	if (run != NULL) {
		out->partition = run->partition;
		out->applied = run->published;
		out->voting = run->voting;
		out->halted = run->halted;
		snprintf(out->reason, sizeof(out->reason), "%s", run->reason);
	}
	pthread_mutex_unlock(&applier->lock);
}
