/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_COMMITLOG_FROM_H
#define KOOP_COMMIT_COMMITLOG_FROM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * Where a reader of the commit log begins: at its start or end, at a seq, or at
 * the first record that was appended at a time or later.
 */

struct commitlog;
struct commitlog_position;
struct error;

enum commitlog_from_kind {
	COMMITLOG_FROM_START,
	COMMITLOG_FROM_END, /* what comes after what is stored now */
	COMMITLOG_FROM_SEQ, /* positions of one partition */
	COMMITLOG_FROM_TIME,
};

struct commitlog_from {
	enum commitlog_from_kind kind;
	uint64_t value; /* a seq, or ms since 1970 */
};

/* "start", "end", a seq, a time (RFC 3339), or an age before now_ms such as
 * "10m".  False: it is none. */
KOOP_MUST bool commitlog_from_parse(struct commitlog_from *out,
    const char *text, uint64_t now_ms);

/*
 * Fill the next_seq of positions whose partitions are set.  A time is looked
 * for by halves: where the clock of the appends went back, it is one of the
 * places that fit.  As commitlog_stored() fails.
 */
KOOP_MUST int commitlog_from_find(struct commitlog *log,
    const struct commitlog_from *from, struct commitlog_position *positions,
    size_t count, uint64_t deadline_mono_ms, struct error *err);

#endif
