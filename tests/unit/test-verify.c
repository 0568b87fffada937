/* SPDX-License-Identifier: MIT */

#include <stdint.h>

#include "base/error.h"
#include "codec/crc.h"
#include "shard/verify.h"
#include "shardtest.h"
#include "tap.h"

static const struct geometry small = { 2, 1, 4096 };

/* Feed in pieces of that many bytes; 0 when all is right. */
static int
verify(const void *p, size_t n, struct reqid id, uint8_t shard, size_t piece,
    struct error *err)
{
	struct frame_verifier v;
	const uint8_t *at = p;
	int rc = 0;

	frame_verifier_init(&v, id, shard);
	while (rc == 0 && n > 0) {
		size_t some = KOOP_MIN(piece, n);

		rc = frame_verifier_feed(&v, at, some, err);
		at += some;
		n -= some;
	}
	if (rc == 0)
		rc = frame_verifier_finish(&v, err);
	return rc;
}

static void
every_shard_of_every_size_is_right_in_any_pieces(void)
{
	static const size_t sizes[] = { 0, 1, 2, 8191, 8192, 8193, 20000 };
	static const size_t pieces[] = { 1, 31, 32, 33, 4096, 1 << 20 };

	for (size_t i = 0; i < nitems(sizes); i++) {
		struct shardtest t;
		struct error err;

		shardtest_make(&t, small, sizes[i], 1);
		for (uint8_t j = 0; j < 3; j++)
			for (size_t k = 0; k < nitems(pieces); k++)
				CHECK(verify(t.file[j].p, t.file[j].n, t.id, j,
					  pieces[k], &err) == 0);
		CHECK(t.file[0].n == stripe_file_bytes(&small, sizes[i]));
		shardtest_free(&t);
	}
}

static void
the_verifier_tells_what_it_read(void)
{
	struct frame_verifier v;
	struct shardtest t;
	struct error err;

	shardtest_make(&t, small, 20000, 1);
	frame_verifier_init(&v, t.id, 2);
	REQUIRE(frame_verifier_feed(&v, t.file[2].p, t.file[2].n, &err) == 0);
	REQUIRE(frame_verifier_finish(&v, &err) == 0);
	CHECK(v.done && v.bytes == t.file[2].n && v.stripes == 3);
	CHECK(geometry_equal(&v.begin.geometry, &small));
	CHECK(frame_totals_equal(&v.totals, &t.totals));
	shardtest_free(&t);
}

static void
every_flipped_byte_is_seen(void)
{
	struct shardtest t;
	unsigned missed = 0;

	shardtest_make(&t, small, 8193, 1);
	for (size_t i = 0; i < t.file[1].n; i++) {
		t.file[1].p[i] ^= (char)(1 << i % 8);
		missed += verify(t.file[1].p, t.file[1].n, t.id, 1, 1 << 20,
			      NULL) != -ERRC_CORRUPT;
		t.file[1].p[i] ^= (char)(1 << i % 8);
	}
	CHECK(missed == 0);
	shardtest_free(&t);
}

static void
every_truncation_and_what_follows_end_is_seen(void)
{
	struct shardtest t;
	struct error err;
	unsigned missed = 0;

	shardtest_make(&t, small, 8193, 1);
	for (size_t n = 0; n < t.file[1].n; n++)
		missed += verify(t.file[1].p, n, t.id, 1, 1 << 20, NULL) !=
		    -ERRC_CORRUPT;
	CHECK(missed == 0);
	buf_add(&t.file[1], "x", 1);
	CHECK(verify(t.file[1].p, t.file[1].n, t.id, 1, 1 << 20, &err) ==
	    -ERRC_CORRUPT);
	CHECK_STR(err.text, "shard 1: bytes after END");
	shardtest_free(&t);
}

static void
another_shard_or_object_is_refused(void)
{
	struct shardtest t;
	struct error err;

	shardtest_make(&t, small, 8193, 1);
	CHECK(verify(t.file[1].p, t.file[1].n, t.id, 0, 99, &err) < 0);
	CHECK_STR(err.text, "shard 0: a frame of shard 1");
	CHECK(
	    verify(t.file[1].p, t.file[1].n, shardtest_id(2), 1, 99, &err) < 0);
	CHECK_STR(err.text, "shard 1: of another object");
	CHECK(verify(t.stream.p, t.stream.n, t.id, 0, 99, &err) < 0);
	shardtest_free(&t);
}

