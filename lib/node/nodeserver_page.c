/* SPDX-License-Identifier: MIT */
#include "node/nodeserver_call.h"

#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "member/nodecore.h"
#include "member/watermark.h"
#include "store/metaquery.h"
#include "wire/nodeline.h"

#define PAGE_MAX 1000
#define PAGE_BYTES (PAGE_MAX * (3u * NODEPROTO_KEY_MAX + 256u))
#define BUCKETS_BYTES (32u << 20)

struct page {
	struct buf body;
	struct nodeline_key line; /* the last one */
	bool uploads;
};

static void
set_name(struct nodeline_key *line, struct bytes name)
{
	line->name_bytes = KOOP_MIN(name.n, sizeof(line->name) - 1);
	if (line->name_bytes > 0)
		memcpy(line->name, name.p, line->name_bytes);
	line->name[line->name_bytes] = '\0';
}

static int
add_object(void *arg, const struct object_row *row, struct bytes prefix)
{
	struct page *page = arg;
	struct nodeline_key *line = &page->line;

	line->kind = row == NULL ? NODELINE_PREFIX : NODELINE_ITEM;
	set_name(line, row == NULL ? prefix : row->key);
	if (row != NULL) {
		line->size = row->size;
		line->modified_ms = row->modified_ms;
		line->seq = row->seq;
		memcpy(line->etag, row->etag, sizeof(line->etag));
	}
	nodeline_list_print(&page->body, line);
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

static bool
parse_query(struct nodeserver_call *call, struct list_query *q, bool uploads)
{
	uint64_t max = PAGE_MAX;
	struct bytes id = parameter(call, "upload-id-marker");

	q->bucket = parameter(call, "bucket");
	q->prefix = parameter(call, "prefix");
	q->delimiter = parameter(call, "delimiter");
	q->after = parameter(call, uploads ? "key-marker" : "start-after");
	if (q->bucket.n == 0 ||
	    !nodeserver_number(call, uploads ? "max" : "max-keys", &max,
		PAGE_MAX) ||
	    !nodeserver_number(call, "incarnation", &q->incarnation,
		INT64_MAX) ||
	    (uploads && id.n > 0 &&
		!reqid_parse(&q->after_upload, (const char *)id.p, id.n))) {
		nodeserver_refuse(call, 400, "list: bad or missing parameter");
		return false;
	}
	q->max = (size_t)max;
	return true;
}

static void
send_page(struct nodeserver_call *call, bool uploads)
{
	struct page page = { .body = buf_make(PAGE_BYTES) };
	struct list_query query = { 0 };
	struct list_end end = { 0 };
	struct metaquery *read = NULL;
	struct error err = { 0 };
	int rc;

	if (!parse_query(call, &query, uploads) || !nodeserver_wait_at(call) ||
	    !nodeserver_all_vote(call))
		return;
	atomic_fetch_add(&call->core->counters.meta_reads, 1);
	rc = metaquery_begin(&read, call->core->meta, &err);
	if (rc == 0)
		rc = uploads ?
		    metaquery_uploads(read, &query, &end, add_upload, &page,
			&err) :
		    metaquery_list(read, &query, &end, add_object, &page, &err);
	metaquery_end(read);
	page.line.kind = NODELINE_END;
	page.line.truncated = end.truncated;
	if (uploads)
		nodeline_upload_print(&page.body, &page.line);
	else
		nodeline_list_print(&page.body, &page.line);
	if (rc == 0 && buf_failed(&page.body))
		rc = error_set(&err, ERRC_NOMEM, "list: no memory");
	if (rc != 0)
		nodeserver_error(call, &err);
	else
		httpd_reply(call->req, 200, page.body.p, page.body.n);
	buf_fini(&page.body);
}

void
nodeserver_list(struct nodeserver_call *call)
{
	send_page(call, false);
}

void
nodeserver_uploads(struct nodeserver_call *call)
{
	send_page(call, true);
}

static int
add_bucket(void *arg, const struct bucket_row *row)
{
	struct nodeline_bucket line;
	struct buf *body = arg;

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
	rc = metaquery_begin(&read, call->core->meta, &err);
	for (size_t i = 0; i < watermark_count(wm) && rc == 0; i++)
		rc = metaquery_buckets(read, watermark_partition(wm, i),
		    add_bucket, &body, &err);
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
