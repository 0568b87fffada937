/* SPDX-License-Identifier: MIT */
#include "client/pipestat.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "client/metaread.h"
#include "client/nodeclient.h"
#include "cluster/jsontext.h"
#include "cluster/placement.h"
#include "commit/versionid.h"
#include "wire/nodeproto_info.h"

#define JSON_DEPTH 4

static const char *const kinds[] = {
	[NODEPROTO_BLOB] = "blob",
	[NODEPROTO_INLINE] = "inline",
	[NODEPROTO_MULTIPART] = "multipart",
};

static const char *const states[] = {
	[NODEPROTO_NONE] = "none",
	[NODEPROTO_OPEN] = "open",
	[NODEPROTO_SEALED] = "sealed",
	[NODEPROTO_DELETED] = "deleted",
};

static void
print_time(struct buf *out, const char *name, uint64_t real_ms)
{
	char time[32];

	assert(name[0] != '\0');
	clock_iso8601(time, real_ms);
	buf_printf(out, ",\"%s\":\"%s\"", name, time);
}

/* "bucket/key", which is longer than a line's parts are. */
static void
print_name(struct buf *out, struct bytes bucket, struct bytes key)
{
	struct buf name = buf_make(bucket.n + 1 + key.n + 1);

	buf_add(&name, bucket.p, bucket.n);
	buf_addch(&name, '/');
	buf_add(&name, key.p, key.n);
	jsontext_quote(out, buf_bytes(&name));
	if (buf_failed(&name))
		out->failed = true;
	buf_fini(&name);
}

/* A JSON object out of a record, on one line whatever it looked like. */
static void
print_json(struct buf *out, const char *name, const char *text)
{
	json_t *json = NULL;
	char *line = NULL;

	if (jsontext_load(&json, bytes_str(text), NODEPROTO_JSON_MAX,
		JSON_DEPTH, NULL) == 0)
		line = json_dumps(json, JSON_COMPACT);
	buf_printf(out, ",\"%s\":%s", name, line != NULL ? line : "{}");
	free(line);
	json_decref(json);
}

static void
print_object(struct buf *out, const struct placement *place,
    const struct object_info *info)
{
	char geometry[32];
	char id[REQID_HEX + 1];
	char version[VERSIONID_TEXT + 1];

	assert((size_t)info->kind < nitems(kinds));
	reqid_format(id, info->id);
	buf_printf(out, ",\"size\":%" PRIu64 ",\"etag\":", info->size);
	jsontext_quote(out, bytes_str(info->etag));
	print_time(out, "modified", info->modified_ms);
	buf_printf(out,
	    ",\"kind\":\"%s\",\"requestId\":\"%s\",\"partition\":%" PRIu32
	    ",\"seq\":%" PRIu64 ",\"set\":%" PRIu32,
	    kinds[info->kind], id, place->partition, info->at.row_seq,
	    place->set->number);
	if (info->kind == NODEPROTO_BLOB) {
		nodeproto_geometry_print(geometry, &info->geometry);
		buf_printf(out,
		    ",\"geometry\":\"%s\",\"crc64nvme\":\"%016" PRIx64 "\"",
		    geometry, info->crc64nvme);
	}
	/* Else there is one, and to name it would announce more. */
	if (info->versioning != NODEPROTO_NEVER) {
		versionid_format(version, &info->version);
		buf_printf(out, ",\"version\":\"%s\"", version);
	}
	print_json(out, "headers", info->headers);
	print_json(out, "meta", info->meta);
}

int
pipestat_object(struct nodeclient *nc, struct bytes bucket, struct bytes key,
    const struct versionid *version, struct buf *out, struct error *err)
{
	struct placement place = placement_of(nodeclient_topology(nc), bucket,
	    key);
	struct object_info info = { 0 };
	int rc;

	assert(bucket.n > 0 && key.n > 0);
	rc = metaread_version(nc, &place, bucket, key, version, &info, NULL,
	    nodeclient_now(nc) + NODECLIENT_READ_MS, err);
	if (rc == -ERRC_NOTFOUND)
		rc = error_set(err, ERRC_NOTFOUND, "no such %s",
		    info.bucket == NODEPROTO_NONE ? "bucket" :
			version != NULL ? "version, or a delete marker" :
					  "object");
	if (rc == 0) {
		buf_addstr(out, "{\"key\":");
		print_name(out, bucket, key);
		print_object(out, &place, &info);
		buf_addstr(out, "}\n");
		if (buf_failed(out))
			rc = error_set(err, ERRC_NOMEM, "out of memory");
	}
	nodeproto_info_fini(&info);
	return rc;
}

void
pipestat_print_bucket(struct nodeclient *nc, struct bytes bucket,
    const struct bucket_info *info, struct buf *out)
{
	struct placement home = placement_home(nodeclient_topology(nc), bucket);

	assert((size_t)info->state < nitems(states));
	buf_addstr(out, "{\"bucket\":");
	jsontext_quote(out, bucket);
	buf_printf(out,
	    ",\"state\":\"%s\",\"incarnation\":%" PRIu64
	    ",\"partition\":%" PRIu32 ",\"owner\":",
	    states[info->state], info->incarnation, home.partition);
	jsontext_quote(out, bytes_str(info->owner));
	print_time(out, "created", info->created_ms);
	buf_addstr(out, "}\n");
}

int
pipestat_bucket(struct nodeclient *nc, struct bytes bucket, struct buf *out,
    struct error *err)
{
	struct bucket_info info;
	int rc;

	assert(bucket.n > 0);
	rc = metaread_home(nc, bucket, &info,
	    nodeclient_now(nc) + NODECLIENT_READ_MS, err);
	if (rc < 0)
		return rc;
	pipestat_print_bucket(nc, bucket, &info, out);
	return buf_failed(out) ? error_set(err, ERRC_NOMEM, "out of memory") :
				 0;
}
