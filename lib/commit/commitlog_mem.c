/* SPDX-License-Identifier: MIT */
#include "commit/commitlog_mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/wait.h"
#include "commit/commitlog_mem_parts.h"

static struct mem_data *
mem_data(struct commitlog *log)
{
	struct mem_data *data = container_of(log, struct mem_log, base)->data;

	assert(strcmp(log->backend->scheme, "mem:") == 0);
	return data;
}

static void
commitlog_mem_ring_locked(struct mem_data *data)
{
	data->bell++;
	pthread_cond_broadcast(&data->rung);
}

/* One record as an append makes it: after a gap, at an odd time. */
static const struct commitlog_entry *
commitlog_mem_append_locked(struct mem_data *data, size_t index,
    struct reqid id, struct bytes line, const struct clock *clock)
{
	const struct mem_hostile *hostile = &data->hostile;
	static const struct reqid none;
	uint64_t time_ms = clock_real_ms(clock);

	data->appends++;
	if (hostile->gaps != 0 && data->appends % hostile->gaps == 0 &&
	    commitlog_mem_add(data, index, none, BYTES_NONE, 0) == NULL)
		return NULL;
	if (data->appends % 2 == 0)
		time_ms -= KOOP_MIN(time_ms, hostile->back);
	commitlog_mem_ring_locked(data);
	return commitlog_mem_add(data, index, id, line, time_ms);
}

/* Each call is a while for what is late.  No memory: it never lands, which
 * is a fate that its writer has to live with. */
static void
call_locked(struct mem_data *data, const struct clock *clock, bool all)
{
	struct mem_late **at = &data->late;

	data->calls++;
	while (*at != NULL) {
		struct mem_late *late = *at;

		if (!all && late->due > data->calls) {
			at = &late->next;
			continue;
		}
		*at = late->next;
		(void)commitlog_mem_append_locked(data, late->index, late->id,
		    bytes_of(late->line, late->bytes), clock);
		free(late);
	}
}

static bool
keep_late_locked(struct mem_data *data, size_t index,
    const struct commitlog_item *item)
{
	struct mem_late *late = malloc(sizeof(*late) + item->line.n);
	struct mem_late **end = &data->late;

	if (late == NULL)
		return false;
	late->next = NULL;
	late->index = index;
	late->id = item->request_id;
	late->due = data->hold ? UINT64_MAX : data->calls + MEM_LATE_OPS;
	assert(late->due > data->calls);
	late->bytes = item->line.n;
	memcpy(late->line, item->line.p, item->line.n);
	while (*end != NULL)
		end = &(*end)->next;
	*end = late;
	return true;
}

static bool
out_of_reach_locked(struct mem_data *data, size_t index)
{
	uint64_t every = data->hostile.outage;

	assert(index < data->count);
	return data->out[index] ||
	    (every != 0 && ++data->visits[index] % every == 0);
}

static const struct commitlog_backend mem_unshared;

static int
commitlog_mem_open(struct commitlog **out, const char *rest,
    const struct commitlog_options *options, struct error *err)
{
	struct mem_data *data = commitlog_mem_take(rest);
	struct mem_log *log;

	if (data == NULL)
		return error_set(err, ERRC_CONFIG,
		    "commit log mem:%s: there is none", rest);
	log = calloc(1, sizeof(*log));
	if (log == NULL) {
		commitlog_mem_drop(data);
		return error_set(err, ERRC_NOMEM, "mem:%s: out of memory",
		    rest);
	}
	assert(data->begun == data->count);
	log->data = data;
	log->base.backend = data->hostile.unshared ? &mem_unshared :
						     &commitlog_mem;
	log->base.clock = options->clock != NULL ? options->clock :
						   &clock_system;
	memcpy(log->base.cluster, data->cluster, sizeof(log->base.cluster));
	if (!commitlog_mem_fill(&log->base, data)) {
		commitlog_close(&log->base);
		return error_set(err, ERRC_NOMEM, "mem:%s: out of memory",
		    rest);
	}
	*out = &log->base;
	return 0;
}

static void
commitlog_mem_close(struct commitlog *base)
{
	struct mem_log *log = container_of(base, struct mem_log, base);

	commitlog_mem_drop(log->data);
	free(log);
}

/* Appending and looking. */

