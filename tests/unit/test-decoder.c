/* SPDX-License-Identifier: MIT */

/* The decoder in memory, and streams through a descriptor. */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "codec/crc.h"
#include "shard/decode.h"
#include "shard/decoder.h"
#include "shard/stream.h"
#include "shardtest.h"
#include "tap.h"

static const struct geometry six = { 6, 3, 4096 };
static const struct geometry small = { 2, 1, 4096 };
static const struct geometry two_two = { 2, 2, 4096 };

static void
a_cell_is_checked_for_whose_and_what_it_is(void)
{
	struct shardtest t;
	struct reqid other = shardtest_id(9);
	const uint8_t *h, *p;

	shardtest_make(&t, small, 20000, 1);
	h = (const uint8_t *)t.file[1].p + stripe_cell_offset(&small, 1);
	p = h + FRAME_HEADER_BYTES;
	CHECK(decoder_check_cell(&t.id, 1, 1, 4096, h, p));
	CHECK(!decoder_check_cell(&other, 1, 1, 4096, h, p));
	CHECK(!decoder_check_cell(&t.id, 0, 1, 4096, h, p));
	CHECK(!decoder_check_cell(&t.id, 1, 0, 4096, h, p));
	CHECK(!decoder_check_cell(&t.id, 1, 1, 4095, h, p));
	CHECK(!decoder_check_cell(&t.id, 1, 1, 4096, h, p + 1));
	shardtest_free(&t);
}

static void
wanted_cells_are_rebuilt_and_the_stripe_is_named(void)
{
	struct shardtest t;
	struct decoder *dec = NULL;
	uint8_t memory[9][4096];
	uint8_t *cell[9];
	struct error err;

	shardtest_make(&t, six, 24576, 1);
	REQUIRE(decoder_new(&dec, &six, t.id, &err) == 0);
	for (uint32_t have = 0; have < 1u << 9; have++) {
		int rc;

		for (int j = 0; j < 9; j++) {
			cell[j] = memory[j];
			memcpy(memory[j], t.file[j].p + 544, 4096);
			if ((have >> j & 1) == 0)
				memset(memory[j], 0xee, 4096);
		}
		rc = decoder_stripe(dec, 17, 4096, cell, have, 0x3f, &err);
		if (__builtin_popcount(have) < 6) {
			CHECK(rc == -ERRC_CORRUPT);
			CHECK(strncmp(err.text, "stripe 17: ", 11) == 0);
		} else {
			CHECK(rc == 0);
			CHECK(memcmp(memory, t.object, 24576) == 0);
		}
	}
	/* Nothing wanted that is missing: nothing is needed. */
	CHECK(decoder_stripe(dec, 0, 4096, cell, 1, 1, &err) == 0);
	decoder_free(dec);
	shardtest_free(&t);
}

static void
totals_of_other_contents_are_refused(void)
{
	struct decoder *dec = NULL;
	struct shardtest t;
	struct error err;

	shardtest_make(&t, small, 20000, 1);
	REQUIRE(decoder_new(&dec, &small, t.id, &err) == 0);
	decoder_content(dec, t.object, 19999);
	CHECK(decoder_finish(dec, &t.totals, &err) == -ERRC_CORRUPT);
	decoder_content(dec, t.object, 1);
	CHECK(decoder_finish(dec, &t.totals, &err) == -ERRC_CORRUPT);
	decoder_free(dec);
	REQUIRE(decoder_new(&dec, &small, t.id, &err) == 0);
	decoder_content(dec, t.object, 20000);
	CHECK(decoder_finish(dec, &t.totals, &err) == 0);
	decoder_free(dec);
	shardtest_free(&t);
}

static void
padding_is_zero(void)
{
	CHECK(decoder_padding_good("", 0));
	CHECK(decoder_padding_good("\0\0\0", 3));
	CHECK(!decoder_padding_good("\0\0\1", 3));
	CHECK(!decoder_padding_good("\1", 1));
}

/* Decode bytes as a stream from a file; what came out is left in out. */
static int
decode(const void *p, size_t n, struct buf *out, struct error *err)
{
	struct decode_options options = { 0 };
	int in = memfd_create("in", MFD_CLOEXEC);
	int to = memfd_create("out", MFD_CLOEXEC);
	off_t got;
	int rc = -ERRC_IO;

	if (in >= 0 && to >= 0 && io_write_full(in, p, n, err) == 0 &&
	    lseek(in, 0, SEEK_SET) == 0)
		rc = decode_stream(in, to, &options, err);
	got = lseek(to, 0, SEEK_END);
	buf_clear(out);
	if (got > 0 && buf_reserve(out, (size_t)got) != NULL &&
	    pread(to, out->p, (size_t)got, 0) == got)
		out->n = (size_t)got;
	close(in);
	close(to);
	return rc;
}

