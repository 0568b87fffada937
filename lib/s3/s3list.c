/* SPDX-License-Identifier: MIT */

/*
 * Listings of objects (both kinds), of their versions and of open uploads.  A
 * page is read before it is printed: what ends it stands at the top of the
 * document.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/metaread.h"
#include "s3/s3shared.h"
#include "s3/s3ops.h"
#include "s3/s3owner.h"
#include "s3/s3page.h"

struct listing {
	struct s3req *r;
	enum s3page_kind kind;
	struct s3page page;
	struct buf items, prefixes, xml;
	struct buf next, next_id; /* where the next page begins */
	struct s3xml item_xml, prefix_xml, x;
	uint32_t count;
	bool truncated;
};

static struct listing *
listing_new(struct s3req *r, enum s3page_kind kind)
{
	struct listing *l = calloc(1, sizeof(*l));

	r->state = l;
	if (!l) {
		s3req_fail(r, S3E_SLOW_DOWN);
		return NULL;
	}
	l->r = r;
	l->kind = kind;
	l->items = buf_make(S3REQ_XML_MAX);
	l->prefixes = buf_make(S3REQ_XML_MAX);
	l->xml = buf_make(S3REQ_XML_MAX);
	l->next = buf_make(S3NAME_KEY_MAX);
	_Static_assert(REQID_HEX <= VERSIONID_TEXT, "room for both");
	l->next_id = buf_make(VERSIONID_TEXT);
	l->item_xml = (struct s3xml){ .out = &l->items };
	l->prefix_xml = (struct s3xml){ .out = &l->prefixes };
	return l;
}

static void
list_drop(struct s3req *r)
{
	struct listing *l = r->state;

	if (!l)
		return;
	buf_fini(&l->items);
	buf_fini(&l->prefixes);
	buf_fini(&l->xml);
	buf_fini(&l->next);
	buf_fini(&l->next_id);
	free(l);
}

static void
add_prefix(struct listing *l, struct bytes prefix)
{
	s3xml_open(&l->prefix_xml, "CommonPrefixes");
	s3xml_name(&l->prefix_xml, "Prefix", prefix, l->page.url);
	s3xml_close(&l->prefix_xml);
}

static int
add_object(void *arg, const struct list_entry *e)
{
	struct listing *l = arg;
	struct s3xml *x = &l->item_xml;

	assert(!e->marker);
	l->count++;
	if (e->is_prefix) {
		add_prefix(l, e->key);
		return 0;
	}
	s3xml_open(x, "Contents");
	s3xml_name(x, "Key", e->key, l->page.url);
	s3xml_date(x, "LastModified", e->modified_ms);
	s3xml_etag(x, "ETag", e->etag);
	s3xml_u64(x, "Size", e->size);
	if (l->kind != S3PAGE_V2 || l->page.fetch_owner)
		s3owner_print(x, "Owner");
	s3xml_str(x, "StorageClass", "STANDARD");
	s3xml_close(x);
	return 0;
}

/* Versions and delete markers stand in one order, by key and then from the
 * newest: clients that delete from the top meet each key's newest first. */
static int
add_version(void *arg, const struct list_entry *e)
{
	struct listing *l = arg;
	struct s3xml *x = &l->item_xml;

	assert(l->kind == S3PAGE_VERSIONS);
	l->count++;
	if (e->is_prefix) {
		add_prefix(l, e->key);
		return 0;
	}
	s3xml_open(x, e->marker ? "DeleteMarker" : "Version");
	s3xml_name(x, "Key", e->key, l->page.url);
	s3xml_str(x, "VersionId", e->version);
	s3xml_bool(x, "IsLatest", e->latest);
	s3xml_date(x, "LastModified", e->modified_ms);
	if (!e->marker) {
		s3xml_etag(x, "ETag", e->etag);
		s3xml_u64(x, "Size", e->size);
	}
	s3owner_print(x, "Owner");
	if (!e->marker)
		s3xml_str(x, "StorageClass", "STANDARD");
	s3xml_close(x);
	return 0;
}

static int
add_upload(void *arg, const struct list_entry *e)
{
	struct listing *l = arg;
	struct s3xml *x = &l->item_xml;
	char id[REQID_HEX + 1];

	l->count++;
	if (e->is_prefix) {
		add_prefix(l, e->key);
		return 0;
	}
	reqid_format(id, e->upload_id);
	s3xml_open(x, "Upload");
	s3xml_name(x, "Key", e->key, l->page.url);
	s3xml_str(x, "UploadId", id);
	s3owner_print(x, "Initiator");
	s3owner_print(x, "Owner");
	s3xml_str(x, "StorageClass", "STANDARD");
	s3xml_date(x, "Initiated", e->modified_ms);
	s3xml_close(x);
	return 0;
}

typedef int read_fn(struct nodeclient *nc, const struct list_query *q,
    metaread_list_fn *fn, void *arg, struct list_end *end, uint64_t deadline,
    struct error *err);

static const struct reader {
	read_fn *read;
	metaread_list_fn *add;
} readers[] = {
	[S3PAGE_V1] = { metaread_list, add_object },
	[S3PAGE_V2] = { metaread_list, add_object },
	[S3PAGE_VERSIONS] = { metaread_versions, add_version },
	[S3PAGE_UPLOADS] = { metaread_uploads, add_upload },
};

