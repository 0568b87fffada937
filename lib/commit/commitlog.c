/* SPDX-License-Identifier: MIT */
#include "commit/commitlog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/nowait.h"
#include "cluster/topology.h"
#include "commit/commitlog_backend.h"
#include "commit/record.h"

_Static_assert(COMMITLOG_LINE_MAX == RECORD_BYTES_MAX,
    "every record fits the log");

#define GENESIS_LINE_MAX 1024 /* a genesis record is about 400 bytes */

static const struct commitlog_backend *const backends[] = {
	&commitlog_sqlite,
	&commitlog_mem,
};

static const struct commitlog_options default_options;

static int
commitlog_find_backend(const struct commitlog_backend **out, const char *url,
    struct error *err)
{
	if (url == NULL || url[0] == '\0')
		return error_set(err, ERRC_CONFIG,
		    "no commit log given: use --commit-log sqlite:PATH or "
		    "KOOP_COMMIT_LOG");
	for (size_t i = 0; i < nitems(backends); i++) {
		if (strncmp(url, backends[i]->scheme,
			strlen(backends[i]->scheme)) == 0) {
			*out = backends[i];
			return 0;
		}
	}
	return error_set(err, ERRC_CONFIG,
	    "commit log %s: unknown kind of URL: this program knows "
	    "sqlite:PATH",
	    url);
}

static const char *
rest_of(const struct commitlog_backend *backend, const char *url)
{
	assert(strncmp(url, backend->scheme, strlen(backend->scheme)) == 0);
	return url + strlen(backend->scheme);
}

long
commitlog_partition_index(const struct commitlog *log, uint32_t partition)
{
	size_t index = topology_search(log->partitions, log->partition_count,
	    partition);

	assert(index == SIZE_MAX || index < log->partition_count);
	return index == SIZE_MAX ? -1 : (long)index;
}

static int
no_partition(uint32_t partition, struct error *err)
{
	return error_set(err, ERRC_USAGE,
	    "partition %u: the commit log has no such one", partition);
}

static int
check_genesis(const struct commitlog_genesis *genesis, struct error *err)
{
	if (genesis->count < 1 || genesis->count > COMMITLOG_PARTITIONS_MAX)
		return error_set(err, ERRC_USAGE,
		    "%zu partitions: must be 1 to %d", genesis->count,
		    COMMITLOG_PARTITIONS_MAX);
	for (size_t i = 1; i < genesis->count; i++) {
		if (genesis->partitions[i] <= genesis->partitions[i - 1])
			return error_set(err, ERRC_USAGE,
			    "partitions must be ascending numbers");
	}
	return 0;
}

static const struct clock *
clock_of(const struct commitlog_options *options)
{
	return options->clock != NULL ? options->clock : &clock_system;
}

static int
build_genesis(struct buf *out, const struct commitlog_genesis *genesis,
    size_t index, struct reqid id, struct error *err)
{
	struct record record = {
		.type = RECORD_GENESIS,
		.epoch = 1,
		.request_id = id,
		.sender = bytes_str("koop-log"),
		.partition = genesis->partitions[index],
		.generation = genesis->generation != 0 ? genesis->generation :
							 1,
		.partition_count = (uint32_t)genesis->count,
		/* A new cluster has no old programs. */
		.level = record_level(),
	};

	assert(index < genesis->count);
	memcpy(record.cluster, genesis->cluster, sizeof(record.cluster));
	if (genesis->base_seq != NULL)
		record.base_seq = genesis->base_seq[index];
	if (genesis->chain != NULL)
		memcpy(record.chain, genesis->chain[index],
		    sizeof(record.chain));
	return record_build(out, &record, err);
}

static int
build_lines(struct buf *text, struct commitlog_genesis_lines *lines,
    struct error *err)
{
	const struct commitlog_genesis *genesis = lines->genesis;
	int rc = 0;

	for (size_t i = 0; i < genesis->count && rc == 0; i++) {
		size_t before = text->n;

		rc = build_genesis(text, genesis, i, lines->request_id, err);
		lines->line[i].n = text->n - before;
	}
	/* Addresses only now: the buffer moved while it grew. */
	for (size_t i = 0, at = 0; i < genesis->count && rc == 0; i++) {
		assert(lines->line[i].n > 0 &&
		    lines->line[i].n <= GENESIS_LINE_MAX);
		lines->line[i].p = (const uint8_t *)text->p + at;
		at += lines->line[i].n;
	}
	return rc;
}

