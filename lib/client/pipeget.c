/* SPDX-License-Identifier: MIT */
#include "client/pipeget.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "base/number.h"
#include "base/progress.h"
#include "client/blobread.h"
#include "client/nodeclient.h"
#include "client/objectblobs.h"
#include "client/shardcheck.h"
#include "cluster/placement.h"
#include "commit/objectmeta.h"
#include "http/range.h"
#include "shard/encoder.h"
#include "shard/frame.h"
#include "shard/headertext.h"
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
	/* Of the object; whole: all of it is wanted. */
	struct range want;
	bool whole;
	struct buf headers; /* for the first stream: shard/headertext.h */
	uint64_t size;      /* of what the stream carries */
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
	assert(s->begin.range.size == 0 || totals.size == s->size);
	/* A range has no CRC-64 to be held against: each of its cells was
	 * verified as it came. */
	if (s->begin.range.size > 0)
		s->crc64nvme = totals.crc64nvme;
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
	encoder_from(s->encoder, frame_range_stripe(&s->begin));
	s->memory = encoder_memory(STRIPES * room);
	if (s->memory == NULL) {
		rc = error_set(err, ERRC_NOMEM, "stream: out of memory");
		goto out;
	}
	frame_begin_encode(begin, &s->begin, FRAME_INTERLEAVED);
	rc = io_write_full(s->out, begin, sizeof(begin), err);
	if (rc == 0)
		rc = stream_write_headers(s->out, buf_bytes(&s->headers),
		    s->begin.id, err);
	buf_clear(&s->headers);
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

/*
 * What BEGIN says of a blob of `size` bytes that stands at `at` of the object,
 * once it has a geometry: all of it, or the bytes of the range in it, which
 * then are some.  Returns where the stream's contents begin in the blob.
 */
static uint64_t
choose_bytes(struct stream *s, uint64_t at, uint64_t size)
{
	struct frame_range *range = &s->begin.range;
	uint64_t from;

	*range = (struct frame_range){ 0 };
	s->size = size;
	if (s->whole)
		return 0;
	assert(s->want.first < at + size && s->want.last >= at);
	*range = (struct frame_range){
		.first = s->want.first > at ? s->want.first - at : 0,
		.last = KOOP_MIN(s->want.last - at, size - 1),
		.size = size,
	};
	from = frame_range_stripe(&s->begin) *
	    stripe_full_bytes(&s->begin.geometry);
	s->size = frame_range_bytes(&s->begin);
	return from;
}

/* One blob is one stream. */
static int
write_blob(struct stream *s, const struct blob_ref *ref, uint64_t at,
    struct error *err)
{
	uint64_t from;
	int rc;

	s->begin.geometry = ref->geometry;
	s->begin.id = ref->id;
	rc = blobread_open(&s->source.blob, s->nc, ref, err);
	if (rc == 0) {
		from = choose_bytes(s, at, ref->size);
		blobread_range(s->source.blob, from, s->size);
	}
	/* Before BEGIN, so that what cannot be read gives no output at all. */
	if (rc == 0)
		rc = blobread_prefetch(s->source.blob, -1, err);
	if (rc == 0)
		rc = write_stream(s, err);
	blobread_close(s->source.blob);
	s->source.blob = NULL;
	return rc;
}

/* Of a blob, or of all parts; told by nodes, so that it may be anything.
 * UINT64_MAX: too much. */
static uint64_t
pieces_bytes(const struct objectblobs *blobs)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < objectblobs_pieces(blobs); i++) {
		struct shardcheck_blob piece;

		objectblobs_piece(blobs, i, &piece);
		if (!number_add(&sum, sum, piece.ref.size))
			return UINT64_MAX;
	}
	return sum;
}

/* The first and the last of the pieces that hold bytes of the range; how many
 * streams that makes. */
static uint32_t
pieces_wanted(const struct stream *s, const struct objectblobs *blobs,
    uint32_t *first, uint32_t *last)
{
	uint32_t count = objectblobs_pieces(blobs);
	uint64_t at = 0;

	assert(count > 0);
	*first = 0;
	*last = count - 1;
	for (uint32_t i = 0; i < count && !s->whole; i++) {
		struct shardcheck_blob piece;
		uint64_t end;

		objectblobs_piece(blobs, i, &piece);
		end = at + piece.ref.size;
		if (at <= s->want.first)
			*first = i;
		if (at <= s->want.last && end > s->want.last)
			*last = i;
		at = end;
	}
	assert(*first <= *last);
	return *last - *first + 1;
}

static int
write_pieces(struct stream *s, const struct objectblobs *blobs,
    struct error *err)
{
	uint64_t at = 0;
	uint32_t first, last;
	int rc = 0;