/* Whatever came out is the start of the object; all of it on success. */
static bool
honest(const struct shardtest *t, const struct buf *out, int rc)
{
	return out->n <= t->size && (rc != 0 || out->n == t->size) &&
	    (rc == 0 || rc == -ERRC_CORRUPT) &&
	    (out->n == 0 || memcmp(out->p, t->object, out->n) == 0);
}

/* One byte at a time in everything but the inner bytes of payloads. */
static void
a_flipped_byte_is_mended_or_refused_never_passed_on(void)
{
	struct buf out = buf_make(1 << 20);
	struct shardtest t;
	unsigned dishonest = 0, cells = 0, lost = 0;

	shardtest_make(&t, small, 20000, 1);
	for (size_t i = 0; i < t.stream.n; i++) {
		const bool cell = i >= FRAME_BEGIN_BYTES &&
		    i < t.stream.n - FRAME_END_BYTES;
		int rc;

		if (cell && (i - 512) % (32 + 4096) > 40 && i % 257 != 0)
			continue;
		t.stream.p[i] ^= (char)(1 << i % 8);
		rc = decode(t.stream.p, t.stream.n, &out, NULL);
		t.stream.p[i] ^= (char)(1 << i % 8);
		dishonest += !honest(&t, &out, rc);
		cells += cell;
		lost += cell && rc != 0;
	}
	CHECK(dishonest == 0);
	CHECK(cells > 300);
	CHECK(lost == 0); /* one bad cell is always mended */
	buf_fini(&out);
	shardtest_free(&t);
}

static void
a_stream_cut_anywhere_is_refused(void)
{
	struct buf out = buf_make(1 << 20);
	struct shardtest t;
	unsigned bad = 0;

	shardtest_make(&t, small, 20000, 1);
	for (size_t n = 0; n < t.stream.n;
	     n += n % 4128 < 600 || n + 1100 > t.stream.n ? 1 : 97) {
		int rc = decode(t.stream.p, n, &out, NULL);

		bad += rc == 0 || !honest(&t, &out, rc);
	}
	CHECK(bad == 0);
	buf_fini(&out);
	shardtest_free(&t);
}

/* Bytes fall out of the middle, or come in: what they touch is lost, and of
 * what falls out no more than the frame behind it. */
static void
the_reader_finds_its_way_back(void)
{
	static const size_t cuts[] = { 1, 31, 32, 33, 4000, 4128 };
	struct buf out = buf_make(1 << 20), b = buf_make(1 << 20);
	struct shardtest t;
	struct error err;

	shardtest_make(&t, two_two, 20000, 1);
	for (size_t i = 0; i < nitems(cuts); i++)
		for (size_t at = 512; at < 512 + 4128; at += 129) {
			int rc;

			buf_clear(&b);
			buf_add(&b, t.stream.p, at);
			buf_add(&b, t.stream.p + at + cuts[i],
			    t.stream.n - at - cuts[i]);
			rc = decode(b.p, b.n, &out, &err);
			CHECK(honest(&t, &out, rc));
			CHECK(rc == 0 || at + cuts[i] > 512 + 4128);

			buf_clear(&b);
			buf_add(&b, t.stream.p, at);
			buf_add(&b, t.object, cuts[i]);
			buf_add(&b, t.stream.p + at, t.stream.n - at);
			CHECK(decode(b.p, b.n, &out, &err) == 0);
			CHECK(honest(&t, &out, 0));
		}
	buf_fini(&b);
	buf_fini(&out);
	shardtest_free(&t);
}

