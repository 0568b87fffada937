/* SPDX-License-Identifier: MIT */

#include "s3/s3commit.h"

#include <assert.h>

#include "base/error.h"
#include "base/log.h"
#include "client/buckets.h"
#include "commit/record.h"
#include "s3/s3made.h"
#include "s3/s3shared.h"
#include "s3/s3req.h"

enum s3error
s3commit_error(struct s3req *r, int rc, const struct error *err)
{
	enum s3error e;

	assert(rc < 0);
	/* Of a bucket this is no failed precondition of the client's: another
	 * is deleting it. */
	if (rc == -ERRC_MISMATCH)
		return S3E_OPERATION_ABORTED;
	e = s3error_from_errc(rc, S3E_NO_SUCH_BUCKET);
	if (s3error_status(e) >= 500)
		log_warn("s3", "%s: %s request=%s", s3op_name(r->op), err->text,
		    r->id_text);
	return e;
}

enum s3error
s3commit(struct s3req *r, struct record *record, struct s3made *made)
{
	enum outcome outcome = OUTCOME_IGNORED;
	uint64_t seq = 0;
	struct error err;
	int rc;

	/* Nothing is written that was not judged, nor where no bucket is. */
	assert(r->allowed);
	assert(r->bucket.incarnation > 0);
	assert(r->place.set != NULL);
	record->bucket = s3req_bucket(r);
	record->key = s3req_key(r);
	record->incarnation = r->bucket.incarnation;
	rc = bucket_commit(r->gw->nc, &r->place, record, &outcome, &seq,
	    s3req_write_by(r), &err);
	if (rc < 0)
		return s3commit_error(r, rc, &err);
	/* What was refused made nothing, so it has no name to tell. */
	if (made && outcome == OUTCOME_DONE)
		*made = s3made_of(record, seq);
	return s3error_from_outcome(outcome);
}