	if (pieces_bytes(blobs) != blobs->info.size)
		return error_set(err, ERRC_PROTOCOL,
		    "object: its parts are not as long as it is");
	s->begin.parts = pieces_wanted(s, blobs, &first, &last);
	for (uint32_t i = 0; i <= last && rc == 0; i++) {
		struct shardcheck_blob piece;

		objectblobs_piece(blobs, i, &piece);
		if (i >= first) {
			s->begin.part = i - first + 1;
			s->crc64nvme = piece.crc64nvme;
			rc = write_blob(s, &piece.ref, at, err);
		}
		at += piece.ref.size;
	}
	return rc;
}

static int
write_inline(struct stream *s, const struct placement *place,
    const struct object_info *info, const struct buf *bytes, struct error *err)
{
	uint64_t from;

	s->begin.geometry = info->geometry;
	if (geometry_check(&info->geometry, NULL) < 0) {
		s->begin.geometry = GEOMETRY_DEFAULT;
		s->begin.geometry.data_shards = place->set->data_shards;
		s->begin.geometry.parity_shards = place->set->n -
		    place->set->data_shards;
	}
	s->begin.id = info->id;
	from = choose_bytes(s, 0, info->size);
	if (bytes->n != info->size)
		return error_set(err, ERRC_CORRUPT,
		    "object: its record holds %zu bytes of %" PRIu64, bytes->n,
		    info->size);
	s->source.bytes = bytes_of(buf_bytes(bytes).p + from,
	    (size_t)(info->size - from));
	return write_stream(s, err);
}

struct header_list {
	struct buf *text;
	int rc;
	struct error *err;
};

static void
add_header(void *arg, const char *name, const char *value)
{
	struct header_list *list = arg;

	if (list->rc == 0)
		list->rc = headertext_add(list->text, bytes_str(name),
		    bytes_str(value), list->err);
}

/* What the object is served with goes with it. */
static int
take_headers(struct stream *s, const struct object_info *info,
    struct error *err)
{
	struct header_list list = { &s->headers, 0, err };

	assert(s->headers.n == 0);
	objectmeta_stored(info->headers, info->meta, add_header, &list);
	return list.rc < 0 ? error_wrap(err, "object") : 0;
}

static int
write_version(struct stream *s, const struct objectblobs *blobs,
    const struct buf *bytes, struct error *err)
{
	s->begin.part = 1;
	s->begin.parts = 1;
	s->begin.stored = true;
	s->crc64nvme = blobs->info.crc64nvme;
	if (blobs->info.kind == NODEPROTO_INLINE)
		return write_inline(s, &blobs->place, &blobs->info, bytes, err);
	/* A finished upload has one part at least. */
	if (objectblobs_pieces(blobs) == 0)
		return error_set(err, ERRC_PROTOCOL, "object: without parts");
	return write_pieces(s, blobs, err);
}

/* "100-199", "100-" and "-100", which range_parse() wants with their unit. */
static enum range_kind
pipeget_parse(struct range *out, const char *text, uint64_t size)
{
	char value[64];
	int n = snprintf(value, sizeof(value), "bytes=%s", text);

	assert(n > 0);
	if ((size_t)n >= sizeof(value))
		return RANGE_NONE;
	return range_parse(out, value, size);
}

bool
pipeget_range_valid(const char *text)
{
	struct range range;

	/* HTTP lets blanks pass; whoever types some has made a mistake. */
	if (text[strspn(text, "0123456789-")] != '\0')
		return false;
	return pipeget_parse(&range, text, STRIPE_SIZE_MAX) != RANGE_NONE;
}

/* What of the object is wanted, once its size is known. */
static int
choose_range(struct stream *s, const char *text, uint64_t size,
    struct error *err)
{
	s->whole = text == NULL;
	s->progress->total = size;
	if (s->whole)
		return 0;
	if (pipeget_parse(&s->want, text, size) != RANGE_OK)
		return error_set(err, ERRC_MISMATCH,
		    "range %s: the object ends before it, at %" PRIu64 " bytes",
		    text, size);
	assert(s->want.first <= s->want.last && s->want.last < size);
	s->progress->total = s->want.last - s->want.first + 1;
	return 0;
}

int
pipeget_run(struct nodeclient *nc, int out, struct bytes bucket,
    struct bytes key, const struct versionid *version, const char *range,
    struct progress *progress, struct error *err)
{
	struct stream s = { .nc = nc,
		.out = out,
		.progress = progress,
		.headers = buf_make(HEADERTEXT_MAX) };
	struct buf bytes = buf_make(INLINE_MAX);
	struct objectblobs blobs;
	int rc;

	assert(out >= 0 && bucket.n > 0 && key.n > 0);
	rc = objectblobs_read(&blobs, nc, bucket, key, version, &bytes, err);
	if (rc == 0)
		rc = choose_range(&s, range, blobs.info.size, err);
	if (rc == 0)
		rc = take_headers(&s, &blobs.info, err);
	if (rc == 0) {
		io_pipe_size(out, PIPE_BYTES);
		rc = write_version(&s, &blobs, &bytes, err);
	}
	buf_fini(&s.headers);
	objectblobs_fini(&blobs);
	buf_fini(&bytes);
	return rc;
}
