/* SPDX-License-Identifier: MIT */
#include "apply/apply_step.h"

#include <assert.h>

#include "base/error.h"

/*
 * Versions of a key (protocol.md 5, "Versions").  The newest one is the object
 * row; older ones lie in a table of their own.  What the bucket's state means,
 * at the moment that the record is applied:
 *
 *                 Put, Complete                 Delete without a version
 *      never      replaces all there is         a tombstone
 *      enabled    keeps what is there           a delete marker on top
 *      suspended  replaces "null", keeps others a delete marker named "null"
 *
 * Never has no rule of its own: all its versions are named "null".
 */

static int
put_version(struct apply *a, const struct object_row *old)
{
	struct object_row kept = *old;

	assert(object_is_version(old));
	/* A reader of the key waits for the object row; this one is found by
	 * its name, which is of the seq that made it. */
	kept.changed = kept.seq;
	return a->ops->version_put(a->rows, &kept, a->err);
}

/* The older version "null" goes: there is one such name a key. */
static int
drop_null(struct apply *a)
{
	struct object_row old;
	enum object_kind kind;
	struct reqid id;
	int rc = a->ops->version_null(a->rows, a->partition->partition,
	    a->record->bucket, a->record->key, &old, a->err);

	if (rc < 0)
		return rc == -ERRC_NOTFOUND ? 0 : rc;
	assert(old.is_null);
	assert(old.seq < a->seq);
	kind = old.kind;
	id = old.id;
	rc = a->ops->version_del(a->rows, &old, a->err);
	return rc < 0 ? rc : apply_drop_version(a, kind, id);
}

/* Does the new row take the place of the newest one, or go on top of it?  A
 * tombstone takes it: it comes from a bucket that never had versions. */
static bool
takes_place(const struct object_row *row, const struct object_row *old)
{
	return old == NULL || !object_is_version(old) ||
	    !object_is_version(row) || (row->is_null && old->is_null);
}

/* Can there be an older version "null", to be replaced by row?  Not where the
 * newest one has that name, so a bucket without versions is never searched. */
static bool
hides_null(const struct object_row *row, const struct object_row *old)
{
	return row->is_null && old != NULL && object_is_version(old) &&
	    !old->is_null;
}

int
apply_replace(struct apply *a, struct object_row *row,
    const struct object_row *old, const struct upload_row *ended,
    const struct upload_row *upload)
{
	struct reqid id = { { 0 } };
	enum object_kind kind = OBJECT_TOMBSTONE;
	bool place, hides;
	int rc = 0;

	assert(row->seq == a->seq);
	assert(object_is_version(row) || a->bucket.versioning == BUCKET_NEVER);
	row->changed = a->seq;
	row->is_null = object_is_version(row) &&
	    a->bucket.versioning != BUCKET_ENABLED;
	place = takes_place(row, old);
	hides = hides_null(row, old);
	if (place && old != NULL) {
		kind = old->kind;
		id = old->id;
	}
	if (!place && (rc = put_version(a, old)) < 0)
		return rc;
	rc = a->ops->object_put(a->rows, row, old, a->err);
	if (rc < 0)
		return rc;
	/* Before versions are dropped, which may get another upload: the
	 * strings of this one live only so long. */
	if (ended != NULL) {
		rc = a->ops->upload_put(a->rows, ended, upload, a->err);
		if (rc < 0)
			return rc;
	}
	rc = apply_drop_version(a, kind, id);
	return rc == 0 && hides ? drop_null(a) : rc;
}

int
apply_put(struct apply *a)
{
	const struct record *r = a->record;
	struct object_row old;
	struct object_row row = {
		.partition = a->partition->partition,
		.bucket = r->bucket,
		.key = r->key,
		.seq = a->seq,
		.incarnation = r->incarnation,
		.kind = r->blob.is_inline ? OBJECT_INLINE : OBJECT_BLOB,
		.id = r->request_id,
		.size = r->blob.size,
		.modified_ms = a->partition->t_ms,
		.headers = r->headers,
		.meta = r->meta,
	};
	bool found;
	int rc = apply_enter(a, true, &old, &found);

	assert(r->type == RECORD_PUT);
	if (rc <= 0)
		return rc;
	apply_etag(row.etag, r->etag);
	apply_blob_info(&row.blob, &r->blob);
	rc = apply_replace(a, &row, found ? &old : NULL, NULL, NULL);
	if (rc < 0)
		return rc;
	a->live = true;
	return apply_tell_blob(a, &row.blob);
}

