/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_LOGTEST_READ_H
#define KOOP_TESTS_UNIT_LOGTEST_READ_H

/* A reader of the commit log that checks what it is given, and its ends. */

#include "commit/commitlog_reader.h"
#include "logtest.h"

static inline uint64_t
log_end(struct commitlog *log, uint32_t partition)
{
	struct commitlog_end end = { .partition = partition };
	int rc;

	do
		rc = commitlog_ends(log, &end, 1, LATER, NULL);
	while (hostile && rc == -ERRC_UNAVAILABLE);
	CHECK(rc == 0 && end.code == ERRC_OK);
	return end.seq;
}

static inline uint64_t
log_last(struct commitlog *log, uint32_t partition)
{
	struct commitlog_span span = { .partition = partition };

	CHECK(commitlog_stored(log, &span, 1, LATER, NULL) == 0);
	return span.last;
}

/* What a reader saw. */
struct seen {
	uint64_t last[6]; /* by partition */
	uint64_t time_ms;
	int count;   /* entries */
	int records; /* those that are no gaps */
	int stop_at; /* stop before the so-manyeth; -1: never */
	int stop_with;
	int troubles;
	struct error trouble; /* the last one */
	uint32_t troubled;
};

static inline int
see(void *arg, const struct commitlog_entry *entry)
{
	struct seen *seen = arg;

	CHECK(entry->partition <= 5);
	if (entry->kind == COMMITLOG_TROUBLE) {
		seen->trouble = *entry->trouble;
		seen->troubled = entry->partition;
		seen->troubles++;
		return 0;
	}
	if (seen->count == seen->stop_at)
		return seen->stop_with;
	if (seen->last[entry->partition] != 0)
		CHECK(entry->seq == seen->last[entry->partition] + 1);
	CHECK(entry->seq >= entry->base_seq && entry->generation >= 1);
	CHECK((entry->kind == COMMITLOG_EMPTY) == (entry->line.n == 0));
	CHECK(hostile || entry->kind == COMMITLOG_RECORD);
	seen->last[entry->partition] = entry->seq;
	if (strcmp(scheme, "sqlite:") == 0)
		CHECK(entry->time_ms >= seen->time_ms);
	seen->time_ms = entry->time_ms;
	seen->count++;
	seen->records += entry->kind == COMMITLOG_RECORD;
	return 0;
}

/* The next entries; a partition out of reach is read again from where it is. */
static inline int
read_on(struct commitlog_reader *reader, struct commitlog_position *at,
    size_t count, size_t most, struct seen *seen)
{
	struct error err = { 0 };
	int before = seen->troubles;
	int rc = commitlog_reader_next(reader, most, 1 << 20, see, seen, LATER,
	    &err);

	if (rc < 0 && rc != seen->stop_with)
		printf("# %s\n", err.text);
	for (size_t i = 0; i < count; i++) {
		if (seen->last[at[i].partition] >= at[i].next_seq)
			at[i].next_seq = seen->last[at[i].partition] + 1;
	}
	if (seen->troubles == before)
		return rc;
	CHECK(hostile && seen->trouble.code == ERRC_UNAVAILABLE);
	CHECK(commitlog_reader_seek(reader, at, count, LATER, NULL) == 0);
	return rc == 0 ? 1 : rc;
}

#endif