int
commitlog_create(const char *url, const struct commitlog_genesis *genesis,
    const struct commitlog_options *options, struct error *err)
{
	const struct commitlog_backend *backend;
	struct commitlog_genesis whole = *genesis;
	struct commitlog_genesis_lines lines = { .genesis = &whole };
	struct buf text;
	int rc;

	if (options == NULL)
		options = &default_options;
	rc = commitlog_find_backend(&backend, url, err);
	if (rc == 0)
		rc = check_genesis(genesis, err);
	if (rc < 0)
		return rc;
	lines.request_id = reqid_new(clock_of(options), &random_system);
	lines.time_ms = clock_real_ms(clock_of(options));
	/* Where a crash can leave some partitions without a genesis, those
	 * get one of the same cluster and id as the others (protocol.md 2). */
	if (backend->begun != NULL)
		rc = backend->begun(rest_of(backend, url), whole.cluster,
		    &lines.request_id, err);
	if (rc < 0)
		return rc;
	text = buf_make(genesis->count * GENESIS_LINE_MAX);
	lines.line = calloc(genesis->count, sizeof(*lines.line));
	rc = lines.line == NULL ?
	    error_set(err, ERRC_NOMEM, "%s: out of memory", url) :
	    build_lines(&text, &lines, err);
	if (rc == 0)
		rc = backend->create(rest_of(backend, url), &lines, options,
		    err);
	free(lines.line);
	buf_fini(&text);
	return rc;
}

int
commitlog_open(struct commitlog **out, const char *url,
    const struct commitlog_options *options, struct error *err)
{
	const struct commitlog_backend *backend;
	struct commitlog *log = NULL;
	int rc;

	if (options == NULL)
		options = &default_options;
	rc = commitlog_find_backend(&backend, url, err);
	if (rc == 0)
		rc = backend->open(&log, rest_of(backend, url), options, err);
	if (rc < 0)
		return rc;
	assert(log->partition_count > 0);
	assert(log->generation != NULL && log->base_seq != NULL);
	if (log->backend->end == NULL)
		rc = commitlog_barrier_new(&log->barrier, log, options, err);
	if (rc < 0) {
		commitlog_close(log);
		return rc;
	}
	assert((log->backend->end == NULL) == (log->barrier != NULL));
	*out = log;
	return 0;
}

void
commitlog_close(struct commitlog *log)
{
	uint32_t *partitions;
	uint64_t *generation, *base_seq;

	if (log == NULL)
		return;
	commitlog_barrier_free(log->barrier);
	partitions = log->partitions;
	generation = log->generation;
	base_seq = log->base_seq;
	log->backend->close(log);
	free(partitions);
	free(generation);
	free(base_seq);
}

const char *
commitlog_cluster(const struct commitlog *log)
{
	return log->cluster;
}

const uint32_t *
commitlog_partitions(const struct commitlog *log, size_t *count)
{
	*count = log->partition_count;
	return log->partitions;
}

static int
check_item(const struct commitlog *log, const struct commitlog_item *item,
    struct error *err)
{
	struct bytes line = item->line;

	if (commitlog_partition_index(log, item->partition) < 0)
		return no_partition(item->partition, err);
	if (line.n < 1 || line.n > COMMITLOG_LINE_MAX)
		return error_set(err, ERRC_USAGE,
		    "a record of %zu bytes: must be 1 to %u", line.n,
		    COMMITLOG_LINE_MAX);
	if (memchr(line.p, '\n', line.n) != NULL)
		return error_set(err, ERRC_USAGE, "a record is one line");
	return 0;
}

/* A backend has told of every item, and its result is that of the first which
 * is not in. */
static bool
fates_agree(const struct commitlog_item *items, size_t count, int rc)
{
	int first = 0;

	for (size_t i = 0; i < count; i++) {
		const struct commitlog_item *item = &items[i];

		if ((item->fate == COMMITLOG_IN) != (item->code == ERRC_OK) ||
		    (item->fate == COMMITLOG_IN && item->seq == 0))
			return false;
		if (first == 0)
			first = -(int)item->code;
	}
	return first == rc;
}

