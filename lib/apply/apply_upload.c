/* SPDX-License-Identifier: MIT */
#include "apply/apply_step.h"

#include <assert.h>

#include "base/error.h"

/*
 * Multipart uploads: initiate, part, abort.  The row of an upload lives as
 * long as it is open or the version of its key, and 7 days of T after its
 * end, so that a Complete that is sent again finds what became of the first.
 */

int
apply_initiate(struct apply *a)
{
	const struct record *r = a->record;
	struct upload_row row = {
		.partition = a->partition->partition,
		.id = r->request_id,
		.bucket = r->bucket,
		.key = r->key,
		.incarnation = r->incarnation,
		.owner = r->owner,
		.headers = r->headers,
		.meta = r->meta,
		.initiated_ms = a->partition->t_ms,
		.seq = a->seq,
		.state = UPLOAD_OPEN,
		.live = true,
	};
	int rc;

	assert(r->type == RECORD_INITIATE);
	rc = apply_check_bucket(a, true);
	if (rc <= 0)
		return rc;
	a->live = true;
	return a->ops->upload_put(a->rows, &row, NULL, a->err);
}

/* Is it the open upload that the record means? */
static bool
is_open(const struct record *r, const struct upload_row *upload)
{
	return upload->state == UPLOAD_OPEN &&
	    upload->incarnation == r->incarnation &&
	    bytes_equal(upload->bucket, r->bucket) &&
	    bytes_equal(upload->key, r->key);
}

static int
put_part(struct apply *a)
{
	const struct record *r = a->record;
	struct part_row old;
	struct part_row row = {
		.partition = a->partition->partition,
		.upload = r->upload_id,
		.number = r->part_number,
		.id = r->request_id,
		.seq = a->seq,
		.size = r->blob.size,
		.modified_ms = a->partition->t_ms,
	};
	int found;
	int rc;

	assert(r->part_number >= 1 && r->part_number <= ROW_PARTS_MAX);
	apply_etag(row.etag, r->etag);
	apply_blob_info(&row.blob, &r->blob);
	found = a->ops->part_get(a->rows, row.partition, row.upload, row.number,
	    &old, a->err);
	if (found < 0 && found != -ERRC_NOTFOUND)
		return found;
	rc = a->ops->part_put(a->rows, &row, found == 0 ? &old : NULL, a->err);
	if (rc < 0)
		return rc;
	assert(found != 0 || old.seq < a->seq);
	if (found == 0 && (rc = apply_drop_blob(a, old.id, a->seq)) < 0)
		return rc;
	a->live = true;
	return apply_tell_blob(a, &row.blob);
}

int
apply_part(struct apply *a)
{
	const struct record *r = a->record;
	struct upload_row upload;
	int rc;

	assert(r->type == RECORD_PART);
	rc = apply_check_bucket(a, true);
	if (rc <= 0)
		return rc;
	rc = a->ops->upload_get(a->rows, a->partition->partition, r->upload_id,
	    &upload, a->err);
	if (rc < 0 && rc != -ERRC_NOTFOUND)
		return rc;
	if (rc < 0 || !is_open(r, &upload)) {
		a->outcome = OUTCOME_NO_SUCH_UPLOAD;
		return 0;
	}
	if (r->part_number < 1 || r->part_number > ROW_PARTS_MAX) {
		a->outcome = OUTCOME_INVALID_PART;
		return 0;
	}
	return put_part(a);
}

int
apply_abort_upload(struct apply *a)
{
	const struct record *r = a->record;
	struct upload_row upload;
	int rc;

	assert(r->type == RECORD_ABORT && r->has_upload);
	rc = a->ops->upload_get(a->rows, a->partition->partition, r->upload_id,
	    &upload, a->err);
	if (rc < 0 && rc != -ERRC_NOTFOUND)
		return rc;
	if (rc < 0 || !is_open(r, &upload)) {
		a->outcome = OUTCOME_NO_SUCH_UPLOAD;
		return 0;
	}
	return apply_end_upload(a, &upload, UPLOAD_ABORTED);
}

int
apply_end_upload(struct apply *a, const struct upload_row *old,
    enum upload_state state)
{
	struct upload_row row = *old;
	int rc;

	assert(old->live && !old->dying);
	assert(state != UPLOAD_OPEN);
	row.state = state;
	row.live = false;
	row.dying = true;
	row.seq = a->seq;
	/* Of a completed one the time stays: its row is kept for a week from
	 * the Complete, whose answer may be asked for again (protocol.md 6;
	 * why: S16b), not from when its version went. */
	if (old->state == UPLOAD_OPEN)
		row.finished_ms = a->partition->t_ms;
	rc = a->ops->upload_put(a->rows, &row, old, a->err);
	if (rc < 0)
		return rc;
	return apply_tell_garbage(a, row.id, GARBAGE_UPLOAD,
	    state == UPLOAD_ABORTED ? GARBAGE_ABORTED : GARBAGE_SUPERSEDED,
	    a->seq);
}
