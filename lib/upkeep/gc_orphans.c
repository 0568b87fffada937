/* SPDX-License-Identifier: MIT */
#include "upkeep/gc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "commit/commitlog.h"
#include "commit/record.h"
#include "member/idstate.h"
#include "member/nodecore.h"
#include "member/uploadlist.h"
#include "member/watermark.h"
#include "store/metaquery.h"
#include "store/shardfile.h"
#include "store/shardpath.h"

#define APPEND_MS 5000
#define LISTED_MAX 65536 /* ids in the list, for the count of strangers */

/* Uploads without a record. */

struct orphans {
	struct nodecore *core;
	struct error *err;
	bool out; /* the log did not take one: not now */
};

static int
append_abort(struct nodecore *core, const struct uploadlist_entry *entry,
    uint64_t epoch, struct error *err)
{
	const struct nodeproto_store *store = &entry->store;
	struct buf line = buf_make(RECORD_BYTES_MAX);
	struct record record = {
		.type = RECORD_ABORT,
		.epoch = epoch,
		.request_id = entry->id,
		.sender = bytes_str(core->sender),
		.bucket = bytes_of(store->bucket, store->bucket_bytes),
		.key = bytes_of(store->key, store->key_bytes),
	};
	struct commitlog_item item = {
		.partition = store->partition,
		.request_id = entry->id,
	};
	int rc;

	assert(store->bucket_bytes > 0);
	assert(store->key_bytes > 0);
	memcpy(record.cluster, core->cluster, sizeof(record.cluster));
	rc = record_build(&line, &record, err);
	item.line = buf_bytes(&line);
	if (rc == 0)
		rc = commitlog_append(core->log, &item, 1,
		    nodecore_deadline(core, APPEND_MS), err);
	buf_fini(&line);
	return rc;
}

/* What this node knows of an id, and the epoch of its partition: one read,
 * over before the disk or the log is asked. */
static int
read_state(struct nodecore *core, uint32_t partition, struct reqid id,
    struct idstate *state, uint64_t *epoch, struct error *err)
{
	struct metaquery *read = NULL;
	struct partition_row row;
	int rc = metaquery_begin(&read, core->meta, err);

	assert(!reqid_is_zero(id));
	if (rc != 0)
		return rc;
	rc = idstate_read(read, partition, id, state, err);
	if (rc == 0 && epoch != NULL) {
		rc = metaquery_partition(read, partition, &row, err);
		*epoch = rc == 0 ? row.epoch : 0;
		if (rc == -ERRC_NOTFOUND)
			rc = 0;
	}
	metaquery_end(read);
	return rc;
}

static void
abort_orphan(struct orphans *orphans, struct uploadlist_entry *entry,
    uint64_t epoch)
{
	struct nodecore *core = orphans->core;
	struct error err = { 0 };
	char id[REQID_HEX + 1];
	int rc = append_abort(core, entry, epoch, &err);

	assert(!orphans->out);
	reqid_format(id, entry->id);
	/* Whether or not it is in the log: not again before another such
	 * time, and a second one would change nothing. */
	entry->since_ms = clock_boot_ms(core->clock);
	if (rc != 0) {
		/* Each try may take seconds, and garbage waits meanwhile. */
		orphans->out = true;
		log_warn("node", "orphan not aborted id=%s: %s", id, err.text);
		return;
	}
	atomic_fetch_add(&core->counters.orphans, 1);
	log_info("node", "upload without a record aborted id=%s partition=%u",
	    id, entry->store.partition);
}

/* Protocol 6: heard of last a day ago, and later for each further shard, so
 * that mostly one node speaks; and only with a vote, since who is behind may
 * not know the record yet. */
static bool
is_orphan(struct nodecore *core, const struct uploadlist_entry *entry)
{
	int index = watermark_index(core->wm, entry->store.partition);
	uint64_t age = core->orphan_age_ms +
	    entry->shard * core->orphan_step_ms;

	assert(entry->shard < 32);
	return clock_boot_ms(core->clock) >= entry->since_ms + age &&
	    index >= 0 && watermark_voting(core->wm, (size_t)index);
}

