/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_POSITIONS_H
#define KOOP_COMMIT_POSITIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "commit/positiontable.h"

/*
 * How far each member of each set has durably applied each partition
 * (protocol.md 2).  A member is a machine of an erasure set.
 *
 *      positions_page    the page that all programs of a machine share beside
 *                        a SQLite log: who publishes there tells everybody
 *      positiontable     a table in this program, fed by what the members'
 *                        streams say (GET /applied): one for a log that
 *                        shares no page; and the memory log's
 *
 * Which of them it is follows from the log.  A position is a floor: the member
 * has applied that much, and perhaps more.  Any thread may call.
 */

struct clock;
struct commitlog;
struct error;
struct positions;

/* log must outlive it. */
KOOP_MUST int positions_open(struct positions **out, struct commitlog *log,
    struct error *err);
void positions_close(struct positions *positions); /* NULL is fine */

/* Does everybody see what each member publishes, and is the log's end, as
 * commitlog_ends() tells it, cheap and never below any of them? */
bool positions_shared(const struct positions *positions);

/* Of the member that this program is.  It may go back: one that re-installs a
 * partition, or that comes back from an older disk, has applied less. */
void positions_publish(struct positions *positions,
    struct positions_member member, uint32_t partition, uint64_t applied);
/* What another member said of itself.  Shared positions know better. */
void positions_told(struct positions *positions, struct positions_member member,
    uint32_t partition, uint64_t applied);
/* It cannot be heard any more: when it can, it may have applied less. */
void positions_forget(struct positions *positions,
    struct positions_member member);
/* 0: not known. */
uint64_t positions_applied(const struct positions *positions,
    struct positions_member member, uint32_t partition);

/* Sleep until a position changed since the bell was read.  Wakes at least
 * every second, so look again whatever woke you. */
uint32_t positions_bell(const struct positions *positions);
void positions_wait(const struct positions *positions, uint32_t seen,
    int timeout_ms);

struct positions_hold {
	uint32_t set, n; /* all of its machines */
	uint32_t partition;
	uint64_t seq;
	uint32_t count; /* so many must have it */
	/* What the caller knows of each machine besides, or NULL; raised to
	 * what was learnt. */
	uint64_t *known;
};

/* Wait until count machines are known to have applied seq.  False: not so at
 * the deadline. */
KOOP_MUST bool positions_hold(const struct positions *positions,
    const struct positions_hold *hold, const struct clock *clock,
    uint64_t deadline_mono_ms);

#endif
