/* SPDX-License-Identifier: MIT */

#include "shard/stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "codec/crc.h"
#include "shard/headertext.h"

_Static_assert(FRAME_HEADERS_MAX == HEADERTEXT_MAX,
    "a frame holds what a text may be");

#define PIPE_BYTES (1024 * 1024)
/* No frame that may follow is shorter than END, so this much from where the
 * next header may begin never reaches past END. */
#define SCAN_BYTES FRAME_END_BYTES
#define SCRATCH_BYTES 65536

struct stream_reader {
	int fd;
	int null;      /* /dev/null, when fd is a pipe; else -1 */
	bool seekable; /* a file: what is skipped need not be read */
	bool has_begin;
	struct frame_begin begin;
	struct frame frame;
	uint8_t header[FRAME_HEADER_BYTES]; /* of frame */
	size_t left;                        /* of its payload, unread */
	/* The header after frame came with frame's payload. */
	uint8_t ahead[FRAME_HEADER_BYTES];
	size_t ahead_n;
	/* Read while looking for a header, and to be read again. */
	uint8_t back[2 * SCAN_BYTES];
	size_t back_n;
	uint64_t damage;
	uint8_t *scratch;
};

int
stream_reader_new(struct stream_reader **out, int fd, struct error *err)
{
	struct stream_reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return error_set(err, ERRC_NOMEM, "stream: out of memory");
	r->fd = fd;
	r->null = -1;
	if (io_is_pipe(fd)) {
		io_pipe_size(fd, PIPE_BYTES);
		r->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	} else {
		r->seekable = lseek(fd, 0, SEEK_CUR) >= 0;
	}
	*out = r;
	return 0;
}

void
stream_reader_free(struct stream_reader *r)
{
	if (r == NULL)
		return;
	if (r->null >= 0)
		close(r->null);
	free(r->scratch);
	free(r);
}

uint64_t
stream_reader_damage(const struct stream_reader *r)
{
	return r->damage;
}

/* What was put back, first. */
static size_t
stream_take_back(struct stream_reader *r, void *p, size_t n)
{
	assert(r->back_n <= sizeof(r->back));
	n = KOOP_MIN(n, r->back_n);
	memcpy(p, r->back, n);
	r->back_n -= n;
	memmove(r->back, r->back + n, r->back_n);
	return n;
}

static void
put_back(struct stream_reader *r, const void *p, size_t n)
{
	assert(n <= sizeof(r->back) - r->back_n);
	memmove(r->back + n, r->back, r->back_n);
	memcpy(r->back, p, n);
	r->back_n += n;
}

/* Up to n bytes, fewer only at the end of the stream. */
static ssize_t
read_full(struct stream_reader *r, void *p, size_t n, struct error *err)
{
	size_t got = stream_take_back(r, p, n);
	ssize_t rc;

	if (got == n)
		return (ssize_t)n;
	rc = io_read_full(r->fd, (uint8_t *)p + got, n - got, err);
	return rc < 0 ? rc : rc + (ssize_t)got;
}

/*
 * The payload at hand, and the header behind it: after a CELL there is always
 * another frame.  One system call fetches both when they are there.
 */
static ssize_t
read_with_header(struct stream_reader *r, void *p, size_t n, struct error *err)
{
	size_t got = stream_take_back(r, p, n);

	assert(r->ahead_n == 0);
	if (r->back_n > 0)
		return (ssize_t)got;
	while (got < n) {
		struct iovec iov[2] = {
			{ (uint8_t *)p + got, n - got },
			{ r->ahead, sizeof(r->ahead) },
		};
		ssize_t rc = readv(r->fd, iov, 2);

		/* io_read_some() knows what to do with an error. */
		if (rc < 0)
			rc = io_read_some(r->fd, iov[0].iov_base,
			    iov[0].iov_len, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			break;
		if ((size_t)rc > n - got) {
			r->ahead_n = (size_t)rc - (n - got);
			assert(r->ahead_n <= sizeof(r->ahead));
			return (ssize_t)n;
		}
		got += (size_t)rc;
	}
	return (ssize_t)got;
}

/* Let n bytes of a pipe go without copying them; returns how many went. */
static ssize_t
splice_away(struct stream_reader *r, size_t n)
{
	size_t gone = 0;

	while (gone < n) {
		ssize_t rc = splice(r->fd, NULL, r->null, NULL, n - gone, 0);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc <= 0)
			break;
		gone += (size_t)rc;
	}
	assert(gone <= n);
	return (ssize_t)gone;
}

