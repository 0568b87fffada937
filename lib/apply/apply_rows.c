/* SPDX-License-Identifier: MIT */
#include "apply/apply_step.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"

/* What the steps of apply share: checks, versions, references, effects. */

/* Does the record make a version whose name the settings decide?  Its writer
 * tells that name, so it must have seen them as they are. */
static bool
is_ruled(const struct record *r)
{
	return r->type == RECORD_PUT || r->type == RECORD_COMPLETE ||
	    (r->type == RECORD_DELETE && !r->has_version);
}

/* Deleting makes a version, too, where versions are kept: a delete marker.
 * In a sealed bucket, which is empty for good if it was found so, it would be
 * lost with the bucket (protocol.md 5, "Buckets"). */
static bool
makes_version(const struct record *r, const struct bucket_row *row)
{
	return r->type == RECORD_DELETE && !r->has_version &&
	    row->versioning != BUCKET_NEVER;
}

int
apply_check_bucket(struct apply *a, bool write)
{
	const struct record *r = a->record;
	struct bucket_row row = { 0 };
	int rc;

	rc = a->ops->bucket_get(a->rows, a->partition->partition, r->bucket,
	    &row, a->err);
	if (rc < 0 && rc != -ERRC_NOTFOUND)
		return rc;
	if (rc == -ERRC_NOTFOUND)
		row = (struct bucket_row){ 0 };
	/* A partition that is behind its bucket's home decides nothing: the
	 * writer tells it what home decided, and comes again (protocol.md 5,
	 * "Buckets"; why: S11).  A 404 here would be one of a bucket that is
	 * there. */
	if (r->incarnation > row.incarnation)
		a->outcome = OUTCOME_NOT_YET_HERE;
	else if (r->incarnation < row.incarnation || row.incarnation == 0 ||
	    row.state == BUCKET_DELETED)
		a->outcome = OUTCOME_NO_SUCH_BUCKET;
	/* The same for settings: they were seen, so they hold from now on. */
	else if (r->revision > row.revision)
		a->outcome = OUTCOME_NOT_YET_HERE;
	/* And the other way round: what it would tell its client of the
	 * version's name is over. */
	else if (is_ruled(r) && r->revision < row.ruling)
		a->outcome = OUTCOME_STALE_REVISION;
	else if (row.state == BUCKET_SEALED &&
	    (write || makes_version(r, &row)))
		a->outcome = OUTCOME_SEALED;
	else
		a->outcome = OUTCOME_DONE;
	row.name = row.owner = row.settings = BYTES_NONE;
	a->bucket = row;
	return a->outcome == OUTCOME_DONE;
}