/* What koop-shard-get may leave out, and the order it may take. */
static void
cells_may_be_missing_and_in_any_order(void)
{
	enum { FRAME = 32 + 4096 };
	struct buf out = buf_make(1 << 20), b = buf_make(1 << 20);
	struct shardtest t;
	struct error err;

	shardtest_make(&t, six, 2 * 24576, 1);
	for (uint32_t have = 0; have < 1u << 9; have++) {
		int rc;

		buf_clear(&b);
		buf_add(&b, t.stream.p, 512);
		for (int stripe = 0; stripe < 2; stripe++)
			for (int j = 8; j >= 0; j--)
				if ((have >> j & 1) != 0)
					buf_add(&b,
					    t.file[j].p + 512 + stripe * FRAME,
					    FRAME);
		buf_add(&b, t.stream.p + t.stream.n - 1024, 1024);
		rc = decode(b.p, b.n, &out, &err);
		if (__builtin_popcount(have) >= 6) {
			CHECK(rc == 0 && honest(&t, &out, rc));
		} else {
			CHECK(rc == -ERRC_CORRUPT && out.n == 0);
			CHECK(strncmp(err.text, "stripe 0: ", 10) == 0);
		}
	}
	buf_fini(&b);
	buf_fini(&out);
	shardtest_free(&t);
}

/* An undamaged stream is read to END and no further. */
static void
the_reader_stops_behind_end(void)
{
	struct decode_options options = { 0 };
	struct shardtest t;
	struct error err;
	int fd[2], to = memfd_create("out", MFD_CLOEXEC);
	char rest[8];

	shardtest_make(&t, small, 5000, 1);
	REQUIRE(pipe2(fd, O_CLOEXEC) == 0 && to >= 0);
	REQUIRE(io_write_full(fd[1], t.stream.p, t.stream.n, &err) == 0);
	REQUIRE(io_write_full(fd[1], "rest", 4, &err) == 0);
	close(fd[1]);
	CHECK(decode_stream(fd[0], to, &options, &err) == 0);
	CHECK(io_read_full(fd[0], rest, sizeof(rest), &err) == 4);
	CHECK(memcmp(rest, "rest", 4) == 0);
	close(fd[0]);
	close(to);
	shardtest_free(&t);
}

/* BEGIN of t with another part number; the rest as it is. */
static void
add_part(struct buf *b, const struct shardtest *t, uint32_t part,
    uint32_t parts)
{
	struct frame_begin begin = { .geometry = t->g,
		.id = t->id,
		.part = part,
		.parts = parts };
	uint8_t text[FRAME_BEGIN_BYTES];

	frame_begin_encode(text, &begin, FRAME_INTERLEAVED);
	buf_add(b, text, sizeof(text));
	buf_add(b, t->stream.p + 512, t->stream.n - 512);
}

static void
parts_are_wanted_in_order_and_all(void)
{
	struct buf out = buf_make(1 << 20), b = buf_make(1 << 20);
	struct shardtest one, two;
	struct error err;

	shardtest_make(&one, small, 10000, 1);
	shardtest_make(&two, six, 333, 2);
	add_part(&b, &one, 1, 2);
	add_part(&b, &two, 2, 2);
	REQUIRE(decode(b.p, b.n, &out, &err) == 0);
	CHECK(out.n == 10333 && memcmp(out.p, one.object, 10000) == 0 &&
	    memcmp(out.p + 10000, two.object, 333) == 0);

	buf_clear(&b);
	add_part(&b, &one, 1, 2);
	CHECK(decode(b.p, b.n, &out, &err) == -ERRC_CORRUPT);
	CHECK_STR(err.text, "stream: ends after part 1 of 2");
	buf_clear(&b);
	add_part(&b, &one, 2, 2);
	CHECK(decode(b.p, b.n, &out, &err) == -ERRC_CORRUPT);
	CHECK_STR(err.text, "stream: part 2 of 2 where part 1 had to be");
	buf_clear(&b);
	add_part(&b, &one, 1, 2);
	add_part(&b, &two, 2, 3);
	CHECK(decode(b.p, b.n, &out, &err) == -ERRC_CORRUPT);
	buf_fini(&b);
	buf_fini(&out);
	shardtest_free(&one);
	shardtest_free(&two);
}

int
main(void)
{
	RUN(a_cell_is_checked_for_whose_and_what_it_is);
	RUN(wanted_cells_are_rebuilt_and_the_stripe_is_named);
	RUN(totals_of_other_contents_are_refused);
	RUN(padding_is_zero);
	RUN(a_flipped_byte_is_mended_or_refused_never_passed_on);
	RUN(a_stream_cut_anywhere_is_refused);
	RUN(the_reader_finds_its_way_back);
	RUN(cells_may_be_missing_and_in_any_order);
	RUN(the_reader_stops_behind_end);
	RUN(parts_are_wanted_in_order_and_all);
	return tap_done();
}
