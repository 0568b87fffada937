/* SPDX-License-Identifier: MIT */
#include "client/metaread.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "client/metaask.h"
#include "client/nodeclient.h"
#include "client/nodenotice.h"
#include "cluster/placement.h"
#include "codec/crc.h"
#include "commit/positions.h"
#include "http/httpc.h"
#include "http/httpreq.h"

/* Inline objects are far smaller (--inline-limit). */
#define INLINE_MAX (512u << 10)
/* Of a blob's shard only the BEGIN comes along; inline bytes come whole. */
#define BEGIN_BYTES 512
#define HOLDER_PAUSE_MS 50

struct object_read {
	struct nodeclient *nc;
	struct placement place;
	struct object_info info;
	struct buf *bytes; /* NULL: metadata only */
	bool have_bytes;
};

/* Are these the inline bytes that the row speaks of? */
static bool
bytes_good(const struct object_info *info, struct bytes body)
{
	return body.n == info->size &&
	    crc64_nvme(0, body.p, body.n) == info->crc64nvme;
}

static bool
keep_bytes(struct object_read *read, const struct object_info *info,
    const struct metaanswer *answer)
{
	assert(info->found && info->kind == NODEPROTO_INLINE);
	if (answer->status != 200)
		return false;
	if (!bytes_good(info, answer->body)) {
		nodenotice_repair(read->nc, &read->place, info->id,
		    placement_shard(&read->place, answer->machine));
		return false;
	}
	buf_clear(read->bytes);
	buf_add(read->bytes, answer->body.p, answer->body.n);
	return !buf_failed(read->bytes);
}

static bool
status_fits(const struct object_info *info, int status)
{
	if (!info->found)
		return status == 404;
	if (info->missing)
		return status == 404 || status == 200;
	return status == 200 || status == 206 || status == 300;
}

static int
take_object(void *arg, const struct metaanswer *answer, uint64_t *seq)
{
	struct object_read *read = arg;
	struct object_info info = { 0 };

	if (nodeproto_info_parse(&info, metaask_header,
		(void *)(uintptr_t)answer->call, NULL) < 0)
		return -ERRC_PROTOCOL;
	if (!status_fits(&info, answer->status)) {
		nodeproto_info_fini(&info);
		return -ERRC_PROTOCOL;
	}
	*seq = info.at.row_seq;
	read->have_bytes = false;
	if (read->bytes != NULL && info.found &&
	    info.kind == NODEPROTO_INLINE && !info.missing)
		read->have_bytes = keep_bytes(read, &info, answer);
	nodeproto_info_fini(&read->info);
	read->info = info;
	return 0;
}

/* A holder's bytes of the version that was chosen; whether the holder votes
 * does not matter for bytes that are verified. */
static int
take_holder(void *arg, const struct metaanswer *answer)
{
	struct object_read *read = arg;

	read->have_bytes = keep_bytes(read, &read->info, answer);
	return read->have_bytes;
}

/*
 * The version is known, its bytes are not here: of any m machines one keeps
 * them.  They are asked for by the blob's id, not by the key: the version is
 * pinned for the whole request (protocol.md 7.3), and a holder that has gone
 * on to the key's next version keeps the bytes of this one for its grace, but
 * would never again give them for the key.  1: they are here; 0: nobody has
 * them now.
 */
static int
ask_holders(struct object_read *read, struct bytes bucket, struct bytes key,
    uint64_t deadline, struct error *err)
{
	struct buf target = buf_make(HTTPREQ_TARGET_MAX);
	struct metaask ask = {
		.nc = read->nc,
		.place = &read->place,
		.method = "GET",
		.body_max = INLINE_MAX,
		.width = 1,
	};
	int rc;

	assert(read->info.found && read->info.kind == NODEPROTO_INLINE);
	nodeproto_target_blob(&target, read->place.partition, bucket, key,
	    read->info.id);
	ask.target = buf_cstr(&target);
	metaask_order(&ask, placement_inline_holders(&read->place));
	if (buf_failed(&target))
		rc = error_set(err, ERRC_NOMEM, "read: out of memory");
	else
		rc = metaask_run(&ask, take_holder, read, deadline, err);
	buf_fini(&target);
	return rc;
}

static int
read_object(struct object_read *read, const char *target, struct bytes bucket,
    struct bytes key, uint64_t deadline, struct error *err)
{
	struct positions *positions = nodeclient_positions(read->nc);
	struct metaone one = {
		.nc = read->nc,
		.place = &read->place,
		.method = read->bytes != NULL ? "GET" : "HEAD",
		.target = target,
		.first_bytes = read->bytes != NULL ? BEGIN_BYTES : 0,
		.body_max = INLINE_MAX,
		.prefer_holders = read->bytes != NULL,
		.take = take_object,
		.arg = read,
	};

	for (;;) {
		uint32_t bell = positions_bell(positions);
		int rc;

		rc = metaask_one(&one, deadline, err);
		if (rc < 0)
			return rc;
		if (read->bytes == NULL || !read->info.found ||
		    read->info.kind != NODEPROTO_INLINE || read->have_bytes)
			return 0;
		rc = ask_holders(read, bucket, key, deadline, err);
		if (rc != 0)
			return rc > 0 ? 0 : rc;
		if (nodeclient_now(read->nc) >= deadline)
			return error_set(err, ERRC_UNAVAILABLE,
			    "partition %u: no machine that keeps the "
			    "object's bytes answered in time",
			    read->place.partition);
		/* They have yet to apply the record; or they had it and
		 * collected it, then the key has another version: look anew. */
		positions_wait(positions, bell, HOLDER_PAUSE_MS);
	}
}

