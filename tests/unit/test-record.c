/* SPDX-License-Identifier: MIT */
#include "commit/record.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "codec/crc.h"
#include "codec/digest.h"
#include "tap.h"

#define CLUSTER "0123456789abcdef0123456789abcdef"
/* As it was sent: with what only later programs know, and its spaces. */
#define SETTINGS                                                     \
	"{\"cors\": [{\"a\":[1,{}]}], \"versioning\":\"Suspended\"," \
	" \"x\":\"}\\\"{\"}"
#define OTHER "fedcba9876543210fedcba9876543210"

static struct buf line; /* what build() made last */

static struct reqid
id_of(uint8_t n)
{
	struct reqid id = { { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, n } };

	return id;
}

static struct record
base(enum record_type type)
{
	struct record record = {
		.type = type,
		.cluster = CLUSTER,
		.epoch = 3,
		.request_id = id_of(1),
		.sender = bytes_str("gw-1.a_B"),
	};

	return record;
}

static struct record
put(void)
{
	struct record record = base(RECORD_PUT);

	record.bucket = bytes_str("videos");
	record.key = bytes_str("a \"quoted\\\" key\n\x01 \xc3\xa9/film.mp4");
	record.incarnation = 41;
	record.etag = bytes_str("0123456789abcdef0123456789abcdef");
	record.headers = bytes_str("{\"Content-Type\":\"video/mp4\"}");
	record.meta = bytes_str("{\"a\":\"{}\",\"b\":\"],\\\"\"}");
	record.if_match = bytes_str("abc");
	record.blob = (struct record_blob){
		.size = UINT64_C(1) << 40,
		.crc64nvme = UINT64_C(0xfedcba9876543210),
		.data_shards = 6,
		.parity_shards = 3,
		.cell_bytes = 65536,
		.set = 1,
		.durable = 0x17f,
		.shard_count = 9,
	};
	for (uint32_t i = 0; i < 9; i++)
		record.blob.shard_crc64[i] = UINT64_MAX - i;
	return record;
}

static struct record
inlined(const char *bytes, struct buf *text)
{
	struct record record = put();
	char *room;
	size_t n = strlen(bytes);

	*text = buf_make(RECORD_BYTES_MAX);
	room = buf_reserve(text, BASE64_BYTES(n));
	base64_encode(room, bytes, n);
	text->n = BASE64_BYTES(n) - 1;
	record.blob.size = n;
	record.blob.crc64nvme = crc64_nvme(0, bytes, n);
	record.blob.durable = 0;
	record.blob.shard_count = 0;
	record.blob.is_inline = true;
	record.blob.inline_base64 = buf_bytes(text);
	return record;
}

static int
build(const struct record *record)
{
	struct error err = { 0 };
	int rc;

	buf_fini(&line);
	line = buf_make(2 * RECORD_BYTES_MAX);
	rc = record_build(&line, record, &err);
	if (rc < 0)
		printf("# %s\n", err.text);
	return rc;
}

static int
parse(struct record **out, const char *cluster)
{
	struct error err = { 0 };
	int rc = record_parse(out, buf_bytes(&line), cluster, &err);

	if (rc != RECORD_OK)
		printf("# (%s)\n", err.text);
	return rc;
}

/* A line with a right CRC around any members. */
static void
seal(const char *members)
{
	buf_fini(&line);
	line = buf_make(2 * RECORD_BYTES_MAX);
	buf_addstr(&line, members);
	buf_printf(&line, ",\"crc32c\":\"%08x\"}",
	    crc32c(0, members, strlen(members)));
}