/* Parts are of streams, which are put together: a shard is whole. */
static void
a_shard_that_is_a_part_is_refused(void)
{
	struct frame_begin begin;
	struct shardtest t;
	struct error err;
	uint8_t shard;

	shardtest_make(&t, small, 8193, 1);
	CHECK(frame_begin_decode(&begin, &shard, (uint8_t *)t.file[0].p,
		  NULL) == 0);
	begin.parts = 2;
	frame_begin_encode((uint8_t *)t.file[0].p, &begin, 0);
	CHECK(verify(t.file[0].p, t.file[0].n, t.id, 0, 99, &err) < 0);
	CHECK_STR(err.text, "shard 0: part 1 of 2: a shard has no parts");
	shardtest_free(&t);
}

/* Frames that are good alone, in the wrong order. */
static void
frames_out_of_order_are_refused(void)
{
	enum { CELL = 32 + 4096, FIRST = 512 };
	struct shardtest t;
	struct buf b = buf_make(1 << 20);
	struct error err;
	const char *p;

	shardtest_make(&t, small, 20000, 1);
	p = t.file[0].p;
	/* stripe 1 before stripe 0 */
	buf_add(&b, p, FIRST);
	buf_add(&b, p + FIRST + CELL, CELL);
	CHECK(verify(b.p, b.n, t.id, 0, 999, &err) < 0);
	CHECK_STR(err.text, "shard 0: stripe 1 where 0 had to be");
	/* a stripe twice */
	buf_clear(&b);
	buf_add(&b, p, FIRST + CELL);
	buf_add(&b, p + FIRST, CELL);
	CHECK(verify(b.p, b.n, t.id, 0, 999, &err) < 0);
	/* END too early */
	buf_clear(&b);
	buf_add(&b, p, FIRST + CELL);
	buf_add(&b, p + t.file[0].n - FRAME_END_BYTES, FRAME_END_BYTES);
	CHECK(verify(b.p, b.n, t.id, 0, 999, &err) < 0);
	CHECK_STR(err.text, "shard 0: END after 1 of 3 stripes");
	/* BEGIN twice, and a cell first */
	buf_clear(&b);
	buf_add(&b, p, FIRST);
	buf_add(&b, p, FIRST);
	CHECK(verify(b.p, b.n, t.id, 0, 999, &err) < 0);
	CHECK_STR(err.text, "shard 0: BEGIN is not first and alone");
	CHECK(verify(p + FIRST, CELL, t.id, 0, 999, &err) < 0);
	buf_fini(&b);
	shardtest_free(&t);
}

static void
once_bad_is_always_bad(void)
{
	static const uint8_t zeros[64];
	struct frame_verifier v;
	struct error err;

	frame_verifier_init(&v, shardtest_id(1), 0);
	CHECK(frame_verifier_feed(&v, zeros, sizeof(zeros), &err) < 0);
	CHECK(frame_verifier_feed(&v, zeros, 0, &err) < 0);
	CHECK(frame_verifier_finish(&v, &err) < 0);
}

/* Shard 1 of an object of 20000 bytes: frames as they are, but with other
 * totals in END, all checksums right. */
static int
verify_with_end(const struct shardtest *t, const void *frames, size_t n,
    const struct blob_totals *totals, struct error *err)
{
	struct buf b = buf_make(1 << 20);
	uint8_t end[FRAME_END_BYTES];
	int rc;

	frame_end_encode(end, totals, &t->id, 1);
	buf_add(&b, frames, n);
	buf_add(&b, end, sizeof(end));
	rc = verify(b.p, b.n, t->id, 1, 999, err);
	buf_fini(&b);
	return rc;
}