static int
append_item_locked(struct mem_data *data, struct commitlog_item *item,
    const struct clock *clock, struct error *err)
{
	size_t index = commitlog_mem_index(data, item->partition);
	uint64_t every = data->hostile.late;
	const struct commitlog_entry *entry;

	if (out_of_reach_locked(data, index))
		return commitlog_mem_told_out(item->partition, err);
	if (data->hold || (every != 0 && (data->appends + 1) % every == 0)) {
		data->appends++;
		if (!keep_late_locked(data, index, item))
			return error_set(err, ERRC_NOMEM,
			    "commit log: out of memory");
		item->fate = COMMITLOG_UNKNOWN;
		return error_set(err, ERRC_UNAVAILABLE,
		    "commit log: partition %u: no answer to an append",
		    item->partition);
	}
	entry = commitlog_mem_append_locked(data, index, item->request_id,
	    item->line, clock);
	if (entry == NULL)
		return error_set(err, ERRC_NOMEM, "commit log: out of memory");
	assert(entry->partition == item->partition);
	assert(entry->seq == data->next[index] - 1);
	item->fate = COMMITLOG_IN;
	item->seq = entry->seq;
	item->time_ms = entry->time_ms;
	return 0;
}

static int
mem_append(struct commitlog *log, struct commitlog_item *items, size_t count,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct mem_data *data = mem_data(log);
	int first = 0;

	(void)deadline_mono_ms; /* memory answers at once */
	pthread_mutex_lock(&data->lock);
	call_locked(data, log->clock, false);
	for (size_t i = 0; i < count; i++) {
		struct error why = { 0 };
		int rc = append_item_locked(data, &items[i], log->clock, &why);

		items[i].code = (enum errc) - rc;
		if (first == 0 && rc < 0 && err != NULL)
			*err = why;
		if (first == 0)
			first = rc;
	}
	data->hold = false;
	pthread_mutex_unlock(&data->lock);
	return first;
}

/* The first that matches; NULL: none.  With an id: after seq; else at seq. */
static const struct mem_record *
commitlog_mem_look_locked(const struct mem_data *data, uint32_t partition,
    const struct reqid *id, uint64_t seq)
{
	for (size_t i = 0; i < data->record_count; i++) {
		const struct mem_record *record = &data->records[i];
		const struct commitlog_entry *entry = &record->entry;

		if (record->gone || entry->partition != partition)
			continue;
		if (id == NULL ?
			entry->seq == seq :
			entry->seq > seq && reqid_equal(entry->request_id, *id))
			return record;
	}
	return NULL;
}

static int
mem_find(struct commitlog *log, uint32_t partition, struct reqid id,
    uint64_t after_seq, uint64_t *seq, uint64_t *time_ms,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct mem_data *data = mem_data(log);
	const struct mem_record *record = NULL;
	int rc = 0;

	(void)deadline_mono_ms;
	pthread_mutex_lock(&data->lock);
	call_locked(data, log->clock, false);
	if (data->out[commitlog_mem_index(data, partition)])
		rc = commitlog_mem_told_out(partition, err);
	else
		record = commitlog_mem_look_locked(data, partition, &id,
		    after_seq);
	if (record != NULL) {
		assert(record->entry.seq > after_seq);
		*seq = record->entry.seq;
		*time_ms = record->entry.time_ms;
	} else if (rc == 0) {
		rc = error_set(err, ERRC_NOTFOUND,
		    "commit log: partition %u: no record of that request id",
		    partition);
	}
	pthread_mutex_unlock(&data->lock);
	return rc;
}

static int
commitlog_mem_get(struct commitlog *log, uint32_t partition, uint64_t seq,
    struct commitlog_entry *entry, struct buf *line, uint64_t deadline_mono_ms,
    struct error *err)
{
	struct mem_data *data = mem_data(log);
	const struct mem_record *record = NULL;
	int rc = 0;

	(void)deadline_mono_ms;
	pthread_mutex_lock(&data->lock);
	if (data->out[commitlog_mem_index(data, partition)])
		rc = commitlog_mem_told_out(partition, err);
	else
		record = commitlog_mem_look_locked(data, partition, NULL, seq);
	if (record != NULL) {
		*entry = record->entry;
		buf_add(line, record->entry.line.p, record->entry.line.n);
	} else if (rc == 0) {
		rc = error_set(err, ERRC_NOTFOUND,
		    "commit log: partition %u: no record %llu", partition,
		    (unsigned long long)seq);
	}
	pthread_mutex_unlock(&data->lock);
	if (rc == 0 && buf_failed(line))
		rc = error_set(err, ERRC_NOMEM,
		    "commit log: no room for a record");
	if (rc == 0)
		entry->line = buf_bytes(line);
	return rc;
}

