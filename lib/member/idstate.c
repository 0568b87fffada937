/* SPDX-License-Identifier: MIT */
#include "member/idstate.h"

#include <assert.h>

#include "apply/apply.h"
#include "base/error.h"
#include "store/metaquery.h"

int
idstate_read(struct metaquery *read, uint32_t partition, struct reqid id,
    struct idstate *out, struct error *err)
{
	struct decided_row decided;
	struct partition_row row;
	int rc;

	*out = (struct idstate){ 0 };
	rc = metaquery_decided(read, partition, id, &decided, err);
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
	rc = metaquery_partition(read, partition, &row, err);
	if (rc == -ERRC_NOTFOUND)
		return 0;
	if (rc != 0)
		return rc;
	/* Whatever record names an old one now has the outcome expired
	 * (protocol.md 5), so nobody can make a version of it (why: S9).  What
	 * superseded a dead one came after what decided it, and at or before
	 * the position here: once that is stable, so is what killed it. */
	if (out->dead ||
	    (row.t_ms > reqid_time_ms(id) &&
		row.t_ms - reqid_time_ms(id) > APPLY_EXPIRE_MS)) {
		out->dead = true;
		out->seq = row.applied;
	}
	assert(!(out->live && out->dead));
	return 0;
}