int
commitlog_append(struct commitlog *log, struct commitlog_item *items,
    size_t count, uint64_t deadline_mono_ms, struct error *err)
{
	int rc = 0;

	nowait_touch("the commit log");
	if (count > COMMITLOG_ITEMS_MAX)
		rc = error_set(err, ERRC_USAGE,
		    "%zu records at once: at most %d", count,
		    COMMITLOG_ITEMS_MAX);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = check_item(log, &items[i], err);
	for (size_t i = 0; i < count; i++) {
		items[i].fate = COMMITLOG_NOT_IN;
		items[i].code = rc < 0 ? (enum errc) - rc : ERRC_OK;
		items[i].seq = 0;
	}
	if (rc < 0 || count == 0)
		return rc;
	rc = log->backend->append(log, items, count, deadline_mono_ms, err);
	assert(fates_agree(items, count, rc));
	return rc;
}

int
commitlog_find(struct commitlog *log, uint32_t partition,
    struct reqid request_id, uint64_t after_seq, uint64_t *seq,
    uint64_t *time_ms, uint64_t deadline_mono_ms, struct error *err)
{
	uint64_t found_seq = 0;
	uint64_t found_time = 0;
	int rc;

	nowait_touch("the commit log");
	if (commitlog_partition_index(log, partition) < 0)
		return no_partition(partition, err);
	if (after_seq >= INT64_MAX)
		return error_set(err, ERRC_USAGE, "find: no such position");
	rc = log->backend->find(log, partition, request_id, after_seq,
	    &found_seq, &found_time, deadline_mono_ms, err);
	if (rc < 0)
		return rc;
	/* An earlier record of the id decided nothing: it must never answer
	 * for the later one that the caller asks for. */
	assert(found_seq > after_seq);
	if (seq != NULL)
		*seq = found_seq;
	if (time_ms != NULL)
		*time_ms = found_time;
	return 0;
}

/* Keeps the first failure of several calls, for the caller's err. */
static int
keep_first(int first, int rc, struct error *err, const struct error *why)
{
	assert(first <= 0 && rc <= 0);
	if (first == 0 && rc < 0 && err != NULL)
		*err = *why;
	return first < 0 ? first : rc;
}

int
commitlog_stored(struct commitlog *log, struct commitlog_span *spans,
    size_t count, uint64_t deadline_mono_ms, struct error *err)
{
	int first = 0;

	nowait_touch("the commit log");
	for (size_t i = 0; i < count; i++) {
		struct commitlog_span *span = &spans[i];
		struct error why = { 0 };
		int rc;

		span->first = span->last = 0;
		if (commitlog_partition_index(log, span->partition) < 0)
			rc = no_partition(span->partition, &why);
		else
			rc = log->backend->stored(log, span, deadline_mono_ms,
			    &why);
		span->code = (enum errc) - rc;
		assert(rc < 0 || span->first <= span->last);
		first = keep_first(first, rc, err, &why);
	}
	return first;
}

int
commitlog_ends(struct commitlog *log, struct commitlog_end *ends, size_t count,
    uint64_t deadline_mono_ms, struct error *err)
{
	int first = 0;

	nowait_touch("the commit log");
	for (size_t i = 0; i < count; i++) {
		ends[i].code = ERRC_OK;
		ends[i].seq = 0;
		if (commitlog_partition_index(log, ends[i].partition) < 0)
			return no_partition(ends[i].partition, err);
	}
	if (log->backend->end == NULL)
		return commitlog_barrier_ends(log, ends, count,
		    deadline_mono_ms, err);
	for (size_t i = 0; i < count; i++) {
		struct error why = { 0 };
		int rc = log->backend->end(log, &ends[i], deadline_mono_ms,
		    &why);

		assert(rc <= 0);
		ends[i].code = (enum errc) - rc;
		first = keep_first(first, rc, err, &why);
	}
	return first;
}

static int
look_again_ms(int timeout_ms)
{
	if (timeout_ms < 0 || timeout_ms > COMMITLOG_LOOK_MS)
		return COMMITLOG_LOOK_MS;
	return timeout_ms;
}

uint32_t
commitlog_bell(struct commitlog *log)
{
	return log->backend->bell(log);
}

void
commitlog_wait(struct commitlog *log, uint32_t seen, int timeout_ms)
{
	log->backend->wait(log, seen, look_again_ms(timeout_ms));
}

bool
commitlog_holder(const char *url, int *pid, uint64_t *held_ms)
{
	const struct commitlog_backend *backend;

	if (commitlog_find_backend(&backend, url, NULL) < 0 ||
	    backend->holder == NULL)
		return false;
	return backend->holder(rest_of(backend, url), pid, held_ms);
}
