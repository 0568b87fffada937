/* SPDX-License-Identifier: MIT */
#include "client/pipeget.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "base/progress.h"
#include "client/blobread.h"
#include "client/metaread_parts.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "shard/encoder.h"
#include "shard/frame.h"
#include "shard/stream.h"

#define INLINE_MAX (1u << 20)
#define PIPE_BYTES (1 << 20)
/* Stripes in memory: the MD5 thread may still read the one before. */
#define STRIPES 2

/* Where the content of one stream comes from. */
struct source {
	struct blobread *blob; /* NULL: from bytes */
	struct bytes bytes;
};

struct stream {
	struct nodeclient *nc;
	int out;
	struct progress *progress;
	struct frame_begin begin;
	uint64_t size;
	uint64_t crc64nvme; /* of the record */
	struct source source;
	struct encoder *encoder;
	uint8_t *memory; /* STRIPES times data and parity */
	uint64_t ticket[STRIPES];
};

/* n bytes of content, exactly. */
static int
read_content(struct source *source, uint8_t *p, size_t n, struct error *err)
{
	size_t got = 0;

	if (source->blob == NULL) {
		assert(n <= source->bytes.n);
		memcpy(p, source->bytes.p, n);
		source->bytes = bytes_of(source->bytes.p + n,
		    source->bytes.n - n);
		return 0;
	}
	while (got < n) {
		ssize_t rc = blobread_read(source->blob, p + got, n - got, -1,
		    err);

		if (rc < 0)
			return (int)rc;
		assert(rc > 0);
		got += (size_t)rc;
	}
	return 0;
}

static int
copy_stripes(struct stream *s, struct error *err)
{
	const struct geometry *g = &s->begin.geometry;
	uint32_t n = geometry_shards(g);
	size_t full = (size_t)stripe_full_bytes(g);
	size_t room = (size_t)n * g->cell_bytes;
	uint64_t left = s->size;

	for (unsigned i = 0; left > 0; i = (i + 1) % STRIPES) {
		uint8_t *data = s->memory + i * room;
		size_t len = KOOP_MIN(left, full);
		struct encoded_stripe stripe;
		int rc;

		if (s->ticket[i] != 0)
			encoder_wait(s->encoder, s->ticket[i]);
		rc = read_content(&s->source, data, len, err);
		if (rc < 0)
			return rc;
		encoder_stripe(s->encoder, data, len, data + full, &stripe);
		s->ticket[i] = stripe.ticket;
		rc = stream_write_stripes(s->out, &stripe, 1, n, err);
		if (rc < 0)
			return rc;
		progress_add(s->progress, len);
		left -= len;
	}
	return 0;
}

static int
write_end(struct stream *s, struct error *err)
{
	uint8_t end[FRAME_END_BYTES];
	struct blob_totals totals;

	encoder_totals(s->encoder, &totals);
	if (totals.crc64nvme != s->crc64nvme || totals.size != s->size)
		return error_set(err, ERRC_CORRUPT,
		    "the content is not what was committed: its CRC-64 "
		    "differs");
	encoder_end(s->encoder, FRAME_INTERLEAVED, end);
	return io_write_full(s->out, end, sizeof(end), err);
}

static int
write_stream(struct stream *s, struct error *err)
{
	uint8_t begin[FRAME_BEGIN_BYTES];
	size_t room = (size_t)geometry_shards(&s->begin.geometry) *
	    s->begin.geometry.cell_bytes;
	int rc;

	rc = encoder_new(&s->encoder, &s->begin.geometry, s->begin.id,
	    ENCODER_MD5, err);
	if (rc < 0)
		return rc;
	s->memory = encoder_memory(STRIPES * room);
	if (s->memory == NULL) {
		rc = error_set(err, ERRC_NOMEM, "stream: out of memory");
		goto out;
	}
	frame_begin_encode(begin, &s->begin, FRAME_INTERLEAVED);
	rc = io_write_full(s->out, begin, sizeof(begin), err);
	if (rc == 0)
		rc = copy_stripes(s, err);
	if (rc == 0)
		rc = write_end(s, err);
out:
	encoder_free(s->encoder);
	free(s->memory);
	s->encoder = NULL;
	s->memory = NULL;
	memset(s->ticket, 0, sizeof(s->ticket));
	return rc;
}

/* One blob is one stream. */
static int
write_blob(struct stream *s, const struct blob_ref *ref, struct error *err)
{
	int rc;

	s->begin.geometry = ref->geometry;
	s->begin.id = ref->id;
	s->size = ref->size;
	rc = blobread_open(&s->source.blob, s->nc, ref, err);
	/* Before BEGIN, so that what cannot be read gives no output at all. */
	if (rc == 0)
		rc = blobread_prefetch(s->source.blob, -1, err);
	if (rc == 0)
		rc = write_stream(s, err);
	blobread_close(s->source.blob);
	s->source.blob = NULL;
	return rc;
}

