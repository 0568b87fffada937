/* SPDX-License-Identifier: MIT */
#include "node/nodeserver_call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "member/nodecore.h"
#include "member/watermark.h"
#include "store/metaquery_version.h"
#include "wire/nodeline.h"

#define PAGE_MAX 1000
#define PAGE_BYTES (PAGE_MAX * (3u * NODEPROTO_KEY_MAX + 256u))
#define BUCKETS_BYTES (32u << 20)

struct page {
	struct buf body;
	struct nodeline_key line; /* the last one */
};

enum what { KEYS, UPLOADS, VERSIONS };

static void
set_name(struct nodeline_key *line, struct bytes name)
{
	line->name_bytes = KOOP_MIN(name.n, sizeof(line->name) - 1);
	assert(line->name_bytes < sizeof(line->name));
	if (line->name_bytes > 0)
		memcpy(line->name, name.p, line->name_bytes);
	line->name[line->name_bytes] = '\0';
}

static int
add_object(void *arg, const struct object_row *row, struct bytes prefix)
{
	struct page *page = arg;
	struct nodeline_key *line = &page->line;

	/* A list shows objects and what they have in common, never markers. */
	assert(row != NULL ? row->key.n > 0 : prefix.n > 0);
	line->kind = row == NULL ? NODELINE_PREFIX : NODELINE_ITEM;
	set_name(line, row == NULL ? prefix : row->key);
	if (row != NULL) {
		line->size = row->size;
		line->modified_ms = row->modified_ms;
		line->seq = row->changed;
		memcpy(line->etag, row->etag, sizeof(line->etag));
	}
	nodeline_list_print(&page->body, line);
	return 0;
}

static int
add_version(void *arg, const struct object_row *row, bool latest,
    struct bytes prefix)
{
	struct page *page = arg;
	struct nodeline_key *line = &page->line;

	assert(row != NULL ? row->key.n > 0 : prefix.n > 0);
	line->kind = row == NULL ? NODELINE_PREFIX : NODELINE_ITEM;
	set_name(line, row == NULL ? prefix : row->key);
	if (row != NULL) {
		line->size = row->size;
		line->modified_ms = row->modified_ms;
		line->seq = row->changed;
		assert(row->seq > 0 && row->seq <= row->changed);
		line->version = versionid_of(row->seq, row->id);
		line->is_null = row->is_null;
		line->marker = row->kind == OBJECT_MARKER;
		line->latest = latest;
		memcpy(line->etag, row->etag, sizeof(line->etag));
	}
	nodeline_version_print(&page->body, line);
	return 0;
}

static int
add_upload(void *arg, const struct upload_row *row, struct bytes prefix)
{
	struct page *page = arg;
	struct nodeline_key *line = &page->line;

	line->kind = row == NULL ? NODELINE_PREFIX : NODELINE_ITEM;
	set_name(line, row == NULL ? prefix : row->key);
	line->upload = (struct reqid){ 0 };
	if (row != NULL) {
		assert(!reqid_is_zero(row->id));
		line->upload = row->id;
		line->modified_ms = row->initiated_ms;
	}
	nodeline_upload_print(&page->body, line);
	return 0;
}

static struct bytes
parameter(struct nodeserver_call *call, const char *name)
{
	const char *v = httpreq_query_get(&call->query, name);

	return v == NULL ? BYTES_NONE : bytes_str(v);
}

/* Where in the versions of the key that was given last the page begins. */
static bool
parse_marker(struct nodeserver_call *call, struct list_query *q)
{
	struct bytes text = parameter(call, "version-id-marker");
	struct versionid version;

	if (text.n == 0)
		return true;
	if (!versionid_parse(&version, text))
		return false;
	assert(version.is_null == (version.seq == 0));
	q->after_null = version.is_null;
	q->after_seq = version.seq;
	return true;
}

static bool
parse_query(struct nodeserver_call *call, struct list_query *q, enum what what)
{
	bool uploads = what == UPLOADS;
	uint64_t max = PAGE_MAX;
	struct bytes id = parameter(call, "upload-id-marker");

	q->bucket = parameter(call, "bucket");
	q->prefix = parameter(call, "prefix");
	q->delimiter = parameter(call, "delimiter");
	q->after = parameter(call, what == KEYS ? "start-after" : "key-marker");
	if (q->bucket.n == 0 || (what == VERSIONS && !parse_marker(call, q)) ||
	    !nodeserver_number(call, what == KEYS ? "max-keys" : "max", &max,
		PAGE_MAX) ||
	    !nodeserver_number(call, "incarnation", &q->incarnation,
		INT64_MAX) ||
	    (uploads && id.n > 0 &&
		!reqid_parse(&q->after_upload, (const char *)id.p, id.n))) {
		nodeserver_refuse(call, 400, "list: bad or missing parameter");
		return false;
	}
	assert(max <= PAGE_MAX);
	q->max = (size_t)max;
	return true;
}

