/* SPDX-License-Identifier: MIT */
#include "commit/commitlog_backend.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"

/*
 * The twin for tests: mem:NAME is one log of this process, so that a gateway
 * and nine nodes in one program can share it.  It lives until its last handle
 * is closed, or until a first one comes when it was only made.  Lines are
 * copied at most once and never moved.
 */

#define MEM_LOGS_MAX 64
#define MEM_MEMBERS 64

struct mem_record {
	struct commitlog_entry entry;
	uint8_t *line;
};

struct mem_member {
	uint64_t who; /* set, machine + 1; 0: free */
	uint64_t *applied;
};

struct mem_data {
	char *name;
	unsigned handles;
	char cluster[33];
	uint32_t *partitions;
	size_t count;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t rung;
	uint32_t bell[2]; /* any, record */
	struct mem_record *records;
	size_t record_count, record_room;
	uint64_t *first, *next; /* seq, of each partition */
	struct mem_member member[MEM_MEMBERS];
};

struct mem_log {
	struct commitlog base;
	struct mem_data *data;
};

struct mem_reader {
	struct commitlog_reader base;
	size_t at; /* index of the next record to look at */
};

static pthread_mutex_t mem_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mem_data *mem_logs[MEM_LOGS_MAX]; /* under mem_lock */

static struct mem_data *
mem_data(struct commitlog *log)
{
	assert(log->backend == &commitlog_mem);
	return container_of(log, struct mem_log, base)->data;
}

static void
free_data(struct mem_data *data)
{
	for (size_t i = 0; i < data->record_count; i++)
		free(data->records[i].line);
	for (size_t i = 0; i < MEM_MEMBERS; i++)
		free(data->member[i].applied);
	free(data->records);
	free(data->first);
	free(data->next);
	free(data->partitions);
	free(data->name);
	pthread_mutex_destroy(&data->lock);
	pthread_cond_destroy(&data->rung);
	free(data);
}

static long
partition_index(const struct mem_data *data, uint32_t partition)
{
	for (size_t i = 0; i < data->count; i++) {
		if (data->partitions[i] == partition)
			return (long)i;
	}
	return -1;
}

static bool
room_locked(struct mem_data *data, size_t more)
{
	size_t room = data->record_room;
	struct mem_record *records;

	while (room < data->record_count + more)
		room = room == 0 ? 256 : room * 2;
	if (room == data->record_room)
		return true;
	records = realloc(data->records, room * sizeof(*records));
	if (records == NULL)
		return false;
	data->records = records;
	data->record_room = room;
	return true;
}

/* There is room.  False: no memory for the line. */
static bool
add_locked(struct mem_data *data, size_t index, struct reqid id,
    struct bytes line, uint64_t time_ms)
{
	struct mem_record *record = &data->records[data->record_count];
	uint8_t *copy = malloc(line.n);

	if (copy == NULL)
		return false;
	memcpy(copy, line.p, line.n);
	record->line = copy;
	record->entry = (struct commitlog_entry){
		.partition = data->partitions[index],
		.seq = data->next[index]++,
		.time_ms = time_ms,
		.request_id = id,
		.line = bytes_of(copy, line.n),
	};
	data->record_count++;
	return true;
}

static struct mem_data *
new_data(const char *name, const struct commitlog_genesis_lines *lines)
{
	const struct commitlog_genesis *genesis = lines->genesis;
	struct mem_data *data = calloc(1, sizeof(*data));
	pthread_condattr_t attr;
	bool good;

	if (data == NULL)
		return NULL;
	pthread_mutex_init(&data->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&data->rung, &attr);
	pthread_condattr_destroy(&attr);
	data->name = strdup(name);
	data->count = genesis->count;
	data->partitions = calloc(data->count, sizeof(*data->partitions));
	data->first = calloc(data->count, sizeof(*data->first));
	data->next = calloc(data->count, sizeof(*data->next));
	memcpy(data->cluster, genesis->cluster, sizeof(data->cluster));
	good = data->name != NULL && data->partitions != NULL &&
	    data->first != NULL && data->next != NULL &&
	    room_locked(data, data->count);
	for (size_t i = 0; i < data->count && good; i++) {
		data->partitions[i] = genesis->partitions[i];
		if (genesis->base_seq != NULL)
			data->first[i] = genesis->base_seq[i];
		data->next[i] = data->first[i];
		good = add_locked(data, i, lines->request_id, lines->line[i],
		    lines->time_ms);
	}
	if (!good) {
		free_data(data);
		return NULL;
	}
	return data;
}

