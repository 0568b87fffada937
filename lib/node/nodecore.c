/* SPDX-License-Identifier: MIT */
#include "node/nodecore.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "cluster/quorum.h"
#include "commit/commitlog.h"
#include "commit/outcome.h"
#include "node/apply.h"
#include "node/nodeproto.h"
#include "node/watermark.h"
#include "store/shardread.h"

struct placement
nodecore_placement(const struct nodecore *core, uint32_t partition)
{
	return (struct placement){
		.partition = partition,
		.set = &core->set,
	};
}

uint32_t
nodecore_shard(const struct nodecore *core, uint32_t partition)
{
	struct placement place = nodecore_placement(core, partition);

	return placement_shard(&place, core->index);
}

bool
nodecore_holds_inline(const struct nodecore *core, uint32_t partition)
{
	struct placement place = nodecore_placement(core, partition);

	return placement_inline_holder(&place, core->index);
}

uint64_t
nodecore_stable(const struct nodecore *core, uint32_t partition)
{
	uint64_t applied[TOPOLOGY_MACHINES_MAX];

	for (uint32_t i = 0; i < core->set.n; i++)
		applied[i] = commitlog_applied(core->log, core->set.number, i,
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
		.voting = index >= 0 &&
		    watermark_voting(core->wm, (size_t)index),
	};
	memcpy(out->hash, row->hash, sizeof(out->hash));
	memcpy(out->disk, core->disk, sizeof(out->disk));
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
	return clock_mono_ms(core->clock) + ms;
}

int
nodecore_fate(struct shardread *read, uint32_t partition, struct reqid id,
    struct nodecore_fate *out, struct error *err)
{
	struct decided_row decided;
	struct partition_row row;
	int rc;

	*out = (struct nodecore_fate){ 0 };
	rc = shardread_decided(read, partition, id, &decided, err);
	if (rc == 0) {
		out->decided = true;
		out->live = decided.live;
		out->dead = !decided.live;
		out->seq = decided.seq;
		if (out->live)
			return 0;
	} else if (rc != -ERRC_NOTFOUND) {
		return rc;
	}
	rc = shardread_partition(read, partition, &row, err);
	if (rc == -ERRC_NOTFOUND)
		return 0;
	if (rc != 0)
		return rc;
	/* Whatever record names an old one now has the outcome expired.  What
	 * superseded a dead one came after what decided it, and at or before
	 * the position here: once that is stable, so is what killed it. */
	if (out->dead ||
	    (row.t_ms > reqid_time_ms(id) &&
		row.t_ms - reqid_time_ms(id) > APPLY_EXPIRE_MS)) {
		out->dead = true;
		out->seq = row.applied;
	}
	return 0;
}