static bool
read_page(struct listing *l)
{
	struct s3req *r = l->r;
	struct list_query q = {
		.bucket = s3req_bucket(r),
		.prefix = l->page.prefix,
		.delimiter = l->page.delimiter,
		.start_after = l->page.after,
		.max = l->page.max,
		/* Of this bucket, and of none that had the name before it. */
		.incarnation = r->bucket.incarnation,
	};
	struct list_end end = { .next = &l->next, .next_upload = &l->next_id };
	struct error err;
	int rc = 0;

	assert(l->kind < nitems(readers));
	if (l->kind == S3PAGE_VERSIONS)
		q.upload_after = l->page.version_marker;
	/* Without a key-marker it has no meaning. */
	else if (l->page.has_marker)
		q.upload_after = l->page.upload_marker;
	if (l->page.max > 0)
		rc = readers[l->kind].read(r->gw->nc, &q, readers[l->kind].add,
		    l, &end, s3req_read_by(r), &err);
	if (rc < 0) {
		s3req_fail_errc(r, rc, &err, S3E_NO_SUCH_BUCKET);
		return false;
	}
	l->truncated = end.truncated;
	return true;
}

/* The members that only one kind has: where this page began and where the
 * next one does. */
static void
print_v1(struct listing *l)
{
	struct s3page *p = &l->page;

	s3xml_name(&l->x, "Marker", p->marker, p->url);
	if (l->truncated && p->delimiter.n > 0)
		s3xml_name(&l->x, "NextMarker", buf_bytes(&l->next), p->url);
}

static void
print_v2(struct listing *l)
{
	struct s3page *p = &l->page;
	char token[S3PAGE_TOKEN_BYTES];

	s3xml_u64(&l->x, "KeyCount", l->count);
	if (p->has_start_after)
		s3xml_name(&l->x, "StartAfter", p->marker, p->url);
	if (p->has_token)
		s3xml_text(&l->x, "ContinuationToken", p->token);
	if (l->truncated) {
		s3page_token(token, buf_bytes(&l->next));
		s3xml_str(&l->x, "NextContinuationToken", token);
	}
}

static void
print_versions(struct listing *l)
{
	struct s3page *p = &l->page;

	s3xml_name(&l->x, "KeyMarker", p->marker, p->url);
	s3xml_text(&l->x, "VersionIdMarker", p->version_marker);
	if (!l->truncated)
		return;
	s3xml_name(&l->x, "NextKeyMarker", buf_bytes(&l->next), p->url);
	/* Behind a common prefix there is none to begin behind. */
	if (l->next_id.n > 0)
		s3xml_text(&l->x, "NextVersionIdMarker",
		    buf_bytes(&l->next_id));
}

static void
print_uploads(struct listing *l)
{
	struct s3page *p = &l->page;

	s3xml_name(&l->x, "KeyMarker", p->marker, p->url);
	s3xml_text(&l->x, "UploadIdMarker", p->upload_marker);
	if (l->truncated) {
		s3xml_name(&l->x, "NextKeyMarker", buf_bytes(&l->next), p->url);
		s3xml_text(&l->x, "NextUploadIdMarker", buf_bytes(&l->next_id));
	}
}

static const struct form {
	const char *root;
	const char *name; /* of the bucket's element */
	const char *max;
	void (*print)(struct listing *l);
} forms[] = {
	[S3PAGE_V1] = { "ListBucketResult", "Name", "MaxKeys", print_v1 },
	[S3PAGE_V2] = { "ListBucketResult", "Name", "MaxKeys", print_v2 },
	[S3PAGE_VERSIONS] = { "ListVersionsResult", "Name", "MaxKeys",
	    print_versions },
	[S3PAGE_UPLOADS] = { "ListMultipartUploadsResult", "Bucket",
	    "MaxUploads", print_uploads },
};

static void
print(struct listing *l)
{
	const struct form *form = &forms[l->kind];
	struct s3page *p = &l->page;
	struct s3xml *x = &l->x;

	s3xml_begin(x, &l->xml, form->root, true);
	s3xml_text(x, form->name, s3req_bucket(l->r));
	s3xml_name(x, "Prefix", p->prefix, p->url);
	if (p->delimiter.n > 0)
		s3xml_name(x, "Delimiter", p->delimiter, p->url);
	s3xml_u64(x, form->max, p->max);
	if (p->url)
		s3xml_str(x, "EncodingType", "url");
	s3xml_bool(x, "IsTruncated", l->truncated);
	form->print(l);
	if (buf_failed(&l->items) || buf_failed(&l->prefixes))
		l->xml.failed = true;
	buf_add(&l->xml, l->items.p, l->items.n);
	buf_add(&l->xml, l->prefixes.p, l->prefixes.n);
	s3xml_end(x);
}

static void
list(struct s3req *r, enum s3page_kind kind)
{
	struct listing *l = listing_new(r, kind);
	const char *why = NULL;
	enum s3error e;

	if (!l)
		return;
	e = s3page_parse(&l->page, kind, &r->query, &why);
	if (e != S3E_NONE) {
		s3req_fail_why(r, e, why);
		return;
	}
	if (!read_page(l))
		return;
	print(l);
	s3req_reply_xml(r, &l->xml);
}

static void
objects_end(struct s3req *r)
{
	list(r,
	    r->op == S3OP_LIST_OBJECTS_V2  ? S3PAGE_V2 :
		r->op == S3OP_LIST_OBJECTS ? S3PAGE_V1 :
					     S3PAGE_VERSIONS);
}

static void
uploads_end(struct s3req *r)
{
	list(r, S3PAGE_UPLOADS);
}

const struct s3handler s3list_objects = { .end = objects_end,
	.drop = list_drop };
const struct s3handler s3list_uploads = { .end = uploads_end,
	.drop = list_drop };
