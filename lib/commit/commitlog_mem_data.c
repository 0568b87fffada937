/* SPDX-License-Identifier: MIT */
#include "commit/commitlog_mem_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "base/wait.h"

#define MEM_LOGS_MAX 64

static pthread_mutex_t mem_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mem_data *mem_logs[MEM_LOGS_MAX]; /* under mem_lock */

static void
free_data(struct mem_data *data)
{
	assert(data->handles == 0);
	for (size_t i = 0; i < data->record_count; i++)
		free(data->records[i].line);
	positiontable_free(data->positions);
	while (data->late != NULL) {
		struct mem_late *next = data->late->next;

		free(data->late);
		data->late = next;
	}
	free(data->records);
	free(data->first);
	free(data->next);
	free(data->visits);
	free(data->out);
	free(data->partitions);
	free(data->name);
	pthread_mutex_destroy(&data->lock);
	pthread_cond_destroy(&data->rung);
	free(data);
}

size_t
commitlog_mem_index(const struct mem_data *data, uint32_t partition)
{
	size_t i = 0;

	while (i < data->count && data->partitions[i] != partition)
		i++;
	assert(i < data->count);
	return i;
}

static struct mem_record *
room_locked(struct mem_data *data)
{
	size_t room = data->record_room;
	struct mem_record *records;

	if (data->record_count == room) {
		room = room == 0 ? 256 : room * 2;
		records = realloc(data->records, room * sizeof(*records));
		if (records == NULL)
			return NULL;
		data->records = records;
		data->record_room = room;
	}
	assert(data->record_count < data->record_room);
	return &data->records[data->record_count];
}

const struct commitlog_entry *
commitlog_mem_add(struct mem_data *data, size_t index, struct reqid id,
    struct bytes line, uint64_t time_ms)
{
	struct mem_record *record = room_locked(data);
	uint8_t *copy = malloc(line.n + 1);

	assert(index < data->count);
	if (record == NULL || copy == NULL) {
		free(copy);
		return NULL;
	}
	if (line.n > 0)
		memcpy(copy, line.p, line.n);
	*record = (struct mem_record){ .line = copy };
	record->entry = (struct commitlog_entry){
		.kind = line.n > 0 ? COMMITLOG_RECORD : COMMITLOG_EMPTY,
		.partition = data->partitions[index],
		.seq = data->next[index]++,
		.time_ms = time_ms,
		.generation = data->generation,
		.base_seq = data->first[index],
		.request_id = id,
		.line = bytes_of(copy, line.n),
	};
	assert(record->entry.seq >= record->entry.base_seq);
	data->record_count++;
	return &record->entry;
}

int
commitlog_mem_told_out(uint32_t partition, struct error *err)
{
	return error_set(err, ERRC_UNAVAILABLE,
	    "commit log: partition %u: out of reach", partition);
}

/* NAME?A=B&C=D; false: nonsense. */
static bool
parse_hostile(const char *rest, struct mem_hostile *out)
{
	const char *at = strchr(rest, '?');
	const struct {
		const char *name;
		uint64_t *value;
	} known[] = {
		{ "gaps=", &out->gaps },
		{ "back=", &out->back },
		{ "late=", &out->late },
		{ "outage=", &out->outage },
		{ "begun=", &out->begun },
	};

	while (at != NULL && *at != '\0') {
		size_t n = strcspn(++at, "&");
		size_t i = 0;

		if (n == 9 && memcmp(at, "shared=no", 9) == 0) {
			out->unshared = true;
			at += n;
			continue;
		}
		while (i < nitems(known) &&
		    strncmp(at, known[i].name, strlen(known[i].name)) != 0)
			i++;
		if (i == nitems(known) ||
		    !number_parse(known[i].value, at + strlen(known[i].name),
			n - strlen(known[i].name), 1, UINT32_MAX))
			return false;
		at += n;
	}
	return true;
}

static bool
fill_data(struct mem_data *data, const char *rest,
    const struct commitlog_genesis *genesis)
{
	data->name = strndup(rest, strcspn(rest, "?"));
	data->count = genesis->count;
	data->partitions = calloc(data->count, sizeof(*data->partitions));
	data->first = calloc(data->count, sizeof(*data->first));
	data->next = calloc(data->count, sizeof(*data->next));
	data->visits = calloc(data->count, sizeof(*data->visits));
	data->out = calloc(data->count, sizeof(*data->out));
	data->generation = genesis->generation != 0 ? genesis->generation : 1;
	memcpy(data->cluster, genesis->cluster, sizeof(data->cluster));
	if (data->name == NULL || data->partitions == NULL ||
	    data->first == NULL || data->next == NULL || data->visits == NULL ||
	    data->out == NULL)
		return false;
	for (size_t i = 0; i < data->count; i++) {
		data->partitions[i] = genesis->partitions[i];
		if (genesis->base_seq != NULL)
			data->first[i] = genesis->base_seq[i];
		data->next[i] = data->first[i];
	}
	return true;
}

