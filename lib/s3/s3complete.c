/* SPDX-License-Identifier: MIT */

/*
 * CompleteMultipartUpload.  The list is checked here against the parts that
 * the nodes know, for the errors that clients expect; that it still holds is
 * decided when the record is applied.  A second Complete with the same list
 * gets the first one's outcome.
 */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/number.h"
#include "client/metaread.h"
#include "client/metaread_parts.h"
#include "client/nodeclient.h"
#include "codec/digest.h"
#include "commit/record.h"
#include "s3/s3shared.h"
#include "s3/s3commit.h"
#include "s3/s3made.h"
#include "s3/s3ops.h"
#include "s3/s3put.h"
#include "session/session.h"

#define PAGE 1000

struct complete {
	struct reqid upload;
	struct record_part *parts; /* S3PUT_PARTS_MAX */
	size_t count;
	bool root;
	enum s3error error;
	/* The element being read. */
	uint64_t number;
	bool has_number, has_etag, bad_etag;
	uint8_t md5[16];
	/* Against the nodes. */
	size_t matched;
	uint64_t total;
	char etag[40];
	struct s3put_attributes conditions;
};

static void
element_etag(struct complete *c, struct bytes text)
{
	while (text.n > 0 && (text.p[0] == '"' || text.p[0] <= ' ')) {
		text.p++;
		text.n--;
	}
	while (text.n > 0 &&
	    (text.p[text.n - 1] == '"' || text.p[text.n - 1] <= ' '))
		text.n--;
	c->has_etag = true;
	c->bad_etag = !hex_decode(c->md5, sizeof(c->md5), (const char *)text.p,
	    text.n);
}

static int
element_part(struct complete *c)
{
	if (!c->has_number || !c->has_etag || c->count == S3PUT_PARTS_MAX)
		return -1;
	if (c->error == S3E_NONE && c->count > 0 &&
	    c->number <= c->parts[c->count - 1].number)
		c->error = S3E_INVALID_PART_ORDER;
	if (c->error == S3E_NONE && c->bad_etag)
		c->error = S3E_INVALID_PART;
	c->parts[c->count].number = (uint32_t)c->number;
	memcpy(c->parts[c->count].md5, c->md5, sizeof(c->md5));
	c->count++;
	c->has_number = c->has_etag = c->bad_etag = false;
	return 0;
}

static int
element(void *arg, const char *path, struct bytes text)
{
	static const char part[] = "CompleteMultipartUpload/Part";
	struct complete *c = arg;
	const char *rest;

	if (strcmp(path, "CompleteMultipartUpload") == 0)
		c->root = true;
	/* Shorter paths have no rest to point at. */
	if (strncmp(path, part, sizeof(part) - 1) != 0)
		return 0;
	rest = path + sizeof(part) - 1;
	if (strcmp(rest, "") == 0)
		return element_part(c);
	if (strcmp(rest, "/ETag") == 0) {
		element_etag(c, text);
	} else if (strcmp(rest, "/PartNumber") == 0) {
		if (c->has_number ||
		    !number_parse(&c->number, (const char *)text.p, text.n, 0,
			INT32_MAX))
			return -1;
		c->has_number = true;
		if (c->error == S3E_NONE &&
		    (c->number < 1 || c->number > S3PUT_PARTS_MAX))
			c->error = S3E_INVALID_PART;
	}
	return 0;
}

/* A part that the nodes know, ascending; they may know more than are asked
 * for. */
static int
check_part(void *arg, const struct part_entry *part)
{
	struct complete *c = arg;
	const struct record_part *want = &c->parts[c->matched];
	char md5[33];

	if (c->error != S3E_NONE || c->matched == c->count ||
	    part->number < want->number)
		return 0;
	hex_encode(md5, want->md5, sizeof(want->md5));
	if (part->number > want->number || strcmp(md5, part->etag) != 0)
		c->error = S3E_INVALID_PART;
	else if (c->matched + 1 < c->count && part->size < S3PUT_PART_MIN_BYTES)
		c->error = S3E_ENTITY_TOO_SMALL;
	else if (part->size > S3REQ_OBJECT_MAX - c->total)
		c->error = S3E_ENTITY_TOO_LARGE;
	else
		c->total += part->size;
	c->matched++;
	return 0;
}

