/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_ACKS_STREAM_H
#define KOOP_CLIENT_ACKS_STREAM_H

#include <stdint.h>

#include "base/compiler.h"

/*
 * One thread that reads the acknowledgement stream of one node and feeds its
 * lines to a struct acks, connecting again for as long as it lives: after
 * 50 ms, then more and more seldom up to 2 s, and at once when it is used
 * (ackstream_wake) and the least pause is over.
 */

struct acks;
struct acks_options;
struct ackstream;
struct erasure_set;
struct error;

KOOP_MUST int ackstream_start(struct ackstream **out, struct acks *acks,
    const struct acks_options *options, const struct erasure_set *set,
    uint32_t machine, struct error *err);
/* Somebody waits for a report: do not dawdle. */
void ackstream_wake(struct ackstream *stream);
/* In two steps, so that many stop at the same time. */
void ackstream_stop(struct ackstream *stream);
void ackstream_join(struct ackstream *stream); /* and free */

#endif