static int
mem_create(const char *rest, const struct commitlog_genesis_lines *lines,
    const struct commitlog_options *options, struct error *err)
{
	size_t place = MEM_LOGS_MAX;
	int rc = 0;

	(void)options;
	pthread_mutex_lock(&mem_lock);
	for (size_t i = 0; i < MEM_LOGS_MAX; i++) {
		if (mem_logs[i] == NULL)
			place = i;
		else if (strcmp(mem_logs[i]->name, rest) == 0)
			rc = error_set(err, ERRC_MISMATCH,
			    "commit log mem:%s: exists already", rest);
	}
	if (rc == 0 && place < MEM_LOGS_MAX)
		mem_logs[place] = new_data(rest, lines);
	if (rc == 0 && (place == MEM_LOGS_MAX || mem_logs[place] == NULL))
		rc = error_set(err, ERRC_NOMEM, "mem:%s: out of memory", rest);
	pthread_mutex_unlock(&mem_lock);
	return rc;
}

static struct mem_data *
hold_data(const char *name)
{
	struct mem_data *found = NULL;

	pthread_mutex_lock(&mem_lock);
	for (size_t i = 0; i < MEM_LOGS_MAX; i++) {
		if (mem_logs[i] != NULL && strcmp(mem_logs[i]->name, name) == 0)
			found = mem_logs[i];
	}
	if (found != NULL)
		found->handles++;
	pthread_mutex_unlock(&mem_lock);
	return found;
}

static void
drop_data(struct mem_data *data)
{
	bool last;

	pthread_mutex_lock(&mem_lock);
	last = --data->handles == 0;
	for (size_t i = 0; i < MEM_LOGS_MAX && last; i++) {
		if (mem_logs[i] == data)
			mem_logs[i] = NULL;
	}
	pthread_mutex_unlock(&mem_lock);
	if (last)
		free_data(data);
}

static int
mem_open(struct commitlog **out, const char *rest,
    const struct commitlog_options *options, struct error *err)
{
	struct mem_data *data = hold_data(rest);
	struct mem_log *log;

	if (data == NULL)
		return error_set(err, ERRC_CONFIG,
		    "commit log mem:%s: there is none", rest);
	log = calloc(1, sizeof(*log));
	if (log != NULL)
		log->base.partitions = calloc(data->count,
		    sizeof(*log->base.partitions));
	if (log == NULL || log->base.partitions == NULL) {
		free(log);
		drop_data(data);
		return error_set(err, ERRC_NOMEM, "mem:%s: out of memory",
		    rest);
	}
	log->data = data;
	log->base.backend = &commitlog_mem;
	log->base.clock = options->clock != NULL ? options->clock :
						   &clock_system;
	memcpy(log->base.cluster, data->cluster, sizeof(log->base.cluster));
	memcpy(log->base.partitions, data->partitions,
	    data->count * sizeof(*data->partitions));
	log->base.partition_count = data->count;
	*out = &log->base;
	return 0;
}

static void
mem_close(struct commitlog *base)
{
	struct mem_log *log = container_of(base, struct mem_log, base);

	drop_data(log->data);
	free(log);
}

static void
ring_locked(struct mem_data *data, bool record)
{
	for (int i = 0; i <= record; i++)
		data->bell[i]++;
	pthread_cond_broadcast(&data->rung);
}

