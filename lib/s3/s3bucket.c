/* SPDX-License-Identifier: MIT */

/* Buckets: list, create, head, delete, and what may be asked about one. */

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "client/buckets.h"
#include "client/metaread.h"
#include "http/httpd.h"
#include "s3/s3shared.h"
#include "s3/s3ops.h"
#include "s3/s3owner.h"

#define US_EAST_1 "us-east-1"

static int
list_one(void *arg, struct bytes name, const struct bucket_info *info)
{
	struct s3xml *x = arg;

	if (info->state == NODEPROTO_DELETED)
		return 0;
	s3xml_open(x, "Bucket");
	s3xml_text(x, "Name", name);
	s3xml_date(x, "CreationDate", info->created_ms);
	s3xml_close(x);
	return 0;
}

static void
list_end(struct s3req *r)
{
	struct buf xml = buf_make(S3REQ_XML_MAX);
	struct s3xml x;
	struct error err;
	int rc;

	s3xml_begin(&x, &xml, "ListAllMyBucketsResult", true);
	s3owner_print(&x, "Owner");
	s3xml_open(&x, "Buckets");
	rc = metaread_buckets(r->gw->nc, list_one, &x, s3req_read_by(r), &err);
	s3xml_end(&x);
	if (rc < 0)
		s3req_fail_errc(r, rc, &err, S3E_INTERNAL_ERROR);
	else
		s3req_reply_xml(r, &xml);
	buf_fini(&xml);
}

struct location {
	char region[64];
	bool given, bad;
};

static int
location_element(void *arg, const char *path, struct bytes text)
{
	struct location *l = arg;

	if (strcmp(path, "CreateBucketConfiguration/LocationConstraint") != 0)
		return strncmp(path, "CreateBucketConfiguration", 25) != 0;
	if (text.n == 0)
		return 0;
	l->given = true;
	l->bad = text.n >= sizeof(l->region);
	if (!l->bad) {
		memcpy(l->region, text.p, text.n);
		l->region[text.n] = '\0';
	}
	return 0;
}

/* The body of CreateBucket is empty, or names a region: ours. */
static bool
location_holds(struct s3req *r)
{
	struct location l = { 0 };

	if (r->body.n == 0)
		return true;
	if (!s3xml_read(buf_bytes(&r->body), location_element, &l)) {
		s3req_fail(r, S3E_MALFORMED_XML);
		return false;
	}
	if (!l.given || (!l.bad && strcmp(l.region, r->gw->region) == 0))
		return true;
	s3req_fail(r, S3E_ILLEGAL_LOCATION);
	return false;
}

static void
create_begin(struct s3req *r)
{
	const char *lock = s3req_header(r, "x-amz-bucket-object-lock-enabled");

	if (lock && strcmp(lock, "false") != 0)
		s3req_fail(r, S3E_NOT_IMPLEMENTED);
}

static void
create_end(struct s3req *r)
{
	char location[S3NAME_BUCKET_MAX + 2] = "/";
	enum outcome outcome = OUTCOME_IGNORED;
	enum s3error e;
	struct error err;
	int rc;

	if (!location_holds(r))
		return;
	rc = bucket_create(r->gw->nc, s3req_bucket(r), S3OWNER_ID, &outcome,
	    s3req_write_by(r), &err);
	if (rc < 0) {
		s3req_fail_errc(r, rc, &err, S3E_INTERNAL_ERROR);
		return;
	}
	e = s3error_from_outcome(outcome);
	/* Making one's own bucket again is harmless, and an error all the
	 * same but in the oldest region: so clients expect it. */
	if (outcome == OUTCOME_EXISTS && strcmp(r->gw->region, US_EAST_1) != 0)
		e = S3E_BUCKET_ALREADY_OWNED;
	if (e != S3E_NONE) {
		s3req_fail(r, e);
		return;
	}
	memcpy(location + 1, r->name.bucket, r->name.bucket_n + 1);
	s3req_common(r, 200);
	httpd_reply_header(r->http, "Location", location);
	httpd_reply(r->http, 200, "", 0);
}

static void
head_end(struct s3req *r)
{
	s3req_common(r, 200);
	httpd_reply_header(r->http, "x-amz-bucket-region", r->gw->region);
	httpd_reply_header(r->http, "x-amz-access-point-alias", "false");
	httpd_reply(r->http, 200, "", 0);
}

static void
delete_end(struct s3req *r)
{
	enum outcome outcome = OUTCOME_IGNORED;
	struct error err;
	int rc = bucket_delete(r->gw->nc, s3req_bucket(r), &outcome,
	    s3req_write_by(r), &err);

	if (rc < 0)
		s3req_fail_errc(r, rc, &err, S3E_NO_SUCH_BUCKET);
	else if (outcome == OUTCOME_SEALED)
		s3req_fail(r, S3E_BUCKET_NOT_EMPTY);
	else if (outcome == OUTCOME_ABORTED)
		s3req_fail(r, S3E_OPERATION_ABORTED);
	else if (outcome != OUTCOME_DONE)
		s3req_fail(r, s3error_from_outcome(outcome));
	else
		s3req_reply(r, 204);
}

