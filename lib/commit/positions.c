/* SPDX-License-Identifier: MIT */
#include "commit/positions.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "cluster/quorum.h"
#include "cluster/topology.h"
#include "commit/commitlog_backend.h"
#include "commit/positiontable.h"

#define POSITIONS_LOOK_MS 1000 /* sleepers look that often */

struct positions {
	struct commitlog *log;
	const struct positions_backend *shared; /* NULL: table */
	struct positiontable *table;
};

int
positions_open(struct positions **out, struct commitlog *log, struct error *err)
{
	struct positions *positions = calloc(1, sizeof(*positions));
	int rc = 0;

	if (positions == NULL)
		return error_set(err, ERRC_NOMEM, "positions: out of memory");
	positions->log = log;
	positions->shared = log->backend->positions;
	if (positions->shared == NULL)
		rc = positiontable_new(&positions->table, log->partition_count,
		    err);
	if (rc < 0) {
		free(positions);
		return rc;
	}
	assert((positions->shared != NULL) != (positions->table != NULL));
	*out = positions;
	return 0;
}

void
positions_close(struct positions *positions)
{
	if (positions == NULL)
		return;
	positiontable_free(positions->table);
	free(positions);
}

bool
positions_shared(const struct positions *positions)
{
	assert((positions->shared != NULL) != (positions->table != NULL));
	return positions->shared != NULL;
}

void
positions_publish(struct positions *positions, struct positions_member member,
    uint32_t partition, uint64_t applied)
{
	long index = commitlog_partition_index(positions->log, partition);

	/* Only what is durable is published, and the log cannot hold more. */
	assert(applied < INT64_MAX);
	if (index < 0)
		return;
	if (positions->shared != NULL)
		positions->shared->publish(positions->log, member,
		    (size_t)index, applied);
	else
		positiontable_set(positions->table, member, (size_t)index,
		    applied);
}

void
positions_told(struct positions *positions, struct positions_member member,
    uint32_t partition, uint64_t applied)
{
	long index = commitlog_partition_index(positions->log, partition);

	if (positions->shared == NULL && index >= 0)
		positiontable_set(positions->table, member, (size_t)index,
		    applied);
}

void
positions_forget(struct positions *positions, struct positions_member member)
{
	if (positions->shared == NULL)
		positiontable_forget(positions->table, member);
}

uint64_t
positions_applied(const struct positions *positions,
    struct positions_member member, uint32_t partition)
{
	long index = commitlog_partition_index(positions->log, partition);

	if (index < 0)
		return 0;
	return positions->shared != NULL ?
	    positions->shared->applied(positions->log, member, (size_t)index) :
	    positiontable_get(positions->table, member, (size_t)index);
}

uint32_t
positions_bell(const struct positions *positions)
{
	return positions->shared != NULL ?
	    positions->shared->bell(positions->log) :
	    positiontable_bell(positions->table);
}

void
positions_wait(const struct positions *positions, uint32_t seen, int timeout_ms)
{
	/* Who rings may die between the store and the bell. */
	if (timeout_ms < 0 || timeout_ms > POSITIONS_LOOK_MS)
		timeout_ms = POSITIONS_LOOK_MS;
	assert(timeout_ms >= 0 && timeout_ms <= POSITIONS_LOOK_MS);
	if (positions->shared != NULL)
		positions->shared->wait(positions->log, seen, timeout_ms);
	else
		positiontable_wait(positions->table, seen, timeout_ms);
}

static bool
held(const struct positions *positions, const struct positions_hold *hold)
{
	uint64_t known[TOPOLOGY_MACHINES_MAX];

	for (uint32_t i = 0; i < hold->n; i++) {
		struct positions_member member = { hold->set, i };

		known[i] = positions_applied(positions, member,
		    hold->partition);
		/* A member that went back had it when it said so: what was
		 * counted once stays counted for this hold. */
		if (hold->known != NULL) {
			known[i] = KOOP_MAX(known[i], hold->known[i]);
			assert(known[i] >= hold->known[i]);
			hold->known[i] = known[i];
		}
	}
	return quorum_reached(known, hold->n, hold->seq, hold->count);
}

bool
positions_hold(const struct positions *positions,
    const struct positions_hold *hold, const struct clock *clock,
    uint64_t deadline_mono_ms)
{
	assert(hold->n <= TOPOLOGY_MACHINES_MAX);
	assert(hold->count > 0 && hold->count <= hold->n);
	for (;;) {
		/* The bell first: what comes between the look and the sleep
		 * has rung it. */
		uint32_t bell = positions_bell(positions);
		int left;

		if (held(positions, hold))
			return true;
		left = clock_left_ms(clock, deadline_mono_ms);
		if (left == 0)
			return false;
		positions_wait(positions, bell, left);
	}
}
