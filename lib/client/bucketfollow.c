/* SPDX-License-Identifier: MIT */
#include "client/bucketfollow.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/wait.h"
#include "client/bucketcache.h"
#include "commit/commitlog.h"
#include "commit/commitlog_reader.h"
#include "commit/record.h"

#define STACK_BYTES ((size_t)256 << 10)
/* Of one call: a log that is out of reach makes the view stale by itself. */
#define BUCKETFOLLOW_CALL_MS 500
#define BATCH_RECORDS 1000
#define BATCH_BYTES ((size_t)1 << 20)
/* Where the type of a record stands in its line, and what all types that are
 * about a bucket end in, or have in them. */
#define TYPE_BYTES ((size_t)64)

static_assert(BUCKETFOLLOW_MS + BUCKETFOLLOW_CALL_MS < BUCKETCACHE_FRESH_MS,
    "one slow call leaves the view fresh");

struct bucketfollow {
	struct bucketcache *cache;
	struct commitlog *log;
	const struct clock *clock;
	struct commitlog_reader *reader; /* the thread's */
	bool said;                       /* that it cannot be read */
	struct error trouble;            /* of one partition */
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	bool stop;
};

/* A look at the line's beginning: parsing every PutMessage, with its bytes,
 * would cost what the nodes pay for applying it. */
static bool
may_be_of_a_bucket(struct bytes line)
{
	static const char word[] = "Bucket";

	return memmem(line.p, KOOP_MIN(line.n, TYPE_BYTES), word,
		   sizeof(word) - 1) != NULL;
}

static int
take_entry(void *arg, const struct commitlog_entry *entry)
{
	struct bucketfollow *f = arg;
	struct record *record = NULL;
	int verdict;

	/* Nothing is known of the buckets at home there: nothing of any, as
	 * freshness is one for all. */
	if (entry->kind == COMMITLOG_TROUBLE) {
		f->trouble = *entry->trouble;
		return -ERRC_UNAVAILABLE;
	}
	if (entry->kind != COMMITLOG_RECORD || !may_be_of_a_bucket(entry->line))
		return 0;
	verdict = record_parse(&record, entry->line, commitlog_cluster(f->log),
	    NULL);
	if (verdict == RECORD_OK && record->bucket.n > 0)
		bucketcache_seen(f->cache, entry->partition, record->bucket,
		    entry->seq);
	/* What is no record of this cluster changes nothing at the nodes
	 * either; of what cannot be read nobody knows which bucket it is. */
	if (verdict != RECORD_OK && verdict != RECORD_IGNORED &&
	    !bucketcache_begin(f->cache, entry->partition, entry->seq))
		verdict = -ERRC_NOMEM;
	record_free(record);
	return verdict < 0 ? verdict : 0;
}

/* The ends, as far as the log tells them: a partition that is out of reach
 * makes the view stale, and this is tried again. */
static struct commitlog_end *
read_ends(struct bucketfollow *f, size_t *count, struct error *err)
{
	const uint32_t *partitions = commitlog_partitions(f->log, count);
	struct commitlog_end *ends = calloc(*count, sizeof(*ends));

	if (ends == NULL) {
		(void)error_set(err, ERRC_NOMEM, "buckets: out of memory");
		return NULL;
	}
	for (size_t i = 0; i < *count; i++)
		ends[i].partition = partitions[i];
	if (commitlog_ends(f->log, ends, *count,
		clock_mono_ms(f->clock) + BUCKETFOLLOW_CALL_MS, err) == 0)
		return ends;
	free(ends);
	return NULL;
}

/* Begin at the log's end: what the nodes answer from now on is newer, or is
 * not kept. */
static int
begin(struct bucketfollow *f, struct error *err)
{
	size_t count = 0;
	struct commitlog_end *ends = read_ends(f, &count, err);
	struct commitlog_position *at = calloc(count, sizeof(*at));
	int rc = ends == NULL ? -ERRC_UNAVAILABLE : 0;

	assert(f->reader == NULL);
	if (at == NULL)
		rc = error_set(err, ERRC_NOMEM, "buckets: out of memory");
	for (size_t i = 0; i < count && rc == 0; i++) {
		at[i].partition = ends[i].partition;
		at[i].next_seq = ends[i].seq + 1;
		if (!bucketcache_begin(f->cache, ends[i].partition,
			ends[i].seq))
			rc = error_set(err, ERRC_NOMEM,
			    "buckets: out of memory");
	}
	if (rc == 0)
		rc = commitlog_reader_open(&f->reader, f->log, at, count,
		    clock_mono_ms(f->clock) + BUCKETFOLLOW_CALL_MS, err);
	free(at);
	free(ends);
	return rc;
}

