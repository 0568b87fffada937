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
find_backend(const struct commitlog_backend **out, const char *url,
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
	return url + strlen(backend->scheme);
}

long
commitlog_partition_index(const struct commitlog *log, uint32_t partition)
{
	size_t index = topology_search(log->partitions, log->partition_count,
	    partition);

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
	};

	memcpy(record.cluster, genesis->cluster, sizeof(record.cluster));
	if (genesis->base_seq != NULL)
		record.base_seq = genesis->base_seq[index];
	if (genesis->chain != NULL)
		memcpy(record.chain, genesis->chain[index],
		    sizeof(record.chain));
	return record_build(out, &record, err);
}

int
commitlog_create(const char *url, const struct commitlog_genesis *genesis,
    const struct commitlog_options *options, struct error *err)
{
	const struct commitlog_backend *backend;
	const struct clock *clock;
	struct commitlog_genesis_lines lines = { .genesis = genesis };
	struct buf text = buf_make(0);
	int rc;

	if (options == NULL)
		options = &default_options;
	clock = options->clock != NULL ? options->clock : &clock_system;
	rc = find_backend(&backend, url, err);
	if (rc == 0)
		rc = check_genesis(genesis, err);
	if (rc < 0)
		return rc;
	text = buf_make(genesis->count * GENESIS_LINE_MAX);
	lines.request_id = reqid_new(clock, &random_system);
	lines.time_ms = clock_real_ms(clock);
	lines.line = calloc(genesis->count, sizeof(*lines.line));
	if (lines.line == NULL)
		rc = error_set(err, ERRC_NOMEM, "%s: out of memory", url);
	for (size_t i = 0; i < genesis->count && rc == 0; i++) {
		size_t before = text.n;

		rc = build_genesis(&text, genesis, i, lines.request_id, err);
		lines.line[i].n = text.n - before;
	}
	/* Addresses only now: the buffer moved while it grew. */
	for (size_t i = 0, at = 0; i < genesis->count && rc == 0; i++) {
		lines.line[i].p = (const uint8_t *)text.p + at;
		at += lines.line[i].n;
	}
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
	rc = find_backend(&backend, url, err);
	if (rc == 0)
		rc = backend->open(&log, rest_of(backend, url), options, err);
	if (rc < 0)
		return rc;
	assert(log->partition_count > 0);
	*out = log;
	return 0;
}