static void
a_put_is_read_back_as_it_was_built(void)
{
	struct record made = put();
	struct record *got = NULL;

	REQUIRE(build(&made) == 0);
	REQUIRE(parse(&got, CLUSTER) == RECORD_OK);
	CHECK(got->type == RECORD_PUT && got->epoch == 3);
	CHECK_STR(got->cluster, CLUSTER);
	CHECK(reqid_equal(got->request_id, made.request_id));
	CHECK(bytes_equal(got->sender, made.sender));
	CHECK(bytes_equal(got->bucket, made.bucket));
	CHECK(bytes_equal(got->key, made.key));
	CHECK(got->incarnation == 41);
	CHECK(bytes_equal(got->etag, made.etag));
	CHECK(bytes_equal(got->headers, made.headers));
	CHECK(bytes_equal(got->meta, made.meta));
	CHECK(bytes_equal(got->if_match, made.if_match));
	CHECK(!got->if_none_match && !got->has_upload);
	CHECK(got->blob.size == made.blob.size);
	CHECK(got->blob.crc64nvme == made.blob.crc64nvme);
	CHECK(got->blob.data_shards == 6 && got->blob.parity_shards == 3);
	CHECK(got->blob.cell_bytes == 65536 && got->blob.set == 1);
	CHECK(got->blob.durable == 0x17f && got->blob.shard_count == 9);
	CHECK(memcmp(got->blob.shard_crc64, made.blob.shard_crc64,
		  9 * sizeof(uint64_t)) == 0);
	CHECK(!got->blob.is_inline);
	record_free(got);
}

/* The bytes, once and for all: they are on disks. */
static void
the_bytes_of_a_record_are_these(void)
{
	struct record record = base(RECORD_DELETE);

	record.bucket = bytes_str("b");
	record.key = bytes_str("k\x1f\"\\");
	record.incarnation = 7;
	REQUIRE(build(&record) == 0);
	CHECK_STR(buf_cstr(&line),
	    "{\"v\":1,\"type\":\"DeleteMessage\",\"cluster\":\"" CLUSTER "\","
	    "\"epoch\":3,\"requestId\":\"01020304050670088001000000000000\","
	    "\"sender\":\"gw-1.a_B\",\"bucket\":\"b\",\"incarnation\":7,"
	    "\"key\":\"k\\u001f\\\"\\\\\",\"crc32c\":\"0dddbb10\"}");
}

static void
check_seen(const struct record *got)
{
	if (got->type == RECORD_BUCKET_CONFIG) {
		CHECK(got->revision == 0 && got->if_revision == 60);
		CHECK(bytes_is(got->settings, SETTINGS));
		CHECK(got->versioning == VERSIONING_SUSPENDED);
	}
	if (got->type == RECORD_PUT || got->type == RECORD_DELETE ||
	    got->type == RECORD_INITIATE || got->type == RECORD_PART ||
	    got->type == RECORD_COMPLETE)
		CHECK(got->revision == 70);
	else
		CHECK(got->revision == 0);
}

static void
every_type_is_read_back(void)
{
	static const struct record_part parts[] = { { 1, { 0xaa } },
		{ 7, { 0xbb } }, { 10000, { 0xcc } } };

	for (int i = 0; i < RECORD_TYPE_MAX; i++) {
		struct record made = put();
		struct record *got = NULL;

		made.type = (enum record_type)i;
		made.owner = bytes_str("owner");
		made.attempt = 99;
		made.home = true;
		made.has_upload = true;
		made.upload_id = id_of(2);
		made.part_number = 10000;
		made.parts = parts;
		made.part_count = 3;
		made.partition = 17;
		made.generation = 2;
		made.base_seq = 1000;
		made.chain[31] = 5;
		made.partition_count = 32;
		made.level = 2;
		made.new_epoch = 9;
		made.revision = made.type == RECORD_BUCKET_CONFIG ? 0 : 70;
		made.if_revision = 60;
		made.settings = bytes_str(SETTINGS);
		REQUIRE(build(&made) == 0);
		REQUIRE(parse(&got, NULL) == RECORD_OK);
		CHECK(got->type == made.type);
		if (got->type == RECORD_GENESIS) {
			CHECK(got->partition == 17 && got->generation == 2);
			CHECK(got->base_seq == 1000 && got->chain[31] == 5);
			CHECK(got->partition_count == 32);
			CHECK(got->level == 2);
		} else if (got->type == RECORD_RAISE_EPOCH) {
			CHECK(got->new_epoch == 9);
		} else if (got->type == RECORD_RAISE_LEVEL) {
			CHECK(got->level == 2);
		} else if (got->type != RECORD_NOOP) {
			CHECK(bytes_equal(got->bucket, made.bucket));
			CHECK(got->incarnation == 41);
		}
		if (got->type == RECORD_SEAL_BUCKET)
			CHECK(got->attempt == 99 && got->home);
		if (got->type == RECORD_CREATE_BUCKET ||
		    got->type == RECORD_INITIATE)
			CHECK(bytes_is(got->owner, "owner"));
		if (got->type == RECORD_ABORT || got->type == RECORD_PART ||
		    got->type == RECORD_COMPLETE)
			CHECK(got->has_upload &&
			    reqid_equal(got->upload_id, id_of(2)));
		if (got->type == RECORD_PART)
			CHECK(got->part_number == 10000);
		check_seen(got);
		if (got->type == RECORD_COMPLETE) {
			CHECK(got->part_count == 3);
			CHECK(got->parts[1].number == 7);
			CHECK(got->parts[2].md5[0] == 0xcc);
		}
		record_free(got);
	}
}