static struct mem_data *
new_data(const char *rest, const struct commitlog_genesis *genesis)
{
	struct mem_data *data = calloc(1, sizeof(*data));

	if (data == NULL)
		return NULL;
	pthread_mutex_init(&data->lock, NULL);
	wait_mono_init(&data->rung);
	if (positiontable_new(&data->positions, genesis->count, NULL) < 0 ||
	    !fill_data(data, rest, genesis) ||
	    !parse_hostile(rest, &data->hostile)) {
		free_data(data);
		return NULL;
	}
	return data;
}

/* Where the log of that name is, or a free place; MEM_LOGS_MAX: none. */
static size_t
find_place_locked(const char *rest)
{
	size_t bytes = strcspn(rest, "?");
	size_t place = MEM_LOGS_MAX;

	for (size_t i = MEM_LOGS_MAX; i-- > 0;) {
		if (mem_logs[i] == NULL)
			place = i;
	}
	for (size_t i = 0; i < MEM_LOGS_MAX; i++) {
		if (mem_logs[i] != NULL && strlen(mem_logs[i]->name) == bytes &&
		    memcmp(mem_logs[i]->name, rest, bytes) == 0)
			place = i;
	}
	return place;
}

int
commitlog_mem_begun(const char *rest, char cluster[static 33],
    struct reqid *request_id, struct error *err)
{
	struct mem_data *data;
	size_t place;
	int found = 0;

	(void)err;
	pthread_mutex_lock(&mem_lock);
	place = find_place_locked(rest);
	data = place < MEM_LOGS_MAX ? mem_logs[place] : NULL;
	if (data != NULL && data->begun < data->count) {
		memcpy(cluster, data->cluster, sizeof(data->cluster));
		*request_id = data->genesis_id;
		found = 1;
	}
	pthread_mutex_unlock(&mem_lock);
	return found;
}

/* One partition after the other, so that it can stop between two. */
static int
add_genesis(struct mem_data *data, const struct commitlog_genesis_lines *lines,
    struct error *err)
{
	bool stops = data->begun == 0 && data->hostile.begun != 0;

	assert(data->begun < data->count);
	data->genesis_id = lines->request_id;
	for (size_t i = data->begun; i < data->count; i++) {
		if (stops && i == data->hostile.begun)
			return commitlog_mem_told_out(data->partitions[i], err);
		if (commitlog_mem_add(data, i, lines->request_id,
			lines->line[i], lines->time_ms) == NULL)
			return error_set(err, ERRC_NOMEM,
			    "mem:%s: out of memory", data->name);
		data->begun = i + 1;
	}
	return 0;
}

int
commitlog_mem_create(const char *rest,
    const struct commitlog_genesis_lines *lines,
    const struct commitlog_options *options, struct error *err)
{
	struct mem_data *data = NULL;
	size_t place;
	int rc = 0;

	(void)options;
	pthread_mutex_lock(&mem_lock);
	place = find_place_locked(rest);
	if (place < MEM_LOGS_MAX && mem_logs[place] == NULL)
		mem_logs[place] = new_data(rest, lines->genesis);
	else if (place < MEM_LOGS_MAX &&
	    mem_logs[place]->begun == mem_logs[place]->count)
		rc = error_set(err, ERRC_MISMATCH,
		    "commit log mem:%s: exists already", rest);
	if (place < MEM_LOGS_MAX)
		data = mem_logs[place];
	if (rc == 0 && data == NULL)
		rc = error_set(err, ERRC_NOMEM,
		    "mem:%s: out of memory, or a parameter is wrong", rest);
	if (rc == 0)
		rc = add_genesis(data, lines, err);
	pthread_mutex_unlock(&mem_lock);
	return rc;
}

struct mem_data *
commitlog_mem_take(const char *rest)
{
	struct mem_data *found;
	size_t place;

	pthread_mutex_lock(&mem_lock);
	place = find_place_locked(rest);
	found = place < MEM_LOGS_MAX ? mem_logs[place] : NULL;
	if (found != NULL && found->begun < found->count)
		found = NULL;
	if (found != NULL)
		found->handles++;
	pthread_mutex_unlock(&mem_lock);
	return found;
}

void
commitlog_mem_drop(struct mem_data *data)
{
	bool last;

	pthread_mutex_lock(&mem_lock);
	assert(data->handles > 0);
	last = --data->handles == 0;
	for (size_t i = 0; i < MEM_LOGS_MAX && last; i++) {
		if (mem_logs[i] == data)
			mem_logs[i] = NULL;
	}
	pthread_mutex_unlock(&mem_lock);
	if (last)
		free_data(data);
}

bool
commitlog_mem_fill(struct commitlog *log, const struct mem_data *data)
{
	log->partitions = calloc(data->count, sizeof(*log->partitions));
	log->generation = calloc(data->count, sizeof(*log->generation));
	log->base_seq = calloc(data->count, sizeof(*log->base_seq));
	if (log->partitions == NULL || log->generation == NULL ||
	    log->base_seq == NULL)
		return false;
	assert(data->begun == data->count);
	log->partition_count = data->count;
	for (size_t i = 0; i < data->count; i++) {
		log->partitions[i] = data->partitions[i];
		log->generation[i] = data->generation;
		log->base_seq[i] = data->first[i];
	}
	return true;
}