/* Read what is there.  Negative: the log cannot be read. */
static int
read_on(struct bucketfollow *f, struct error *err)
{
	uint64_t began = clock_mono_ms(f->clock);
	int rc = 0;

	if (FAULT(LOG_FOLLOW))
		rc = error_set(err, ERRC_UNAVAILABLE, "commit log: fault");
	if (rc == 0 && f->reader == NULL)
		rc = begin(f, err);
	while (rc >= 0) {
		rc = commitlog_reader_next(f->reader, BATCH_RECORDS,
		    BATCH_BYTES, take_entry, f,
		    clock_mono_ms(f->clock) + BUCKETFOLLOW_CALL_MS, err);
		if (rc == 0)
			break;
	}
	/* A log that was cut would fail from here on for ever: the next reading
	 * begins anew at its end.  What came in between is not told then, so
	 * all that was known is void (protocol.md 5, buckets). */
	if (rc < 0) {
		commitlog_reader_close(f->reader);
		f->reader = NULL;
		return rc;
	}
	/* Read to its end: what was not read may make void what is kept. */
	assert(rc == 0 && f->reader != NULL);
	/* As of when the reading began: records may have come behind it. */
	bucketcache_fresh(f->cache, began);
	return 0;
}

/* Sleep; false: it is time to stop. */
static bool
go_on(struct bucketfollow *f)
{
	bool stop;

	pthread_mutex_lock(&f->lock);
	/* Woken for nothing it reads a little early. */
	if (!f->stop)
		wait_mono_for(&f->wake, &f->lock, BUCKETFOLLOW_MS);
	stop = f->stop;
	pthread_mutex_unlock(&f->lock);
	return !stop;
}

static void *
follow_main(void *arg)
{
	struct bucketfollow *f = arg;
	struct error err = { 0 };

	do {
		int rc;

		f->trouble.text[0] = '\0';
		rc = read_on(f, &err);

		if (rc < 0 && !f->said)
			log_warn("client", "buckets: not followed: %s",
			    f->trouble.text[0] != '\0' ? f->trouble.text :
							 err.text);
		if (rc == 0 && f->said)
			log_info("client", "buckets: followed again");
		f->said = rc < 0;
	} while (go_on(f));
	return NULL;
}

/* From here on nothing is said that is not followed, and nothing is kept
 * before the reading began: that may take as long as the log is out of reach,
 * and must not keep a program from starting. */
static bool
promise(struct bucketfollow *f)
{
	size_t count = 0;
	const uint32_t *partitions = commitlog_partitions(f->log, &count);

	assert(count > 0);
	for (size_t i = 0; i < count; i++) {
		if (!bucketcache_begin(f->cache, partitions[i], UINT64_MAX))
			return false;
	}
	return true;
}

int
bucketfollow_open(struct bucketfollow **out, struct bucketcache *cache,
    struct commitlog *log, const struct clock *clock, struct error *err)
{
	struct bucketfollow *f = calloc(1, sizeof(*f));
	pthread_attr_t attr;
	int rc;

	assert(cache != NULL && log != NULL);
	if (f == NULL)
		return error_set(err, ERRC_NOMEM, "buckets: out of memory");
	f->cache = cache;
	f->log = log;
	f->clock = clock;
	if (!promise(f)) {
		free(f);
		return error_set(err, ERRC_NOMEM, "buckets: out of memory");
	}
	pthread_mutex_init(&f->lock, NULL);
	wait_mono_init(&f->wake);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	rc = pthread_create(&f->thread, &attr, follow_main, f);
	pthread_attr_destroy(&attr);
	if (rc != 0) {
		free(f);
		return error_set(err, ERRC_NOMEM, "buckets: no thread");
	}
	*out = f;
	return 0;
}

void
bucketfollow_close(struct bucketfollow *follow)
{
	if (follow == NULL)
		return;
	pthread_mutex_lock(&follow->lock);
	assert(!follow->stop);
	follow->stop = true;
	pthread_cond_signal(&follow->wake);
	pthread_mutex_unlock(&follow->lock);
	pthread_join(follow->thread, NULL);
	commitlog_reader_close(follow->reader);
	pthread_cond_destroy(&follow->wake);
	pthread_mutex_destroy(&follow->lock);
	free(follow);
}