static void
the_abort_of_a_blob_may_leave_its_name_out(void)
{
	struct record made = base(RECORD_ABORT);
	struct record *got = NULL;

	REQUIRE(build(&made) == 0);
	CHECK(strstr(buf_cstr(&line), "bucket") == NULL);
	REQUIRE(parse(&got, NULL) == RECORD_OK);
	CHECK(got->bucket.n == 0 && !got->has_upload);
	record_free(got);
	made.has_upload = true;
	made.upload_id = id_of(3);
	CHECK(build(&made) == -ERRC_USAGE);
}

static void
ten_thousand_parts_fit(void)
{
	struct record_part *parts = calloc(10001, sizeof(*parts));
	struct record made = put();
	struct record *got = NULL;

	REQUIRE(parts != NULL);
	for (uint32_t i = 0; i < 10001; i++)
		parts[i].number = i + 1;
	made.type = RECORD_COMPLETE;
	made.has_upload = true;
	made.upload_id = id_of(2);
	made.etag = bytes_str("0123456789abcdef0123456789abcdef-10000");
	made.parts = parts;
	made.part_count = 10000;
	REQUIRE(build(&made) == 0);
	CHECK(line.n < RECORD_BYTES_MAX);
	REQUIRE(parse(&got, NULL) == RECORD_OK);
	CHECK(got->part_count == 10000 && got->parts[9999].number == 10000);
	record_free(got);
	made.part_count = 10001;
	CHECK(build(&made) == -ERRC_USAGE);
	made.part_count = 2;
	parts[1].number = 1;
	CHECK(build(&made) == -ERRC_USAGE);
	free(parts);
}

static void
inline_bytes_come_back_and_are_bound_by_the_content_crc(void)
{
	static const char *const contents[] = { "", "x", "hello", "hello\n!" };

	for (size_t i = 0; i < nitems(contents); i++) {
		struct buf text;
		struct buf out = buf_make(RECORD_BYTES_MAX);
		struct record made = inlined(contents[i], &text);
		struct record *got = NULL;
		uint64_t crc;

		REQUIRE(build(&made) == 0);
		REQUIRE(parse(&got, NULL) == RECORD_OK);
		CHECK(got->blob.is_inline);
		crc = got->blob.crc64nvme;
		CHECK(record_inline(&out, got->blob.inline_base64,
			  got->blob.size, crc, NULL) == 0);
		CHECK(bytes_is(buf_bytes(&out), contents[i]));
		CHECK(record_inline(&out, got->blob.inline_base64,
			  got->blob.size, crc ^ 1, NULL) == -ERRC_CORRUPT);
		record_free(got);
		buf_fini(&text);
		buf_fini(&out);
	}
}