void
commitlog_close(struct commitlog *log)
{
	uint32_t *partitions;

	if (log == NULL)
		return;
	partitions = log->partitions;
	log->backend->close(log);
	free(partitions);
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

int
commitlog_append(struct commitlog *log, struct commitlog_item *items,
    size_t count, uint64_t deadline_mono_ms, struct error *err)
{
	nowait_touch("the commit log");
	if (count == 0)
		return 0;
	if (count > COMMITLOG_ITEMS_MAX)
		return error_set(err, ERRC_USAGE,
		    "%zu records at once: at most %d", count,
		    COMMITLOG_ITEMS_MAX);
	for (size_t i = 0; i < count; i++) {
		struct bytes line = items[i].line;

		if (commitlog_partition_index(log, items[i].partition) < 0)
			return no_partition(items[i].partition, err);
		if (line.n < 1 || line.n > COMMITLOG_LINE_MAX)
			return error_set(err, ERRC_USAGE,
			    "a record of %zu bytes: must be 1 to %u", line.n,
			    COMMITLOG_LINE_MAX);
		if (memchr(line.p, '\n', line.n) != NULL)
			return error_set(err, ERRC_USAGE,
			    "a record is one line");
	}
	return log->backend->append(log, items, count, deadline_mono_ms, err);
}

int
commitlog_find(struct commitlog *log, uint32_t partition,
    struct reqid request_id, uint64_t *seq, uint64_t *time_ms,
    struct error *err)
{
	uint64_t found_seq, found_time;
	int rc;

	nowait_touch("the commit log");
	if (commitlog_partition_index(log, partition) < 0)
		return no_partition(partition, err);
	rc = log->backend->find(log, partition, request_id, &found_seq,
	    &found_time, err);
	if (rc < 0)
		return rc;
	if (seq != NULL)
		*seq = found_seq;
	if (time_ms != NULL)
		*time_ms = found_time;
	return 0;
}

int
commitlog_get(struct commitlog *log, uint32_t partition, uint64_t seq,
    struct commitlog_entry *entry, struct buf *line, struct error *err)
{
	nowait_touch("the commit log");
	if (commitlog_partition_index(log, partition) < 0)
		return no_partition(partition, err);
	buf_clear(line);
	return log->backend->get(log, partition, seq, entry, line, err);
}

int
commitlog_stored(struct commitlog *log, uint32_t partition, uint64_t *first,
    uint64_t *last, struct error *err)
{
	uint64_t from, to;
	int rc;

	nowait_touch("the commit log");
	if (commitlog_partition_index(log, partition) < 0)
		return no_partition(partition, err);
	rc = log->backend->stored(log, partition, &from, &to, err);
	if (rc < 0)
		return rc;
	if (first != NULL)
		*first = from;
	if (last != NULL)
		*last = to;
	return 0;
}

static int
take_positions(const struct commitlog *log, uint64_t *next_seq,
    const struct commitlog_position *positions, size_t count, struct error *err)
{
	for (size_t i = 0; i < log->partition_count; i++)
		next_seq[i] = UINT64_MAX;
	for (size_t i = 0; i < count; i++) {
		uint32_t partition = positions[i].partition;
		long index = commitlog_partition_index(log, partition);

		if (index < 0)
			return no_partition(partition, err);
		if (next_seq[index] != UINT64_MAX ||
		    positions[i].next_seq >= INT64_MAX)
			return error_set(err, ERRC_USAGE,
			    "partition %u: two positions, or a bad one",
			    partition);
		next_seq[index] = positions[i].next_seq;
	}
	return 0;
}

int
commitlog_reader_open(struct commitlog_reader **out, struct commitlog *log,
    const struct commitlog_position *positions, size_t count, struct error *err)
{
	struct commitlog_reader *reader = NULL;
	uint64_t *next_seq;
	int rc;

	next_seq = calloc(log->partition_count, sizeof(*next_seq));
	if (next_seq == NULL)
		return error_set(err, ERRC_NOMEM, "commit log: out of memory");
	rc = take_positions(log, next_seq, positions, count, err);
	if (rc == 0)
		rc = log->backend->reader_open(&reader, log, positions, count,
		    err);
	if (rc < 0) {
		free(next_seq);
		return rc;
	}
	reader->log = log;
	reader->next_seq = next_seq;
	*out = reader;
	return 0;
}

int
commitlog_reader_next(struct commitlog_reader *reader, size_t max_records,
    size_t max_bytes, commitlog_entry_fn *fn, void *arg, struct error *err)
{
	nowait_touch("the commit log");
	assert(max_records > 0);
	return reader->log->backend->reader_next(reader,
	    KOOP_MIN(max_records, 65536), max_bytes, fn, arg, err);
}

void
commitlog_reader_close(struct commitlog_reader *reader)
{
	uint64_t *next_seq;

	if (reader == NULL)
		return;
	next_seq = reader->next_seq;
	reader->log->backend->reader_close(reader);
	free(next_seq);
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
	return log->backend->bell(log, false);
}

void
commitlog_wait(struct commitlog *log, uint32_t seen, int timeout_ms)
{
	nowait_touch("the commit log");
	log->backend->wait(log, false, seen, look_again_ms(timeout_ms));
}

uint32_t
commitlog_record_bell(struct commitlog *log)
{
	return log->backend->bell(log, true);
}

void
commitlog_record_wait(struct commitlog *log, uint32_t seen, int timeout_ms)
{
	nowait_touch("the commit log");
	log->backend->wait(log, true, seen, look_again_ms(timeout_ms));
}

int
commitlog_end(struct commitlog *log, uint32_t partition, uint64_t *end,
    struct error *err)
{
	long index = commitlog_partition_index(log, partition);

	if (index < 0)
		return no_partition(partition, err);
	return log->backend->end(log, (size_t)index, end, err);
}

bool
commitlog_shared(const struct commitlog *log)
{
	return log->backend->shared;
}

void
commitlog_publish(struct commitlog *log, uint32_t set, uint32_t machine,
    uint32_t partition, uint64_t applied)
{
	long index = commitlog_partition_index(log, partition);

	if (index >= 0)
		log->backend->publish(log, set, machine, (size_t)index,
		    applied);
}

uint64_t
commitlog_applied(struct commitlog *log, uint32_t set, uint32_t machine,
    uint32_t partition)
{
	long index = commitlog_partition_index(log, partition);

	if (index < 0)
		return 0;
	return log->backend->applied(log, set, machine, (size_t)index);
}

bool
commitlog_holder(const char *url, int *pid, uint64_t *held_ms)
{
	const struct commitlog_backend *backend;

	if (find_backend(&backend, url, NULL) < 0 || backend->holder == NULL)
		return false;
	return backend->holder(rest_of(backend, url), pid, held_ms);
}