/* Compare the list with the parts that are there.  False: failed. */
static bool
check_parts(struct s3req *r, struct complete *c)
{
	struct parts_end end = { .truncated = true };
	const char *size = s3req_header(r, "x-amz-mp-object-size");
	struct error err;
	uint64_t n;

	while (end.truncated && c->matched < c->count && c->error == S3E_NONE) {
		int rc = metaread_parts(r->gw->nc, &r->place, s3req_bucket(r),
		    s3req_key(r), c->upload, end.next, PAGE, check_part, c,
		    &end, s3req_read_by(r), &err);

		if (rc < 0) {
			s3req_fail_errc(r, rc, &err, S3E_NO_SUCH_UPLOAD);
			return false;
		}
		if (end.state == UPLOAD_ABORTED) {
			s3req_fail(r, S3E_NO_SUCH_UPLOAD);
			return false;
		}
		/* It was completed: whether with this list, apply knows. */
		if (end.state == UPLOAD_COMPLETED)
			return true;
	}
	if (c->error == S3E_NONE && c->matched < c->count)
		c->error = S3E_INVALID_PART;
	if (c->error == S3E_NONE && size &&
	    (!number_parse(&n, size, strlen(size), 0, INT64_MAX) ||
		n != c->total))
		c->error = S3E_INVALID_REQUEST;
	if (c->error != S3E_NONE)
		s3req_fail(r, c->error);
	return c->error == S3E_NONE;
}

/* MD5 over the parts' MD5s, and their number. */
static int
make_etag(struct complete *c, struct error *err)
{
	struct digest digest = { 0 };
	uint8_t md5[DIGEST_MD5_BYTES];
	char hex[33];
	int rc = digest_init(&digest, DIGEST_MD5, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < c->count; i++)
		digest_update(&digest, c->parts[i].md5,
		    sizeof(c->parts[i].md5));
	digest_final(&digest, md5);
	digest_fini(&digest);
	hex_encode(hex, md5, sizeof(md5));
	snprintf(c->etag, sizeof(c->etag), "%s-%zu", hex, c->count);
	return 0;
}

/* Looking through the versions of a key for one that an upload became. */
struct lookup {
	struct bytes key;
	const struct versionid *sought; /* whose mark counts */
	struct s3made *made;
	struct buf marker_key, marker_version; /* where the next page begins */
	bool over;
};

static int
look_at(void *arg, const struct list_entry *entry)
{
	struct lookup *l = arg;
	struct versionid id;

	/* The key comes before all others that begin with it. */
	l->over = l->over || !bytes_equal(entry->key, l->key);
	if (l->over || !versionid_parse(&id, bytes_str(entry->version)) ||
	    id.is_null || id.mark != l->sought->mark)
		return 0;
	l->made->named = true;
	l->made->version = id;
	l->over = true;
	return 0;
}

/* Its name is of the first Complete's seq, which this request never learnt,
 * and of the upload's id, by which it is known again. */
static int
look_through(struct s3req *r, struct lookup *l, struct error *err)
{
	struct list_end end = { .truncated = true,
		.next = &l->marker_key,
		.next_upload = &l->marker_version };
	int rc = 0;

	while (rc == 0 && end.truncated && !l->over) {
		struct list_query q = {
			.bucket = s3req_bucket(r),
			.prefix = l->key,
			.start_after = buf_bytes(&l->marker_key),
			.upload_after = buf_bytes(&l->marker_version),
			.max = PAGE,
			.incarnation = r->bucket.incarnation,
		};

		rc = metaread_versions(r->gw->nc, &q, look_at, l, &end,
		    s3req_read_by(r), err);
	}
	return rc;
}

/* Is the version of that name this upload? */
static int
is_upload(struct s3req *r, const struct complete *c,
    const struct versionid *version, bool *is, struct error *err)
{
	struct object_info info = { 0 };
	int rc = metaread_version(r->gw->nc, &r->place, s3req_bucket(r),
	    s3req_key(r), version, &info, NULL, s3req_read_by(r), err);

	*is = rc == 0 && info.kind == NODEPROTO_MULTIPART &&
	    reqid_equal(info.id, c->upload);
	nodeproto_info_fini(&info);
	return rc == -ERRC_NOTFOUND ? 0 : rc;
}

/*
 * The name that this very record would have given is the right one only if it
 * was the first Complete of the upload (protocol.md 6, "Multipart"): one that
 * came again gets the first one's outcome, at a seq that made nothing.  A
 * client that deleted by the wrong name would think the object gone.
 *
 * A version that is gone for good meanwhile has no name to tell.
 */
