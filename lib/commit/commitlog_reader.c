/* SPDX-License-Identifier: MIT */
#include "commit/commitlog_reader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/nowait.h"
#include "commit/commitlog_backend.h"

static int
reader_no_partition(uint32_t partition, struct error *err)
{
	return error_set(err, ERRC_USAGE,
	    "partition %u: the commit log has no such one", partition);
}

int
commitlog_get(struct commitlog *log, uint32_t partition, uint64_t seq,
    struct commitlog_entry *entry, struct buf *line, uint64_t deadline_mono_ms,
    struct error *err)
{
	int rc;

	nowait_touch("the commit log");
	if (commitlog_partition_index(log, partition) < 0)
		return reader_no_partition(partition, err);
	buf_clear(line);
	rc = log->backend->get(log, partition, seq, entry, line,
	    deadline_mono_ms, err);
	assert(rc != 0 || (entry->partition == partition && entry->seq == seq));
	return rc;
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
			return reader_no_partition(partition, err);
		if (next_seq[index] != UINT64_MAX ||
		    positions[i].next_seq >= INT64_MAX)
			return error_set(err, ERRC_USAGE,
			    "partition %u: two positions, or a bad one",
			    partition);
		next_seq[index] = positions[i].next_seq;
	}
	return 0;
}

static void
reader_free(struct commitlog_reader *reader)
{
	size_t count = reader->log->partition_count;
	struct commitlog_trouble **trouble = reader->trouble;
	uint64_t *next_seq = reader->next_seq;

	reader->log->backend->reader_free(reader);
	for (size_t i = 0; trouble != NULL && i < count; i++)
		free(trouble[i]);
	free(trouble);
	free(next_seq);
}

int
commitlog_reader_open(struct commitlog_reader **out, struct commitlog *log,
    const struct commitlog_position *positions, size_t count,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct commitlog_reader *reader = NULL;
	int rc = log->backend->reader_new(&reader, log, err);

	if (rc < 0)
		return rc;
	reader->log = log;
	reader->next_seq = calloc(log->partition_count,
	    sizeof(*reader->next_seq));
	reader->trouble = calloc(log->partition_count,
	    sizeof(*reader->trouble));
	if (reader->next_seq == NULL || reader->trouble == NULL)
		rc = error_set(err, ERRC_NOMEM, "commit log: out of memory");
	if (rc == 0)
		rc = commitlog_reader_seek(reader, positions, count,
		    deadline_mono_ms, err);
	if (rc < 0) {
		reader_free(reader);
		return rc;
	}
	*out = reader;
	return 0;
}

int
commitlog_reader_seek(struct commitlog_reader *reader,
    const struct commitlog_position *positions, size_t count,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct commitlog *log = reader->log;
	int rc = take_positions(log, reader->next_seq, positions, count, err);

	nowait_touch("the commit log");
	for (size_t i = 0; i < log->partition_count; i++) {
		if (reader->trouble[i] != NULL)
			reader->trouble[i]->pending = false;
	}
	reader->pending = 0;
	if (rc < 0)
		return rc;
	return log->backend->reader_seek(reader, positions, count,
	    deadline_mono_ms, err);
}

int
commitlog_reader_trouble(struct commitlog_reader *reader, size_t index,
    enum errc code, const char *text, struct error *err)
{
	struct commitlog_trouble *trouble;

	assert(index < reader->log->partition_count);
	assert(code != ERRC_OK);
	assert(reader->next_seq[index] != UINT64_MAX);
	trouble = reader->trouble[index];
	if (trouble == NULL)
		trouble = reader->trouble[index] = calloc(1, sizeof(*trouble));
	if (trouble == NULL)
		return error_set(err, ERRC_NOMEM, "commit log: out of memory");
	assert(!trouble->pending);
	trouble->seq = reader->next_seq[index];
	trouble->why.code = code;
	snprintf(trouble->why.text, sizeof(trouble->why.text), "%s", text);
	trouble->pending = true;
	reader->pending++;
	assert(reader->pending <= reader->log->partition_count);
	/* Left out until the next seek: what follows a gap must not be read
	 * as if it came next. */
	reader->next_seq[index] = UINT64_MAX;
	return 0;
}

/* How many, or what fn returned when it was negative. */
static int
deliver_troubles(struct commitlog_reader *reader, commitlog_entry_fn *fn,
    void *arg)
{
	const struct commitlog *log = reader->log;
	int delivered = 0;

	assert(reader->pending > 0);
	for (size_t i = 0; i < log->partition_count && reader->pending > 0;
	     i++) {
		struct commitlog_trouble *trouble = reader->trouble[i];
		struct commitlog_entry entry = {
			.kind = COMMITLOG_TROUBLE,
			.partition = log->partitions[i],
		};
		int rc;

		if (trouble == NULL || !trouble->pending)
			continue;
		entry.seq = trouble->seq;
		entry.trouble = &trouble->why;
		rc = fn(arg, &entry);
		if (rc != 0)
			return rc < 0 ? rc : delivered;
		assert(reader->next_seq[i] == UINT64_MAX);
		trouble->pending = false;
		reader->pending--;
		delivered++;
	}
	return delivered;
}

int
commitlog_reader_next(struct commitlog_reader *reader, size_t max_records,
    size_t max_bytes, commitlog_entry_fn *fn, void *arg,
    uint64_t deadline_mono_ms, struct error *err)
{
	int rc = 0;

	nowait_touch("the commit log");
	assert(max_records > 0);
	if (reader->pending == 0)
		rc = reader->log->backend->reader_next(reader,
		    KOOP_MIN(max_records, 65536), max_bytes, fn, arg,
		    deadline_mono_ms, err);
	assert(rc <= 0 || (size_t)rc <= max_records);
	/* What was found while reading is told before "nothing new" is. */
	if (rc == 0 && reader->pending > 0)
		rc = deliver_troubles(reader, fn, arg);
	return rc;
}

void
commitlog_reader_close(struct commitlog_reader *reader)
{
	if (reader != NULL)
		reader_free(reader);
}