static void
a_stripped_line_has_the_same_crc_and_the_same_hash(void)
{
	struct buf text;
	struct buf short_line = buf_make(RECORD_BYTES_MAX);
	struct buf again = buf_make(RECORD_BYTES_MAX);
	struct record made = inlined("some content", &text);
	struct record *got = NULL;
	uint8_t prev[32] = { 9 };
	uint8_t one[32], two[32];

	REQUIRE(build(&made) == 0);
	record_strip(&short_line, buf_bytes(&line));
	CHECK(short_line.n == line.n - text.n);
	CHECK(strstr(buf_cstr(&short_line), ",\"inline\":\"\",\"crc32c\":") !=
	    NULL);
	CHECK(record_hash(one, prev, buf_bytes(&line), NULL) == 0);
	CHECK(record_hash(two, prev, buf_bytes(&short_line), NULL) == 0);
	CHECK(memcmp(one, two, 32) == 0);
	REQUIRE(record_parse(&got, buf_bytes(&short_line), CLUSTER, NULL) ==
	    RECORD_OK);
	CHECK(got->blob.is_inline && got->blob.inline_base64.n == 0);
	CHECK(got->blob.size == 12);
	CHECK(record_inline(&again, BYTES_NONE, 12, 0, NULL) == -ERRC_CORRUPT);
	record_free(got);
	record_strip(&again, buf_bytes(&short_line));
	CHECK(bytes_equal(buf_bytes(&again), buf_bytes(&short_line)));
	buf_fini(&text);
	buf_fini(&short_line);
	buf_fini(&again);
}

static void
the_chain_hash_is_sha_256_of_the_last_and_the_covered_bytes(void)
{
	struct record made = base(RECORD_NOOP);
	struct bytes part[2];
	uint8_t text[1024] = { 0 };
	uint8_t prev[32] = { 1, 2, 3 };
	uint8_t want[32], got[32];

	REQUIRE(build(&made) == 0);
	REQUIRE(record_covered(buf_bytes(&line), part));
	CHECK(part[1].n == 0 && part[0].n == line.n - 21);
	memcpy(text, prev, 32);
	memcpy(text + 32, part[0].p, part[0].n);
	CHECK(digest_sha256(want, text, 32 + part[0].n, NULL) == 0);
	CHECK(record_hash(got, prev, buf_bytes(&line), NULL) == 0);
	CHECK(memcmp(want, got, 32) == 0);
	/* Not the CRC's own digits. */
	line.p[line.n - 5] ^= 1;
	CHECK(record_hash(got, prev, buf_bytes(&line), NULL) == 0);
	CHECK(memcmp(want, got, 32) == 0);
	/* What is no record counts whole; in place. */
	memcpy(text + 32, "junk", 4);
	CHECK(digest_sha256(want, text, 36, NULL) == 0);
	CHECK(record_hash(prev, prev, bytes_str("junk"), NULL) == 0);
	CHECK(memcmp(want, prev, 32) == 0);
}

/* One flipped bit anywhere must never make a line that is ignored: it would
 * be, on this node only. */
static void
no_flipped_bit_passes_for_another_record(void)
{
	struct buf text;
	struct record made = inlined("inline content", &text);
	struct record *got = NULL;
	size_t from, to;

	REQUIRE(build(&made) == 0);
	to = line.n - 22;
	from = to - text.n;
	for (size_t i = 0; i < line.n; i++) {
		for (int bit = 0; bit < 8; bit++) {
			int verdict;

			line.p[i] ^= (char)(1 << bit);
			verdict = record_parse(&got, buf_bytes(&line), CLUSTER,
			    NULL);
			if (i >= from && i < to) {
				/* Not covered: the content CRC's business. */
				CHECK(verdict == RECORD_OK ||
				    verdict == RECORD_BAD_CRC);
			} else {
				CHECK(verdict == RECORD_BAD_CRC);
			}
			if (verdict == RECORD_OK)
				record_free(got);
			line.p[i] ^= (char)(1 << bit);
		}
	}
	for (size_t n = 40; n < line.n; n++)
		CHECK(record_parse(&got, bytes_of(line.p, n), CLUSTER, NULL) ==
		    RECORD_BAD_CRC);
	buf_fini(&text);
}

