/* SPDX-License-Identifier: MIT */
#include "apply/apply_step.h"

#include <assert.h>
#include "base/error.h"

/*
 * Work left behind by older records, a bounded piece with each record: it
 * changes replicated rows, so it must happen at the same seq on every node.
 * Thus overwriting a version of 10,000 parts does not stall the others.
 */

#define SWEEP_PARTS 128  /* with each record */
#define SWEEP_EVERY 16   /* records between two looks for what is over */
#define SWEEP_DECIDED 64 /* at each look: four times what can come in */
#define SWEEP_UPLOADS 8

static int
sweep_parts(struct apply *a)
{
	struct upload_row upload;
	struct upload_row row;
	struct part_row part;
	int rc;

	rc = a->ops->upload_first_dying(a->rows, a->partition->partition,
	    &upload, a->err);
	if (rc < 0)
		return rc == -ERRC_NOTFOUND ? 0 : rc;
	assert(upload.dying && !upload.live);
	for (unsigned i = 0; i < SWEEP_PARTS; i++) {
		rc = a->ops->part_next(a->rows, a->partition->partition,
		    upload.id, 0, &part, a->err);
		if (rc == -ERRC_NOTFOUND) {
			row = upload;
			row.dying = false;
			return a->ops->upload_put(a->rows, &row, &upload,
			    a->err);
		}
		if (rc < 0 ||
		    (rc = a->ops->part_del(a->rows, &part, a->err)) < 0 ||
		    (rc = apply_drop_blob(a, part.id, upload.seq)) < 0)
			return rc;
	}
	return 0;
}

static bool
is_over(const struct apply *a, uint64_t since_ms)
{
	return since_ms + APPLY_RETAIN_MS < a->partition->t_ms;
}

static int
sweep_uploads(struct apply *a)
{
	struct upload_row upload;
	struct reqid id;
	int rc;

	for (unsigned i = 0; i < SWEEP_UPLOADS; i++) {
		rc = a->ops->upload_first_over(a->rows, a->partition->partition,
		    &upload, a->err);
		if (rc < 0)
			return rc == -ERRC_NOTFOUND ? 0 : rc;
		if (!is_over(a, upload.finished_ms))
			return 0;
		id = upload.id;
		if ((rc = a->ops->upload_del(a->rows, &upload, a->err)) < 0 ||
		    (rc = apply_unrefer(a, id)) < 0)
			return rc;
	}
	return 0;
}

/* Ids sort by time, so the lowest that is not live is the oldest. */
static int
sweep_decided(struct apply *a)
{
	struct decided_row row;
	int rc;

	for (unsigned i = 0; i < SWEEP_DECIDED; i++) {
		rc = a->ops->decided_first_dead(a->rows,
		    a->partition->partition, &row, a->err);
		if (rc < 0)
			return rc == -ERRC_NOTFOUND ? 0 : rc;
		/* What a live row refers to stays decided, whatever its age. */
		assert(!row.live);
		if (!is_over(a, reqid_time_ms(row.id)))
			return 0;
		if ((rc = a->ops->decided_del(a->rows, &row, a->err)) < 0)
			return rc;
	}
	return 0;
}

int
apply_sweep(struct apply *a)
{
	int rc;

	if (a->partition->dying > 0 && (rc = sweep_parts(a)) < 0)
		return rc;
	if (a->seq % SWEEP_EVERY != 0)
		return 0;
	if ((rc = sweep_uploads(a)) < 0)
		return rc;
	return sweep_decided(a);
}