static int
skip(struct stream_reader *r, size_t n, struct error *err)
{
	uint8_t drop[1024];

	assert(r->ahead_n == 0);
	while (n > 0 && r->back_n > 0)
		n -= stream_take_back(r, drop, KOOP_MIN(n, sizeof(drop)));
	if (n > 0 && r->null >= 0)
		n -= (size_t)splice_away(r, n);
	if (n > 0 && r->seekable && lseek(r->fd, (off_t)n, SEEK_CUR) >= 0)
		n = 0;
	if (n > 0 && r->scratch == NULL) {
		r->scratch = malloc(SCRATCH_BYTES);
		if (r->scratch == NULL)
			return error_set(err, ERRC_NOMEM,
			    "stream: out of memory");
	}
	while (n > 0) {
		ssize_t rc = io_read_some(r->fd, r->scratch,
		    KOOP_MIN(n, (size_t)SCRATCH_BYTES), err);

		if (rc < 0)
			return (int)rc;
		if (rc == 0)
			break;
		n -= (size_t)rc;
	}
	return 0;
}

int
stream_reader_begin(struct stream_reader *r, struct frame_begin *out,
    uint8_t *shard, struct error *err)
{
	uint8_t in[FRAME_BEGIN_BYTES];
	ssize_t got = read_full(r, in, sizeof(in), err);
	int rc;

	assert(r->left == 0 && r->ahead_n == 0);
	if (got < 0)
		return (int)got;
	if (got == 0)
		return 0;
	if (got < (ssize_t)sizeof(in))
		return error_set(err, ERRC_CORRUPT,
		    "stream: ends within BEGIN");
	rc = frame_begin_decode(&r->begin, shard, in, err);
	if (rc < 0) {
		(void)error_wrap(err, "stream");
		return rc;
	}
	r->has_begin = true;
	*out = r->begin;
	return 1;
}

/* Is it a header that may come here? */
static bool
try_header(struct stream_reader *r, const uint8_t *in)
{
	struct frame f;

	if (frame_decode(&f, in, &r->begin.id, NULL) < 0 ||
	    f.kind == FRAME_BEGIN)
		return false;
	assert(r->has_begin);
	memcpy(r->header, in, FRAME_HEADER_BYTES);
	r->frame = f;
	r->left = f.length;
	return true;
}

/*
 * Where a header had to be there is none.  Look at each byte after its first:
 * a header's checksum over the request id makes it unmistakable.
 */
static int
find_header(struct stream_reader *r, const uint8_t *bad, struct error *err)
{
	uint8_t window[SCAN_BYTES];
	size_t n = FRAME_HEADER_BYTES - 1;

	r->damage++;
	memcpy(window, bad + 1, n);
	for (;;) {
		ssize_t got = read_full(r, window + n, sizeof(window) - n, err);

		if (got < 0)
			return (int)got;
		n += (size_t)got;
		assert(n <= sizeof(window));
		for (size_t at = 0; at + FRAME_HEADER_BYTES <= n; at++) {
			if (window[at] != 'K' || !try_header(r, window + at))
				continue;
			at += FRAME_HEADER_BYTES;
			put_back(r, window + at, n - at);
			return 1;
		}
		if (n < sizeof(window))
			return 0;
		n = FRAME_HEADER_BYTES - 1;
		memmove(window, window + sizeof(window) - n, n);
	}
}

int
stream_reader_next(struct stream_reader *r, struct frame *out,
    struct error *err)
{
	uint8_t in[FRAME_HEADER_BYTES];
	ssize_t got;
	int rc;

	assert(r->has_begin);
	if (r->left > 0) {
		rc = skip(r, r->left, err);
		if (rc < 0)
			return rc;
		r->left = 0;
	}
	assert(r->ahead_n <= sizeof(in));
	memcpy(in, r->ahead, r->ahead_n);
	got = read_full(r, in + r->ahead_n, sizeof(in) - r->ahead_n, err);
	if (got < 0)
		return (int)got;
	got += (ssize_t)r->ahead_n;
	r->ahead_n = 0;
	if (got < (ssize_t)sizeof(in))
		return 0;
	if (!try_header(r, in)) {
		rc = find_header(r, in, err);
		if (rc <= 0)
			return rc;
	}
	*out = r->frame;
	return 1;
}

