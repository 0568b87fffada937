/* SPDX-License-Identifier: MIT */
#ifndef KOOP_MEMBER_LASTREAD_H
#define KOOP_MEMBER_LASTREAD_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"

/*
 * When was a blob last read or leased?  A table of fixed size, in memory,
 * that never answers "earlier" than the truth: blobs share cells, so it may
 * answer "later", and a restart counts as a read of everything.  Times are
 * CLOCK_BOOTTIME ms, kept in whole seconds.  Any thread, without a lock.
 */

#define LASTREAD_CELLS (1u << 19) /* 4 bytes each */

struct error;
struct lastread;

KOOP_MUST int lastread_new(struct lastread **out, uint64_t start_ms,
    struct error *err);
void lastread_free(struct lastread *touch);
void lastread_note(struct lastread *touch, struct reqid id, uint64_t now_ms);
uint64_t lastread_of(const struct lastread *touch, struct reqid id);

#endif
