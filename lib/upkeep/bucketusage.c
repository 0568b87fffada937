/* SPDX-License-Identifier: MIT */
#include "upkeep/bucketusage.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "member/nodecore.h"
#include "member/watermark.h"
#include "store/metaquery.h"
#include "store/metaquery_walk.h"

#define PAGE_ROWS 256
#define PAGE_REST_MS 2
/* A round costs a third of a percent of one processor, however many rows there
 * are; and of few rows the numbers are fresh. */
#define ROUND_REST_MS 10000
#define ROUND_REST_TIMES 300
/* Of a cluster with more buckets the rest is counted as one. */
#define NAMES_MAX 4096

struct bucketusage {
	struct nodecore *core;
	pthread_t thread;
	bool running;
	uint64_t records;             /* applied when the last round began */
	pthread_mutex_t lock;         /* guards what follows */
	struct bucketusage_row *rows; /* NULL: nothing was counted yet */
	size_t count;
	uint64_t counted_ms; /* boot */
};

/* One round. */

struct tally {
	struct nodecore *core;
	struct bucketusage_row *row; /* in the order of their names */
	size_t n, room;
	size_t at; /* the bucket of the last row: most are of the same */
	struct bucketusage_row rest;
	uint64_t busy_us;
};

static int
compare_name(const struct bucketusage_row *row, struct bytes name)
{
	return bytes_compare(bytes_str(row->name), name);
}