int
stream_reader_payload(struct stream_reader *r, void *p, struct error *err)
{
	ssize_t got;

	assert(r->frame.kind != FRAME_END && r->left == r->frame.length);
	got = read_with_header(r, p, r->left, err);
	if (got < 0)
		return (int)got;
	/* What was put back may have ended within the payload. */
	if ((size_t)got < r->left) {
		ssize_t more = read_full(r, (uint8_t *)p + got,
		    r->left - (size_t)got, err);

		if (more < 0)
			return (int)more;
		got += more;
	}
	if ((size_t)got == r->left && frame_payload_good(&r->frame, p)) {
		r->left = 0;
		return 1;
	}
	r->left = 0;
	r->damage++;
	return 0;
}

int
stream_reader_headers(struct stream_reader *r, struct buf *text,
    struct error *err)
{
	size_t n = r->frame.length;
	char *room;
	int rc;

	assert(r->frame.kind == FRAME_HEADERS && n <= FRAME_HEADERS_MAX);
	buf_clear(text);
	room = buf_reserve(text, n);
	if (room == NULL)
		return error_set(err, ERRC_NOMEM, "stream: out of memory");
	rc = stream_reader_payload(r, room, err);
	if (rc <= 0)
		return rc;
	text->n = n;
	rc = headertext_check(buf_bytes(text), err);
	if (rc < 0) {
		buf_clear(text);
		return error_wrap(err, "stream");
	}
	return 1;
}

int
stream_reader_end(struct stream_reader *r, struct blob_totals *out,
    struct error *err)
{
	uint8_t in[FRAME_END_BYTES], shard;
	struct blob_totals totals;
	ssize_t got;
	int rc;

	assert(r->frame.kind == FRAME_END && r->left == FRAME_END_PAYLOAD);
	memcpy(in, r->header, FRAME_HEADER_BYTES);
	got = read_full(r, in + FRAME_HEADER_BYTES, r->left, err);
	if (got < 0)
		return (int)got;
	r->left = 0;
	r->has_begin = false;
	if (got < FRAME_END_PAYLOAD)
		return error_set(err, ERRC_CORRUPT, "stream: ends within END");
	rc = frame_end_decode(&totals, &shard, in, &r->begin.id, err);
	if (rc == 0)
		rc = frame_totals_check(&totals, &r->begin.geometry, err);
	if (rc < 0) {
		(void)error_wrap(err, "stream");
		return rc;
	}
	*out = totals;
	return 0;
}

int
stream_write_headers(int fd, struct bytes text, struct reqid id,
    struct error *err)
{
	uint8_t header[FRAME_HEADER_BYTES];
	struct iovec iov[2] = {
		{ header, sizeof(header) },
		{ (void *)(uintptr_t)text.p, text.n },
	};
	struct frame frame = {
		.kind = FRAME_HEADERS,
		.shard = FRAME_INTERLEAVED,
		.length = (uint32_t)text.n,
	};

	assert(text.n <= FRAME_HEADERS_MAX);
	if (text.n == 0)
		return 0;
	frame.payload_crc = crc32c(0, text.p, text.n);
	frame_encode(header, &frame, &id);
	return io_writev_full(fd, iov, 2, err);
}

int
stream_write_stripes(int fd, struct encoded_stripe *stripe, size_t count,
    uint32_t shards, struct error *err)
{
	struct iovec iov[STREAM_IOV_MAX];
	int n = 0;

	assert(shards >= 1 && shards <= STRIPE_SHARDS_MAX);
	for (size_t i = 0; i < count; i++)
		for (uint32_t j = 0; j < shards; j++) {
			iov[n++] = (struct iovec){ stripe[i].header[j],
				FRAME_HEADER_BYTES };
			iov[n++] = (struct iovec){ stripe[i].cell[j],
				stripe[i].cell_bytes };
			if (n + 2 > STREAM_IOV_MAX) {
				int rc = io_writev_full(fd, iov, n, err);

				if (rc < 0)
					return rc;
				n = 0;
			}
		}
	return n > 0 ? io_writev_full(fd, iov, n, err) : 0;
}
