/* SPDX-License-Identifier: MIT */

#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/error.h"
#include "shard/receipt.h"
#include "tap.h"

static const struct reqid id = { { 0x01, 0x93, 0x4f, 0xb7, 0x1e, 0x2a, 0x70,
    0x11, 0x8c, 0x4d, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc } };
#define ID "01934fb71e2a70118c4d123456789abc"

static struct receipt_end
some_end(void)
{
	struct receipt_end e = {
		.cluster = "00112233445566778899aabbccddeeff",
		.partition = 29,
		.epoch = 1,
		.set = 1,
		.incarnation = 41,
		.bucket = "videos",
		.key = "a film/\xc3\xa9.mp4",
		.key_bytes = 13,
		.object = id,
		.geometry = { 2, 1, 65536 },
		.totals = { .size = 67108864,
		    .stripes = 512,
		    .has_md5 = true,
		    .crc64nvme = 0x1122334455667788,
		    .shards = 3,
		    .shard_crc64 = { 1, 2, UINT64_MAX } },
		.shards = 3,
		.written_ms = 1732272000123,
	};

	memset(e.totals.md5, 0xab, 16);
	return e;
}

#define SHARD                                                             \
	"shard v=2 object=" ID " index=3 set=1 machine=5 bytes=11191819 " \
	"crc64=00000000deadbeef"
#define END                                                               \
	"end v=2 cluster=00112233445566778899aabbccddeeff partition=29 "  \
	"epoch=1 set=1 incarnation=41 name=videos/a%20film/%C3%A9.mp4 "   \
	"object=" ID " data_shards=2 parity_shards=1 cell_size=65536 "    \
	"size=67108864 stripes=512 md5=abababababababababababababababab " \
	"crc64nvme=1122334455667788 shard_crc64=0000000000000001,"        \
	"0000000000000002,ffffffffffffffff shards=3 headers=0 "           \
	"written=1732272000123"

static int
parse(struct receipt *out, const char *line)
{
	struct error err;

	return receipt_parse(out, bytes_str(line), &err);
}

static void
lines_are_as_the_page_says(void)
{
	struct receipt_shard s = { id, 3, 1, 5, 11191819, 0xdeadbeef };
	struct receipt_end e = some_end();
	char line[RECEIPT_LINE_MAX];

	CHECK(receipt_print_shard(line, &s) == strlen(SHARD "\n"));
	CHECK_STR(line, SHARD "\n");
	CHECK(receipt_print_end(line, &e) == strlen(END "\n"));
	CHECK_STR(line, END "\n");
}

static void
lines_come_back(void)
{
	struct receipt_end e = some_end();
	struct receipt r;

	REQUIRE(parse(&r, SHARD) == 0);
	CHECK(r.kind == RECEIPT_SHARD && reqid_equal(r.shard.object, id));
	CHECK(r.shard.index == 3 && r.shard.set == 1 && r.shard.machine == 5);
	CHECK(r.shard.bytes == 11191819 && r.shard.crc64 == 0xdeadbeef);

	REQUIRE(parse(&r, END) == 0);
	CHECK(r.kind == RECEIPT_END);
	CHECK_STR(r.end.cluster, e.cluster);
	CHECK_STR(r.end.bucket, "videos");
	CHECK_STR(r.end.key, e.key);
	CHECK(r.end.key_bytes == e.key_bytes);
	CHECK(r.end.partition == 29 && r.end.epoch == 1 && r.end.set == 1);
	CHECK(r.end.incarnation == 41 && r.end.shards == 3);
	CHECK(r.end.written_ms == 1732272000123);
	CHECK(geometry_equal(&r.end.geometry, &e.geometry));
	CHECK(frame_totals_equal(&r.end.totals, &e.totals));
}

static void
md5_may_be_absent(void)
{
	struct receipt_end e = some_end();
	char line[RECEIPT_LINE_MAX];
	struct receipt r;

	e.totals.has_md5 = false;
	line[receipt_print_end(line, &e) - 1] = '\0';
	CHECK(strstr(line, "md5=") == NULL);
	REQUIRE(parse(&r, line) == 0);
	CHECK(!r.end.totals.has_md5);
}