int
metaread_version(struct nodeclient *nc, const struct placement *place,
    struct bytes bucket, struct bytes key, const struct versionid *version,
    struct object_info *out, struct buf *inline_bytes, uint64_t deadline,
    struct error *err)
{
	struct object_read read = {
		.nc = nc,
		.place = *place,
		.bytes = inline_bytes,
	};
	struct buf target = buf_make(HTTPREQ_TARGET_MAX);
	int rc;

	if (version != NULL)
		nodeproto_target_version(&target, read.place.partition, bucket,
		    key, version);
	else
		nodeproto_target_object(&target, read.place.partition, bucket,
		    key);
	if (buf_failed(&target))
		rc = error_set(err, ERRC_USAGE, "object: name too long");
	else
		rc = read_object(&read, buf_cstr(&target), bucket, key,
		    deadline, err);
	buf_fini(&target);
	if (rc < 0) {
		nodeproto_info_fini(&read.info);
		return rc;
	}
	*out = read.info;
	if (!out->found)
		return error_set(err, ERRC_NOTFOUND, "no such object");
	return 0;
}

/* Buckets. */

struct bucket_read {
	struct bucket_info info;
	struct buf *settings; /* NULL: not asked for */
	bool found;
};

static int
take_bucket(void *arg, const struct metaanswer *answer, uint64_t *seq)
{
	struct bucket_read *read = arg;
	struct nodeline_bucket line = { 0 };
	struct bytes body = answer->body;

	(void)seq;
	if (answer->status == 404) {
		memset(&read->info, 0, sizeof(read->info));
		read->info.at = answer->at.applied;
		read->info.level = answer->at.level;
		read->found = false;
		return 0;
	}
	while (body.n > 0 && body.p[body.n - 1] == '\n')
		body.n--;
	if (answer->status != 200 ||
	    nodeline_bucket_parse(&line, body, NULL) < 0 ||
	    line.kind != NODELINE_ITEM)
		return -ERRC_PROTOCOL;
	if (read->settings != NULL) {
		buf_clear(read->settings);
		if (nodeline_bucket_settings(read->settings, body, NULL) < 0)
			return -ERRC_PROTOCOL;
	}
	memset(&read->info, 0, sizeof(read->info));
	read->info.incarnation = line.incarnation;
	read->info.state = line.state;
	read->info.created_ms = line.created_ms;
	read->info.attempt = line.attempt;
	read->info.sealed_at_ms = line.sealed_ms;
	read->info.revision = line.revision;
	read->info.ruling = line.ruling;
	read->info.versioning = line.versioning;
	read->info.level = answer->at.level;
	read->info.at = answer->at.applied;
	memcpy(read->info.owner, line.owner, sizeof(read->info.owner));
	read->found = true;
	return 0;
}

int
metaread_bucket(struct nodeclient *nc, uint32_t partition, struct bytes name,
    struct bucket_info *out, uint64_t deadline, struct error *err)
{
	return metaread_settings(nc, partition, name, out, NULL, deadline, err);
}

int
metaread_settings(struct nodeclient *nc, uint32_t partition, struct bytes name,
    struct bucket_info *out, struct buf *settings, uint64_t deadline,
    struct error *err)
{
	struct bucket_read read = { .settings = settings };
	struct buf target = buf_make(HTTPREQ_TARGET_MAX);
	struct placement place;
	struct metaone one = {
		.nc = nc,
		.place = &place,
		.method = "GET",
		.body_max = settings != NULL ? NODELINE_BUCKET_MAX :
					       NODELINE_MAX,
		.whole_partition = true,
		.take = take_bucket,
		.arg = &read,
	};
	int rc;

	rc = placement_partition(nodeclient_topology(nc), partition, &place,
	    err);
	if (rc < 0)
		return rc;
	nodeproto_target_bucket(&target, partition, name);
	if (settings != NULL)
		buf_addstr(&target, "?settings");
	one.target = buf_cstr(&target);
	if (buf_failed(&target))
		rc = error_set(err, ERRC_USAGE, "bucket: name too long");
	else
		rc = metaask_one(&one, deadline, err);
	buf_fini(&target);
	if (rc < 0)
		return rc;
	*out = read.info;
	if (!read.found)
		return error_set(err, ERRC_NOTFOUND, "no such bucket");
	return 0;
}

int
metaread_home(struct nodeclient *nc, struct bytes name, struct bucket_info *out,
    uint64_t deadline, struct error *err)
{
	struct placement home = placement_home(nodeclient_topology(nc), name);
	struct bucket_info info = { 0 };
	int rc;

	rc = metaread_bucket(nc, home.partition, name, &info, deadline, err);
	if (rc < 0)
		return rc;
	*out = info;
	if (info.state == NODEPROTO_DELETED)
		return error_set(err, ERRC_NOTFOUND, "no such bucket");
	return 0;
}