static int
read_page(struct metaquery *read, enum what what, const struct list_query *q,
    struct list_end *end, struct page *page, struct error *err)
{
	assert(q->wants != NULL && q->max <= PAGE_MAX);
	if (what == UPLOADS)
		return metaquery_uploads(read, q, end, add_upload, page, err);
	if (what == VERSIONS)
		return metaquery_versions(read, q, end, add_version, page, err);
	return metaquery_list(read, q, end, add_object, page, err);
}

/* The partitions that the client asked for: while one moves, it is listed by
 * the set that the client takes for its own, and not by two. */
struct wanted {
	struct nodeline_at *at;
	size_t count;
	const struct watermark *wm;
};

static bool
wants(void *arg, uint32_t partition)
{
	const struct wanted *w = arg;
	int index = watermark_index(w->wm, partition);

	for (size_t i = 0; i < w->count; i++) {
		if (w->at[i].partition == partition)
			return true;
	}
	return w->at == NULL && index >= 0 &&
	    watermark_mine(w->wm, (size_t)index);
}

static void
send_page(struct nodeserver_call *call, enum what what)
{
	struct page page = { .body = buf_make(PAGE_BYTES) };
	struct wanted wanted = { .wm = call->core->wm };
	struct list_query query = { 0 };
	struct list_end end = { 0 };
	struct metaquery *read = NULL;
	struct error err = { 0 };
	const char *at;
	int rc = 0;

	if (!parse_query(call, &query, what) || !nodeserver_wait_at(call) ||
	    !nodeserver_all_vote(call))
		return;
	/* Protocol 7.5: a page is read at positions, and only by who votes. */
	assert(!httpd_replied(call->req));
	atomic_fetch_add(&call->core->counters.meta_reads, 1);
	at = httpreq_query_get(&call->query, "at");
	if (at != NULL)
		rc = nodeline_at_parse(&wanted.at, &wanted.count, at, &err);
	query.wants = wants;
	query.wants_arg = &wanted;
	if (rc == 0)
		rc = metaquery_begin(&read, call->core->meta, &err);
	if (rc == 0)
		rc = read_page(read, what, &query, &end, &page, &err);
	metaquery_end(read);
	page.line.kind = NODELINE_END;
	page.line.truncated = end.truncated;
	if (what == UPLOADS)
		nodeline_upload_print(&page.body, &page.line);
	else
		nodeline_list_print(&page.body, &page.line);
	if (rc == 0 && buf_failed(&page.body))
		rc = error_set(&err, ERRC_NOMEM, "list: no memory");
	if (rc != 0)
		nodeserver_error(call, &err);
	else
		httpd_reply(call->req, 200, page.body.p, page.body.n);
	free(wanted.at);
	buf_fini(&page.body);
}

void
nodeserver_list(struct nodeserver_call *call)
{
	send_page(call, KEYS);
}

void
nodeserver_uploads(struct nodeserver_call *call)
{
	send_page(call, UPLOADS);
}

void
nodeserver_versions(struct nodeserver_call *call)
{
	send_page(call, VERSIONS);
}

static int
add_bucket(void *arg, const struct bucket_row *row)
{
	struct nodeline_bucket line;
	struct buf *body = arg;

	assert(row->name.n > 0);
	nodeserver_bucket_line(&line, row);
	nodeline_bucket_print(body, &line);
	return 0;
}

void
nodeserver_buckets(struct nodeserver_call *call)
{
	struct watermark *wm = call->core->wm;
	struct nodeline_bucket end = { .kind = NODELINE_END };
	struct buf body = buf_make(BUCKETS_BYTES);
	struct metaquery *read = NULL;
	struct error err = { 0 };
	int rc;

	if (!nodeserver_wait_at(call) || !nodeserver_all_vote(call))
		return;
	assert(!httpd_replied(call->req));
	rc = metaquery_begin(&read, call->core->meta, &err);
	for (size_t i = 0; i < watermark_count(wm) && rc == 0; i++) {
		if (watermark_mine(wm, i))
			rc = metaquery_buckets(read, watermark_partition(wm, i),
			    add_bucket, &body, &err);
	}
	metaquery_end(read);
	nodeline_bucket_print(&body, &end);
	if (rc == 0 && buf_failed(&body))
		rc = error_set(&err, ERRC_NOMEM, "buckets: no memory");
	if (rc != 0)
		nodeserver_error(call, &err);
	else
		httpd_reply(call->req, 200, body.p, body.n);
	buf_fini(&body);
}
