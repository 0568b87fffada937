/* SPDX-License-Identifier: MIT */
#include "apply/apply_step.h"

#include <assert.h>

#include "base/error.h"

/*
 * Buckets (protocol.md 5, "Buckets"; protocol-why.md S11).  Per partition and
 * name the highest incarnation seen is kept for ever, so that what comes late
 * for a lower one finds that it is over.  At home the log's order decides;
 * elsewhere the record tells what home decided, and may come in any order.
 *
 * An attempt to delete is named by the seq of its Seal at home, so a higher
 * one is a later one, and it began only after the lower ones were over.
 */

/* The row of the name; all zeros, incarnation included, when there is none. */
static int
get(struct apply *a, struct bucket_row *old)
{
	int rc = a->ops->bucket_get(a->rows, a->partition->partition,
	    a->record->bucket, old, a->err);

	if (rc == -ERRC_NOTFOUND) {
		*old = (struct bucket_row){ 0 };
		return 0;
	}
	assert(rc < 0 || old->incarnation > 0);
	return rc;
}

/* Does the record speak of the bucket that is here?  If not the outcome is
 * no_such_bucket: its incarnation is over, or home never made it. */
static bool
is_here(struct apply *a, const struct bucket_row *old)
{
	if (old->incarnation != 0 && old->state != BUCKET_DELETED &&
	    a->record->incarnation == old->incarnation)
		return true;
	a->outcome = OUTCOME_NO_SUCH_BUCKET;
	return false;
}

/* A record of an incarnation that this partition has yet to hear of. */
static bool
is_ahead(const struct apply *a, const struct bucket_row *old)
{
	return !a->record->home && a->record->incarnation > old->incarnation;
}

/* Uploads of a bucket end with it, or its parts would leak (S11e). */
static int
end_uploads(struct apply *a)
{
	struct upload_row upload;
	int rc;

	while ((rc = a->ops->upload_first_open(a->rows, a->partition->partition,
		    a->record->bucket, &upload, a->err)) == 0)
		if ((rc = apply_end_upload(a, &upload, UPLOAD_ABORTED)) < 0)
			return rc;
	return rc == -ERRC_NOTFOUND ? 0 : rc;
}

static int
put(struct apply *a, struct bucket_row *row, const struct bucket_row *old)
{
	assert(row->incarnation >= old->incarnation);
	assert(row->incarnation > 0 && old->seq < a->seq);
	/* What is over stays over, and settings never go back: a Seal or a
	 * setting that comes late would win (protocol.md 5; why: S11a). */
	assert(row->incarnation > old->incarnation ||
	    (row->finished >= old->finished && row->revision >= old->revision));
	row->seq = a->seq;
	return a->ops->bucket_put(a->rows, row,
	    old->incarnation != 0 ? old : NULL, a->err);
}

/* A higher incarnation takes the place of what is there. */
static int
replace(struct apply *a, struct bucket_row *row, const struct bucket_row *old)
{
	int rc;

	/* A late Create of one that is over must not bring it back (S11). */
	assert(row->incarnation > old->incarnation);
	row->partition = a->partition->partition;
	row->name = a->record->bucket;
	row->created_ms = a->partition->t_ms;
	rc = put(a, row, old);
	if (rc < 0 || old->incarnation == 0)
		return rc;
	return end_uploads(a);
}

int
apply_create_bucket(struct apply *a)
{
	const struct record *r = a->record;
	struct bucket_row old;
	struct bucket_row row = {
		.state = BUCKET_OPEN,
		.incarnation = r->home ? a->seq : r->incarnation,
		.home = r->home,
		.owner = r->owner,
	};
	int rc = get(a, &old);

	assert(r->type == RECORD_CREATE_BUCKET);
	if (rc < 0)
		return rc;
	/* Home decides that a name is taken. */
	if (old.incarnation != 0 && old.state != BUCKET_DELETED && r->home) {
		a->outcome = bytes_equal(old.owner, r->owner) ?
		    OUTCOME_EXISTS :
		    OUTCOME_NOT_OWNER;
		return 0;
	}
	/* Elsewhere only the number counts: a late Create of one that is over
	 * must not bring it back (S11). */
	if (row.incarnation > old.incarnation)
		return replace(a, &row, &old);
	if (row.incarnation < old.incarnation || old.incarnation == 0 ||
	    old.state == BUCKET_DELETED)
		a->outcome = OUTCOME_NO_SUCH_BUCKET;
	else
		a->outcome = OUTCOME_EXISTS;
	return 0;
}

