/* SPDX-License-Identifier: MIT */
#include "member/nodecore.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "apply/apply.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cluster/quorum.h"
#include "commit/positions.h"
#include "commit/outcome.h"
#include "commit/record_type.h"
#include "member/room.h"
#include "member/watermark.h"
#include "store/metaquery.h"
#include "wire/nodeproto.h"
#include "wire/nodetime.h"

struct placement
nodecore_placement(const struct nodecore *core, uint32_t partition)
{
	assert(core->set.n > 0);
	return (struct placement){
		.partition = partition,
		.set = &core->set,
	};
}

uint32_t
nodecore_shard(const struct nodecore *core, uint32_t partition)
{
	struct placement place = nodecore_placement(core, partition);

	assert(core->index < core->set.n);
	return placement_shard(&place, core->index);
}

bool
nodecore_holds_inline(const struct nodecore *core, uint32_t partition)
{
	struct placement place = nodecore_placement(core, partition);

	assert(core->index < core->set.n);
	return placement_inline_holder(&place, core->index);
}

uint64_t
nodecore_stable(const struct nodecore *core, uint32_t partition)
{
	uint64_t applied[TOPOLOGY_MACHINES_MAX];

	assert(core->set.write_quorum > core->set.n / 2);
	for (uint32_t i = 0; i < core->set.n; i++)
		applied[i] = positions_applied(core->positions,
		    (struct positions_member){ core->set.number, i },
		    partition);
	return quorum_position(applied, core->set.n, core->set.write_quorum);
}

void
nodecore_position(const struct nodecore *core, const struct partition_row *row,
    struct nodeproto_position *out)
{
	int index = watermark_index(core->wm, row->partition);

	*out = (struct nodeproto_position){
		.applied = row->applied,
		.stable = nodecore_stable(core, row->partition),
		.epoch = row->epoch,
		.level = row->level,
		.knows = record_level(),
		.voting = index >= 0 &&
		    watermark_voting(core->wm, (size_t)index),
	};
	memcpy(out->hash, row->hash, sizeof(out->hash));
	memcpy(out->disk, core->disk, sizeof(out->disk));
}

void
nodecore_time(struct nodecore *core, uint64_t t_ms)
{
	uint64_t have = atomic_load(&core->time_ms);

	while (have < t_ms &&
	    !atomic_compare_exchange_weak(&core->time_ms, &have, t_ms))
		;
	assert(atomic_load(&core->time_ms) >= t_ms);
	/* This node's own ids (of aborts) go to the same partitions. */
	nodetime_hear(core->clock, t_ms);
}

void
nodecore_room(const struct nodecore *core, struct room_state *out)
{
	switch (room_turned(core->room, out)) {
	case ROOM_SAME:
		break;
	case ROOM_FILLED:
		log_warn("node",
		    "the disk of node %" PRIu32 "/%" PRIu32 " is full: %" PRIu64
		    " bytes free, %" PRIu64 " of them kept for records: no "
		    "shard is taken until there is room",
		    core->set.number, core->index, out->free_bytes,
		    KOOP_MIN(out->reserve_bytes, out->free_bytes));
		break;
	case ROOM_FREED:
		log_info("node",
		    "the disk of node %" PRIu32 "/%" PRIu32
		    " has room again: %" PRIu64 " bytes free",
		    core->set.number, core->index, out->free_bytes);
		break;
	}
}

bool
nodecore_sleep(const struct nodecore *core, uint64_t ms)
{
	struct pollfd fd = { .fd = core->stop_fd, .events = POLLIN };

	poll(&fd, 1, (int)KOOP_MIN(ms, 3600000u));
	return atomic_load(&core->stopping);
}

uint64_t
nodecore_deadline(const struct nodecore *core, uint64_t ms)
{
	assert(core->clock != NULL);
	return clock_mono_ms(core->clock) + ms;
}