/* 1 keeps the entry. */
static int
visit_upload(void *arg, struct uploadlist_entry *entry)
{
	struct orphans *orphans = arg;
	struct nodecore *core = orphans->core;
	uint32_t partition = entry->store.partition;
	uint64_t now = clock_boot_ms(core->clock);
	struct idstate state;
	uint64_t idle_ms;
	uint64_t epoch;
	int rc;

	assert(!reqid_is_zero(entry->id));
	if (atomic_load(&core->stopping))
		return error_set(orphans->err, ERRC_RETRY, "interrupted");
	rc = read_state(core, partition, entry->id, &state, &epoch,
	    orphans->err);
	if (rc != 0)
		return rc;
	if (state.dead &&
	    shardfile_exists(core->files, entry->id, entry->shard))
		gc_dead_shard(core, partition, entry->id, &state);
	/* What has a record is that record's to keep or to collect. */
	if (state.decided || state.dead)
		return 0;
	/* Bytes still come: however slowly, it is no orphan. */
	if (shardfile_uploading(core->files, entry->id, &idle_ms))
		entry->since_ms = now - KOOP_MIN(now, idle_ms);
	if (is_orphan(core, entry) && !orphans->out)
		abort_orphan(orphans, entry, epoch);
	return 1;
}

int
gc_orphans(struct nodecore *core, struct error *err)
{
	struct orphans orphans = { .core = core, .err = err };
	int rc = uploadlist_visit(core->uploads, visit_upload, &orphans, err);

	return atomic_load(&core->stopping) ? 0 : rc;
}

/* Files that nothing here can name. */

struct strangers {
	struct nodecore *core;
	struct error *err;
	struct reqid *listed;
	size_t listed_count;
	uint64_t unplaced;
};

static int
collect_upload(void *arg, struct uploadlist_entry *entry)
{
	struct strangers *s = arg;

	assert(s->listed_count <= LISTED_MAX);
	if (s->listed_count < LISTED_MAX)
		s->listed[s->listed_count++] = entry->id;
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
	struct idstate state;
	uint32_t partition;
	int rc;

	if (atomic_load(&s->core->stopping))
		return error_set(s->err, ERRC_RETRY, "interrupted");
	for (size_t i = 0; i < watermark_count(wm); i++) {
		partition = watermark_partition(wm, i);
		if (nodecore_shard(s->core, partition) != entry->shard)
			continue;
		rc = read_state(s->core, partition, entry->id, &state, NULL,
		    s->err);
		if (rc != 0)
			return rc;
		if (!state.decided)
			continue;
		if (state.dead)
			gc_dead_shard(s->core, partition, entry->id, &state);
		return 0;
	}
	if (!entry->uploading &&
	    bsearch(&entry->id, s->listed, s->listed_count, sizeof(*s->listed),
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

	s.listed = calloc(LISTED_MAX, sizeof(*s.listed));
	if (s.listed == NULL)
		return error_set(err, ERRC_NOMEM, "gc: no memory");
	rc = uploadlist_visit(core->uploads, collect_upload, &s, err);
	qsort(s.listed, s.listed_count, sizeof(*s.listed), compare_ids);
	for (unsigned i = 0; i < SHARDPATH_FANOUT && rc == 0; i++)
		rc = shardfile_scan(core->files, i, visit_file, &s, &strange,
		    err);
	free(s.listed);
	if (rc == 0) {
		atomic_store(&core->counters.unplaced, s.unplaced);
		if (s.unplaced > 0)
			log_warn("node",
			    "shards that no record names, kept n=%llu",
			    (unsigned long long)s.unplaced);
	}
	return atomic_load(&core->stopping) ? 0 : rc;
}