static enum s3error
find_version(struct s3req *r, const struct complete *c, struct s3made *made)
{
	const struct versionid null_version = { .is_null = true };
	const struct versionid sought = versionid_of(1, c->upload);
	struct lookup l = {
		.key = s3req_key(r),
		.sought = &sought,
		.made = made,
		.marker_key = buf_make(2 * S3NAME_KEY_MAX),
		.marker_version = buf_make(2 * VERSIONID_TEXT),
	};
	struct error err;
	bool is;
	int rc;

	assert(made->named && !made->marker);
	rc = is_upload(r, c, &made->version, &is, &err);
	if (rc == 0 && !is) {
		*made = (struct s3made){ 0 };
		rc = look_through(r, &l, &err);
	}
	if (rc == 0 && !is && !made->named) {
		rc = is_upload(r, c, &null_version, &is, &err);
		if (rc == 0 && is)
			*made = (struct s3made){ .named = true,
				.version = null_version };
	}
	buf_fini(&l.marker_key);
	buf_fini(&l.marker_version);
	return rc == 0 ? S3E_NONE : s3commit_error(r, rc, &err);
}

static enum s3error
commit(struct s3req *r, struct complete *c, struct s3made *made)
{
	struct record record = {
		.type = RECORD_COMPLETE,
		.request_id = r->id,
		.has_upload = true,
		.upload_id = c->upload,
		.etag = bytes_str(c->etag),
		.parts = c->parts,
		.part_count = c->count,
		.if_none_match = c->conditions.if_none_match,
	};
	enum s3error e;

	assert(c->count > 0 && c->count <= S3PUT_PARTS_MAX);
	if (c->conditions.if_match[0] != '\0')
		record.if_match = bytes_str(c->conditions.if_match);
	if (FAULT(COMPLETE_APPEND))
		return S3E_SERVICE_UNAVAILABLE;
	e = s3commit(r, &record, made);
	if (e == S3E_NONE && FAULT(COMPLETE_APPENDED))
		return S3E_SERVICE_UNAVAILABLE;
	if (e == S3E_NONE && made->named)
		e = find_version(r, c, made);
	return e;
}

static void
reply(struct s3req *r, struct complete *c, const struct s3made *made)
{
	struct buf xml = buf_make(64 * 1024);
	const char *host = s3req_header(r, "host");
	char path[3 * S3NAME_KEY_MAX + 1];
	char url[sizeof(path) + 512];
	struct s3xml x;

	percent_encode(path, r->name.key, r->name.key_n, true);
	snprintf(url, sizeof(url), "http://%.255s/%s/%s", host ? host : "",
	    r->name.bucket, path);
	s3xml_begin(&x, &xml, "CompleteMultipartUploadResult", true);
	s3xml_str(&x, "Location", url);
	s3xml_text(&x, "Bucket", s3req_bucket(r));
	s3xml_text(&x, "Key", s3req_key(r));
	s3xml_etag(&x, "ETag", c->etag);
	s3xml_end(&x);
	s3made_headers(r, made);
	s3req_reply_xml(r, &xml);
	buf_fini(&xml);
}

static void
forget(struct s3req *r, struct reqid upload)
{
	char id[REQID_HEX + 1];
	struct error err;

	reqid_format(id, upload);
	if (r->gw->session && session_delete(r->gw->session, id, &err) < 0)
		log_warn("s3", "session cache: %s", err.text);
}

/* The request itself, before anybody is asked.  False: failed. */
static bool
read_request(struct s3req *r, struct complete *c)
{
	enum s3error e = s3put_part_params(r, &c->upload, NULL);

	if (e == S3E_NONE)
		e = s3put_conditions(r, &c->conditions);
	c->parts = calloc(S3PUT_PARTS_MAX, sizeof(*c->parts));
	if (e == S3E_NONE && !c->parts)
		e = S3E_SLOW_DOWN;
	if (e == S3E_NONE &&
	    (!s3xml_read(buf_bytes(&r->body), element, c) || !c->root ||
		c->count == 0))
		e = S3E_MALFORMED_XML;
	if (e == S3E_NONE)
		e = c->error;
	if (e != S3E_NONE)
		s3req_fail(r, e);
	return e == S3E_NONE;
}

static void
complete_end(struct s3req *r)
{
	struct complete *c = calloc(1, sizeof(*c));
	struct s3made made = { 0 };
	struct error err;
	enum s3error e;

	r->state = c;
	if (!c) {
		s3req_fail(r, S3E_SLOW_DOWN);
		return;
	}
	if (!read_request(r, c) || !check_parts(r, c))
		return;
	if (make_etag(c, &err) < 0)
		e = S3E_INTERNAL_ERROR;
	else
		e = commit(r, c, &made);
	if (e != S3E_NONE) {
		s3req_fail(r, e);
		return;
	}
	forget(r, c->upload);
	reply(r, c, &made);
}

static void
complete_drop(struct s3req *r)
{
	struct complete *c = r->state;

	if (c)
		free(c->parts);
	free(c);
}

const struct s3handler s3complete_upload = { .end = complete_end,
	.drop = complete_drop };
