/* SPDX-License-Identifier: MIT */
#include "node/nodeserver_call.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "member/lastread.h"
#include "member/nodecore.h"
#include "store/metaquery_version.h"
#include "store/shardfile.h"
#include "wire/nodeline.h"

#define INLINE_MAX (1u << 20)
#define BODY_MAX (16u << 20) /* 10,000 lines of a manifest */
#define PARTS_MAX 10000

/* GET and HEAD of an object. */

static char *
json_text(struct bytes json)
{
	return json.n == 0 ? strdup("{}") :
			     strndup((const char *)json.p, json.n);
}

/* What a row and a row line say of a bucket's versions. */
static enum nodeproto_versioning
versioning_word(enum bucket_versioning versioning)
{
	static const enum nodeproto_versioning of[] = {
		[BUCKET_NEVER] = NODEPROTO_NEVER,
		[BUCKET_ENABLED] = NODEPROTO_ENABLED,
		[BUCKET_SUSPENDED] = NODEPROTO_SUSPENDED,
	};

	assert((size_t)versioning < nitems(of));
	return of[versioning];
}

/* A row of an earlier incarnation of the bucket is no version any more. */
static int
fill_version(struct object_info *info, const struct object_row *row,
    const struct nodecore *core, struct error *err)
{
	static const enum nodeproto_kind kinds[] = {
		[OBJECT_BLOB] = NODEPROTO_BLOB,
		[OBJECT_INLINE] = NODEPROTO_INLINE,
		[OBJECT_MULTIPART] = NODEPROTO_MULTIPART,
	};

	if (row->kind == OBJECT_TOMBSTONE || info->bucket == NODEPROTO_NONE ||
	    row->incarnation != info->incarnation)
		return 0;
	assert(row->seq > 0);
	if (row->is_null)
		info->version = (struct versionid){ .is_null = true };
	else
		info->version = versionid_of(row->seq, row->id);
	info->modified_ms = row->modified_ms;
	info->marker = row->kind == OBJECT_MARKER;
	if (info->marker)
		return 0;
	info->found = true;
	assert((size_t)row->kind < nitems(kinds));
	info->kind = kinds[row->kind];
	info->id = row->id;
	info->size = row->size;
	memcpy(info->etag, row->etag, sizeof(info->etag));
	info->geometry = row->blob.geometry;
	info->set = row->blob.set;
	info->shard = nodecore_shard(core, row->partition);
	info->crc64nvme = row->blob.crc64nvme;
	info->shard_crc64_count = row->blob.shard_count;
	memcpy(info->shard_crc64, row->blob.shard_crc64,
	    sizeof(info->shard_crc64));
	info->headers = json_text(row->headers);
	info->meta = json_text(row->meta);
	if (info->headers == NULL || info->meta == NULL)
		return error_set(err, ERRC_NOMEM, "metadata: no memory");
	return 0;
}

/* The version that is asked for, when it is not the newest, whose row is out.
 */
static int
find_version(struct nodeserver_call *call, struct metaquery *read,
    const struct versionid *want, struct object_row *out, struct error *err)
{
	struct bytes bucket = bytes_of(call->store.bucket,
	    call->store.bucket_bytes);
	struct bytes key = bytes_of(call->store.key, call->store.key_bytes);
	int rc;

	assert(call->store.bucket_bytes > 0 && call->store.key_bytes > 0);
	if (want->is_null)
		return metaquery_version_null(read, call->partition, bucket,
		    key, out, err);
	rc = metaquery_version(read, call->partition, bucket, key, want->seq,
	    out, err);
	/* The seq is some record's, the name another's: no version. */
	if (rc == 0 && !versionid_names(want, out->seq, out->id))
		return -ERRC_NOTFOUND;
	return rc;
}