/* Only touch the key, so that who looks for a version that is gone waits
 * until it is gone on c nodes (protocol.md 7.2). */
static int
touch_key(struct apply *a, const struct object_row *newest)
{
	struct object_row row = *newest;

	assert(newest->changed < a->seq);
	row.changed = a->seq;
	return a->ops->object_put(a->rows, &row, newest, a->err);
}

/* The newest version goes: the next older takes its row, or a tombstone. */
static int
promote(struct apply *a, const struct object_row *newest)
{
	struct object_row row;
	int rc = a->ops->version_next(a->rows, newest->partition,
	    newest->bucket, newest->key, newest->seq, &row, a->err);

	assert(newest->seq < a->seq);
	if (rc < 0 && rc != -ERRC_NOTFOUND)
		return rc;
	if (rc == 0) {
		assert(row.seq < newest->seq);
		rc = a->ops->version_del(a->rows, &row, a->err);
		if (rc < 0)
			return rc;
		row.changed = a->seq;
	} else {
		row = (struct object_row){
			.partition = newest->partition,
			.bucket = newest->bucket,
			.key = newest->key,
			.seq = a->seq,
			.changed = a->seq,
			.incarnation = newest->incarnation,
			.kind = OBJECT_TOMBSTONE,
		};
	}
	return a->ops->object_put(a->rows, &row, newest, a->err);
}

static bool
is_meant(const struct record *r, const struct object_row *row)
{
	return r->version.is_null ?
	    row->is_null :
	    versionid_names(&r->version, row->seq, row->id);
}

/* The older version that the record names. */
static int
find_older(struct apply *a, struct object_row *out)
{
	const struct record *r = a->record;
	uint32_t partition = a->partition->partition;
	int rc;

	if (r->version.is_null)
		return a->ops->version_null(a->rows, partition, r->bucket,
		    r->key, out, a->err);
	rc = a->ops->version_next(a->rows, partition, r->bucket, r->key,
	    r->version.seq + 1, out, a->err);
	return rc == 0 && !is_meant(r, out) ? -ERRC_NOTFOUND : rc;
}

/* One version, for good.  Of one that is not there nothing changes. */
static int
delete_version(struct apply *a, const struct object_row *newest)
{
	struct object_row target = *newest;
	enum object_kind kind;
	struct reqid id;
	int rc;

	assert(object_is_version(newest));
	if (is_meant(a->record, newest)) {
		kind = newest->kind;
		id = newest->id;
		rc = promote(a, newest);
		return rc < 0 ? rc : apply_drop_version(a, kind, id);
	}
	rc = find_older(a, &target);
	if (rc < 0)
		return rc == -ERRC_NOTFOUND ? 0 : rc;
	assert(target.seq < newest->seq);
	kind = target.kind;
	id = target.id;
	rc = a->ops->version_del(a->rows, &target, a->err);
	if (rc == 0)
		rc = touch_key(a, newest);
	return rc < 0 ? rc : apply_drop_version(a, kind, id);
}

int
apply_delete(struct apply *a)
{
	const struct record *r = a->record;
	struct object_row old;
	struct object_row row = {
		.partition = a->partition->partition,
		.bucket = r->bucket,
		.key = r->key,
		.seq = a->seq,
		.incarnation = r->incarnation,
		.kind = OBJECT_TOMBSTONE,
	};
	bool found, any;
	int rc = apply_enter(a, false, &old, &found);

	assert(r->type == RECORD_DELETE);
	if (rc <= 0)
		return rc;
	any = found && object_is_version(&old);
	if (r->has_version)
		return any ? delete_version(a, &old) : 0;
	/* Nothing there: nothing changes, not even the key's seq. */
	if (a->bucket.versioning == BUCKET_NEVER)
		return any ? apply_replace(a, &row, &old, NULL, NULL) : 0;
	/* A marker is a version, also of a key that never was: S3 has it so. */
	row.kind = OBJECT_MARKER;
	row.id = r->request_id;
	row.modified_ms = a->partition->t_ms;
	a->live = true;
	return apply_replace(a, &row, found ? &old : NULL, NULL, NULL);
}