/* The longest key, all of it escaped, 32 shards, the largest numbers. */
static void
the_longest_line_fits_and_comes_back(void)
{
	struct receipt_end e = some_end();
	char line[RECEIPT_LINE_MAX];
	struct receipt r;
	size_t n;

	e.partition = e.set = UINT32_MAX;
	e.epoch = e.incarnation = UINT64_MAX;
	e.written_ms = UINT64_C(9999999999999999);
	e.headers = HEADERTEXT_MAX;
	memset(e.bucket, 'b', RECEIPT_BUCKET_MAX);
	memset(e.key, 0xff, RECEIPT_KEY_MAX);
	e.key_bytes = RECEIPT_KEY_MAX;
	e.geometry = (struct geometry){ 1, 31, 4096 };
	e.totals.size = STRIPE_SIZE_MAX;
	e.totals.stripes = STRIPE_SIZE_MAX / 4096;
	e.totals.shards = 32;
	n = receipt_print_end(line, &e);
	CHECK(n < RECEIPT_LINE_MAX);
	line[n - 1] = '\0';
	REQUIRE(parse(&r, line) == 0);
	CHECK(memcmp(r.end.key, e.key, RECEIPT_KEY_MAX) == 0);
	CHECK(frame_totals_equal(&r.end.totals, &e.totals));
}

/* line with the first from replaced by to must be refused (or taken). */
static int
changed(const char *line, const char *from, const char *to)
{
	const char *at = strstr(line, from);
	char text[2 * RECEIPT_LINE_MAX];
	struct receipt r;

	if (at == NULL)
		return -99;
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - line), line, to,
	    at + strlen(from));
	return parse(&r, text);
}

static void
unknown_keys_are_ignored_and_unknown_words_refused(void)
{
	CHECK(changed(SHARD, " set=", " new=thing set=") == 0);
	CHECK(changed(END, " set=", " new=thing set=") == 0);
	CHECK(changed(SHARD, "shard ", "chard ") == -ERRC_CORRUPT);
	CHECK(changed(SHARD, "shard ", "") == -ERRC_CORRUPT);
	CHECK(changed(SHARD, " v=2", " v=1") == -ERRC_CORRUPT);
}

static void
damaged_lines_are_refused(void)
{
	static const char *const shard[][2] = { { " v=2", "" },
		{ " index=3", "" }, { "index=3", "index=32" },
		{ "index=3", "index=-1" }, { "index=3", "index=3 index=3" },
		{ "set=1 ", "set=1  " }, { "bytes=1", "bytes=x1" },
		{ "deadbeef", "deadbee" }, { "object=0", "object=g" },
		{ "machine=5", "machine" }, { "machine=5", "=5" } };
	static const char *const end[][2] = { { "videos/a%20film/", "videos" },
		{ "name=videos", "name=" }, { "name=videos", "name=vi%64eos" },
		{ "%C3%A9.mp4", "%C3%A" }, { "%C3", "%zz" },
		{ "stripes=512", "stripes=513" },
		{ "data_shards=2", "data_shards=3" },
		{ "data_shards=2", "data_shards=32" },
		{ "cell_size=65536", "cell_size=1" },
		{ "size=67108864", "size=9007199254740993" },
		{ ",ffffffffffffffff", "" }, { ",ffffffffffffffff", "," },
		{ ",000", ";000" }, { "md5=ab", "md5=" },
		{ " written=1732272000123", "" }, { "cluster=0", "cluster=" } };
	struct receipt r;

	for (size_t i = 0; i < nitems(shard); i++)
		CHECK(
		    changed(SHARD, shard[i][0], shard[i][1]) == -ERRC_CORRUPT);
	for (size_t i = 0; i < nitems(end); i++)
		CHECK(changed(END, end[i][0], end[i][1]) == -ERRC_CORRUPT);
	CHECK(parse(&r, "") == -ERRC_CORRUPT);
	CHECK(parse(&r, "end") == -ERRC_CORRUPT);
	CHECK(parse(&r, "shard") == -ERRC_CORRUPT);
	CHECK(parse(&r, "end ") == -ERRC_CORRUPT);
}

