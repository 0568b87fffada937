/* SPDX-License-Identifier: MIT */
#include "client/metaread_parts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "client/metaask.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "http/httpc.h"
#include "http/httpreq.h"

/* 10,000 lines with a CRC for each of 32 shards. */
/* Of one version whose parts are not all there. */
#define WHOLE_TRIES 3
#define BODY_MAX (16u << 20)

struct parts_read {
	bool manifest;
	struct bytes bucket, key; /* which /parts must confirm */
	bool found;
	enum upload_state state;
	struct buf body;
};

/* Does the percent-encoded value name these bytes? */
static bool
names(const char *value, struct bytes bytes)
{
	char decoded[NODEPROTO_KEY_MAX + 1];
	size_t n = 0;

	if (value == NULL || strlen(value) > 3 * NODEPROTO_KEY_MAX)
		return false;
	if (strlen(value) >= sizeof(decoded)) {
		char *p = malloc(strlen(value) + 1);
		bool same = p != NULL &&
		    percent_decode(p, &n, value, strlen(value), false) &&
		    bytes_equal(bytes_of(p, n), bytes);

		free(p);
		return same;
	}
	return percent_decode(decoded, &n, value, strlen(value), false) &&
	    bytes_equal(bytes_of(decoded, n), bytes);
}

/* GET /parts says whose upload it is, and how it stands. */
static int
take_state(struct parts_read *read, const struct metaanswer *answer)
{
	const char *state = httpc_response_header(answer->call,
	    NODEPROTO_UPLOAD);

	if (!names(httpc_response_header(answer->call, NODEPROTO_KEY),
		read->key) ||
	    !names(httpc_response_header(answer->call, NODEPROTO_BUCKET_NAME),
		read->bucket)) {
		read->found = false;
		return 0;
	}
	if (state != NULL && strcmp(state, "open") == 0)
		read->state = UPLOAD_OPEN;
	else if (state != NULL && strcmp(state, "completed") == 0)
		read->state = UPLOAD_COMPLETED;
	else if (state != NULL && strcmp(state, "aborted") == 0)
		read->state = UPLOAD_ABORTED;
	else
		return -ERRC_PROTOCOL;
	return 0;
}

static int
take_parts(void *arg, const struct metaanswer *answer, uint64_t *seq)
{
	struct parts_read *read = arg;

	(void)seq;
	if (answer->status != 200 && answer->status != 404)
		return -ERRC_PROTOCOL;
	read->found = answer->status == 200;
	if (!read->found)
		return 0;
	if (!read->manifest) {
		int rc = take_state(read, answer);

		if (rc < 0)
			return rc;
	}
	buf_clear(&read->body);
	buf_add(&read->body, answer->body.p, answer->body.n);
	return buf_failed(&read->body) ? -ERRC_NOMEM : 0;
}

static void
to_entry(struct part_entry *out, const struct nodeline_part *line)
{
	memset(out, 0, sizeof(*out));
	out->number = line->part;
	out->set = line->set;
	out->id = line->id;
	out->size = line->size;
	out->modified_ms = line->modified_ms;
	out->geometry = line->geometry;
	out->crc64nvme = line->crc64nvme;
	memcpy(out->etag, line->etag, sizeof(out->etag));
	memcpy(out->shard_crc64, line->shard_crc64, sizeof(out->shard_crc64));
}

static int
give_lines(const struct parts_read *read, metaread_part_fn *fn, void *arg,
    struct nodeline_part *line, struct error *err)
{
	struct bytes body = buf_bytes(&read->body);

	for (;;) {
		const uint8_t *lf = body.n > 0 ? memchr(body.p, '\n', body.n) :
						 NULL;
		struct part_entry entry;
		struct bytes text;
		int rc;

		if (lf == NULL)
			return error_set(err, ERRC_PROTOCOL,
			    "parts: the answer has no end");
		text = bytes_of(body.p, (size_t)(lf - body.p));
		body = bytes_of(lf + 1, body.n - text.n - 1);
		memset(line, 0, sizeof(*line));
		rc = read->manifest ? nodeline_manifest_parse(line, text, err) :
				      nodeline_part_parse(line, text, err);
		if (rc < 0)
			return rc;
		if (line->kind == NODELINE_END)
			return 0;
		to_entry(&entry, line);
		rc = fn(arg, &entry);
		if (rc < 0)
			return error_set(err, (enum errc) - rc, "parts: %s",
			    rc == -ERRC_NOMEM ?
				"out of memory" :
				"more, or larger, than an object has");
		if (rc > 0)
			return rc;
	}
}

static int
read_parts(struct nodeclient *nc, const struct placement *place,
    struct parts_read *read, const struct buf *target, uint64_t deadline,
    struct error *err)
{
	struct metaone one = {
		.nc = nc,
		.place = place,
		.method = "GET",
		.target = buf_cstr(target),
		.body_max = BODY_MAX,
		.whole_partition = true,
		.take = take_parts,
		.arg = read,
	};
	int rc;

