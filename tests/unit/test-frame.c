/* SPDX-License-Identifier: MIT */

#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "codec/crc.h"
#include "shard/frame.h"
#include "tap.h"

static const struct reqid id = { { 0x01, 0x93, 0x4f, 0xb7, 0x1e, 0x2a, 0x70,
    0x11, 0x8c, 0x4d, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc } };
static const struct reqid other = { { 0x01, 0x93, 0x4f, 0xb7, 0x1e, 0x2a, 0x70,
    0x11, 0x8c, 0x4d, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbd } };

static struct frame
cell_frame(void)
{
	return (struct frame){ .kind = FRAME_CELL,
		.shard = 8,
		.length = 65536,
		.payload_crc = 0xdeadbeef,
		.stripe = 1234567 };
}

static void
a_header_stands_as_drawn(void)
{
	struct frame f = cell_frame();
	uint8_t h[FRAME_HEADER_BYTES];
	uint8_t covered[28 + 16];

	frame_encode(h, &f, &id);
	CHECK(memcmp(h, "KPF1\x02\x08\0\0", 8) == 0);
	CHECK(load_le32(h + 8) == 65536);
	CHECK(load_le32(h + 12) == 0xdeadbeef);
	CHECK(load_le64(h + 16) == 1234567);
	CHECK(load_le32(h + 24) == 0);
	memcpy(covered, h, 28);
	memcpy(covered + 28, id.b, 16);
	CHECK(load_le32(h + 28) == crc32c(0, covered, sizeof(covered)));
}

static void
a_header_comes_back(void)
{
	struct frame f = cell_frame(), back;
	uint8_t h[FRAME_HEADER_BYTES];
	struct error err;

	frame_encode(h, &f, &id);
	REQUIRE(frame_decode(&back, h, &id, &err) == 0);
	CHECK(back.kind == FRAME_CELL && back.shard == 8);
	CHECK(back.length == 65536 && back.payload_crc == 0xdeadbeef);
	CHECK(back.stripe == 1234567);
}