/* Seal what is open, or held by an attempt that must be over. */
static int
seal(struct apply *a, const struct bucket_row *old, uint64_t attempt)
{
	struct bucket_row row = *old;
	bool any;
	int rc;

	assert(attempt > old->finished);
	assert(a->record->incarnation == old->incarnation);
	rc = a->ops->object_any(a->rows, a->partition->partition,
	    a->record->bucket, &any, a->err);
	if (rc < 0)
		return rc;
	if (row.state == BUCKET_SEALED)
		row.finished = KOOP_MAX(row.finished, row.attempt);
	row.state = BUCKET_SEALED;
	row.attempt = attempt;
	row.sealed_empty = !any;
	row.sealed_ms = a->partition->t_ms;
	a->outcome = any ? OUTCOME_SEALED : OUTCOME_SEALED_EMPTY;
	return put(a, &row, old);
}

int
apply_seal_bucket(struct apply *a)
{
	const struct record *r = a->record;
	struct bucket_row old;
	struct bucket_row row = {
		.state = BUCKET_SEALED,
		.incarnation = r->incarnation,
		.attempt = r->attempt,
		.sealed_empty = true,
		.sealed_ms = a->partition->t_ms,
	};
	uint64_t attempt = r->home ? a->seq : r->attempt;
	int rc = get(a, &old);

	assert(r->type == RECORD_SEAL_BUCKET);
	if (rc < 0)
		return rc;
	/* Of a bucket that never came here nothing can be here: it is sealed
	 * and empty, and its Create finds that (S11). */
	if (is_ahead(a, &old)) {
		a->outcome = OUTCOME_SEALED_EMPTY;
		return replace(a, &row, &old);
	}
	if (!is_here(a, &old))
		return 0;
	if (old.state == BUCKET_SEALED && old.attempt == attempt) {
		a->outcome = old.sealed_empty ? OUTCOME_SEALED_EMPTY :
						OUTCOME_SEALED;
		return 0;
	}
	/* One attempt at a time, and at home the one that is there holds: two
	 * deleters must not count emptiness for each other (S11a). */
	if (attempt <= old.finished ||
	    (old.state == BUCKET_SEALED &&
		(old.home || attempt < old.attempt))) {
		a->outcome = OUTCOME_ABORTED;
		return 0;
	}
	return seal(a, &old, attempt);
}

int
apply_unseal_bucket(struct apply *a)
{
	const struct record *r = a->record;
	struct bucket_row old;
	struct bucket_row row;
	int rc = get(a, &old);

	assert(r->type == RECORD_UNSEAL_BUCKET);
	if (rc < 0)
		return rc;
	/* Nothing to remember it by: it must come again after the Create. */
	if (is_ahead(a, &old)) {
		a->outcome = OUTCOME_NOT_YET_HERE;
		return 0;
	}
	if (!is_here(a, &old))
		return 0;
	row = old;
	if (old.state == BUCKET_SEALED && old.attempt == r->attempt) {
		row.state = BUCKET_OPEN;
		row.attempt = 0;
		row.sealed_empty = false;
		row.sealed_ms = 0;
	} else if (old.home || r->attempt <= old.finished) {
		return 0;
	}
	/* Remembered, so that its Seal, if it comes later, is dead. */
	row.finished = KOOP_MAX(old.finished, r->attempt);
	return put(a, &row, &old);
}

