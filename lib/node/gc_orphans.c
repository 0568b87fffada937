/* SPDX-License-Identifier: MIT */
#include "node/gc.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "commit/commitlog.h"
#include "commit/record.h"
#include "node/nodecore.h"
#include "node/places.h"
#include "node/watermark.h"
#include "store/shardfile.h"
#include "store/shardpath.h"
#include "store/shardread.h"

#define APPEND_MS 5000
#define PLACED_MAX 65536 /* ids with a place, for the count of strangers */

/* Uploads without a record. */

struct orphans {
	struct nodecore *core;
	struct shardread *read;
	struct error *err;
};

static int
append_abort(struct nodecore *core, const struct place *place, uint64_t epoch,
    struct error *err)
{
	const struct nodeproto_store *store = &place->store;
	struct buf line = buf_make(RECORD_BYTES_MAX);
	struct record record = {
		.type = RECORD_ABORT,
		.epoch = epoch,
		.request_id = place->id,
		.sender = bytes_str(core->sender),
		.bucket = bytes_of(store->bucket, store->bucket_bytes),
		.key = bytes_of(store->key, store->key_bytes),
	};
	struct commitlog_item item = {
		.partition = store->partition,
		.request_id = place->id,
	};
	int rc;

	memcpy(record.cluster, core->cluster, sizeof(record.cluster));
	rc = record_build(&line, &record, err);
	item.line = buf_bytes(&line);
	if (rc == 0)
		rc = commitlog_append(core->log, &item, 1,
		    nodecore_deadline(core, APPEND_MS), err);
	buf_fini(&line);
	return rc;
}

static void
abort_orphan(struct orphans *orphans, struct place *place)
{
	struct nodecore *core = orphans->core;
	struct partition_row row;
	struct error err = { 0 };
	char id[REQID_HEX + 1];
	int rc = shardread_partition(orphans->read, place->store.partition,
	    &row, &err);

	if (rc == 0)
		rc = append_abort(core, place, row.epoch, &err);
	reqid_format(id, place->id);
	/* Whether or not it is in the log: not again before another such
	 * time, and a second one would change nothing. */
	place->since_ms = clock_boot_ms(core->clock);
	if (rc != 0) {
		log_warn("node", "orphan not aborted id=%s: %s", id, err.text);
		return;
	}
	atomic_fetch_add(&core->counters.orphans, 1);
	log_info("node", "upload without a record aborted id=%s partition=%u",
	    id, place->store.partition);
}

/* 1 keeps the place. */
static int
visit_place(void *arg, struct place *place)
{
	struct orphans *orphans = arg;
	struct nodecore *core = orphans->core;
	uint32_t partition = place->store.partition;
	int index = watermark_index(core->wm, partition);
	struct nodecore_fate fate;
	uint64_t now = clock_boot_ms(core->clock);
	uint64_t idle_ms;
	uint64_t age;
	int rc;

	if (atomic_load(&core->stopping))
		return error_set(orphans->err, ERRC_RETRY, "interrupted");
	rc = nodecore_fate(orphans->read, partition, place->id, &fate,
	    orphans->err);
	if (rc != 0)
		return rc;
	if (fate.dead && shardfile_exists(core->files, place->id, place->shard))
		gc_dead_shard(core, partition, place->id, &fate);
	if (fate.decided || fate.dead)
		return 0;
	if (shardfile_uploading(core->files, place->id, &idle_ms))
		place->since_ms = now - KOOP_MIN(now, idle_ms);
	age = core->orphan_age_ms + place->shard * core->orphan_step_ms;
	if (now >= place->since_ms + age && index >= 0 &&
	    watermark_voting(core->wm, (size_t)index))
		abort_orphan(orphans, place);
	return 1;
}

int
gc_orphans(struct nodecore *core, struct error *err)
{
	struct orphans orphans = { .core = core, .err = err };
	int rc = shardread_begin(&orphans.read, core->meta, err);

	if (rc != 0)
		return rc;
	rc = places_visit(core->places, visit_place, &orphans, err);
	shardread_end(orphans.read);
	return atomic_load(&core->stopping) ? 0 : rc;
}

/* Files that nothing here can name. */

struct strangers {
	struct nodecore *core;
	struct shardread *read;
	struct error *err;
	struct reqid *placed;
	size_t placed_count;
	uint64_t unplaced;
};

static int
collect_place(void *arg, struct place *place)
{
	struct strangers *s = arg;

	if (s->placed_count < PLACED_MAX)
		s->placed[s->placed_count++] = place->id;
	return 1;
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct reqid));
}

/* An id is decided in its own partition only, and the shard number leaves
 * few partitions that it can be of. */
static int
visit_file(void *arg, const struct shardfile_entry *entry)
{
	struct strangers *s = arg;
	struct watermark *wm = s->core->wm;
	struct nodecore_fate fate;
	uint32_t partition;
	int rc;

	if (atomic_load(&s->core->stopping))
		return error_set(s->err, ERRC_RETRY, "interrupted");
	for (size_t i = 0; i < watermark_count(wm); i++) {
		partition = watermark_partition(wm, i);
		if (nodecore_shard(s->core, partition) != entry->shard)
			continue;
		rc = nodecore_fate(s->read, partition, entry->id, &fate,
		    s->err);
		if (rc != 0)
			return rc;
		if (!fate.decided)
			continue;
		if (fate.dead)
			gc_dead_shard(s->core, partition, entry->id, &fate);
		return 0;
	}
	if (!entry->uploading &&
	    bsearch(&entry->id, s->placed, s->placed_count, sizeof(*s->placed),
		compare_ids) == NULL)
		s->unplaced++;
	return 0;
}

int
gc_strangers(struct nodecore *core, struct error *err)
{
	struct strangers s = { .core = core, .err = err };
	uint64_t strange = 0;
	int rc;

	s.placed = calloc(PLACED_MAX, sizeof(*s.placed));
	if (s.placed == NULL)
		return error_set(err, ERRC_NOMEM, "gc: no memory");
	rc = places_visit(core->places, collect_place, &s, err);
	qsort(s.placed, s.placed_count, sizeof(*s.placed), compare_ids);
	for (unsigned i = 0; i < SHARDPATH_FANOUT && rc == 0; i++) {
		rc = shardread_begin(&s.read, core->meta, err);
		if (rc == 0)
			rc = shardfile_scan(core->files, i, visit_file, &s,
			    &strange, err);
		shardread_end(s.read);
		s.read = NULL;
	}
	free(s.placed);
	if (rc == 0) {
		atomic_store(&core->counters.unplaced, s.unplaced);
		if (s.unplaced > 0)
			log_warn("node",
			    "shards that no record names, kept n=%llu",
			    (unsigned long long)s.unplaced);
	}
	return atomic_load(&core->stopping) ? 0 : rc;
}
