/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_COMMITTER_H
#define KOOP_CLIENT_COMMITTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "commit/outcome.h"

/*
 * Appending records and learning what became of them.
 *
 * A record is appended once.  When that is ambiguous its request id is looked
 * for in the log until the deadline; it is never appended again.  The outcome
 * is what write_quorum voting nodes have reported alike after applying the
 * record durably, refusals too: then no later reader can see less.
 *
 * The committer fills the record's cluster, epoch and sender.  Threads: any
 * number; their appends are grouped by the log.
 */

struct nodeclient;
struct record;

struct committer_item {
	uint32_t partition;
	struct record *record;
	uint64_t after_seq; /* an earlier record of this id with an outcome that
	                       decides nothing; else 0 */
	/* out */
	enum errc code; /* why the outcome is not known; 0: it is */
	enum outcome outcome;
	uint64_t seq;
	uint64_t time_ms;  /* append time, given by the log */
	uint64_t deadline; /* the committer's own */
};

/*
 * ERRC_UNAVAILABLE: unknown, may yet take effect, once; or the log could not
 * be reached and it certainly took none (the message says which).
 * Outcomes that decide nothing (stale_epoch, not_yet_here, ignored) come back
 * as outcomes: never make a 4xx of them; bucket_commit() cares for them.
 */
KOOP_MUST int committer_commit(struct nodeclient *nc, uint32_t partition,
    struct record *record, enum outcome *out, uint64_t *seq, uint64_t deadline,
    struct error *err);

/* Several records in one append; each has a result of its own (code, outcome),
 * as the log promises nothing across them.  Returns 0 when all outcomes are
 * known, else the first code that is not, with its reason. */
KOOP_MUST int committer_commit_all(struct nodeclient *nc,
    struct committer_item *items, size_t n, uint64_t deadline,
    struct error *err);

/* The outcome of a record that is in the log, at item->seq, whoever appended
 * it.  ERRC_UNAVAILABLE: not known in time. */
KOOP_MUST int committer_wait(struct nodeclient *nc, struct committer_item *item,
    uint64_t deadline, struct error *err);

/* Append only, do not wait for an outcome (an AbortMessage). */
KOOP_MUST int committer_append(struct nodeclient *nc, uint32_t partition,
    struct record *record, uint64_t deadline, struct error *err);

#endif
