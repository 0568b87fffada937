/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLUSTER_QUORUM_H
#define KOOP_CLUSTER_QUORUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The counting rules of protocol.md 1, pure.  n machines, m data shards, w
 * write quorum.  r and c are constants of the set, however many nodes happen
 * to answer: a reader that computed c from the answers it got would let a
 * second reader see an older version.
 *
 * Positions are arrays of applied positions, one a machine that is known
 * about (voting where that matters: the caller leaves the others out).
 */

/* w: a majority, and more than the data shards. */
uint32_t quorum_default_write(uint32_t data_shards, uint32_t n);
/* r = max(m, n - w + 1) */
uint32_t quorum_read(uint32_t n, uint32_t m, uint32_t w);
/* c = n - r + 1 */
uint32_t quorum_stable_read(uint32_t n, uint32_t m, uint32_t w);
/* n - w + 1: so many answers contain a member of every write quorum. */
uint32_t quorum_meet_write(uint32_t n, uint32_t w);
/* Is it a geometry that may be run: m >= 1, m < n, m < w <= n, n < 2 w? */
bool quorum_valid(uint32_t n, uint32_t m, uint32_t w);
/* Machines whose loss leaves every acknowledged write readable at once
 * (w - m), and once all shards are there (n - m). */
uint32_t quorum_loss_at_once(uint32_t m, uint32_t w);
uint32_t quorum_loss_repaired(uint32_t n, uint32_t m);

/* How many positions are >= seq. */
size_t quorum_count(const uint64_t *positions, size_t count, uint64_t seq);
/* Are at least need positions >= seq? */
bool quorum_reached(const uint64_t *positions, size_t count, uint64_t seq,
    size_t need);
/* The highest seq that at least need positions have reached; 0 when fewer
 * than need are known, or need is 0. */
uint64_t quorum_position(const uint64_t *positions, size_t count, size_t need);
/* The highest position; 0 when there is none. */
uint64_t quorum_highest(const uint64_t *positions, size_t count);

#endif