	if (buf_failed(target))
		return error_set(err, ERRC_USAGE, "object: name too long");
	rc = metaask_one(&one, deadline, err);
	if (rc < 0)
		return rc;
	if (!read->found)
		return error_set(err, ERRC_NOTFOUND, "no such upload");
	return 0;
}

int
metaread_parts(struct nodeclient *nc, const struct placement *place,
    struct bytes bucket, struct bytes key, struct reqid upload, uint32_t after,
    uint32_t max, metaread_part_fn *fn, void *arg, struct parts_end *end,
    uint64_t deadline, struct error *err)
{
	struct parts_read read = { .bucket = bucket, .key = key };
	struct buf target = buf_make(HTTPREQ_TARGET_MAX);
	char id[REQID_HEX + 1];
	struct nodeline_part last = { 0 };
	int rc;

	read.body = buf_make(BODY_MAX);
	reqid_format(id, upload);
	buf_printf(&target,
	    "/parts/%" PRIu32 "/%s?after=%" PRIu32 "&max=%" PRIu32,
	    place->partition, id, after, max);
	rc = read_parts(nc, place, &read, &target, deadline, err);
	if (rc == 0)
		rc = give_lines(&read, fn, arg, &last, err);
	if (rc == 0) {
		end->state = read.state;
		end->truncated = last.truncated;
		end->next = last.part;
	}
	buf_fini(&read.body);
	buf_fini(&target);
	return rc;
}

int
metaread_manifest(struct nodeclient *nc, const struct placement *place,
    struct bytes bucket, struct bytes key, struct reqid upload,
    metaread_part_fn *fn, void *arg, uint64_t deadline, struct error *err)
{
	struct parts_read read = { .manifest = true };
	struct buf target = buf_make(HTTPREQ_TARGET_MAX);
	struct nodeline_part last = { 0 };
	int rc;

	read.body = buf_make(BODY_MAX);
	nodeproto_target_manifest(&target, place->partition, bucket, key,
	    upload);
	rc = read_parts(nc, place, &read, &target, deadline, err);
	if (rc == 0)
		rc = give_lines(&read, fn, arg, &last, err);
	buf_fini(&read.body);
	buf_fini(&target);
	return rc;
}

/* The parts as they are given on, and how many bytes they are. */
struct whole_read {
	metaread_part_fn *fn;
	void *arg;
	uint64_t bytes;
};

static int
count_part(void *arg, const struct part_entry *part)
{
	struct whole_read *read = arg;

	assert(part != NULL);
	if (part->size > UINT64_MAX - read->bytes)
		return -ERRC_PROTOCOL;
	read->bytes += part->size;
	return read->fn(read->arg, part);
}

/* 1: all parts are there.  0: they are not, or not any more. */
static int
read_all_parts(struct nodeclient *nc, const struct placement *place,
    struct bytes bucket, struct bytes key, const struct object_info *info,
    struct whole_read *read, uint64_t deadline, struct error *err)
{
	int rc = read->fn(read->arg, NULL);

	assert(info->kind == NODEPROTO_MULTIPART);
	read->bytes = 0;
	if (rc == 0)
		rc = metaread_manifest(nc, place, bucket, key, info->id,
		    count_part, read, deadline, err);
	if (rc == -ERRC_NOTFOUND)
		return 0;
	return rc < 0 ? rc : read->bytes == info->size;
}

int
metaread_whole(struct nodeclient *nc, const struct placement *place,
    struct bytes bucket, struct bytes key, const struct versionid *version,
    struct object_info *out, struct buf *inline_bytes, metaread_part_fn *fn,
    void *arg, uint64_t deadline, struct error *err)
{
	struct whole_read read = { .fn = fn, .arg = arg };
	struct reqid before = { { 0 } };
	unsigned same = 0;

	for (;;) {
		struct object_info info = { 0 };
		int rc = metaread_version(nc, place, bucket, key, version,
		    &info, inline_bytes, deadline, err);

		if (rc < 0 || info.kind != NODEPROTO_MULTIPART) {
			*out = info;
			return rc;
		}
		rc = read_all_parts(nc, place, bucket, key, &info, &read,
		    deadline, err);
		if (rc > 0) {
			*out = info;
			return 0;
		}
		/* The version and its parts are two reads, and what happened
		 * in between may have taken the parts.  Reads are linearizable
		 * (protocol.md 7): when the same version is still there, or
		 * still the newest, nobody did. */
		same = reqid_equal(before, info.id) ? same + 1 : 0;
		before = info.id;
		nodeproto_info_fini(&info);
		if (rc < 0)
			return rc;
		if (same == WHOLE_TRIES)
			return error_set(err, ERRC_PROTOCOL,
			    "read: the sizes of the parts do not add up");
		if (nodeclient_now(nc) >= deadline)
			return error_set(err, ERRC_UNAVAILABLE,
			    "read: the object is replaced again and again");
	}
}
