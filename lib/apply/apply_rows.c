/* SPDX-License-Identifier: MIT */
#include "apply/apply_step.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"

/* What the steps of apply share: checks, versions, references, effects. */

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
		row.incarnation = 0;
	if (r->incarnation > row.incarnation)
		a->outcome = OUTCOME_NOT_YET_HERE;
	else if (rc == -ERRC_NOTFOUND || r->incarnation < row.incarnation ||
	    row.state == BUCKET_DELETED)
		a->outcome = OUTCOME_NO_SUCH_BUCKET;
	else if (write && row.state == BUCKET_SEALED)
		a->outcome = OUTCOME_SEALED;
	else
		a->outcome = OUTCOME_DONE;
	return 0;
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
	    (old->kind == OBJECT_TOMBSTONE ||
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
	check_conditions(a, *found ? old : NULL);
	return 0;
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

/* The version that a key had is no longer: its upload ends, or its blob. */
static int
supersede(struct apply *a, enum object_kind kind, struct reqid id)
{
	struct upload_row upload;
	char hex[REQID_HEX + 1];
	int rc;

	if (kind == OBJECT_TOMBSTONE)
		return 0;
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
apply_replace(struct apply *a, const struct object_row *row,
    const struct object_row *old, const struct upload_row *ended,
    const struct upload_row *upload)
{
	struct reqid id = { { 0 } };
	enum object_kind kind = OBJECT_TOMBSTONE;
	int rc;

	if (old != NULL) {
		kind = old->kind;
		id = old->id;
	}
	rc = a->ops->object_put(a->rows, row, old, a->err);
	if (rc < 0)
		return rc;
	/* Before supersede(), which may get another upload: the strings of
	 * this one live only so long. */
	if (ended != NULL) {
		rc = a->ops->upload_put(a->rows, ended, upload, a->err);
		if (rc < 0)
			return rc;
	}
	return supersede(a, kind, id);
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
