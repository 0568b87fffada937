/* SPDX-License-Identifier: MIT */
#include "apply/apply_step.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "codec/digest.h"

/*
 * Complete: the version refers to the upload's row, whose parts stay where
 * they are; nothing is copied.  Parts that the list leaves out are dropped
 * here, because the manifest of the version is all parts of the upload.
 */

struct check {
	uint64_t size; /* of all listed parts */
	bool valid;    /* each is there, with that ETag */
	bool some_unlisted;
};

/* What tells two lists apart: number and MD5 of each part. */
static int
hash_list(uint8_t out[static 32], const struct record *r, struct error *err)
{
	struct digest digest = { 0 };
	uint8_t number[4];
	int rc = digest_init(&digest, DIGEST_SHA256, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < r->part_count; i++) {
		store_le32(number, r->parts[i].number);
		digest_update(&digest, number, sizeof(number));
		digest_update(&digest, r->parts[i].md5,
		    sizeof(r->parts[i].md5));
	}
	digest_final(&digest, out);
	digest_fini(&digest);
	return 0;
}

static bool
is_listed(const struct record *r, size_t *at, const struct part_row *part)
{
	while (*at < r->part_count && r->parts[*at].number < part->number)
		(*at)++;
	assert(*at <= r->part_count);
	return *at < r->part_count && r->parts[*at].number == part->number;
}

/* Both run in ascending order of numbers, so one walk is enough. */
static int
check_list(struct apply *a, struct check *check)
{
	const struct record *r = a->record;
	struct part_row part = { 0 };
	char etag[33];
	size_t matched = 0;
	size_t at = 0;
	int rc;

	for (size_t i = 1; i < r->part_count; i++)
		if (r->parts[i].number <= r->parts[i - 1].number)
			return 0;
	while ((rc = a->ops->part_next(a->rows, a->partition->partition,
		    r->upload_id, part.number, &part, a->err)) == 0) {
		if (!is_listed(r, &at, &part)) {
			check->some_unlisted = true;
			continue;
		}
		hex_encode(etag, r->parts[at].md5, sizeof(r->parts[at].md5));
		if (strcmp(etag, part.etag) != 0 ||
		    !number_add(&check->size, check->size, part.size) ||
		    check->size > STRIPE_SIZE_MAX)
			return 0;
		matched++;
	}
	if (rc != -ERRC_NOTFOUND)
		return rc;
	assert(matched <= r->part_count);
	check->valid = matched == r->part_count && matched > 0;
	return 0;
}

static int
drop_unlisted(struct apply *a)
{
	const struct record *r = a->record;
	struct part_row part = { 0 };
	size_t at = 0;
	int rc;

	while ((rc = a->ops->part_next(a->rows, a->partition->partition,
		    r->upload_id, part.number, &part, a->err)) == 0) {
		if (is_listed(r, &at, &part))
			continue;
		if ((rc = a->ops->part_del(a->rows, &part, a->err)) < 0 ||
		    (rc = apply_drop_blob(a, part.id, a->seq)) < 0)
			return rc;
	}
	return rc == -ERRC_NOTFOUND ? 0 : rc;
}

/* Make it the version of its key. */
static int
publish(struct apply *a, const struct upload_row *upload,
    const struct object_row *old, const struct check *check)
{
	const struct record *r = a->record;
	struct object_row row = {
		.partition = a->partition->partition,
		.bucket = r->bucket,
		.key = r->key,
		.seq = a->seq,
		.incarnation = r->incarnation,
		.kind = OBJECT_MULTIPART,
		.id = r->upload_id,
		.size = check->size,
		.modified_ms = a->partition->t_ms,
		.headers = upload->headers,
		.meta = upload->meta,
	};
	struct upload_row ended = *upload;
	int rc;

	/* Each listed part was seen here: nothing else may become bytes of the
	 * object (protocol.md 6, "Multipart"). */
	assert(check->valid);
	apply_etag(row.etag, r->etag);
	ended.state = UPLOAD_COMPLETED;
	ended.seq = a->seq;
	ended.finished_ms = a->partition->t_ms;
	ended.outcome = OUTCOME_DONE;
	if ((rc = hash_list(ended.list_hash, r, a->err)) < 0)
		return rc;
	return apply_replace(a, &row, old, &ended, upload);
}

/* It was completed already: the same list gets the same answer (S16b). */
static int
again(struct apply *a, const struct upload_row *upload)
{
	uint8_t hash[32];
	int rc = hash_list(hash, a->record, a->err);

	assert(upload->state == UPLOAD_COMPLETED);
	if (rc < 0)
		return rc;
	a->outcome = memcmp(hash, upload->list_hash, sizeof(hash)) == 0 ?
	    (enum outcome)upload->outcome :
	    OUTCOME_NO_SUCH_UPLOAD;
	return 0;
}

static int
complete_open(struct apply *a, const struct upload_row *upload)
{
	struct check check = { 0 };
	struct object_row old;
	bool found;
	int rc;

	if ((rc = check_list(a, &check)) < 0)
		return rc;
	if (!check.valid) {
		a->outcome = OUTCOME_INVALID_PART;
		return 0;
	}
	rc = apply_check_key(a, &old, &found);
	if (rc <= 0)
		return rc;
	rc = publish(a, upload, found ? &old : NULL, &check);
	if (rc < 0 || !check.some_unlisted)
		return rc;
	return drop_unlisted(a);
}

int
apply_complete(struct apply *a)
{
	const struct record *r = a->record;
	struct upload_row upload;
	int rc;

	assert(r->type == RECORD_COMPLETE);
	rc = apply_check_bucket(a, true);
	if (rc <= 0)
		return rc;
	rc = a->ops->upload_get(a->rows, a->partition->partition, r->upload_id,
	    &upload, a->err);
	if (rc < 0 && rc != -ERRC_NOTFOUND)
		return rc;
	if (rc < 0 || upload.state == UPLOAD_ABORTED ||
	    upload.incarnation != r->incarnation ||
	    !bytes_equal(upload.bucket, r->bucket) ||
	    !bytes_equal(upload.key, r->key)) {
		a->outcome = OUTCOME_NO_SUCH_UPLOAD;
		return 0;
	}
	if (upload.state == UPLOAD_COMPLETED)
		return again(a, &upload);
	return complete_open(a, &upload);
}