static void
location_end(struct s3req *r)
{
	struct buf xml = buf_make(4096);
	struct s3xml x;

	s3xml_begin(&x, &xml, "LocationConstraint", true);
	/* The oldest region has no name here. */
	if (strcmp(r->gw->region, US_EAST_1) != 0)
		buf_addstr(&xml, r->gw->region);
	s3xml_end(&x);
	s3req_reply_xml(r, &xml);
	buf_fini(&xml);
}

static void
acl_end(struct s3req *r)
{
	struct buf xml = buf_make(4096);
	struct s3xml x;

	s3xml_begin(&x, &xml, "AccessControlPolicy", true);
	s3owner_print(&x, "Owner");
	s3xml_open(&x, "AccessControlList");
	s3xml_open(&x, "Grant");
	buf_addstr(&xml,
	    "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""
	    " xsi:type=\"CanonicalUser\"><ID>" S3OWNER_ID
	    "</ID><DisplayName>" S3OWNER_ID "</DisplayName></Grantee>");
	s3xml_str(&x, "Permission", "FULL_CONTROL");
	s3xml_end(&x);
	s3req_reply_xml(r, &xml);
	buf_fini(&xml);
}

/*
 * Settings that cannot be made here and so are never made: what S3 answers
 * for a bucket without them.  Either an empty document or an error.
 */
static const struct setting {
	enum s3op op;
	const char *root;
	enum s3error error;
} settings[] = {
	{ S3OP_GET_BUCKET_ACCELERATE, "AccelerateConfiguration", S3E_NONE },
	{ S3OP_GET_BUCKET_CORS, NULL, S3E_NO_SUCH_CORS },
	{ S3OP_GET_BUCKET_ENCRYPTION, NULL, S3E_NO_SUCH_ENCRYPTION },
	{ S3OP_GET_BUCKET_LIFECYCLE, NULL, S3E_NO_SUCH_LIFECYCLE },
	{ S3OP_GET_BUCKET_LOGGING, "BucketLoggingStatus", S3E_NONE },
	{ S3OP_GET_BUCKET_NOTIFICATION, "NotificationConfiguration", S3E_NONE },
	{ S3OP_GET_BUCKET_OBJECT_LOCK, NULL, S3E_NO_SUCH_OBJECT_LOCK },
	{ S3OP_GET_BUCKET_OWNERSHIP, NULL, S3E_NO_SUCH_OWNERSHIP },
	{ S3OP_GET_BUCKET_POLICY, NULL, S3E_NO_SUCH_BUCKET_POLICY },
	{ S3OP_GET_BUCKET_POLICY_STATUS, NULL, S3E_NO_SUCH_BUCKET_POLICY },
	{ S3OP_GET_BUCKET_PUBLIC_ACCESS, NULL, S3E_NO_SUCH_PUBLIC_ACCESS },
	{ S3OP_GET_BUCKET_REPLICATION, NULL, S3E_NO_SUCH_REPLICATION },
	{ S3OP_GET_BUCKET_PAYMENT, "RequestPaymentConfiguration", S3E_NONE },
	{ S3OP_GET_BUCKET_TAGGING, NULL, S3E_NO_SUCH_TAG_SET },
	{ S3OP_GET_BUCKET_WEBSITE, NULL, S3E_NO_SUCH_WEBSITE },
};

static void
setting_end(struct s3req *r)
{
	const struct setting *s = settings;
	struct buf xml = buf_make(4096);
	struct s3xml x;

	while (s->op != r->op) {
		s++;
		assert(s < settings + nitems(settings));
	}
	if (s->error != S3E_NONE) {
		s3req_fail(r, s->error);
		return;
	}
	s3xml_begin(&x, &xml, s->root, true);
	if (r->op == S3OP_GET_BUCKET_PAYMENT)
		s3xml_str(&x, "Payer", "BucketOwner");
	s3xml_end(&x);
	s3req_reply_xml(r, &xml);
	buf_fini(&xml);
}

const struct s3handler s3bucket_list = { .end = list_end };
const struct s3handler s3bucket_create = { .begin = create_begin,
	.end = create_end };
const struct s3handler s3bucket_head = { .end = head_end };
const struct s3handler s3bucket_delete = { .end = delete_end };
const struct s3handler s3bucket_location = { .end = location_end };
const struct s3handler s3bucket_acl = { .end = acl_end };
const struct s3handler s3bucket_setting = { .end = setting_end };