/* want NULL: the newest. */
static int
fill_info(struct nodeserver_call *call, struct metaquery *read,
    const struct versionid *want, struct object_info *info, struct error *err)
{
	struct bytes bucket = bytes_of(call->store.bucket,
	    call->store.bucket_bytes);
	struct bytes key = bytes_of(call->store.key, call->store.key_bytes);
	struct bucket_row b;
	struct object_row o;
	int rc;

	assert(!info->found && !info->marker);
	rc = metaquery_bucket(read, call->partition, bucket, &b, err);
	if (rc == 0 && b.state != BUCKET_DELETED) {
		info->bucket = b.state == BUCKET_OPEN ? NODEPROTO_OPEN :
							NODEPROTO_SEALED;
		info->incarnation = b.incarnation;
		info->revision = b.revision;
		info->versioning = versioning_word(b.versioning);
	} else if (rc != 0 && rc != -ERRC_NOTFOUND) {
		return rc;
	}
	rc = metaquery_object(read, call->partition, bucket, key, &o, err);
	/* The reader holds its answer until c nodes have what changed the key
	 * last, of whichever version (protocol.md 7.2). */
	if (rc == 0)
		info->at.row_seq = o.changed;
	/* A row in a state is of a record that this state contains. */
	assert(rc != 0 || o.seq <= info->at.applied);
	assert(rc != 0 || o.seq <= o.changed);
	if (rc == 0 && want != NULL)
		rc = find_version(call, read, want, &o, err);
	if (rc == 0)
		return fill_version(info, &o, call->core, err);
	return rc == -ERRC_NOTFOUND ? 0 : rc;
}

/* What there is to send besides metadata. */
struct content {
	int fd;
	uint64_t bytes; /* of the shard file */
	struct buf whole;
};

static int
read_inline(struct metaquery *read, struct object_info *info,
    struct content *content, struct error *err)
{
	int rc;

	if (info->kind != NODEPROTO_INLINE || info->size == 0)
		return 0;
	assert(info->found && content->whole.n == 0);
	rc = metaquery_inline(read, info->id, &content->whole, err);
	if (rc == 0 && content->whole.n != info->size)
		rc = -ERRC_NOTFOUND;
	info->missing = rc == -ERRC_NOTFOUND;
	return info->missing ? 0 : rc;
}

/* Once the read is over.  A shard that is collected meanwhile was superseded
 * by a record that the reader does not know yet; like one that cannot be
 * opened, it is an erasure. */
static void
open_shard(struct nodeserver_call *call, struct object_info *info,
    struct content *content)
{
	if (info->kind != NODEPROTO_BLOB)
		return;
	assert(content->fd == -1 && info->shard < call->core->set.n);
	info->missing = shardfile_open(call->core->files, info->id, info->shard,
			    &content->fd, &content->bytes, NULL) != 0;
}

static void
send_version(struct nodeserver_call *call, const struct object_info *info,
    struct content *content)
{
	bool head = strcmp(httpd_method(call->req), "HEAD") == 0;

	assert(info->found && !info->marker);
	lastread_note(call->core->lastread, info->id,
	    clock_boot_ms(call->core->clock));
	if (head) {
		httpd_reply(call->req, 200, NULL, 0);
	} else if (info->missing) {
		nodeserver_refuse(call, 404, "no bytes of it here");
	} else if (info->kind == NODEPROTO_MULTIPART) {
		httpd_reply(call->req, 300, NULL, 0);
	} else if (info->kind == NODEPROTO_INLINE) {
		httpd_reply(call->req, 200, content->whole.p, content->whole.n);
	} else {
		nodeserver_send_shard(call, content->fd, content->bytes);
		content->fd = -1;
	}
}

/* versionId=NAME; false: it is there and no name of a version. */
static bool
parse_version(struct nodeserver_call *call, struct versionid *out,
    const struct versionid **want)
{
	const char *text = httpreq_query_get(&call->query, "versionId");

	*want = NULL;
	if (text == NULL)
		return true;
	*want = out;
	if (versionid_parse(out, bytes_str(text)))
		return true;
	nodeserver_refuse(call, 400, "versionId: not the name of a version");
	return false;
}

static void
get_version(struct nodeserver_call *call)
{
	struct object_info info = { 0 };
	const struct versionid *want;
	struct versionid version;
	struct content content = { .fd = -1, .whole = buf_make(INLINE_MAX) };
	struct partition_row row;
	struct error err = { 0 };
	struct metaquery *read;
	int rc;

	if (!parse_version(call, &version, &want))
		return;
	read = nodeserver_read(call, &row);
	if (read == NULL)
		return;
	atomic_fetch_add(&call->core->counters.meta_reads, 1);
	if (!nodeserver_votes(call, &row)) {
		metaquery_end(read);
		return;
	}
	nodecore_position(call->core, &row, &info.at);
	rc = fill_info(call, read, want, &info, &err);
	if (rc == 0 && info.found)
		rc = read_inline(read, &info, &content, &err);
	metaquery_end(read);
	if (rc == 0 && info.found)
		open_shard(call, &info, &content);
	assert(!info.found || !info.marker);
	if (rc == 0)
		rc = nodeproto_info_print(&info, nodeserver_put_header, call,
		    &err);
	if (rc != 0)
		nodeserver_error(call, &err);
	else if (!info.found)
		nodeserver_refuse(call, 404, "no such version");
	else
		send_version(call, &info, &content);
	if (content.fd != -1)
		close(content.fd);
	buf_fini(&content.whole);
	nodeproto_info_fini(&info);
}