/* At home the first of Delete and Unseal decides. */
static int
may_delete(struct apply *a, const struct bucket_row *old)
{
	const struct record *r = a->record;

	assert(old->home);
	if (old->state == BUCKET_DELETED && old->attempt == r->attempt)
		a->outcome = OUTCOME_DONE;
	else if (old->state == BUCKET_DELETED)
		a->outcome = OUTCOME_NO_SUCH_BUCKET;
	else if (old->state != BUCKET_SEALED || old->attempt != r->attempt)
		a->outcome = OUTCOME_ABORTED;
	else if (!old->sealed_empty)
		a->outcome = OUTCOME_SEALED; /* never take objects along */
	else
		return 1;
	return 0;
}

int
apply_delete_bucket(struct apply *a)
{
	const struct record *r = a->record;
	struct bucket_row old;
	struct bucket_row row = {
		.state = BUCKET_DELETED,
		.incarnation = r->incarnation,
		.attempt = r->attempt,
	};
	int rc = get(a, &old);

	assert(r->type == RECORD_DELETE_BUCKET);
	if (rc < 0)
		return rc;
	if (is_ahead(a, &old))
		return replace(a, &row, &old);
	if (old.incarnation == 0 || r->incarnation != old.incarnation) {
		a->outcome = OUTCOME_NO_SUCH_BUCKET;
		return 0;
	}
	/* Home decides, in the order of its log; elsewhere what it decided is
	 * told, so there is nothing left to refuse. */
	if (old.home ? !may_delete(a, &old) : old.state == BUCKET_DELETED)
		return 0;
	row = old;
	row.state = BUCKET_DELETED;
	row.attempt = r->attempt;
	row.finished = KOOP_MAX(old.finished, r->attempt);
	rc = put(a, &row, &old);
	if (rc < 0)
		return rc;
	return end_uploads(a);
}

static enum bucket_versioning
versioning_of(const struct record *r)
{
	static const enum bucket_versioning of[] = {
		[VERSIONING_NEVER] = BUCKET_NEVER,
		[VERSIONING_ENABLED] = BUCKET_ENABLED,
		[VERSIONING_SUSPENDED] = BUCKET_SUSPENDED,
	};

	assert((size_t)r->versioning < nitems(of));
	return of[r->versioning];
}

/* Home takes settings only from who saw the last ones, or two who set one
 * thing each would undo each other's.  And a bucket that keeps versions never
 * comes to have none: keys may have some by now. */
static bool
may_configure(const struct record *r, const struct bucket_row *old)
{
	assert(r->home);
	return r->if_revision == old->revision &&
	    (r->versioning != VERSIONING_NEVER ||
		old->versioning == BUCKET_NEVER);
}

/* Settings come whole.  Home gives them their revision; elsewhere the highest
 * one holds, in whatever order they come. */
int
apply_configure_bucket(struct apply *a)
{
	const struct record *r = a->record;
	uint64_t revision = r->home ? a->seq : r->revision;
	struct bucket_row old;
	struct bucket_row row;
	int rc = get(a, &old);

	assert(r->type == RECORD_BUCKET_CONFIG);
	if (rc < 0)
		return rc;
	if (is_ahead(a, &old)) {
		a->outcome = OUTCOME_NOT_YET_HERE;
		return 0;
	}
	if (!is_here(a, &old))
		return 0;
	if (r->home && !may_configure(r, &old)) {
		a->outcome = OUTCOME_PRECONDITION_FAILED;
		return 0;
	}
	if (revision <= old.revision)
		return 0;
	row = old;
	row.revision = revision;
	row.settings = r->settings;
	row.versioning = versioning_of(r);
	/* From the ruling revision on a record that names versions by older
	 * settings decides nothing; for a new CORS rule none comes again. */
	if (!r->home)
		row.ruling = r->ruling;
	else if (row.versioning != old.versioning)
		row.ruling = revision;
	return put(a, &row, &old);
}