static struct bytes
without_quotes(struct bytes etag)
{
	if (etag.n >= 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
		return bytes_of(etag.p + 1, etag.n - 2);
	return etag;
}

static void
check_conditions(struct apply *a, const struct object_row *old)
{
	const struct record *r = a->record;

	if (old != NULL &&
	    (old->kind == OBJECT_TOMBSTONE || old->kind == OBJECT_MARKER ||
		old->incarnation != r->incarnation))
		old = NULL;
	if (r->if_none_match && old != NULL)
		a->outcome = OUTCOME_PRECONDITION_FAILED;
	else if (r->if_match.n > 0 && old == NULL)
		a->outcome = OUTCOME_NO_SUCH_KEY;
	else if (r->if_match.n > 0 && !bytes_is(r->if_match, "*") &&
	    !bytes_is(without_quotes(r->if_match), old->etag))
		a->outcome = OUTCOME_PRECONDITION_FAILED;
}

int
apply_check_key(struct apply *a, struct object_row *old, bool *found)
{
	const struct record *r = a->record;
	int rc = a->ops->object_get(a->rows, a->partition->partition, r->bucket,
	    r->key, old, a->err);

	if (rc < 0 && rc != -ERRC_NOTFOUND)
		return rc;
	*found = rc == 0;
	assert(!*found || old->changed < a->seq);
	check_conditions(a, *found ? old : NULL);
	return a->outcome == OUTCOME_DONE;
}

int
apply_enter(struct apply *a, bool write, struct object_row *old, bool *found)
{
	int rc = apply_check_bucket(a, write);

	return rc <= 0 ? rc : apply_check_key(a, old, found);
}

int
apply_unrefer(struct apply *a, struct reqid id)
{
	struct decided_row old;
	struct decided_row row;
	char hex[REQID_HEX + 1];
	int rc;

	rc = a->ops->decided_get(a->rows, a->partition->partition, id, &old,
	    a->err);
	if (rc == -ERRC_NOTFOUND || (rc == 0 && !old.live)) {
		reqid_format(hex, id);
		return error_set(a->err, ERRC_CORRUPT,
		    "partition %u: a row refers to %s, which is not decided",
		    a->partition->partition, hex);
	}
	if (rc < 0)
		return rc;
	row = old;
	row.live = false;
	return a->ops->decided_put(a->rows, &row, &old, a->err);
}

int
apply_drop_blob(struct apply *a, struct reqid id, uint64_t seq)
{
	int rc = apply_unrefer(a, id);

	if (rc < 0)
		return rc;
	return apply_tell_garbage(a, id, GARBAGE_BLOB, GARBAGE_SUPERSEDED, seq);
}

int
apply_drop_version(struct apply *a, enum object_kind kind, struct reqid id)
{
	struct upload_row upload;
	char hex[REQID_HEX + 1];
	int rc;

	if (kind == OBJECT_TOMBSTONE)
		return 0;
	assert(!reqid_is_zero(id));
	if (kind == OBJECT_MARKER)
		return apply_unrefer(a, id);
	if (kind != OBJECT_MULTIPART)
		return apply_drop_blob(a, id, a->seq);
	rc = a->ops->upload_get(a->rows, a->partition->partition, id, &upload,
	    a->err);
	if (rc == -ERRC_NOTFOUND) {
		reqid_format(hex, id);
		return error_set(a->err, ERRC_CORRUPT,
		    "partition %u: a version refers to upload %s, which has "
		    "no row",
		    a->partition->partition, hex);
	}
	if (rc < 0)
		return rc;
	return apply_end_upload(a, &upload, UPLOAD_COMPLETED);
}

int
apply_tell_garbage(struct apply *a, struct reqid id, enum garbage_kind kind,
    enum garbage_reason reason, uint64_t seq)
{
	struct garbage_row row = {
		.partition = a->partition->partition,
		.seq = seq,
		.id = id,
		.kind = kind,
		.reason = reason,
	};

	assert(seq > 0 && seq <= a->seq);
	if (a->effects->garbage == NULL)
		return 0;
	return a->effects->garbage(a->effects->ctx, &row, a->err);
}

int
apply_tell_blob(struct apply *a, const struct blob_info *info)
{
	const struct record *r = a->record;
	struct apply_blob blob = {
		.partition = a->partition->partition,
		.seq = a->seq,
		.bucket = r->bucket,
		.key = r->key,
		.id = r->request_id,
		.part = r->type == RECORD_PART ? r->part_number : 0,
		.size = r->blob.size,
		.info = info,
		.inline_base64 = r->blob.inline_base64,
	};

	if (r->type == RECORD_PART)
		blob.upload = r->upload_id;
	if (a->effects->blob == NULL)
		return 0;
	return a->effects->blob(a->effects->ctx, &blob, a->err);
}

void
apply_blob_info(struct blob_info *out, const struct record_blob *blob)
{
	*out = (struct blob_info){
		.geometry = { blob->data_shards, blob->parity_shards,
		    blob->cell_bytes },
		.set = blob->set,
		.durable = blob->durable,
		.shard_count = blob->shard_count,
		.crc64nvme = blob->crc64nvme,
	};
	assert(blob->shard_count <= ROW_SHARDS_MAX);
	memcpy(out->shard_crc64, blob->shard_crc64,
	    blob->shard_count * sizeof(blob->shard_crc64[0]));
}

void
apply_etag(char out[static ROW_ETAG_MAX + 1], struct bytes etag)
{
	assert(etag.n <= ROW_ETAG_MAX);
	if (etag.n > 0)
		memcpy(out, etag.p, etag.n);
	out[etag.n] = '\0';
}