static void
what_is_no_record_of_this_cluster_is_ignored(void)
{
	static const char *const junk[] = { "", "x", "{}", "[]", "null",
		"hello world", "{\"v\":1}", "{\"v\":1,\"type\":1}",
		",\"crc32c\":\"00000000\"}" };
	struct record made = base(RECORD_NOOP);
	struct record *got = NULL;

	for (size_t i = 0; i < nitems(junk) - 1; i++)
		CHECK(record_parse(&got, bytes_str(junk[i]), CLUSTER, NULL) ==
		    RECORD_IGNORED);
	seal("not json at all");
	CHECK(parse(&got, CLUSTER) == RECORD_IGNORED);
	seal("{\"v\":1,\"type\":\"NoopMessage\"");
	CHECK(parse(&got, CLUSTER) == RECORD_IGNORED);
	REQUIRE(build(&made) == 0);
	CHECK(parse(&got, OTHER) == RECORD_IGNORED);
	/* Of another cluster comes before of another version. */
	seal("{\"v\":2,\"type\":\"X\",\"cluster\":\"" CLUSTER "\"");
	CHECK(parse(&got, OTHER) == RECORD_IGNORED);
	CHECK(parse(&got, CLUSTER) == RECORD_UNKNOWN);
	seal("{\"v\":1,\"type\":\"FooMessage\",\"cluster\":\"" CLUSTER "\"");
	CHECK(parse(&got, CLUSTER) == RECORD_UNKNOWN);
	seal("{\"v\":1,\"v\":1,\"type\":\"X\",\"cluster\":\"" CLUSTER "\"");
	CHECK(parse(&got, CLUSTER) == RECORD_IGNORED);
	CHECK(got == NULL);
}

#define HEAD(type)                                              \
	"{\"v\":1,\"type\":\"" type "\",\"cluster\":\"" CLUSTER \
	"\",\"epoch\":1,"                                       \
	"\"requestId\":\"01020304050670088001000000000000\","   \
	"\"sender\":\"s\""
#define DELETE HEAD("DeleteMessage")
#define OBJECT ",\"bucket\":\"b\",\"incarnation\":7,\"key\":\"k\""

/* A member that means something is never ignored by who does not know it. */
static void
a_word_that_is_not_known_halts_as_an_unknown_type_does(void)
{
	static const char *const unknown[] = { ",\"need\":[\"foo\"]",
		",\"need\":[\"revision\",\"foo\"]", ",\"need\":[\"\"]",
		",\"need\":[\"Revision\"]" };
	static const char *const bad[] = { ",\"need\":\"revision\"",
		",\"need\":[1]", ",\"need\":{}", ",\"need\":null",
		/* The word without its member. */
		",\"need\":[\"revision\"]", ",\"need\":[\"version\"]",
		",\"need\":[\"revision\"],\"revision\":0",
		",\"need\":[\"version\"],\"version\":\"NULL\"" };
	struct record *got = NULL;
	char text[1024];

	for (size_t i = 0; i < nitems(unknown); i++) {
		snprintf(text, sizeof(text), "%s%s%s", DELETE, unknown[i],
		    OBJECT);
		seal(text);
		CHECK(parse(&got, CLUSTER) == RECORD_UNKNOWN);
		CHECK(parse(&got, OTHER) == RECORD_IGNORED);
	}
	for (size_t i = 0; i < nitems(bad); i++) {
		snprintf(text, sizeof(text), "%s%s%s", DELETE, bad[i], OBJECT);
		seal(text);
		CHECK(parse(&got, CLUSTER) == RECORD_IGNORED);
	}
	/* Also where the record would be ignored for another reason. */
	seal("{\"v\":1,\"type\":\"NoopMessage\",\"cluster\":\"" CLUSTER
	     "\",\"need\":[\"foo\"]");
	CHECK(parse(&got, CLUSTER) == RECORD_UNKNOWN);
	seal(DELETE ",\"need\":[]" OBJECT);
	REQUIRE(parse(&got, CLUSTER) == RECORD_OK);
	record_free(got);
}

/* Members of a word are read only with it: a program that knows the word and
 * one that does not must not come to different rows of one record. */
static void
a_member_without_its_word_means_nothing(void)
{
	struct record *got = NULL;

	seal(DELETE OBJECT ",\"revision\":9,\"version\":\"null\"");
	REQUIRE(parse(&got, CLUSTER) == RECORD_OK);
	CHECK(got->revision == 0 && !got->has_version);
	record_free(got);
	seal(DELETE ",\"need\":[\"version\",\"revision\"]" OBJECT
		    ",\"revision\":9,\"version\":\"null\"");
	REQUIRE(parse(&got, CLUSTER) == RECORD_OK);
	CHECK(got->revision == 9 && got->has_version && got->version.is_null);
	record_free(got);
}