static int
mem_stored(struct commitlog *log, struct commitlog_span *span,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct mem_data *data = mem_data(log);
	size_t index = commitlog_mem_index(data, span->partition);
	int rc = 0;

	(void)deadline_mono_ms;
	pthread_mutex_lock(&data->lock);
	if (data->out[index])
		rc = commitlog_mem_told_out(span->partition, err);
	span->first = data->first[index];
	assert(data->next[index] > data->first[index]); /* the genesis */
	span->last = data->next[index] - 1;
	pthread_mutex_unlock(&data->lock);
	return rc;
}

static int
mem_end(struct commitlog *log, struct commitlog_end *end,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct commitlog_span span = { .partition = end->partition };
	int rc = mem_stored(log, &span, deadline_mono_ms, err);

	end->seq = span.last;
	return rc;
}

/* Reading. */

static int
mem_reader_new(struct commitlog_reader **out, struct commitlog *log,
    struct error *err)
{
	struct mem_reader *reader = calloc(1, sizeof(*reader));

	(void)log;
	if (reader == NULL)
		return error_set(err, ERRC_NOMEM, "commit log: out of memory");
	*out = &reader->base;
	return 0;
}

static int
mem_reader_seek(struct commitlog_reader *base,
    const struct commitlog_position *positions, size_t count,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct mem_reader *reader = container_of(base, struct mem_reader, base);
	struct mem_data *data = mem_data(base->log);
	int rc = 0;

	(void)deadline_mono_ms;
	reader->at = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		size_t index = commitlog_mem_index(data,
		    positions[i].partition);
		uint64_t wanted = positions[i].next_seq;
		uint64_t first, next;
		char text[128];

		pthread_mutex_lock(&data->lock);
		first = data->first[index];
		next = data->next[index];
		pthread_mutex_unlock(&data->lock);
		if (wanted >= first && wanted <= next)
			continue;
		snprintf(text, sizeof(text),
		    "commit log: partition %u: %s at %llu, %s the %llu wanted",
		    positions[i].partition, wanted < first ? "begins" : "ends",
		    (unsigned long long)(wanted < first ? first : next - 1),
		    wanted < first ? "after" : "before",
		    (unsigned long long)wanted);
		rc = commitlog_reader_trouble(base, index,
		    wanted < first ? ERRC_NOTFOUND : ERRC_MISMATCH, text, err);
	}
	return rc;
}

/* Those out of reach are told, and are left out. */
static int
find_outages(struct mem_data *data, struct mem_reader *reader,
    struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < data->count && rc == 0; i++) {
		bool out;

		pthread_mutex_lock(&data->lock);
		out = data->out[i];
		pthread_mutex_unlock(&data->lock);
		if (out && reader->base.next_seq[i] != UINT64_MAX)
			rc = commitlog_reader_trouble(&reader->base, i,
			    ERRC_UNAVAILABLE, "commit log: out of reach", err);
	}
	return rc;
}

/* Lines never move, so that an entry is good without the lock.  *out_index:
 * one that is out of reach just now, or SIZE_MAX. */
static bool
next_entry(struct mem_data *data, struct mem_reader *reader,
    struct commitlog_entry *entry, size_t *index, bool *out)
{
	bool found = false;

	pthread_mutex_lock(&data->lock);
	for (; reader->at < data->record_count && !found; reader->at++) {
		const struct mem_record *record = &data->records[reader->at];
		uint64_t next;

		*index = commitlog_mem_index(data, record->entry.partition);
		next = reader->base.next_seq[*index];
		if (record->gone || next == UINT64_MAX ||
		    record->entry.seq < next)
			continue;
		assert(record->entry.seq == next);
		*entry = record->entry;
		*out = out_of_reach_locked(data, *index);
		found = true;
	}
	pthread_mutex_unlock(&data->lock);
	return found;
}

static int
mem_reader_next(struct commitlog_reader *base, size_t max_records,
    size_t max_bytes, commitlog_entry_fn *fn, void *arg,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct mem_reader *reader = container_of(base, struct mem_reader, base);
	struct mem_data *data = mem_data(base->log);
	struct commitlog_entry entry;
	size_t delivered = 0;
	size_t bytes = 0;
	size_t index;
	bool out;
	int rc;

	(void)deadline_mono_ms;
	pthread_mutex_lock(&data->lock);
	call_locked(data, base->log->clock, false);
	pthread_mutex_unlock(&data->lock);
	rc = find_outages(data, reader, err);
	while (rc == 0 && delivered < max_records &&
	    (delivered == 0 || bytes < max_bytes) &&
	    next_entry(data, reader, &entry, &index, &out)) {
		if (out) {
			rc = commitlog_reader_trouble(base, index,
			    ERRC_UNAVAILABLE, "commit log: out of reach", err);
			continue;
		}
		rc = fn(arg, &entry);
		if (rc != 0) {
			reader->at--;
			return rc < 0 ? rc : (int)delivered;
		}
		assert(base->next_seq[index] == entry.seq);
		base->next_seq[index] = entry.seq + 1;
		bytes += entry.line.n;
		delivered++;
	}
	return rc < 0 ? rc : (int)delivered;
}

