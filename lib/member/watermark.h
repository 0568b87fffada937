/* SPDX-License-Identifier: MIT */
#ifndef KOOP_MEMBER_WATERMARK_H
#define KOOP_MEMBER_WATERMARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "commit/outcome.h"

/*
 * What this node has said about its positions: applied and voting of each of
 * the cluster's partitions that are its own (which of them may change while it
 * runs; a partition's index does not), and the outcomes of recent records for
 * the streams of their senders.  The applier is the only writer, and writes
 * only what is durable; HTTP threads wait here.
 *
 * Outcomes go through a ring of fixed size.  A stream that falls behind it
 * is told so (WATERMARK_LOST) and is cut: its client asks by request id.
 */

#define WATERMARK_RING 8192
#define WATERMARK_PARTITIONS_MAX 4096

struct clock;
struct error;
struct watermark;

struct watermark_event {
	uint32_t partition;
	enum outcome outcome;
	uint64_t seq;
	struct reqid id;
	uint64_t sender; /* watermark_sender() of the record's sender */
};

/* All partitions of the cluster, whose number never changes; all are this
 * node's until watermark_assign() says otherwise. */
KOOP_MUST int watermark_new(struct watermark **out, const uint32_t *partitions,
    size_t count, const struct clock *clock, struct error *err);
void watermark_free(struct watermark *wm);
/* Wake everybody and make every wait fail from now on. */
void watermark_stop(struct watermark *wm);

/* Is it this node's?  One that goes loses its vote with that; who waits for it
 * is told. */
void watermark_assign(struct watermark *wm, size_t index, bool mine);
bool watermark_mine(const struct watermark *wm, size_t index);

/* The place of a partition, or -1 when the cluster has no such one. */
int watermark_index(const struct watermark *wm, uint32_t partition);
size_t watermark_count(const struct watermark *wm);
uint32_t watermark_partition(const struct watermark *wm, size_t index);

uint64_t watermark_applied(const struct watermark *wm, size_t index);
bool watermark_voting(const struct watermark *wm, size_t index);

/* The applier's side.  Nothing is seen before watermark_publish(). */
void watermark_set(struct watermark *wm, size_t index, uint64_t applied,
    bool voting);
void watermark_event(struct watermark *wm, const struct watermark_event *event);
void watermark_publish(struct watermark *wm);

/* Wait until applied >= seq.  ERRC_RETRY at the deadline, ERRC_UNAVAILABLE
 * when the node stops, or the partition is none of its own. */
KOOP_MUST int watermark_wait(struct watermark *wm, size_t index, uint64_t seq,
    uint64_t deadline_mono_ms, struct error *err);
/* Wait for any change after the version *seen, which is set to the present
 * one.  Returns false at the deadline or when the node stops. */
bool watermark_wait_change(struct watermark *wm, uint64_t *seen,
    uint64_t deadline_mono_ms);

/* A number for a sender's name; equal names have equal numbers. */
uint64_t watermark_sender(const char *name, size_t len);

/* Where a new stream begins in the ring. */
uint64_t watermark_cursor(struct watermark *wm);
enum watermark_next { WATERMARK_EVENT, WATERMARK_EMPTY, WATERMARK_LOST };
/* The next published event of sender at or after *cursor. */
enum watermark_next watermark_next(struct watermark *wm, uint64_t *cursor,
    uint64_t sender, struct watermark_event *out);

#endif