struct parts {
	struct part_entry *part;
	uint32_t count, room;
};

static int
keep_part(void *arg, const struct part_entry *part)
{
	struct parts *parts = arg;

	if (part == NULL) {
		parts->count = 0;
		return 0;
	}
	if (parts->count == FRAME_PARTS_MAX)
		return -ERRC_PROTOCOL;
	if (parts->count == parts->room) {
		uint32_t room = KOOP_MAX(parts->room * 2, 16);
		struct part_entry *more = reallocarray(parts->part, room,
		    sizeof(*more));

		if (more == NULL)
			return -ERRC_NOMEM;
		parts->part = more;
		parts->room = room;
	}
	parts->part[parts->count++] = *part;
	return 0;
}

static int
write_parts(struct stream *s, const struct placement *place,
    struct bytes bucket, struct bytes key, const struct parts *parts,
    struct error *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < parts->count && rc == 0; i++) {
		const struct part_entry *part = &parts->part[i];
		struct blob_ref ref = {
			.partition = place->partition,
			.set = part->set,
			.bucket = bucket,
			.key = key,
			.id = part->id,
			.geometry = part->geometry,
			.size = part->size,
		};

		s->begin.part = i + 1;
		s->begin.parts = parts->count;
		s->crc64nvme = part->crc64nvme;
		rc = write_blob(s, &ref, err);
	}
	return rc;
}

static int
write_inline(struct stream *s, const struct placement *place,
    const struct object_info *info, const struct buf *bytes, struct error *err)
{
	s->begin.geometry = info->geometry;
	if (geometry_check(&info->geometry, NULL) < 0) {
		s->begin.geometry = GEOMETRY_DEFAULT;
		s->begin.geometry.data_shards = place->set->data_shards;
		s->begin.geometry.parity_shards = place->set->n -
		    place->set->data_shards;
	}
	s->begin.id = info->id;
	s->size = info->size;
	s->source.bytes = buf_bytes(bytes);
	return write_stream(s, err);
}

static int
write_version(struct stream *s, const struct placement *place,
    struct bytes bucket, struct bytes key, const struct object_info *info,
    const struct buf *bytes, const struct parts *parts, struct error *err)
{
	struct blob_ref ref = {
		.partition = place->partition,
		.set = info->set,
		.bucket = bucket,
		.key = key,
		.id = info->id,
		.geometry = info->geometry,
		.size = info->size,
	};

	s->begin.part = 1;
	s->begin.parts = 1;
	s->crc64nvme = info->crc64nvme;
	switch (info->kind) {
	case NODEPROTO_BLOB:
		return write_blob(s, &ref, err);
	case NODEPROTO_INLINE:
		return write_inline(s, place, info, bytes, err);
	case NODEPROTO_MULTIPART:
		return write_parts(s, place, bucket, key, parts, err);
	}
	return error_set(err, ERRC_PROTOCOL, "object: of an unknown kind");
}

int
pipeget_run(struct nodeclient *nc, int out, struct bytes bucket,
    struct bytes key, const struct versionid *version,
    struct progress *progress, struct error *err)
{
	struct stream s = { .nc = nc, .out = out, .progress = progress };
	struct buf bytes = buf_make(INLINE_MAX);
	struct object_info info = { 0 };
	struct parts parts = { 0 };
	struct placement place = placement_of(nodeclient_topology(nc), bucket,
	    key);
	int rc;

	assert(out >= 0 && bucket.n > 0 && key.n > 0);
	rc = metaread_whole(nc, &place, bucket, key, version, &info, &bytes,
	    keep_part, &parts, nodeclient_now(nc) + NODECLIENT_READ_MS, err);
	if (rc == -ERRC_NOTFOUND)
		rc = error_set(err, ERRC_NOTFOUND,
		    info.bucket == NODEPROTO_NONE ?
			"bucket \"%.*s\" does not exist" :
			version != NULL ?
			"no such version of \"%.*s/%.*s\" can be read" :
			"no object \"%.*s/%.*s\"",
		    (int)bucket.n, (const char *)bucket.p, (int)key.n,
		    (const char *)key.p);
	if (rc == 0) {
		io_pipe_size(out, PIPE_BYTES);
		progress->total = info.size;
		rc = write_version(&s, &place, bucket, key, &info, &bytes,
		    &parts, err);
	}
	free(parts.part);
	nodeproto_info_fini(&info);
	buf_fini(&bytes);
	return rc;
}