static void
an_end_that_does_not_fit_what_came_is_refused(void)
{
	struct blob_totals totals;
	struct shardtest t;
	struct error err;
	size_t n;

	shardtest_make(&t, small, 20000, 1);
	n = t.file[1].n - FRAME_END_BYTES;
	CHECK(verify_with_end(&t, t.file[1].p, n, &t.totals, &err) == 0);
	/* As many stripes, but the last cell would be a byte longer. */
	totals = t.totals;
	totals.size++;
	CHECK(verify_with_end(&t, t.file[1].p, n, &totals, &err) ==
	    -ERRC_CORRUPT);
	CHECK_STR(err.text,
	    "shard 1: the last cell does not fit a size of 20001");
	totals = t.totals;
	totals.shard_crc64[1] ^= 1;
	CHECK(verify_with_end(&t, t.file[1].p, n, &totals, &err) ==
	    -ERRC_CORRUPT);
	CHECK_STR(err.text, "shard 1: CRC-64 of the cells differs from END's");
	/* That of another shard is that one's business. */
	totals = t.totals;
	totals.shard_crc64[0] ^= 1;
	CHECK(verify_with_end(&t, t.file[1].p, n, &totals, &err) == 0);
	shardtest_free(&t);
}

static void
a_short_cell_before_the_last_is_refused(void)
{
	enum { CELL = 4096, FIRST = FRAME_BEGIN_BYTES };
	const size_t frame_n = FRAME_HEADER_BYTES + CELL;
	struct buf b = buf_make(1 << 20);
	struct blob_totals totals;
	struct shardtest t;
	struct frame frame = { .kind = FRAME_CELL, .shard = 1 };
	uint8_t header[FRAME_HEADER_BYTES];
	struct error err;
	const char *p, *rest;
	size_t rest_n;

	shardtest_make(&t, small, 20000, 1);
	totals = t.totals;
	p = t.file[1].p;
	rest = p + FIRST + frame_n;
	rest_n = t.file[1].n - FRAME_END_BYTES - FIRST - frame_n;
	frame.length = CELL - 1;
	frame.payload_crc = crc32c(0, p + FIRST + FRAME_HEADER_BYTES, CELL - 1);
	frame_encode(header, &frame, &t.id);
	buf_add(&b, p, FIRST);
	buf_add(&b, header, sizeof(header));
	buf_add(&b, p + FIRST + FRAME_HEADER_BYTES, CELL - 1);
	buf_add(&b, rest, rest_n);
	totals.shard_crc64[1] = crc64_xz(0, p + FIRST + FRAME_HEADER_BYTES,
	    CELL - 1);
	totals.shard_crc64[1] = crc64_xz(totals.shard_crc64[1],
	    rest + FRAME_HEADER_BYTES, CELL);
	totals.shard_crc64[1] = crc64_xz(totals.shard_crc64[1],
	    rest + frame_n + FRAME_HEADER_BYTES,
	    rest_n - frame_n - FRAME_HEADER_BYTES);
	CHECK(verify_with_end(&t, b.p, b.n, &totals, &err) == -ERRC_CORRUPT);
	CHECK_STR(err.text, "shard 1: stripe 1: a cell of the wrong length");
	buf_fini(&b);
	shardtest_free(&t);
}

static void
headers_are_for_streams(void)
{
	const struct frame frame = { .kind = FRAME_HEADERS,
		.shard = FRAME_INTERLEAVED,
		.length = 5 };
	uint8_t header[FRAME_HEADER_BYTES];
	struct frame_verifier v;
	struct shardtest t;
	struct error err;

	shardtest_make(&t, small, 20000, 1);
	frame_verifier_init(&v, t.id, 1);
	CHECK(
	    frame_verifier_feed(&v, t.file[1].p, FRAME_BEGIN_BYTES, &err) == 0);
	frame_encode(header, &frame, &t.id);
	CHECK(frame_verifier_feed(&v, header, sizeof(header), &err) ==
	    -ERRC_CORRUPT);
	CHECK_STR(err.text, "shard 1: headers, which only streams have");
	shardtest_free(&t);
}

int
main(void)
{
	RUN(headers_are_for_streams);
	RUN(every_shard_of_every_size_is_right_in_any_pieces);
	RUN(the_verifier_tells_what_it_read);
	RUN(every_flipped_byte_is_seen);
	RUN(every_truncation_and_what_follows_end_is_seen);
	RUN(another_shard_or_object_is_refused);
	RUN(a_shard_that_is_a_part_is_refused);
	RUN(frames_out_of_order_are_refused);
	RUN(an_end_that_does_not_fit_what_came_is_refused);
	RUN(a_short_cell_before_the_last_is_refused);
	RUN(once_bad_is_always_bad);
	return tap_done();
}
