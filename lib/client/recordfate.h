/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_RECORDFATE_H
#define KOOP_CLIENT_RECORDFATE_H

#include <stdint.h>

#include "base/compiler.h"

/*
 * What became of records of an id that may be in the log already, because the
 * same receipts were given before: then nothing need be appended, and what the
 * first one came to is what this one comes to (protocol.md 2).
 */

struct committer_item;
struct error;
struct nodeclient;

/*
 * Look for item->record's request id in item->partition.  Returns 1: a record
 * of it was decided, with outcome, seq and time_ms in item; 0: none was, and
 * item->after_seq is that of the last one which decided nothing.
 * ERRC_MISMATCH: the id is that of another bucket or key, so that this record
 * could never take effect.  ERRC_UNAVAILABLE: not known in time.
 */
KOOP_MUST int recordfate_find(struct nodeclient *nc,
    struct committer_item *item, uint64_t deadline, struct error *err);

#endif