static void
every_flipped_bit_of_a_header_is_seen(void)
{
	struct frame f = cell_frame(), back;
	uint8_t h[FRAME_HEADER_BYTES];
	struct error err;

	frame_encode(h, &f, &id);
	for (unsigned bit = 0; bit < 8 * sizeof(h); bit++) {
		h[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK(frame_decode(&back, h, &id, &err) == -ERRC_CORRUPT);
		h[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	CHECK(frame_decode(&back, h, &id, &err) == 0);
}

/* With the checksum put right, so that nothing else can refuse it. */
static void
every_reserved_byte_must_be_zero(void)
{
	static const unsigned reserved[] = { 6, 7, 24, 25, 26, 27 };
	struct frame f = cell_frame(), back;
	uint8_t h[FRAME_HEADER_BYTES];
	uint8_t covered[28 + 16];
	struct error err;

	for (size_t i = 0; i < nitems(reserved); i++) {
		frame_encode(h, &f, &id);
		h[reserved[i]] = 1;
		memcpy(covered, h, 28);
		memcpy(covered + 28, id.b, 16);
		store_le32(h + 28, crc32c(0, covered, sizeof(covered)));
		CHECK(frame_decode(&back, h, &id, &err) == -ERRC_CORRUPT);
		CHECK(strstr(err.text, "not of format 2") != NULL);
	}
}

static void
a_cell_of_another_object_is_refused(void)
{
	struct frame f = cell_frame(), back;
	uint8_t h[FRAME_HEADER_BYTES];
	struct error err;

	frame_encode(h, &f, &id);
	CHECK(frame_decode(&back, h, &other, &err) == -ERRC_CORRUPT);
	CHECK(frame_decode(&back, h, NULL, &err) == -ERRC_CORRUPT);
}

static void
headers_belong_to_a_whole_stream(void)
{
	const struct frame good = { .kind = FRAME_HEADERS,
		.shard = FRAME_INTERLEAVED,
		.length = FRAME_HEADERS_MAX };
	struct frame bad[4] = { good, good, good, good };
	uint8_t h[FRAME_HEADER_BYTES];
	struct frame back;

	frame_encode(h, &good, &id);
	CHECK(frame_decode(&back, h, &id, NULL) == 0);
	CHECK(back.kind == FRAME_HEADERS && back.length == good.length);
	bad[0].shard = 3;
	bad[1].stripe = 1;
	bad[2].length = 0;
	bad[3].length = FRAME_HEADERS_MAX + 1;
	for (size_t i = 0; i < nitems(bad); i++) {
		frame_encode(h, &bad[i], &id);
		CHECK(frame_decode(&back, h, &id, NULL) == -ERRC_CORRUPT);
	}
}

/* A right checksum does not make nonsense right. */
static void
a_header_that_says_nonsense_is_refused(void)
{
	struct frame bad[8], back;
	uint8_t h[FRAME_HEADER_BYTES];
	struct error err;

	for (size_t i = 0; i < nitems(bad); i++)
		bad[i] = cell_frame();
	bad[0].length = 0;
	bad[1].length = (1 << 20) + 1;
	bad[2].shard = 32;
	bad[3].stripe = UINT64_MAX;
	bad[4].kind = 5;
	bad[5].kind = 0;
	bad[6].kind = FRAME_END; /* of the wrong length */
	bad[7].kind = FRAME_BEGIN;
	for (size_t i = 0; i < nitems(bad); i++) {
		frame_encode(h, &bad[i], &id);
		CHECK(frame_decode(&back, h, &id, &err) == -ERRC_CORRUPT);
	}
}

static struct frame_begin
some_begin(void)
{
	return (struct frame_begin){ .geometry = { 29, 3, 1 << 20 },
		.id = id,
		.part = 9999,
		.parts = 10000 };
}

static void
begin_comes_back(void)
{
	struct frame_begin begin = some_begin(), back;
	uint8_t in[FRAME_BEGIN_BYTES], shard;
	struct error err;

	frame_begin_encode(in, &begin, 31);
	REQUIRE(frame_begin_decode(&back, &shard, in, &err) == 0);
	CHECK(shard == 31);
	CHECK(geometry_equal(&back.geometry, &begin.geometry));
	CHECK(reqid_equal(back.id, id));
	CHECK(back.part == 9999 && back.parts == 10000);

	begin.part = begin.parts = 1;
	frame_begin_encode(in, &begin, FRAME_INTERLEAVED);
	CHECK(memmem(in, sizeof(in), "part=", 5) == NULL);
	REQUIRE(frame_begin_decode(&back, &shard, in, &err) == 0);
	CHECK(shard == FRAME_INTERLEAVED);
	CHECK(back.part == 1 && back.parts == 1);
}

static void
every_flipped_bit_of_begin_is_seen(void)
{
	struct frame_begin begin = some_begin(), back;
	uint8_t in[FRAME_BEGIN_BYTES], shard;
	unsigned bad = 0;

	frame_begin_encode(in, &begin, 3);
	for (unsigned bit = 0; bit < 8 * sizeof(in); bit++) {
		in[bit / 8] ^= (uint8_t)(1u << bit % 8);
		bad += frame_begin_decode(&back, &shard, in, NULL) !=
		    -ERRC_CORRUPT;
		in[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	CHECK(bad == 0);
}

static int
parse_begin(const char *text)
{
	uint8_t payload[FRAME_BEGIN_PAYLOAD];
	struct frame_begin out;
	struct error err;

	memset(payload, '\n', sizeof(payload));
	memcpy(payload, text, strlen(text));
	return frame_begin_parse(&out, payload, &err);
}

#define GEOMETRY "data_shards=6\nparity_shards=3\ncell_size=65536\n"
#define START "format=2\ncode=rs-cauchy\n"
#define ID "request_id=01934fb71e2a70118c4d123456789abc\n"

static void
the_text_of_begin_is_checked(void)
{
	CHECK(parse_begin(START GEOMETRY ID) == 0);
	CHECK(parse_begin(ID GEOMETRY START) == 0);
	CHECK(parse_begin(START GEOMETRY ID "later=thing\n") == 0);
	CHECK(parse_begin(START GEOMETRY ID "part=3/3\n") == 0);
	CHECK(parse_begin(START GEOMETRY ID "part=4/3\n") < 0);
	CHECK(parse_begin(START GEOMETRY ID "part=0/3\n") < 0);
	CHECK(parse_begin(START GEOMETRY ID "part=1\n") < 0);
	CHECK(parse_begin(START GEOMETRY ID "part=1/10001\n") < 0);
	CHECK(parse_begin(START GEOMETRY ID "stored=1\n") == 0);
	CHECK(parse_begin(START GEOMETRY ID "stored=0\n") < 0);
	CHECK(parse_begin(START GEOMETRY) < 0);
	CHECK(parse_begin(START ID) < 0);
	CHECK(parse_begin(GEOMETRY ID) < 0);
	CHECK(parse_begin("format=1\ncode=rs-cauchy\n" GEOMETRY ID) < 0);
	CHECK(parse_begin("format=2\ncode=rs-other\n" GEOMETRY ID) < 0);
	CHECK(parse_begin(START GEOMETRY ID ID) < 0);
	CHECK(parse_begin(START GEOMETRY ID "\nafter=padding\n") < 0);
	CHECK(parse_begin(START GEOMETRY ID "words\n") < 0);
	CHECK(parse_begin(START "data_shards=30\nparity_shards=3\n"
				"cell_size=65536\n" ID) < 0);
	CHECK(parse_begin(START "data_shards=-6\nparity_shards=3\n"
				"cell_size=65536\n" ID) < 0);
	CHECK(parse_begin(START "data_shards=6\nparity_shards=3\n"
				"cell_size=4294967296\n" ID) < 0);
}

static void
a_range_comes_back(void)
{
	struct frame_begin begin = some_begin(), back;
	uint8_t in[FRAME_BEGIN_BYTES], shard;
	struct error err;

	begin.range = (struct frame_range){ 0, STRIPE_SIZE_MAX - 1,
		STRIPE_SIZE_MAX };
	frame_begin_encode(in, &begin, FRAME_INTERLEAVED);
	REQUIRE(frame_begin_decode(&back, &shard, in, &err) == 0);
	CHECK(back.range.first == 0);
	CHECK(back.range.last == STRIPE_SIZE_MAX - 1);
	CHECK(back.range.size == STRIPE_SIZE_MAX);
	begin.range = (struct frame_range){ 0 };
	frame_begin_encode(in, &begin, FRAME_INTERLEAVED);
	CHECK(memmem(in, sizeof(in), "range=", 6) == NULL);
	REQUIRE(frame_begin_decode(&back, &shard, in, &err) == 0);
	CHECK(back.range.size == 0);
}

static void
the_text_of_a_range_is_checked(void)
{
	CHECK(parse_begin(START GEOMETRY ID "range=0-0/1\n") == 0);
	CHECK(parse_begin(START GEOMETRY ID "range=3-3/4\n") == 0);
	CHECK(parse_begin(START GEOMETRY ID "range=3-4/4\n") < 0);
	CHECK(parse_begin(START GEOMETRY ID "range=3-2/4\n") < 0);
	CHECK(parse_begin(START GEOMETRY ID "range=0-0/0\n") < 0);
	CHECK(parse_begin(START GEOMETRY ID "range=0-1\n") < 0);
	CHECK(parse_begin(START GEOMETRY ID "range=1/2-3\n") < 0);
	CHECK(parse_begin(START GEOMETRY ID "range=-1/2\n") < 0);
	CHECK(parse_begin(START GEOMETRY ID "range=0-/2\n") < 0);
	CHECK(
	    parse_begin(START GEOMETRY ID "range=0-0/9007199254740993\n") < 0);
}

/* Stripes of 24 KiB: every range of an object of 3 of them and a bit. */
static void
a_range_says_which_stripes_are_carried(void)
{
	struct frame_begin begin = { .geometry = { 6, 3, 4096 } };
	const uint64_t full = 6 * 4096, size = 3 * full + 5;
	const uint64_t edge[] = { 0, 1, full - 1, full, full + 1, 2 * full,
		3 * full - 1, 3 * full, size - 1 };

	CHECK(frame_range_stripe(&begin) == 0);
	CHECK(frame_range_bytes(&begin) == 0);
	for (size_t i = 0; i < nitems(edge); i++)
		for (size_t j = i; j < nitems(edge); j++) {
			uint64_t from = edge[i] / full * full, to = from;

			while (to <= edge[j])
				to = KOOP_MIN(to + full, size);
			begin.range = (struct frame_range){ edge[i], edge[j],
				size };
			CHECK(frame_range_stripe(&begin) == from / full);
			CHECK(frame_range_bytes(&begin) == to - from);
		}
}

/* Full to the last byte, so without the LF that ends the text. */
static void
a_text_without_end_is_refused(void)
{
	uint8_t begin[FRAME_BEGIN_PAYLOAD], end[FRAME_END_PAYLOAD];
	struct frame_begin b;
	struct blob_totals t;
	struct error err;

	memset(begin, 'x', sizeof(begin));
	CHECK(frame_begin_parse(&b, begin, &err) == -ERRC_CORRUPT);
	memset(begin, '=', sizeof(begin));
	CHECK(frame_begin_parse(&b, begin, &err) == -ERRC_CORRUPT);
	memset(end, 'x', sizeof(end));
	CHECK(frame_end_parse(&t, end, &err) == -ERRC_CORRUPT);
	memset(end, '\n', sizeof(end));
	CHECK(frame_end_parse(&t, end, &err) == -ERRC_CORRUPT);
}

/* The largest totals there can be still fit. */
static void
end_comes_back(void)
{
	struct blob_totals totals = { .size = STRIPE_SIZE_MAX,
		.stripes = STRIPE_SIZE_MAX,
		.has_md5 = true,
		.crc64nvme = UINT64_MAX - 5,
		.shards = 32 };
	struct blob_totals back;
	uint8_t in[FRAME_END_BYTES], shard;
	struct frame header;
	struct error err;

	for (unsigned i = 0; i < 32; i++)
		totals.shard_crc64[i] = UINT64_MAX / (i + 1);
	memset(totals.md5, 0xa5, sizeof(totals.md5));
	frame_end_encode(in, &totals, &id, 7);
	REQUIRE(frame_end_decode(&back, &shard, in, &id, &err) == 0);
	CHECK(shard == 7);
	CHECK(frame_totals_equal(&totals, &back));
	CHECK(
	    frame_end_decode(&back, &shard, in, &other, &err) == -ERRC_CORRUPT);

	/* Both checksums right, and two numbers of stripes. */
	CHECK(frame_decode(&header, in, &id, NULL) == 0);
	header.stripe--;
	frame_encode(in, &header, &id);
	CHECK(frame_end_decode(&back, &shard, in, &id, &err) == -ERRC_CORRUPT);

	totals.has_md5 = false;
	frame_end_encode(in, &totals, &id, FRAME_INTERLEAVED);
	REQUIRE(frame_end_decode(&back, &shard, in, &id, &err) == 0);
	CHECK(!back.has_md5);
	CHECK(memmem(in, sizeof(in), "md5=", 4) == NULL);
}

static void
totals_must_fit_the_geometry(void)
{
	struct geometry g = GEOMETRY_DEFAULT;
	struct blob_totals t = { .size = 393217, .stripes = 2, .shards = 9 };
	struct error err;

	CHECK(frame_totals_check(&t, &g, &err) == 0);
	t.stripes = 1;
	CHECK(frame_totals_check(&t, &g, &err) == -ERRC_CORRUPT);
	t.stripes = 2;
	t.shards = 8;
	CHECK(frame_totals_check(&t, &g, &err) == -ERRC_CORRUPT);
}

/* Each field by itself: END of one shard is held against another's. */
static void
totals_are_equal_in_all_or_not_at_all(void)
{
	const struct blob_totals totals = {
		.size = 393217,
		.stripes = 2,
		.has_md5 = true,
		.crc64nvme = 7,
		.shards = 3,
		.shard_crc64 = { 1, 2, 3 },
	};
	struct blob_totals differs[7];

	for (unsigned i = 0; i < nitems(differs); i++)
		differs[i] = totals;
	CHECK(frame_totals_equal(&totals, &differs[0]));
	differs[0].size++;
	differs[1].stripes++;
	differs[2].has_md5 = false;
	differs[3].md5[15] = 1;
	differs[4].crc64nvme++;
	differs[5].shards--;
	differs[6].shard_crc64[2]++;
	for (unsigned i = 0; i < nitems(differs); i++)
		CHECK(!frame_totals_equal(&totals, &differs[i]));
}

int
main(void)
{
	RUN(a_header_stands_as_drawn);
	RUN(a_header_comes_back);
	RUN(every_flipped_bit_of_a_header_is_seen);
	RUN(every_reserved_byte_must_be_zero);
	RUN(a_cell_of_another_object_is_refused);
	RUN(headers_belong_to_a_whole_stream);
	RUN(a_header_that_says_nonsense_is_refused);
	RUN(begin_comes_back);
	RUN(a_range_comes_back);
	RUN(the_text_of_a_range_is_checked);
	RUN(a_range_says_which_stripes_are_carried);
	RUN(every_flipped_bit_of_begin_is_seen);
	RUN(the_text_of_begin_is_checked);
	RUN(a_text_without_end_is_refused);
	RUN(end_comes_back);
	RUN(totals_must_fit_the_geometry);
	RUN(totals_are_equal_in_all_or_not_at_all);
	return tap_done();
}