static void
a_version_is_read_back_with_its_word(void)
{
	struct record made = base(RECORD_DELETE);
	struct record *got = NULL;

	made.bucket = bytes_str("b");
	made.key = bytes_str("k");
	made.revision = 12;
	made.has_version = true;
	made.version = versionid_of(77, id_of(5));
	REQUIRE(build(&made) == 0);
	CHECK(strstr(buf_cstr(&line),
		  ",\"need\":[\"revision\","
		  "\"version\"],") != NULL);
	REQUIRE(parse(&got, CLUSTER) == RECORD_OK);
	CHECK(got->has_version && got->version.seq == 77);
	CHECK(versionid_names(&got->version, 77, id_of(5)));
	record_free(got);
	/* What needs no word is written as it always was. */
	made.revision = 0;
	made.has_version = false;
	REQUIRE(build(&made) == 0);
	CHECK(strstr(buf_cstr(&line), "need") == NULL);
	made.has_version = true;
	made.if_match = bytes_str("e");
	CHECK(build(&made) == -ERRC_USAGE);
}

static void
a_level_above_ones_own_halts(void)
{
	struct record made = base(RECORD_RAISE_LEVEL);
	struct record *got = NULL;

	CHECK(record_level() == RECORD_LEVEL);
	made.level = RECORD_LEVEL;
	REQUIRE(build(&made) == 0);
	REQUIRE(parse(&got, CLUSTER) == RECORD_OK);
	CHECK(got->level == RECORD_LEVEL);
	record_free(got);
	made.level = RECORD_LEVEL + 1;
	REQUIRE(build(&made) == 0);
	CHECK(parse(&got, CLUSTER) == RECORD_UNKNOWN);
	made.level = 0;
	CHECK(build(&made) == -ERRC_USAGE);
	made.level = RECORD_LEVEL_MAX + 1;
	CHECK(build(&made) == -ERRC_USAGE);
}

static void
settings_are_json_that_says_no_nonsense_of_versions(void)
{
	static const char *const bad[] = { "[]", "1", "{", "{}x",
		"{\"versioning\":\"enabled\"}", "{\"versioning\":true}",
		"{\"versioning\":\"\"}", "{\"versioning\":null}", "{\n}" };
	struct record made = base(RECORD_BUCKET_CONFIG);
	struct record *got = NULL;

	made.bucket = bytes_str("b");
	made.incarnation = 3;
	made.home = true;
	for (size_t i = 0; i < nitems(bad); i++) {
		made.settings = bytes_str(bad[i]);
		CHECK(build(&made) == -ERRC_USAGE);
	}
	made.settings = BYTES_NONE;
	REQUIRE(build(&made) == 0);
	REQUIRE(parse(&got, CLUSTER) == RECORD_OK);
	CHECK(got->versioning == VERSIONING_NEVER);
	CHECK(bytes_is(got->settings, "{}"));
	record_free(got);
	/* Home gives revision and ruling, others are told both. */
	made.revision = 1;
	CHECK(build(&made) == -ERRC_USAGE);
	made.home = false;
	made.ruling = 2;
	CHECK(build(&made) == -ERRC_USAGE);
	made.ruling = 1;
	CHECK(build(&made) == 0);
	made.revision = 0;
	CHECK(build(&made) == -ERRC_USAGE);
}