static void
every_truncation_of_a_line_is_refused(void)
{
	struct receipt r;
	struct error err;

	for (size_t n = 0; n < strlen(SHARD); n++)
		CHECK(receipt_parse(&r, bytes_of(SHARD, n), &err) < 0);
	/* The last value is a number: shorter, it is another one. */
	for (size_t n = 0; n < strlen(END) - 13; n++)
		CHECK(receipt_parse(&r, bytes_of(END, n), &err) < 0);
}

#define HEADER                                                   \
	"header v=2 object=" ID " name=x-amz-meta-a%2Bb at=900 " \
	"value=a/b%20%C3%A9"

static void
headers_are_percent_encoded(void)
{
	struct receipt_header h = { .object = id,
		.at = 900,
		.name_bytes = 14,
		.value_bytes = 6,
		.name = "x-amz-meta-a+b",
		.value = "a/b \xc3\xa9" };
	char line[RECEIPT_LINE_MAX];
	struct receipt r;

	CHECK(receipt_print_header(line, &h) == strlen(HEADER) + 1);
	CHECK_STR(line, HEADER "\n");
	REQUIRE(parse(&r, HEADER) == 0);
	CHECK(r.kind == RECEIPT_HEADER && r.header.at == 900);
	CHECK(r.header.name_bytes == 14 && r.header.value_bytes == 6);
	CHECK(memcmp(r.header.name, h.name, 14) == 0);
	CHECK(memcmp(r.header.value, h.value, 6) == 0);
	CHECK(changed(HEADER, " at=900", "") == -ERRC_CORRUPT);
	CHECK(changed(HEADER, " at=900", " at=16385") == -ERRC_CORRUPT);
	CHECK(
	    changed(HEADER, "name=x-amz-meta-a%2Bb", "name=") == -ERRC_CORRUPT);
	CHECK(changed(HEADER, "%C3", "%C") == -ERRC_CORRUPT);
	CHECK(changed(HEADER, "value=a/b%20%C3%A9", "value=") == 0);
}

static void
the_longest_header_fits(void)
{
	struct receipt_header h = { .object = id,
		.at = HEADERTEXT_MAX,
		.name_bytes = HEADERTEXT_NAME_MAX,
		.value_bytes = RECEIPT_VALUE_MAX };
	char line[RECEIPT_LINE_MAX];
	struct receipt r;
	size_t n;

	memset(h.name, '!', sizeof(h.name));
	memset(h.value, '%', sizeof(h.value));
	n = receipt_print_header(line, &h);
	CHECK(n < RECEIPT_LINE_MAX);
	REQUIRE(receipt_parse(&r, bytes_of(line, n - 1), NULL) == 0);
	CHECK(memcmp(r.header.value, h.value, sizeof(h.value)) == 0);
}

static void
another_version_is_named(void)
{
	struct receipt r;
	struct error err;

	CHECK(receipt_parse(&r, bytes_str("end v=1 cluster=x"), &err) ==
	    -ERRC_CORRUPT);
	CHECK_STR(err.text,
	    "receipt: end: v=1: this program reads receipts of version 2");
}

int
main(void)
{
	RUN(headers_are_percent_encoded);
	RUN(the_longest_header_fits);
	RUN(another_version_is_named);
	RUN(lines_are_as_the_page_says);
	RUN(lines_come_back);
	RUN(md5_may_be_absent);
	RUN(the_longest_line_fits_and_comes_back);
	RUN(unknown_keys_are_ignored_and_unknown_words_refused);
	RUN(damaged_lines_are_refused);
	RUN(every_truncation_of_a_line_is_refused);
	return tap_done();
}
