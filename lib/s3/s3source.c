/* SPDX-License-Identifier: MIT */

#include "s3/s3source.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/blobread.h"
#include "client/metaread_parts.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "commit/record.h"
#include "s3/s3shared.h"
#include "s3/s3req.h"

/* What it takes to read a part; there may be 10,000 of them. */
struct piece {
	struct reqid id;
	struct geometry geometry;
	uint32_t set;
	uint64_t start; /* in the object */
	uint64_t size;
};

struct s3source {
	struct gateway *gw;
	char bucket[S3NAME_BUCKET_MAX];
	char key[S3NAME_KEY_MAX];
	size_t bucket_n, key_n;
	struct object_info info;
	struct buf inline_bytes;
	struct placement place;
	struct piece *pieces;
	size_t piece_count, piece_room;
	int client_fd;
	/* The range that is left, and the piece that is open. */
	uint64_t at, end;
	size_t piece;
	struct blobread *blob;
};

static int
piece_add(struct s3source *s, const struct piece *piece)
{
	if (s->piece_count == s->piece_room) {
		size_t room = s->piece_room ? 4 * s->piece_room : 16;
		struct piece *more = realloc(s->pieces, room * sizeof(*more));

		if (!more)
			return -ERRC_NOMEM;
		s->pieces = more;
		s->piece_room = room;
	}
	s->pieces[s->piece_count++] = *piece;
	return 0;
}

static int
part_found(void *arg, const struct part_entry *part)
{
	struct s3source *s = arg;
	struct piece piece;

	/* Another version is read: those were of the one before. */
	if (part == NULL) {
		s->piece_count = 0;
		return 0;
	}
	piece = (struct piece){ .id = part->id,
		.geometry = part->geometry,
		.set = part->set,
		.size = part->size };

	if (s->piece_count == RECORD_PARTS_MAX)
		return -ERRC_PROTOCOL;
	if (s->piece_count > 0) {
		const struct piece *last = &s->pieces[s->piece_count - 1];

		piece.start = last->start + last->size;
	}
	if (part->size > S3REQ_OBJECT_MAX - piece.start)
		return -ERRC_PROTOCOL;
	return piece_add(s, &piece);
}

int
s3source_open(struct s3source **out, struct gateway *gw,
    const struct placement *place, struct bytes bucket, struct bytes key,
    const struct versionid *version, bool bytes, struct error *err)
{
	struct s3source *s = calloc(1, sizeof(*s));
	uint64_t deadline;
	int rc;

	if (!s)
		return error_set(err, ERRC_NOMEM, "read: out of memory");
	assert(bucket.n <= sizeof(s->bucket) && key.n <= sizeof(s->key));
	s->gw = gw;
	s->client_fd = -1;
	memcpy(s->bucket, bucket.p, bucket.n);
	s->bucket_n = bucket.n;
	memcpy(s->key, key.p, key.n);
	s->key_n = key.n;
	s->inline_bytes = buf_make(RECORD_BYTES_MAX);
	s->place = *place;
	deadline = nodeclient_now(gw->nc) + NODECLIENT_READ_MS;
	/* What conditions and range are judged by must be of the version whose
	 * bytes follow. */
	if (bytes)
		rc = metaread_whole(gw->nc, place, bucket, key, version,
		    &s->info, &s->inline_bytes, part_found, s, deadline, err);
	else
		rc = metaread_version(gw->nc, place, bucket, key, version,
		    &s->info, NULL, deadline, err);
	if (rc < 0 && rc != -ERRC_NOTFOUND) {
		/* Nothing was filled that would have to be released. */
		s->info = (struct object_info){ 0 };
		s3source_close(s);
		return rc;
	}
	*out = s;
	return rc;
}

void
s3source_close(struct s3source *s)
{
	if (!s)
		return;
	blobread_close(s->blob);
	nodeproto_info_fini(&s->info);
	buf_fini(&s->inline_bytes);
	free(s->pieces);
	free(s);
}

const struct object_info *
s3source_info(const struct s3source *s)
{
	return &s->info;
}

/* Fill pieces; of an inline object there are none. */
static int
find_pieces(struct s3source *s, struct error *err)
{
	const struct object_info *info = &s->info;
	struct piece whole = { .id = info->id,
		.geometry = info->geometry,
		.set = info->set,
		.size = info->size };

	if (info->kind == NODEPROTO_INLINE) {
		if (s->inline_bytes.n == info->size)
			return 0;
		return error_set(err, ERRC_UNAVAILABLE,
		    "read: %zu of %llu inline bytes came", s->inline_bytes.n,
		    (unsigned long long)info->size);
	}
	if (info->kind == NODEPROTO_BLOB && piece_add(s, &whole) < 0)
		return error_set(err, ERRC_NOMEM, "read: out of memory");
	/* Of a multipart version they came with it. */
	assert(s->piece_count > 0);
	return 0;
}

/* Open the piece that s->at is in. */
static int
open_piece(struct s3source *s, struct error *err)
{
	const struct piece *p = &s->pieces[s->piece];
	struct blob_ref ref = {
		.partition = s->place.partition,
		.set = p->set,
		.bucket = bytes_of(s->bucket, s->bucket_n),
		.key = bytes_of(s->key, s->key_n),
		.id = p->id,
		.geometry = p->geometry,
		.size = p->size,
	};
	uint64_t end = KOOP_MIN(s->end, p->start + p->size);
	int rc = blobread_open(&s->blob, s->gw->nc, &ref, err);

	if (rc < 0)
		return rc;
	assert(s->at >= p->start && s->at <= end);
	blobread_range(s->blob, s->at - p->start, end - s->at);
	return 0;
}

int
s3source_range(struct s3source *s, uint64_t offset, uint64_t length,
    int client_fd, struct error *err)
{
	int rc = 0;

	assert(offset <= s->info.size && length <= s->info.size - offset);
	s->client_fd = client_fd;
	s->at = offset;
	s->end = offset + length;
	if (length == 0)
		return 0;
	rc = find_pieces(s, err);
	if (rc < 0 || s->piece_count == 0)
		return rc;
	while (s->pieces[s->piece].start + s->pieces[s->piece].size <= s->at)
		s->piece++;
	rc = open_piece(s, err);
	if (rc < 0)
		return rc;
	return blobread_prefetch(s->blob, client_fd, err);
}

static ssize_t
read_inline(struct s3source *s, uint8_t *p, size_t max)
{
	size_t n = (size_t)KOOP_MIN(s->end - s->at, max);

	memcpy(p, s->inline_bytes.p + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

ssize_t
s3source_read(struct s3source *s, uint8_t *p, size_t max, struct error *err)
{
	int rc;

	if (s->at == s->end)
		return 0;
	if (s->info.kind == NODEPROTO_INLINE)
		return read_inline(s, p, max);
	for (;;) {
		ssize_t n = blobread_read(s->blob, p, max, s->client_fd, err);

		if (n != 0) {
			s->at += n > 0 ? (uint64_t)n : 0;
			return n;
		}
		/* The piece is over and the range is not: next one.  Empty
		 * parts give nothing and are passed. */
		blobread_close(s->blob);
		s->blob = NULL;
		s->piece++;
		if (s->piece >= s->piece_count || s->at == s->end)
			return error_set(err, ERRC_PROTOCOL,
			    "read: a part is shorter than told");
		rc = open_piece(s, err);
		if (rc < 0)
			return rc;
	}
}