static int
mem_append(struct commitlog *log, struct commitlog_item *items, size_t count,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct mem_data *data = mem_data(log);
	uint64_t now = clock_real_ms(log->clock);
	size_t before;
	int rc = 0;

	(void)deadline_mono_ms;
	pthread_mutex_lock(&data->lock);
	before = data->record_count;
	if (!room_locked(data, count))
		rc = error_set(err, ERRC_NOMEM, "commit log: out of memory");
	else
		now = KOOP_MAX(now, data->records[before - 1].entry.time_ms);
	for (size_t i = 0; i < count && rc == 0; i++) {
		size_t index = (size_t)partition_index(data,
		    items[i].partition);

		items[i].seq = data->next[index];
		items[i].time_ms = now;
		if (!add_locked(data, index, items[i].request_id, items[i].line,
			now))
			rc = error_set(err, ERRC_NOMEM,
			    "commit log: out of memory");
	}
	while (rc < 0 && data->record_count > before) {
		struct mem_record
		    *record = &data->records[--data->record_count];

		data->next[partition_index(data, record->entry.partition)]--;
		free(record->line);
	}
	if (rc == 0)
		ring_locked(data, true);
	pthread_mutex_unlock(&data->lock);
	return rc;
}

static int
mem_find(struct commitlog *log, uint32_t partition, struct reqid id,
    uint64_t *seq, uint64_t *time_ms, struct error *err)
{
	struct mem_data *data = mem_data(log);
	bool found = false;

	pthread_mutex_lock(&data->lock);
	for (size_t i = 0; i < data->record_count && !found; i++) {
		const struct commitlog_entry *entry = &data->records[i].entry;

		if (entry->partition == partition &&
		    reqid_equal(entry->request_id, id)) {
			*seq = entry->seq;
			*time_ms = entry->time_ms;
			found = true;
		}
	}
	pthread_mutex_unlock(&data->lock);
	return found ?
	    0 :
	    error_set(err, ERRC_NOTFOUND,
		"commit log: partition %u: no record of that request id",
		partition);
}

static int
mem_get(struct commitlog *log, uint32_t partition, uint64_t seq,
    struct commitlog_entry *entry, struct buf *line, struct error *err)
{
	struct mem_data *data = mem_data(log);
	bool found = false;

	pthread_mutex_lock(&data->lock);
	for (size_t i = 0; i < data->record_count && !found; i++) {
		const struct commitlog_entry *at = &data->records[i].entry;

		if (at->partition == partition && at->seq == seq) {
			*entry = *at;
			buf_add(line, at->line.p, at->line.n);
			found = true;
		}
	}
	pthread_mutex_unlock(&data->lock);
	if (!found)
		return error_set(err, ERRC_NOTFOUND,
		    "commit log: partition %u: no record %llu", partition,
		    (unsigned long long)seq);
	if (buf_failed(line))
		return error_set(err, ERRC_NOMEM,
		    "commit log: no room for a record");
	entry->line = buf_bytes(line);
	return 0;
}

static int
mem_stored(struct commitlog *log, uint32_t partition, uint64_t *first,
    uint64_t *last, struct error *err)
{
	struct mem_data *data = mem_data(log);
	long index = partition_index(data, partition);

	(void)err;
	pthread_mutex_lock(&data->lock);
	*first = data->first[index];
	*last = data->next[index] - 1;
	pthread_mutex_unlock(&data->lock);
	return 0;
}

static int
mem_reader_open(struct commitlog_reader **out, struct commitlog *log,
    const struct commitlog_position *positions, size_t count, struct error *err)
{
	struct mem_data *data = mem_data(log);
	struct mem_reader *reader;

	for (size_t i = 0; i < count; i++) {
		long index = partition_index(data, positions[i].partition);

		if (positions[i].next_seq < data->first[index])
			return error_set(err, ERRC_NOTFOUND,
			    "commit log mem:%s: partition %u: begins at %llu, "
			    "after the %llu wanted",
			    data->name, positions[i].partition,
			    (unsigned long long)data->first[index],
			    (unsigned long long)positions[i].next_seq);
	}
	reader = calloc(1, sizeof(*reader));
	if (reader == NULL)
		return error_set(err, ERRC_NOMEM, "commit log: out of memory");
	*out = &reader->base;
	return 0;
}

/* Entries are never removed and their lines never move, so that one is good
 * without the lock. */
static bool
next_entry(struct mem_data *data, struct mem_reader *reader, size_t *index,
    struct commitlog_entry *out)
{
	bool found = false;

	pthread_mutex_lock(&data->lock);
	for (; reader->at < data->record_count && !found; reader->at++) {
		const struct commitlog_entry *entry = &data->records[reader->at]
							   .entry;

		*index = (size_t)partition_index(data, entry->partition);
		if (entry->seq < reader->base.next_seq[*index] ||
		    reader->base.next_seq[*index] == UINT64_MAX)
			continue;
		*out = *entry;
		found = true;
	}
	pthread_mutex_unlock(&data->lock);
	return found;
}

