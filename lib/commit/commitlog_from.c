/* SPDX-License-Identifier: MIT */
#include "commit/commitlog_from.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"
#include "commit/commitlog.h"
#include "commit/commitlog_reader.h"

#define SEQ_MAX (UINT64_C(1) << 53)
#define AGE_MAX_MS (UINT64_C(100) * 366 * 24 * 60 * 60 * 1000)

bool
commitlog_from_parse(struct commitlog_from *out, const char *text,
    uint64_t now_ms)
{
	size_t n = strlen(text);
	uint64_t value;
	int64_t time;

	assert(out != NULL);
	if (strcmp(text, "start") == 0) {
		*out = (struct commitlog_from){ COMMITLOG_FROM_START, 0 };
		return true;
	}
	if (strcmp(text, "end") == 0) {
		*out = (struct commitlog_from){ COMMITLOG_FROM_END, 0 };
		return true;
	}
	if (number_parse(&value, text, n, 0, SEQ_MAX)) {
		*out = (struct commitlog_from){ COMMITLOG_FROM_SEQ, value };
		return true;
	}
	if (number_parse_duration(&value, text, n, 0, AGE_MAX_MS)) {
		value = now_ms > value ? now_ms - value : 0;
		*out = (struct commitlog_from){ COMMITLOG_FROM_TIME, value };
		return true;
	}
	time = clock_parse_rfc3339(text);
	if (time < 0)
		return false;
	*out = (struct commitlog_from){ COMMITLOG_FROM_TIME, (uint64_t)time };
	return true;
}

/* The first record from seq on, below `end`, that has a time; *seq is its
 * own, or `end` when there is none. */
static int
timed_record(struct commitlog *log, uint32_t partition, uint64_t *seq,
    uint64_t end, uint64_t *time_ms, uint64_t deadline, struct error *err)
{
	struct buf line = buf_make(COMMITLOG_LINE_MAX);
	struct commitlog_entry entry = { .kind = COMMITLOG_EMPTY };
	int rc = 0;

	while (rc == 0 && *seq < end) {
		rc = commitlog_get(log, partition, *seq, &entry, &line,
		    deadline, err);
		if (rc == 0 && entry.kind != COMMITLOG_EMPTY)
			break;
		++*seq;
	}
	*time_ms = entry.time_ms;
	buf_fini(&line);
	return rc;
}

/* Of first .. last + 1, the first that is not before the time. */
static int
find_time(struct commitlog *log, const struct commitlog_span *span,
    uint64_t time_ms, uint64_t *out, uint64_t deadline, struct error *err)
{
	uint64_t low = span->first, high = span->last + 1;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		uint64_t at = middle, found;
		int rc = timed_record(log, span->partition, &at, high, &found,
		    deadline, err);

		if (rc < 0)
			return rc;
		assert(at >= middle && at <= high);
		/* Nothing from the middle on has a time: look before it. */
		if (at < high && found < time_ms)
			low = at + 1;
		else
			high = middle;
	}
	*out = low;
	return 0;
}

static int
commitlog_from_place(struct commitlog *log, const struct commitlog_from *from,
    const struct commitlog_span *span, uint64_t *seq, uint64_t deadline,
    struct error *err)
{
	switch (from->kind) {
	case COMMITLOG_FROM_START:
		*seq = span->first;
		return 0;
	case COMMITLOG_FROM_END:
		*seq = span->last + 1;
		return 0;
	case COMMITLOG_FROM_SEQ:
		*seq = from->value;
		return 0;
	case COMMITLOG_FROM_TIME:
		break;
	}
	return find_time(log, span, from->value, seq, deadline, err);
}

int
commitlog_from_find(struct commitlog *log, const struct commitlog_from *from,
    struct commitlog_position *positions, size_t count,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct commitlog_span *spans = calloc(count, sizeof(*spans));
	int rc;

	assert(count > 0 && count <= COMMITLOG_PARTITIONS_MAX);
	if (spans == NULL)
		return error_set(err, ERRC_NOMEM, "commit log: out of memory");
	for (size_t i = 0; i < count; i++)
		spans[i].partition = positions[i].partition;
	rc = commitlog_stored(log, spans, count, deadline_mono_ms, err);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = commitlog_from_place(log, from, &spans[i],
		    &positions[i].next_seq, deadline_mono_ms, err);
	free(spans);
	return rc;
}
