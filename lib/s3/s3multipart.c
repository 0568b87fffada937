/* SPDX-License-Identifier: MIT */

/*
 * Multipart uploads but for the parts themselves (s3put.c) and their end
 * (s3complete.c): begin, abort, list the parts.
 */

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "client/metaread_parts.h"
#include "commit/record.h"
#include "s3/s3shared.h"
#include "s3/s3commit.h"
#include "s3/s3ops.h"
#include "s3/s3owner.h"
#include "s3/s3page.h"
#include "s3/s3put.h"
#include "session/session.h"

/* The cache may forget an upload: it is a hint only. */
#define SESSION_TTL_MS (7ull * 24 * 3600 * 1000)

static void
remember(struct s3req *r)
{
	struct buf value = s3put_session_value(r);
	struct error err;

	if (r->gw->session && !buf_failed(&value) &&
	    session_put(r->gw->session, r->id_text, buf_bytes(&value),
		SESSION_TTL_MS, &err) < 0)
		log_warn("s3", "session cache: %s", err.text);
	buf_fini(&value);
}

static void
create_end(struct s3req *r)
{
	struct s3put_attributes a = { 0 };
	struct record record = { .type = RECORD_INITIATE,
		.request_id = r->id,
		.owner = bytes_str(S3OWNER_ID) };
	struct buf xml = buf_make(64 * 1024);
	enum s3error e = s3put_attributes_init(r, &a, true);
	struct s3xml x;

	if (e != S3E_NONE) {
		s3req_fail(r, e);
		goto out;
	}
	record.headers = bytes_str(a.headers);
	record.meta = bytes_str(a.meta);
	e = s3commit(r, &record, NULL);
	if (e != S3E_NONE) {
		s3req_fail(r, e);
		goto out;
	}
	remember(r);
	s3xml_begin(&x, &xml, "InitiateMultipartUploadResult", true);
	s3xml_text(&x, "Bucket", s3req_bucket(r));
	s3xml_text(&x, "Key", s3req_key(r));
	s3xml_str(&x, "UploadId", r->id_text);
	s3xml_end(&x);
	s3req_reply_xml(r, &xml);
out:
	buf_fini(&xml);
	s3put_attributes_fini(&a);
}

static void
abort_end(struct s3req *r)
{
	struct record record = { .type = RECORD_ABORT,
		.request_id = r->id,
		.has_upload = true };
	char id[REQID_HEX + 1];
	struct error err;
	enum s3error e = s3put_part_params(r, &record.upload_id, NULL);

	if (e == S3E_NONE)
		e = s3commit(r, &record, NULL);
	if (e != S3E_NONE) {
		s3req_fail(r, e);
		return;
	}
	reqid_format(id, record.upload_id);
	if (r->gw->session && session_delete(r->gw->session, id, &err) < 0)
		log_warn("s3", "session cache: %s", err.text);
	s3req_reply(r, 204);
}

static int
print_part(void *arg, const struct part_entry *part)
{
	struct s3xml *x = arg;

	s3xml_open(x, "Part");
	s3xml_u64(x, "PartNumber", part->number);
	s3xml_date(x, "LastModified", part->modified_ms);
	s3xml_etag(x, "ETag", part->etag);
	s3xml_u64(x, "Size", part->size);
	s3xml_close(x);
	return 0;
}

static void
print_parts(struct s3req *r, struct buf *xml, const struct s3page *page,
    const struct parts_end *end)
{
	struct s3xml x;

	s3xml_begin(&x, xml, "ListPartsResult", true);
	s3xml_text(&x, "Bucket", s3req_bucket(r));
	s3xml_name(&x, "Key", s3req_key(r), page->url);
	if (page->url)
		s3xml_str(&x, "EncodingType", "url");
	s3xml_str(&x, "UploadId", s3req_param(r, "uploadId"));
	s3owner_print(&x, "Initiator");
	s3owner_print(&x, "Owner");
	s3xml_str(&x, "StorageClass", "STANDARD");
	s3xml_u64(&x, "PartNumberMarker", page->part_marker);
	s3xml_u64(&x, "NextPartNumberMarker", end->next);
	s3xml_u64(&x, "MaxParts", page->max);
	s3xml_bool(&x, "IsTruncated", end->truncated);
}

static void
parts_end(struct s3req *r)
{
	struct buf xml = buf_make(S3REQ_XML_MAX);
	struct buf items = buf_make(S3REQ_XML_MAX);
	struct s3xml x = { .out = &items };
	struct parts_end end = { 0 };
	struct s3page page;
	struct reqid upload;
	struct error err;
	const char *why = NULL;
	enum s3error e = s3put_part_params(r, &upload, NULL);
	int rc;

	if (e == S3E_NONE)
		e = s3page_parse(&page, S3PAGE_PARTS, &r->query, &why);
	if (e != S3E_NONE) {
		s3req_fail_why(r, e, why);
		goto out;
	}
	/* Of no parts at all one is asked for: is the upload there? */
	rc = metaread_parts(r->gw->nc, &r->place, s3req_bucket(r), s3req_key(r),
	    upload, page.part_marker, KOOP_MAX(page.max, 1), print_part, &x,
	    &end, s3req_read_by(r), &err);
	if (rc < 0) {
		s3req_fail_errc(r, rc, &err, S3E_NO_SUCH_UPLOAD);
		goto out;
	}
	if (end.state != UPLOAD_OPEN) {
		s3req_fail(r, S3E_NO_SUCH_UPLOAD);
		goto out;
	}
	if (page.max == 0) {
		end = (struct parts_end){ 0 };
		buf_clear(&items);
	}
	print_parts(r, &xml, &page, &end);
	xml.failed = xml.failed || buf_failed(&items);
	buf_add(&xml, items.p, items.n);
	buf_addstr(&xml, "</ListPartsResult>");
	s3req_reply_xml(r, &xml);
out:
	buf_fini(&items);
	buf_fini(&xml);
}

const struct s3handler s3multipart_create = { .end = create_end };
const struct s3handler s3multipart_abort = { .end = abort_end };
const struct s3handler s3multipart_parts = { .end = parts_end };