/* GET /bucket/PARTITION/NAME */

void
nodeserver_bucket_line(struct nodeline_bucket *out,
    const struct bucket_row *row)
{
	static const enum nodeproto_state states[] = {
		[BUCKET_OPEN] = NODEPROTO_OPEN,
		[BUCKET_SEALED] = NODEPROTO_SEALED,
		[BUCKET_DELETED] = NODEPROTO_DELETED,
	};
	size_t name = KOOP_MIN(row->name.n, sizeof(out->name) - 1);
	size_t owner = KOOP_MIN(row->owner.n, sizeof(out->owner) - 1);

	assert((size_t)row->state < nitems(states));
	*out = (struct nodeline_bucket){
		.state = states[row->state],
		.incarnation = row->incarnation,
		.attempt = row->attempt,
		.created_ms = row->created_ms,
		.sealed_ms = row->sealed_ms,
		.revision = row->revision,
		.ruling = row->ruling,
		.versioning = versioning_word(row->versioning),
	};
	if (name > 0)
		memcpy(out->name, row->name.p, name);
	if (owner > 0)
		memcpy(out->owner, row->owner.p, owner);
}

void
nodeserver_bucket(struct nodeserver_call *call)
{
	struct nodeline_bucket line;
	struct partition_row row;
	struct bucket_row b;
	struct error err = { 0 };
	struct buf body = buf_make(NODELINE_BUCKET_MAX);
	struct metaquery *read;
	char *name = NULL;
	size_t n;
	int rc;

	rc = httpreq_decode(&name, &n, bytes_str(call->rest), false, &err);
	if (rc != 0) {
		nodeserver_refuse(call, 400, "%s", err.text);
		return;
	}
	read = nodeserver_read(call, &row);
	if (read == NULL || !nodeserver_votes(call, &row))
		goto out;
	atomic_fetch_add(&call->core->counters.meta_reads, 1);
	rc = metaquery_bucket(read, call->partition, bytes_of(name, n), &b,
	    &err);
	assert(row.partition == call->partition);
	nodeserver_position(call, &row);
	if (rc == 0) {
		nodeserver_bucket_line(&line, &b);
		if (httpreq_query_get(&call->query, "settings") != NULL)
			line.settings = b.settings;
		nodeline_bucket_print(&body, &line);
		httpd_reply_header(call->req, "Content-Type",
		    "application/json");
		httpd_reply(call->req, 200, body.p, body.n);
	} else if (rc == -ERRC_NOTFOUND) {
		nodeserver_refuse(call, 404, "no such bucket");
	} else {
		nodeserver_error(call, &err);
	}
out:
	metaquery_end(read);
	buf_fini(&body);
	free(name);
}

/* Parts of an upload, and manifests. */

struct part_page {
	struct buf body;
	bool manifest;
	uint32_t max, count;
	uint32_t last;
	bool truncated;
};

static int
add_part(void *arg, const struct part_row *row)
{
	struct part_page *page = arg;
	struct nodeline_part line = {
		.part = row->number,
		.id = row->id,
		.size = row->size,
		.modified_ms = row->modified_ms,
		.geometry = row->blob.geometry,
		.set = row->blob.set,
		.crc64nvme = row->blob.crc64nvme,
		.shard_crc64_count = row->blob.shard_count,
	};

	if (page->count == page->max) {
		page->truncated = true;
		return 1;
	}
	/* In order, each once: the next page begins behind the last. */
	assert(page->count < page->max && row->number > page->last);
	page->count++;
	page->last = row->number;
	memcpy(line.etag, row->etag, sizeof(line.etag));
	memcpy(line.shard_crc64, row->blob.shard_crc64,
	    sizeof(line.shard_crc64));
	if (page->manifest)
		nodeline_manifest_print(&page->body, &line);
	else
		nodeline_part_print(&page->body, &line);
	return 0;
}

