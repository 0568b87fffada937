/* SPDX-License-Identifier: MIT */

#include "s3/s3made.h"

#include <assert.h>

#include "commit/record.h"
#include "http/httpd.h"
#include "s3/s3req.h"

/* Parts, and the begin and end of an upload, change no key.  A delete of one
 * version makes none. */
static bool
makes_version(const struct record *record)
{
	return record->type == RECORD_PUT || record->type == RECORD_COMPLETE ||
	    (record->type == RECORD_DELETE && !record->has_version);
}

struct s3made
s3made_of(const struct record *record, uint64_t seq)
{
	struct s3made made = { 0 };

	assert(seq > 0);
	/* Each object of a bucket that never had versions is its "null" one;
	 * to say so would announce versions that are not kept. */
	if (!makes_version(record) || record->versioning == VERSIONING_NEVER)
		return made;
	made.named = true;
	made.marker = record->type == RECORD_DELETE;
	if (record->versioning == VERSIONING_ENABLED)
		made.version = versionid_of(seq,
		    record->type == RECORD_COMPLETE ? record->upload_id :
						      record->request_id);
	else
		made.version.is_null = true;
	return made;
}

void
s3made_headers(struct s3req *r, const struct s3made *made)
{
	char text[VERSIONID_TEXT + 1];

	assert(made->named || !made->marker);
	if (!made->named)
		return;
	versionid_format(text, &made->version);
	httpd_reply_header(r->http, "x-amz-version-id", text);
	if (made->marker)
		httpd_reply_header(r->http, "x-amz-delete-marker", "true");
}