/* Each mistake in a line whose CRC is right. */
static const struct {
	const char *old, *new;
} mistakes[] = {
	{ "\"epoch\":3", "\"epoch\":-3" },
	{ "\"epoch\":3", "\"epoch\":9007199254740993" },
	{ "\"epoch\":3", "\"epoch\":3.0" },
	{ "requestId\":\"0102", "requestId\":\"01" },
	{ "70088001", "40088001" },
	{ "\"sender\":\"gw", "\"sender\":\"g w" },
	{ "\"bucket\":\"videos\"", "\"bucket\":\"\"" },
	{ "\"bucket\":\"videos\"", "\"bucket\":7" },
	{ "\"incarnation\":41,", "" },
	{ "\"key\":\"a ", "\"key\":\"\\u0000 " },
	{ "\"key\"", "\"yek\"" },
	{ "\"size\":1099511627776", "\"size\":-1" },
	{ "\"size\":1099511627776", "\"size\":\"1\"" },
	{ "\"etag\":\"0", "\"etag\":\"/" },
	{ "\"crc64nvme\":\"fe", "\"crc64nvme\":\"f" },
	{ "\"crc64nvme\":\"fe", "\"crc64nvme\":\"zz" },
	{ "\"dataShards\":6", "\"dataShards\":0" },
	{ "\"dataShards\":6", "\"dataShards\":33" },
	{ "\"dataShards\":6", "\"dataShards\":4294967302" },
	{ "\"parityShards\":3", "\"parityShards\":2" },
	{ "\"cellSize\":65536", "\"cellSize\":0" },
	{ "\"cellSize\":65536", "\"cellSize\":1048577" },
	{ "\"set\":1", "\"set\":4294967295" },
	{ "\"ffffffffffffffff\",", "" },
	{ "\"durable\":[0", "\"durable\":[9,0" },
	{ "\"durable\":[0", "\"durable\":[0,0" },
	{ "\"durable\":[0", "\"durable\":[-1" },
	{ "5,6,8]", "5,6,31]" },
	{ "5,6,8]", "5,6,32]" },
	{ "\"headers\":{\"Content-Type\":\"video/mp4\"}", "\"headers\":\"\"" },
	{ "\"headers\":{\"Content-Type\":\"video/mp4\"}",
	    "\"headers\":{\"a\":{}}" },
	{ "\"headers\"", "\"h\\u0065aders\"" },
	{ "\"meta\"", "\"atem\"" },
	{ "\"ifMatch\":\"abc\"", "\"ifMatch\":null" },
	{ "\"ifMatch\":\"abc\"", "\"ifMatch\":\"\"" },
	{ "\"ifMatch\":\"abc\"", "\"ifNoneMatch\":\"abc\"" },
	{ "\"ifMatch\":\"abc\"", "\"inline\":\"\"" },
	{ "\"ifMatch\":\"abc\"", "\"inline\":7" },
	{ "\"v\":1", "\"v\":\"1\"" },
	{ "\"type\":\"PutMessage\"", "\"type\":1" },
	{ "{\"v\"", "[{\"v\"" },
};

static void
members_that_break_the_format_are_ignored(void)
{
	struct record made = put();
	struct buf original;
	struct record *got = NULL;

	REQUIRE(build(&made) == 0);
	original = line;
	line = buf_make(0);
	original.p[original.n - 21] = '\0';
	for (size_t i = 0; i < nitems(mistakes); i++) {
		const char *at = strstr(original.p, mistakes[i].old);
		struct buf members = buf_make(RECORD_BYTES_MAX);

		REQUIRE(at != NULL);
		buf_add(&members, original.p, (size_t)(at - original.p));
		buf_addstr(&members, mistakes[i].new);
		buf_addstr(&members, at + strlen(mistakes[i].old));
		seal(buf_cstr(&members));
		buf_fini(&members);
		if (record_parse(&got, buf_bytes(&line), CLUSTER, NULL) !=
		    RECORD_IGNORED)
			CHECK_STR(mistakes[i].new, "to be ignored");
	}
	/* And unknown members are no mistake. */
	seal(original.p);
	line.n -= 21;
	buf_addstr(&line, ",\"rack\":[[{}]]");
	{
		struct buf members = line;

		line = buf_make(0);
		seal(buf_cstr(&members));
		buf_fini(&members);
	}
	CHECK(parse(&got, CLUSTER) == RECORD_OK);
	record_free(got);
	buf_fini(&original);
}