static void
upload_headers(struct nodeserver_call *call, const struct upload_row *upload)
{
	static const char *const states[] = {
		[UPLOAD_OPEN] = "open",
		[UPLOAD_COMPLETED] = "completed",
		[UPLOAD_ABORTED] = "aborted",
	};
	char text[3 * NODEPROTO_KEY_MAX + 1];

	assert((size_t)upload->state < nitems(states));
	httpd_reply_header(call->req, NODEPROTO_UPLOAD, states[upload->state]);
	if (upload->key.n <= NODEPROTO_KEY_MAX) {
		percent_encode(text, upload->key.p, upload->key.n, false);
		httpd_reply_header(call->req, NODEPROTO_KEY, text);
	}
	if (upload->bucket.n <= NODEPROTO_BUCKET_MAX) {
		percent_encode(text, upload->bucket.p, upload->bucket.n, false);
		httpd_reply_header(call->req, NODEPROTO_BUCKET_NAME, text);
	}
}

static void
send_parts(struct nodeserver_call *call, struct reqid id, uint32_t after,
    struct part_page *page)
{
	struct upload_row upload;
	struct partition_row row;
	struct error err = { 0 };
	struct metaquery *read = nodeserver_read(call, &row);
	struct nodeline_part end = { .kind = NODELINE_END };
	int rc;

	if (read == NULL)
		return;
	atomic_fetch_add(&call->core->counters.meta_reads, 1);
	if (!nodeserver_votes(call, &row)) {
		metaquery_end(read);
		return;
	}
	assert(page->count == 0 && page->last == 0);
	nodeserver_position(call, &row);
	page->body = buf_make(BODY_MAX);
	rc = metaquery_upload(read, call->partition, id, &upload, &err);
	if (rc == 0) {
		upload_headers(call, &upload);
		rc = metaquery_parts(read, call->partition, id, after, add_part,
		    page, &err);
	}
	metaquery_end(read);
	end.part = page->last;
	end.truncated = page->truncated;
	if (page->manifest)
		nodeline_manifest_print(&page->body, &end);
	else
		nodeline_part_print(&page->body, &end);
	if (rc >= 0 && buf_failed(&page->body))
		rc = error_set(&err, ERRC_NOMEM, "parts: no memory");
	if (rc == -ERRC_NOTFOUND)
		nodeserver_refuse(call, 404, "no such upload");
	else if (rc < 0)
		nodeserver_error(call, &err);
	else
		httpd_reply(call->req, 200, page->body.p, page->body.n);
	buf_fini(&page->body);
}

void
nodeserver_parts(struct nodeserver_call *call)
{
	struct part_page page = { 0 };
	struct reqid id;
	uint64_t after = 0;
	uint64_t max = 1000;

	if (!reqid_parse(&id, call->rest, strlen(call->rest))) {
		nodeserver_refuse(call, 400, "path: not an upload id");
		return;
	}
	if (!nodeserver_number(call, "after", &after, PARTS_MAX) ||
	    !nodeserver_number(call, "max", &max, PARTS_MAX)) {
		nodeserver_refuse(call, 400, "after, max: bad value");
		return;
	}
	assert(max <= PARTS_MAX);
	page.max = (uint32_t)max;
	send_parts(call, id, (uint32_t)after, &page);
}

static void
get_manifest(struct nodeserver_call *call)
{
	struct part_page page = { .manifest = true, .max = PARTS_MAX };
	const char *text = httpreq_query_get(&call->query, "uploadId");
	struct reqid id;

	if (text == NULL || !reqid_parse(&id, text, strlen(text))) {
		nodeserver_refuse(call, 400, "uploadId=ID is needed");
		return;
	}
	lastread_note(call->core->lastread, id,
	    clock_boot_ms(call->core->clock));
	send_parts(call, id, 0, &page);
}

void
nodeserver_get(struct nodeserver_call *call)
{
	assert(!httpd_replied(call->req));
	if (httpreq_query_get(&call->query, "manifest") != NULL)
		get_manifest(call);
	else if (call->has_id)
		nodeserver_get_blob(call);
	else
		get_version(call);
}