static int
mem_reader_next(struct commitlog_reader *base, size_t max_records,
    size_t max_bytes, commitlog_entry_fn *fn, void *arg, struct error *err)
{
	struct mem_reader *reader = container_of(base, struct mem_reader, base);
	struct mem_data *data = mem_data(base->log);
	struct commitlog_entry entry;
	size_t delivered = 0;
	size_t bytes = 0;
	size_t index;

	(void)err;
	while (delivered < max_records &&
	    (delivered == 0 || bytes < max_bytes) &&
	    next_entry(data, reader, &index, &entry)) {
		int rc = fn(arg, &entry);

		if (rc != 0) {
			reader->at--;
			return rc < 0 ? rc : (int)delivered;
		}
		base->next_seq[index] = entry.seq + 1;
		bytes += entry.line.n;
		delivered++;
	}
	return (int)delivered;
}

static void
mem_reader_close(struct commitlog_reader *base)
{
	free(container_of(base, struct mem_reader, base));
}

static uint32_t
mem_bell(struct commitlog *log, bool records)
{
	struct mem_data *data = mem_data(log);
	uint32_t bell;

	pthread_mutex_lock(&data->lock);
	bell = data->bell[records];
	pthread_mutex_unlock(&data->lock);
	return bell;
}

static void
mem_wait(struct commitlog *log, bool records, uint32_t seen, int timeout_ms)
{
	struct mem_data *data = mem_data(log);
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&data->lock);
	while (data->bell[records] == seen) {
		if (pthread_cond_timedwait(&data->rung, &data->lock, &until) !=
		    0)
			break;
	}
	pthread_mutex_unlock(&data->lock);
}

static int
mem_end(struct commitlog *log, size_t index, uint64_t *end, struct error *err)
{
	struct mem_data *data = mem_data(log);

	(void)err;
	pthread_mutex_lock(&data->lock);
	*end = data->next[index] - 1;
	pthread_mutex_unlock(&data->lock);
	return 0;
}

static struct mem_member *
member_locked(struct mem_data *data, uint32_t set, uint32_t machine, bool claim)
{
	uint64_t who = ((uint64_t)set << 32 | machine) + 1;

	for (size_t i = 0; i < MEM_MEMBERS; i++) {
		struct mem_member *member = &data->member[i];

		if (member->who == who)
			return member;
		if (member->who != 0)
			continue;
		if (!claim)
			return NULL;
		member->applied = calloc(data->count, sizeof(uint64_t));
		if (member->applied == NULL)
			return NULL;
		member->who = who;
		return member;
	}
	return NULL;
}

static void
mem_publish(struct commitlog *log, uint32_t set, uint32_t machine, size_t index,
    uint64_t applied)
{
	struct mem_data *data = mem_data(log);
	struct mem_member *member;

	pthread_mutex_lock(&data->lock);
	member = member_locked(data, set, machine, true);
	if (member != NULL)
		member->applied[index] = applied;
	ring_locked(data, false);
	pthread_mutex_unlock(&data->lock);
}

static uint64_t
mem_applied(struct commitlog *log, uint32_t set, uint32_t machine, size_t index)
{
	struct mem_data *data = mem_data(log);
	struct mem_member *member;
	uint64_t applied = 0;

	pthread_mutex_lock(&data->lock);
	member = member_locked(data, set, machine, false);
	if (member != NULL)
		applied = member->applied[index];
	pthread_mutex_unlock(&data->lock);
	return applied;
}

const struct commitlog_backend commitlog_mem = {
	.scheme = "mem:",
	.shared = true,
	.create = mem_create,
	.open = mem_open,
	.close = mem_close,
	.append = mem_append,
	.find = mem_find,
	.get = mem_get,
	.stored = mem_stored,
	.reader_open = mem_reader_open,
	.reader_next = mem_reader_next,
	.reader_close = mem_reader_close,
	.bell = mem_bell,
	.wait = mem_wait,
	.end = mem_end,
	.publish = mem_publish,
	.applied = mem_applied,
};
