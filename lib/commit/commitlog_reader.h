/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_COMMITLOG_READER_H
#define KOOP_COMMIT_COMMITLOG_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/random.h"

/*
 * Reading the commit log (commitlog.h): each partition in its order, nothing
 * about an order between them, and one partition's trouble is its own.
 */

struct buf;
struct commitlog;
struct commitlog_reader;

enum commitlog_kind {
	COMMITLOG_RECORD,
	/* A seq that holds no record (Kafka's transaction markers): every
	 * node applies it as an ignored one, so that seq stays dense. */
	COMMITLOG_EMPTY,
	/* No more of this partition comes until commitlog_reader_seek(), of
	 * the others it does.  trouble->code:
	 *   ERRC_UNAVAILABLE  out of reach
	 *   ERRC_CORRUPT      a gap, or a damaged record, at seq
	 *   ERRC_NOTFOUND     the log begins after seq
	 *   ERRC_MISMATCH     seq is beyond the end: the log was cut */
	COMMITLOG_TROUBLE,
};

struct commitlog_entry {
	enum commitlog_kind kind;
	uint32_t partition;
	uint64_t seq;
	uint64_t time_ms; /* of the append; may go back; 0 in an empty one */
	/* Beside every record, as a trimmed log has no genesis any more. */
	uint64_t generation, base_seq;
	struct reqid request_id;
	struct bytes line; /* borrowed for the call */
	const struct error *trouble;
};

struct commitlog_position {
	uint32_t partition;
	uint64_t next_seq; /* the first one wanted; at most the end + 1 */
};

/* A nonzero return stops, and that entry will be delivered again; a negative
 * one is returned to the caller. */
typedef int commitlog_entry_fn(void *arg, const struct commitlog_entry *entry);

/* A reader of some partitions, each in order from its own position.  Where a
 * position cannot be had, its trouble is delivered. */
KOOP_MUST int commitlog_reader_open(struct commitlog_reader **out,
    struct commitlog *log, const struct commitlog_position *positions,
    size_t count, uint64_t deadline_mono_ms, struct error *err);
/* As if opened anew with these positions. */
KOOP_MUST int commitlog_reader_seek(struct commitlog_reader *reader,
    const struct commitlog_position *positions, size_t count,
    uint64_t deadline_mono_ms, struct error *err);
/* Deliver at most max_records entries, and about max_bytes of lines; does not
 * wait for new ones.  Returns how many (0: nothing new), or what fn returned,
 * or -ERRC_x: none of the partitions can be read. */
KOOP_MUST int commitlog_reader_next(struct commitlog_reader *reader,
    size_t max_records, size_t max_bytes, commitlog_entry_fn *fn, void *arg,
    uint64_t deadline_mono_ms, struct error *err);
void commitlog_reader_close(struct commitlog_reader *reader);

/* One record, its line in line (cleared first).  ERRC_NOTFOUND. */
KOOP_MUST int commitlog_get(struct commitlog *log, uint32_t partition,
    uint64_t seq, struct commitlog_entry *entry, struct buf *line,
    uint64_t deadline_mono_ms, struct error *err);

#endif
