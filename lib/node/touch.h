/* SPDX-License-Identifier: MIT */
#ifndef KOOP_NODE_TOUCH_H
#define KOOP_NODE_TOUCH_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"

/*
 * When was a blob last read or leased?  A table of fixed size, in memory,
 * that never answers "earlier" than the truth: blobs share cells, so it may
 * answer "later", and a restart counts as a read of everything.  Times are
 * CLOCK_BOOTTIME ms, kept in whole seconds.  Any thread, without a lock.
 */

#define TOUCH_CELLS (1u << 19) /* 4 bytes each */

struct error;
struct touch;

KOOP_MUST int touch_new(struct touch **out, uint64_t start_ms,
    struct error *err);
void touch_free(struct touch *touch);
void touch_read(struct touch *touch, struct reqid id, uint64_t now_ms);
uint64_t touch_last(const struct touch *touch, struct reqid id);

#endif
