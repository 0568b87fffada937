/* SPDX-License-Identifier: MIT */
#include "cluster/quorum.h"

#include <assert.h>

#include "base/compiler.h"

uint32_t
quorum_default_write(uint32_t data_shards, uint32_t n)
{
	return KOOP_MAX(data_shards + 1, n / 2 + 1);
}

uint32_t
quorum_read(uint32_t n, uint32_t m, uint32_t w)
{
	uint32_t r = KOOP_MAX(m, n - w + 1);

	assert(quorum_valid(n, m, w));
	/* It meets every write, and can put every shard together. */
	assert(r + w > n && r >= m && r <= n);
	return r;
}

uint32_t
quorum_stable_read(uint32_t n, uint32_t m, uint32_t w)
{
	assert(quorum_read(n, m, w) <= n);
	return n - quorum_read(n, m, w) + 1;
}

uint32_t
quorum_meet_write(uint32_t n, uint32_t w)
{
	assert(w >= 1 && w <= n);
	return n - w + 1;
}

/*
 * n < 2 w: otherwise two halves of the set could each acknowledge another end
 * of the log, and nothing could choose between them after the log is lost.
 */
bool
quorum_valid(uint32_t n, uint32_t m, uint32_t w)
{
	return m >= 1 && m < n && m < w && w <= n && w > n - w;
}

uint32_t
quorum_loss_at_once(uint32_t m, uint32_t w)
{
	assert(m <= w);
	return w - m;
}

uint32_t
quorum_loss_repaired(uint32_t n, uint32_t m)
{
	assert(m <= n);
	return n - m;
}

size_t
quorum_count(const uint64_t *positions, size_t count, uint64_t seq)
{
	size_t reached = 0;

	for (size_t i = 0; i < count; i++)
		reached += positions[i] >= seq;
	return reached;
}

bool
quorum_reached(const uint64_t *positions, size_t count, uint64_t seq,
    size_t need)
{
	return quorum_count(positions, count, seq) >= need;
}

/*
 * The need'th highest.  Sets have at most 32 members, so counting each one is
 * cheaper than sorting a copy.
 */
uint64_t
quorum_position(const uint64_t *positions, size_t count, size_t need)
{
	uint64_t best = 0;

	if (need == 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (positions[i] > best &&
		    quorum_reached(positions, count, positions[i], need))
			best = positions[i];
	}
	assert(best == 0 || quorum_reached(positions, count, best, need));
	return best;
}

uint64_t
quorum_highest(const uint64_t *positions, size_t count)
{
	return quorum_position(positions, count, 1);
}
