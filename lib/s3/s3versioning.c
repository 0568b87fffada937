/* SPDX-License-Identifier: MIT */

/* PutBucketVersioning and GetBucketVersioning. */

#include "s3/s3versioning.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "client/buckets.h"
#include "s3/s3ops.h"
#include "s3/s3shared.h"

#define ENABLED "Enabled"
#define SUSPENDED "Suspended"

struct document {
	const char *status;
	bool root, mfa;
};

static int
element(void *arg, const char *path, struct bytes text)
{
	struct document *d = arg;

	if (strcmp(path, "VersioningConfiguration") == 0) {
		d->root = true;
	} else if (strcmp(path, "VersioningConfiguration/Status") == 0) {
		/* The last of several would be a guess. */
		if (d->status)
			return -1;
		d->status = bytes_is(text, ENABLED) ? ENABLED :
		    bytes_is(text, SUSPENDED)       ? SUSPENDED :
						      NULL;
		return d->status ? 0 : -1;
	} else if (strcmp(path, "VersioningConfiguration/MfaDelete") == 0) {
		d->mfa = bytes_is(text, "Enabled");
		return d->mfa || bytes_is(text, "Disabled") ? 0 : -1;
	}
	return 0;
}

enum s3error
s3versioning_parse(const char **status, struct bytes document)
{
	struct document d = { 0 };

	assert(status != NULL);
	if (!s3xml_read(document, element, &d) || !d.root)
		return S3E_MALFORMED_XML;
	/* To take it and not ask for the factor would be a lie about who can
	 * delete. */
	if (d.mfa)
		return S3E_NOT_IMPLEMENTED;
	if (!d.status)
		return S3E_ILLEGAL_VERSIONING;
	*status = d.status;
	return S3E_NONE;
}

static void
put_end(struct s3req *r)
{
	struct bucketconfig_text set = { .setting = "versioning" };
	enum outcome outcome = OUTCOME_IGNORED;
	enum s3error e = s3versioning_parse(&set.value, buf_bytes(&r->body));
	struct error err;
	int rc;

	assert(r->allowed);
	if (e != S3E_NONE) {
		s3req_fail(r, e);
		return;
	}
	rc = bucket_configure(r->gw->nc, s3req_bucket(r), bucketconfig_set_text,
	    &set, &outcome, s3req_write_by(r), &err);
	if (rc < 0)
		s3req_fail_errc(r, rc, &err, S3E_NO_SUCH_BUCKET);
	else if (outcome != OUTCOME_DONE)
		s3req_fail(r, s3error_from_outcome(outcome));
	else
		s3req_reply(r, 200);
}

/*
 * Who reads "Enabled" relies on it from then on, also when the Put that set it
 * failed half-way: so no partition may be left that was not told
 * (protocol.md 5, "Buckets").
 */
static void
get_end(struct s3req *r)
{
	static const char *const words[] = {
		[NODEPROTO_ENABLED] = ENABLED,
		[NODEPROTO_SUSPENDED] = SUSPENDED,
	};
	enum nodeproto_versioning versioning = r->bucket.versioning;
	struct buf xml = buf_make(4096);
	struct s3xml x;
	struct error err;
	int rc = 0;

	assert(versioning < nitems(words));
	if (versioning != NODEPROTO_NEVER)
		rc = bucket_spread(r->gw->nc, s3req_bucket(r),
		    r->bucket.revision, s3req_read_by(r), &err);
	if (rc < 0) {
		s3req_fail_errc(r, rc, &err, S3E_NO_SUCH_BUCKET);
		return;
	}
	s3xml_begin(&x, &xml, "VersioningConfiguration", true);
	if (versioning != NODEPROTO_NEVER)
		s3xml_str(&x, "Status", words[versioning]);
	s3xml_end(&x);
	s3req_reply_xml(r, &xml);
	buf_fini(&xml);
}

const struct s3handler s3versioning_put = { .end = put_end };
const struct s3handler s3versioning_get = { .end = get_end };
