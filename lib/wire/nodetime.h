/* SPDX-License-Identifier: MIT */
#ifndef KOOP_WIRE_NODETIME_H
#define KOOP_WIRE_NODETIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"

/*
 * The time of the log, as nodes tell it (X-Koop-Time), and what it means for
 * this process: ids are minted no older (base/random.h), and a clock that is
 * wrong is named.
 */

struct clock;

/* Every answer of a node: the latest partition time T that it has, in ms. */
#define NODETIME_HEADER "X-Koop-Time"
/* In messages, health and logs. */
#define NODETIME_WORD "clock"

/* The value of that header in an answer (NULL: it has none); 0 when it makes
 * no sense. */
uint64_t nodetime_parse(const char *value);
/* T of some partition is that.  0: nothing was told.  When it is more than
 * REQID_SKEW_MS ahead of the clock the log says so, once a minute. */
void nodetime_hear(const struct clock *clock, uint64_t time_ms);
/* Is it so far ahead? */
bool nodetime_is_skewed(const struct clock *clock);

/* An id that was minted before its partition's time was heard of is minted
 * anew: protocol.md 1, an id is never older than the partition it goes to.
 * To be called between that and the id's first use. */
void nodetime_freshen(struct reqid *id, const struct clock *clock,
    struct random_source *random);

#endif