static void
mem_reader_free(struct commitlog_reader *base)
{
	free(container_of(base, struct mem_reader, base));
}

/* For tests. */

void
commitlog_mem_outage(struct commitlog *log, uint32_t partition, bool out)
{
	struct mem_data *data = mem_data(log);

	pthread_mutex_lock(&data->lock);
	data->out[commitlog_mem_index(data, partition)] = out;
	commitlog_mem_ring_locked(data);
	pthread_mutex_unlock(&data->lock);
}

void
commitlog_mem_hold(struct commitlog *log)
{
	struct mem_data *data = mem_data(log);

	pthread_mutex_lock(&data->lock);
	data->hold = true;
	pthread_mutex_unlock(&data->lock);
}

void
commitlog_mem_land(struct commitlog *log)
{
	struct mem_data *data = mem_data(log);

	pthread_mutex_lock(&data->lock);
	call_locked(data, log->clock, true);
	pthread_mutex_unlock(&data->lock);
}

static uint32_t
mem_bell(struct commitlog *log)
{
	struct mem_data *data = mem_data(log);
	uint32_t bell;

	pthread_mutex_lock(&data->lock);
	bell = data->bell;
	pthread_mutex_unlock(&data->lock);
	return bell;
}

static void
mem_wait(struct commitlog *log, uint32_t seen, int timeout_ms)
{
	struct mem_data *data = mem_data(log);
	uint64_t until = clock_mono_ms(&clock_system) + (uint64_t)timeout_ms;

	assert(timeout_ms >= 0);
	pthread_mutex_lock(&data->lock);
	while (data->bell == seen &&
	    wait_mono_until(&data->rung, &data->lock, until))
		;
	pthread_mutex_unlock(&data->lock);
}

/* Positions, which all handles of a shared one have in common. */

static void
mem_publish(struct commitlog *log, struct positions_member member, size_t index,
    uint64_t applied)
{
	positiontable_set(mem_data(log)->positions, member, index, applied);
}

static uint64_t
mem_applied(struct commitlog *log, struct positions_member member, size_t index)
{
	return positiontable_get(mem_data(log)->positions, member, index);
}

static uint32_t
mem_positions_bell(struct commitlog *log)
{
	return positiontable_bell(mem_data(log)->positions);
}

static void
mem_positions_wait(struct commitlog *log, uint32_t seen, int timeout_ms)
{
	positiontable_wait(mem_data(log)->positions, seen, timeout_ms);
}

static const struct positions_backend mem_positions = {
	.publish = mem_publish,
	.applied = mem_applied,
	.bell = mem_positions_bell,
	.wait = mem_positions_wait,
};

const struct commitlog_backend commitlog_mem = {
	.scheme = "mem:",
	.positions = &mem_positions,
	.begun = commitlog_mem_begun,
	.create = commitlog_mem_create,
	.open = commitlog_mem_open,
	.close = commitlog_mem_close,
	.append = mem_append,
	.find = mem_find,
	.get = commitlog_mem_get,
	.stored = mem_stored,
	.end = mem_end,
	.reader_new = mem_reader_new,
	.reader_seek = mem_reader_seek,
	.reader_next = mem_reader_next,
	.reader_free = mem_reader_free,
	.bell = mem_bell,
	.wait = mem_wait,
};

static const struct commitlog_backend mem_unshared = {
	.scheme = "mem:",
	.begun = commitlog_mem_begun,
	.create = commitlog_mem_create,
	.open = commitlog_mem_open,
	.close = commitlog_mem_close,
	.append = mem_append,
	.find = mem_find,
	.get = commitlog_mem_get,
	.stored = mem_stored,
	.reader_new = mem_reader_new,
	.reader_seek = mem_reader_seek,
	.reader_next = mem_reader_next,
	.reader_free = mem_reader_free,
	.bell = mem_bell,
	.wait = mem_wait,
};