static void
hostile_texts_cost_nothing(void)
{
	struct record *got = NULL;
	char *deep = malloc(400001);

	REQUIRE(deep != NULL);
	memset(deep, '[', 400000);
	deep[400000] = '\0';
	seal(deep);
	CHECK(parse(&got, CLUSTER) == RECORD_IGNORED);
	free(deep);
	buf_fini(&line);
	line = buf_make(2 * RECORD_BYTES_MAX);
	for (size_t i = 0; i <= RECORD_BYTES_MAX; i++)
		buf_addch(&line, ' ');
	CHECK(parse(&got, CLUSTER) == RECORD_IGNORED);
	record_free(NULL);
}

static void
what_cannot_be_read_is_not_built(void)
{
	struct record good = put();
	struct record bad[14];
	struct buf text;
	char *big = calloc(1, RECORD_JSON_MAX + 1);

	REQUIRE(big != NULL);
	for (size_t i = 0; i < nitems(bad); i++)
		bad[i] = good;
	bad[0].key = BYTES_NONE;
	bad[1].key = bytes_str("\xff");
	bad[2].key = bytes_of("a\0b", 3);
	bad[3].bucket = BYTES_NONE;
	bad[4].cluster[0] = 'G';
	bad[5].epoch = (UINT64_C(1) << 53) + 1;
	bad[6].etag = bytes_str("\"quoted\"");
	bad[7].headers = bytes_str("{\"a\":1}");
	bad[8].meta = bytes_str("{\"a\":\"b\"");
	bad[9].meta = bytes_str("{\"a\":\n\"b\"}");
	bad[10].sender = bytes_str("a b");
	bad[11].blob.shard_count = 8;
	bad[12].headers = bytes_of(big, RECORD_JSON_MAX + 1);
	bad[13] = inlined("abc", &text);
	bad[13].blob.size = 4;
	for (size_t i = 0; i < nitems(bad); i++) {
		buf_fini(&line);
		line = buf_make(RECORD_BYTES_MAX);
		CHECK(record_build(&line, &bad[i], NULL) == -ERRC_USAGE);
	}
	buf_fini(&text);
	free(big);
}

static void
keys_of_any_text_come_back(void)
{
	struct record made = base(RECORD_DELETE);
	char key[RECORD_KEY_MAX];

	made.bucket = bytes_str("b");
	for (int c = 1; c < 128; c++) {
		struct record *got = NULL;

		memset(key, c, sizeof(key));
		made.key = bytes_of(key, sizeof(key));
		REQUIRE(build(&made) == 0);
		REQUIRE(parse(&got, CLUSTER) == RECORD_OK);
		CHECK(bytes_equal(got->key, made.key));
		record_free(got);
	}
	/* A key that looks like the end of a record. */
	made.key = bytes_str("\",\"inline\":\"AAAA\",\"crc32c\":\"00000000\"}");
	struct record *got = NULL;

	REQUIRE(build(&made) == 0);
	REQUIRE(parse(&got, CLUSTER) == RECORD_OK);
	CHECK(bytes_equal(got->key, made.key));
	record_free(got);
}

int
main(void)
{
	RUN(a_put_is_read_back_as_it_was_built);
	RUN(the_bytes_of_a_record_are_these);
	RUN(every_type_is_read_back);
	RUN(the_abort_of_a_blob_may_leave_its_name_out);
	RUN(ten_thousand_parts_fit);
	RUN(inline_bytes_come_back_and_are_bound_by_the_content_crc);
	RUN(a_stripped_line_has_the_same_crc_and_the_same_hash);
	RUN(the_chain_hash_is_sha_256_of_the_last_and_the_covered_bytes);
	RUN(no_flipped_bit_passes_for_another_record);
	RUN(what_is_no_record_of_this_cluster_is_ignored);
	RUN(a_word_that_is_not_known_halts_as_an_unknown_type_does);
	RUN(a_member_without_its_word_means_nothing);
	RUN(a_version_is_read_back_with_its_word);
	RUN(a_level_above_ones_own_halts);
	RUN(settings_are_json_that_says_no_nonsense_of_versions);
	RUN(members_that_break_the_format_are_ignored);
	RUN(hostile_texts_cost_nothing);
	RUN(what_cannot_be_read_is_not_built);
	RUN(keys_of_any_text_come_back);
	buf_fini(&line);
	return tap_done();
}