/* Where the name is, or belongs. */
static size_t
find_name(const struct tally *t, struct bytes name)
{
	size_t low = 0;
	size_t high = t->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (compare_name(&t->row[mid], name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	assert(low <= t->n);
	return low;
}

/* Its row, made if need be; that of the rest when there are too many, NULL
 * without memory. */
static struct bucketusage_row *
row_of(struct tally *t, struct bytes name)
{
	size_t at;

	if (t->at < t->n && compare_name(&t->row[t->at], name) == 0)
		return &t->row[t->at];
	at = find_name(t, name);
	t->at = at;
	if (at < t->n && compare_name(&t->row[at], name) == 0)
		return &t->row[at];
	if (t->n == NAMES_MAX || name.n > BUCKETUSAGE_NAME_MAX)
		return &t->rest;
	if (t->n == t->room) {
		size_t room = KOOP_MAX(2 * t->room, (size_t)16);
		struct bucketusage_row *grown = reallocarray(t->row, room,
		    sizeof(*grown));

		if (grown == NULL)
			return NULL;
		t->row = grown;
		t->room = room;
	}
	memmove(&t->row[at + 1], &t->row[at], (t->n - at) * sizeof(*t->row));
	t->row[at] = (struct bucketusage_row){ 0 };
	memcpy(t->row[at].name, name.p, name.n);
	t->n++;
	return &t->row[at];
}

static int
count_row(void *arg, const struct snapshot_row *snapshot)
{
	const struct object_row *object = snapshot->object != NULL ?
	    snapshot->object :
	    snapshot->version;
	struct bucketusage_row *row;
	struct tally *t = arg;

	/* Parts of uploads are in no bucket yet; those of an object are in its
	 * size. */
	if (object == NULL || object->kind == OBJECT_TOMBSTONE ||
	    object->kind == OBJECT_MARKER)
		return 0;
	row = row_of(t, object->bucket);
	if (row == NULL)
		return -ERRC_NOMEM;
	row->objects += snapshot->object != NULL;
	row->bytes += object->size;
	return 0;
}

static int
count_page(struct tally *t, uint32_t partition, struct metaquery_place *place,
    struct error *err)
{
	uint64_t began_us = clock_mono_us(t->core->clock);
	struct metaquery *read = NULL;
	int rc = metaquery_begin(&read, t->core->meta, err);

	assert(place->table != WALK_OVER);
	if (rc == 0)
		rc = metaquery_walk(read, partition, place, PAGE_ROWS,
		    count_row, t, err);
	metaquery_end(read);
	t->busy_us += clock_mono_us(t->core->clock) - began_us;
	return rc;
}

static int
count_partition(struct tally *t, uint32_t partition, bool rests,
    struct error *err)
{
	struct metaquery_place place = { 0 };
	int rc = 0;

	while (rc == 0 && place.table < WALK_PARTS) {
		rc = count_page(t, partition, &place, err);
		if (rests && nodecore_sleep(t->core, PAGE_REST_MS))
			return error_set(err, ERRC_RETRY, "interrupted");
	}
	/* One that was never here, or has gone. */
	return rc == -ERRC_NOTFOUND ? 0 : rc;
}

static int
compare_bytes(const void *a, const void *b)
{
	const struct bucketusage_row *x = a;
	const struct bucketusage_row *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* The largest, and the rest as one if there is any. */
static void
usage_cut(struct tally *t)
{
	assert(t->n <= NAMES_MAX);
	if (t->n > 1)
		qsort(t->row, t->n, sizeof(*t->row), compare_bytes);
	for (size_t i = BUCKETUSAGE_TOLD; i < t->n; i++) {
		t->rest.objects += t->row[i].objects;
		t->rest.bytes += t->row[i].bytes;
	}
	if (t->n > BUCKETUSAGE_TOLD || t->rest.objects > 0 ||
	    t->rest.bytes > 0) {
		t->n = KOOP_MIN(t->n, (size_t)BUCKETUSAGE_TOLD);
		assert(t->n < t->room);
		t->row[t->n++] = t->rest;
	}
}

static void
keep(struct bucketusage *usage, struct tally *t)
{
	pthread_mutex_lock(&usage->lock);
	free(usage->rows);
	usage->rows = t->row;
	usage->count = t->n;
	usage->counted_ms = clock_boot_ms(usage->core->clock);
	pthread_mutex_unlock(&usage->lock);
	t->row = NULL;
}

int
bucketusage_round(struct bucketusage *usage, bool rests, uint64_t *busy_us,
    struct error *err)
{
	struct nodecore *core = usage->core;
	struct tally t = { .core = core, .room = 16 };
	int rc = 0;

	*busy_us = 0;
	usage->records = atomic_load(&core->counters.records);
	t.row = calloc(t.room, sizeof(*t.row));
	if (t.row == NULL)
		return error_set(err, ERRC_NOMEM, "buckets: no memory");
	for (size_t i = 0; i < watermark_count(core->wm) && rc == 0; i++)
		if (watermark_mine(core->wm, i))
			rc = count_partition(&t,
			    watermark_partition(core->wm, i), rests, err);
	if (rc == 0) {
		usage_cut(&t);
		keep(usage, &t);
	}
	*busy_us = t.busy_us;
	free(t.row);
	return rc;
}

/* The thread. */

/* Nothing was applied since: what was counted is true now. */
static bool
is_fresh(struct bucketusage *usage)
{
	bool fresh;

	pthread_mutex_lock(&usage->lock);
	fresh = usage->rows != NULL &&
	    usage->records == atomic_load(&usage->core->counters.records);
	if (fresh)
		usage->counted_ms = clock_boot_ms(usage->core->clock);
	pthread_mutex_unlock(&usage->lock);
	return fresh;
}

static void *
usage_main(void *arg)
{
	struct bucketusage *usage = arg;
	struct error err = { 0 };
	uint64_t busy_us;
	uint64_t rest_ms;

	pthread_setname_np(pthread_self(), "usage");
	do {
		rest_ms = ROUND_REST_MS;
		if (is_fresh(usage))
			continue;
		if (bucketusage_round(usage, true, &busy_us, &err) != 0 &&
		    !atomic_load(&usage->core->stopping))
			log_warn("node", "counting buckets: %s", err.text);
		rest_ms = KOOP_MAX(rest_ms, busy_us / 1000 * ROUND_REST_TIMES);
	} while (!nodecore_sleep(usage->core, rest_ms));
	return NULL;
}

int
bucketusage_new(struct bucketusage **out, struct nodecore *core,
    struct error *err)
{
	struct bucketusage *usage = calloc(1, sizeof(*usage));

	assert(core->meta != NULL);
	if (usage == NULL)
		return error_set(err, ERRC_NOMEM, "buckets: no memory");
	usage->core = core;
	pthread_mutex_init(&usage->lock, NULL);
	*out = usage;
	return 0;
}

int
bucketusage_start(struct bucketusage *usage, struct error *err)
{
	assert(!usage->running);
	if (pthread_create(&usage->thread, NULL, usage_main, usage) != 0)
		return error_set(err, ERRC_NOMEM, "buckets: no thread");
	usage->running = true;
	return 0;
}

void
bucketusage_free(struct bucketusage *usage)
{
	if (usage == NULL)
		return;
	if (usage->running)
		pthread_join(usage->thread, NULL);
	pthread_mutex_destroy(&usage->lock);
	free(usage->rows);
	free(usage);
}

bool
bucketusage_look(struct bucketusage *usage, struct bucketusage_row **rows,
    size_t *n, uint64_t *age_ms)
{
	uint64_t now = clock_boot_ms(usage->core->clock);

	*rows = NULL;
	pthread_mutex_lock(&usage->lock);
	*n = usage->count;
	*age_ms = now > usage->counted_ms ? now - usage->counted_ms : 0;
	if (usage->rows != NULL)
		*rows = calloc(*n + 1, sizeof(**rows));
	if (*rows != NULL)
		memcpy(*rows, usage->rows, *n * sizeof(**rows));
	pthread_mutex_unlock(&usage->lock);
	return *rows != NULL;
}
