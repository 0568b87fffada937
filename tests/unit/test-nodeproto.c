/* SPDX-License-Identifier: MIT */
#include "wire/nodeproto_info.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/error.h"
#include "wire/nodeline.h"
#include "tap.h"

/* A header list, as both ends see it. */
struct headers {
	size_t n;
	char name[40][32];
	char value[40][1024];
};

static void
put(void *arg, const char *name, const char *value)
{
	struct headers *h = arg;

	snprintf(h->name[h->n], sizeof(h->name[0]), "%s", name);
	snprintf(h->value[h->n++], sizeof(h->value[0]), "%s", value);
}

static const char *
get(void *arg, const char *name)
{
	struct headers *h = arg;

	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->name[i], name) == 0)
			return h->value[i];
	return NULL;
}

static void
set(struct headers *h, const char *name, const char *value)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->name[i], name) == 0)
			snprintf(h->value[i], sizeof(h->value[i]), "%s", value);
}

static struct reqid
some_id(void)
{
	struct reqid id;

	if (!reqid_parse(&id, "0190a1b2c3d47ef08123456789abcdef", 32))
		abort();
	return id;
}

static void
some_info(struct object_info *info)
{
	static char headers[] = "{\"Content-Type\":\"text/plain\"}";
	static char meta[] = "{}";

	*info = (struct object_info){
		.at = { .applied = 9,
		    .stable = 8,
		    .epoch = 1,
		    .row_seq = 7,
		    .voting = true },
		.bucket = NODEPROTO_OPEN,
		.incarnation = 3,
		.found = true,
		.kind = NODEPROTO_BLOB,
		.id = some_id(),
		.size = 1000,
		.etag = "d41d8cd98f00b204e9800998ecf8427e",
		.modified_ms = 1700000000000,
		.geometry = { 2, 1, 4096 },
		.set = 1,
		.shard = 2,
		.shard_crc64_count = 3,
		.shard_crc64 = { 1, UINT64_MAX, 3 },
		.crc64nvme = 0xae8b14860a799888,
		.headers = headers,
		.meta = meta,
	};
	strcpy(info->at.disk, "0190a1b2c3d47ef08123456789abcdef");
}

static void
metadata_comes_back_from_headers(void)
{
	struct headers h = { 0 };
	struct object_info in, out;

	some_info(&in);
	CHECK(nodeproto_info_print(&in, put, &h, NULL) == 0);
	REQUIRE(nodeproto_info_parse(&out, get, &h, NULL) == 0);
	CHECK(out.found && out.kind == NODEPROTO_BLOB && !out.missing);
	CHECK(out.at.applied == 9 && out.at.voting && out.at.row_seq == 7);
	CHECK(out.size == 1000 && out.shard == 2 && out.set == 1);
	CHECK(out.shard_crc64_count == 3 && out.shard_crc64[1] == UINT64_MAX);
	CHECK(out.crc64nvme == 0xae8b14860a799888);
	CHECK(geometry_equal(&out.geometry, &in.geometry));
	CHECK_STR(out.headers, in.headers);
	CHECK_STR(out.etag, in.etag);
	nodeproto_info_fini(&out);
	CHECK(out.headers == NULL);
}

static void
an_answer_without_a_row_has_its_position(void)
{
	struct headers h = { 0 };
	struct object_info in, out;

	some_info(&in);
	in.found = false;
	CHECK(nodeproto_info_print(&in, put, &h, NULL) == 0);
	REQUIRE(nodeproto_info_parse(&out, get, &h, NULL) == 0);
	CHECK(!out.found && out.at.applied == 9 && out.incarnation == 3);
	nodeproto_info_fini(&out);
}

static void
versions_and_settings_come_back_from_headers(void)
{
	struct headers h = { 0 };
	struct object_info in, out;

	some_info(&in);
	in.at.level = 2;
	in.at.knows = 3;
	in.revision = 77;
	in.versioning = NODEPROTO_ENABLED;
	in.version = versionid_of(7, some_id());
	CHECK(nodeproto_info_print(&in, put, &h, NULL) == 0);
	REQUIRE(nodeproto_info_parse(&out, get, &h, NULL) == 0);
	CHECK(out.at.level == 2 && out.at.knows == 3);
	CHECK(out.revision == 77 && out.versioning == NODEPROTO_ENABLED);
	CHECK(versionid_names(&out.version, 7, some_id()) && !out.marker);
	nodeproto_info_fini(&out);
	/* A delete marker is no version, but has a name and a time. */
	h = (struct headers){ 0 };
	in.found = false;
	in.marker = true;
	in.version = (struct versionid){ .is_null = true };
	CHECK(nodeproto_info_print(&in, put, &h, NULL) == 0);
	REQUIRE(nodeproto_info_parse(&out, get, &h, NULL) == 0);
	CHECK(!out.found && out.marker && out.version.is_null);
	CHECK(out.modified_ms == 1700000000000);
	nodeproto_info_fini(&out);
}

static void
every_header_is_checked(void)
{
	static const char *const bad[][2] = {
		{ NODEPROTO_APPLIED, "-1" },
		{ NODEPROTO_APPLIED, "" },
		{ NODEPROTO_APPLIED, "3" },
		{ NODEPROTO_HASH, "00" },
		{ NODEPROTO_VOTING, "2" },
		{ NODEPROTO_DISK, "x" },
		{ NODEPROTO_BUCKET, "ajar" },
		{ NODEPROTO_KIND, "thing" },
		{ NODEPROTO_REQUEST_ID, "0190" },
		{ NODEPROTO_SIZE, "1e3" },
		{ NODEPROTO_ETAG, "" },
		{ NODEPROTO_GEOMETRY, "2+1" },
		{ NODEPROTO_GEOMETRY, "2+40/4096" },
		{ NODEPROTO_SHARD, "3" },
		{ NODEPROTO_SHARD_CRC64, "0000000000000001" },
		{ NODEPROTO_SHARD_CRC64, "0000000000000001,2,3" },
		{ NODEPROTO_CRC64NVME, "z" },
		{ NODEPROTO_VERSION, "nul" },
		{ NODEPROTO_VERSION, "7fffffffffffff00" },
		{ NODEPROTO_VERSIONING, "Enabled" },
		{ NODEPROTO_REVISION, "-1" },
		{ NODEPROTO_LEVEL, "0" },
		{ NODEPROTO_LEVEL, "100" },
		{ NODEPROTO_KNOWS, "x" },
		{ NODEPROTO_HEADERS, "!!" },
		{ NODEPROTO_META, "" },
	};

	for (size_t i = 0; i < nitems(bad); i++) {
		struct headers h = { 0 };
		struct object_info in, out;

		some_info(&in);
		CHECK(nodeproto_info_print(&in, put, &h, NULL) == 0);
		set(&h, bad[i][0], bad[i][1]);
		if (nodeproto_info_parse(&out, get, &h, NULL) == 0) {
			printf("# taken: %s: %s\n", bad[i][0], bad[i][1]);
			CHECK(false);
			nodeproto_info_fini(&out);
		}
	}
}

static void
a_key_survives_its_target(void)
{
	static const char *const key[] = { "a", "a/b", "//", "a b+c?d#e%41",
		"\xc3\xa9", "..", "?requestId=x" };

	for (size_t i = 0; i < nitems(key); i++) {
		struct buf b = buf_make(4096);
		struct nodeproto_store s;

		nodeproto_target_object(&b, 17, bytes_str("films"),
		    bytes_str(key[i]));
		CHECK(nodeproto_store_parse(&s, buf_cstr(&b), NULL) == 0);
		CHECK(s.partition == 17);
		CHECK_STR(s.bucket, "films");
		CHECK_STR(s.key, key[i]);
		buf_fini(&b);
	}
}

static void
slashes_in_a_key_need_no_escape(void)
{
	struct nodeproto_store s;

	CHECK(nodeproto_store_parse(&s, "/store/1/b/x/y", NULL) == 0);
	CHECK_STR(s.key, "x/y");
}

static void
bad_targets_are_refused(void)
{
	static const char *const bad[] = { "/stor/1/b/k", "/store/", "/store/1",
		"/store/x/b/k", "/store/1/b", "/store/1/b/", "/store/1//k",
		"/store/4294967296/b/k", "/store/1/b/%zz", "/store/1/b/%00",
		"/store/1/b/%ff" };
	struct nodeproto_store s;

	for (size_t i = 0; i < nitems(bad); i++)
		CHECK(nodeproto_store_parse(&s, bad[i], NULL) != 0);
}

static void
a_key_over_1024_bytes_is_refused(void)
{
	struct buf b = buf_make(8192);
	struct nodeproto_store s;

	buf_addstr(&b, "/store/1/b/");
	for (int i = 0; i < 1024; i++)
		buf_addch(&b, 'k');
	CHECK(nodeproto_store_parse(&s, buf_cstr(&b), NULL) == 0);
	buf_addch(&b, 'k');
	CHECK(nodeproto_store_parse(&s, buf_cstr(&b), NULL) != 0);
	buf_fini(&b);
}

static struct bytes
line_of(const struct buf *b)
{
	return bytes_of(b->p, b->n - 1); /* without the LF */
}

static void
list_lines_come_back(void)
{
	struct buf b = buf_make(4096);
	struct nodeline_key in = { .kind = NODELINE_ITEM,
		.name_bytes = 5,
		.name = "a\"b\nc",
		.size = 5,
		.etag = "00",
		.modified_ms = 6,
		.seq = 7 };
	struct nodeline_key out;

	nodeline_list_print(&b, &in);
	CHECK(nodeline_list_parse(&out, line_of(&b), NULL) == 0);
	CHECK(out.kind == NODELINE_ITEM && out.size == 5 && out.seq == 7);
	CHECK_STR(out.name, "a\"b\nc");
	buf_clear(&b);
	in = (struct nodeline_key){ .kind = NODELINE_END,
		.truncated = true,
		.name = "x",
		.name_bytes = 1,
		.upload = some_id() };
	nodeline_upload_print(&b, &in);
	CHECK(nodeline_upload_parse(&out, line_of(&b), NULL) == 0);
	CHECK(out.kind == NODELINE_END && out.truncated);
	CHECK(reqid_equal(out.upload, some_id()));
	buf_fini(&b);
}

static void
version_lines_come_back(void)
{
	static const char *const bad[] = {
		"{\"key\":\"a\",\"version\":\"null\",\"null\":true,"
		"\"marker\":true,\"latest\":true,\"size\":0,\"etag\":\"\","
		"\"modified\":1,\"seq\":1}",
		"{\"key\":\"a\",\"null\":true,\"marker\":true,"
		"\"latest\":true,\"size\":0,\"etag\":\"\",\"modified\":1,"
		"\"seq\":1}"
	};
	struct buf b = buf_make(4096);
	struct nodeline_key in = { .kind = NODELINE_ITEM,
		.name_bytes = 1,
		.name = "k",
		.etag = "",
		.modified_ms = 6,
		.seq = 9,
		.version = versionid_of(7, some_id()) };
	struct nodeline_key out;

	for (unsigned i = 0; i < 8; i++) {
		in.is_null = i & 1;
		in.marker = i & 2;
		in.latest = i & 4;
		buf_clear(&b);
		nodeline_version_print(&b, &in);
		CHECK(nodeline_version_parse(&out, line_of(&b), NULL) == 0);
		CHECK(out.is_null == in.is_null && out.marker == in.marker);
		CHECK(out.latest == in.latest && out.seq == 9);
		CHECK(versionid_names(&out.version, 7, some_id()));
	}
	for (size_t i = 0; i < nitems(bad); i++)
		CHECK(
		    nodeline_version_parse(&out, bytes_str(bad[i]), NULL) != 0);
	buf_fini(&b);
}

static void
settings_come_along_as_they_were_sent(void)
{
	static const char sent[] = "{ \"a\":[[[[[{}]]]]],\"b\":\"\\\"}\"}";
	struct buf b = buf_make(NODELINE_BUCKET_MAX);
	struct buf settings = buf_make(4096);
	struct nodeline_bucket in = { .state = NODEPROTO_OPEN,
		.incarnation = 5,
		.revision = 9,
		.ruling = 8,
		.versioning = NODEPROTO_SUSPENDED,
		.settings = bytes_str(sent),
		.name = "films" };
	struct nodeline_bucket out;

	nodeline_bucket_print(&b, &in);
	REQUIRE(nodeline_bucket_parse(&out, line_of(&b), NULL) == 0);
	CHECK(out.revision == 9 && out.ruling == 8);
	CHECK(out.versioning == NODEPROTO_SUSPENDED);
	CHECK(nodeline_bucket_settings(&settings, line_of(&b), NULL) == 0);
	CHECK_STR(buf_cstr(&settings), sent);
	in.settings = BYTES_NONE;
	buf_clear(&b);
	buf_clear(&settings);
	nodeline_bucket_print(&b, &in);
	CHECK(nodeline_bucket_settings(&settings, line_of(&b), NULL) == 0);
	CHECK_STR(buf_cstr(&settings), "{}");
	buf_fini(&settings);
	buf_fini(&b);
}

static void
manifest_lines_come_back(void)
{
	struct buf b = buf_make(4096);
	struct nodeline_part in = { .part = 10000,
		.id = some_id(),
		.size = 5 << 20,
		.etag = "ab",
		.geometry = { 2, 1, 4096 },
		.set = 1,
		.crc64nvme = 9,
		.shard_crc64_count = 3,
		.shard_crc64 = { 1, 2, 3 } };
	struct nodeline_part out;

	nodeline_manifest_print(&b, &in);
	CHECK(nodeline_manifest_parse(&out, line_of(&b), NULL) == 0);
	CHECK(out.part == 10000 && out.shard_crc64[2] == 3);
	CHECK(out.geometry.cell_bytes == 4096);
	buf_fini(&b);
}

static void
acknowledgement_lines_come_back(void)
{
	struct buf b = buf_make(4096);
	struct nodeline_ack in = { .kind = NODELINE_OUTCOME,
		.partition = 3,
		.seq = 99,
		.outcome = OUTCOME_SEALED,
		.id = some_id() };
	struct nodeline_ack out;

	nodeline_ack_print(&b, &in);
	CHECK(nodeline_ack_parse(&out, line_of(&b), NULL) == 0);
	CHECK(out.kind == NODELINE_OUTCOME && out.outcome == OUTCOME_SEALED &&
	    out.seq == 99 && out.partition == 3);
	buf_clear(&b);
	nodeline_applied_print(&b, &in);
	CHECK(nodeline_applied_parse(&out, line_of(&b), NULL) == 0);
	CHECK(out.outcome == OUTCOME_SEALED && out.seq == 99);
	CHECK(nodeline_ack_parse(&out, bytes_str("time 1700000000000"), NULL) ==
	    0);
	CHECK(out.kind == NODELINE_TIME && out.time_ms == 1700000000000u);
	CHECK(nodeline_ack_parse(&out, bytes_str("time x"), NULL) != 0);
	CHECK(nodeline_ack_parse(&out, bytes_str("time"), NULL) != 0);
	CHECK(nodeline_ack_parse(&out, bytes_str("ping"), NULL) == 0);
	CHECK(nodeline_ack_parse(&out, bytes_str("voting 1 1"), NULL) == 0);
	CHECK(out.voting);
	CHECK(nodeline_ack_parse(&out, bytes_str("voting 1 2"), NULL) != 0);
	CHECK(nodeline_ack_parse(&out, bytes_str("1 2 done"), NULL) != 0);
	CHECK(nodeline_ack_parse(&out, bytes_str(""), NULL) != 0);
	buf_fini(&b);
}

static void
bucket_lines_come_back(void)
{
	struct buf b = buf_make(4096);
	struct nodeline_bucket in = { .state = NODEPROTO_SEALED,
		.incarnation = 5,
		.attempt = 6,
		.name = "films",
		.owner = "me \"x\"" };
	struct nodeline_bucket out;

	nodeline_bucket_print(&b, &in);
	CHECK(nodeline_bucket_parse(&out, line_of(&b), NULL) == 0);
	CHECK(out.state == NODEPROTO_SEALED && out.attempt == 6);
	CHECK_STR(out.owner, "me \"x\"");
	buf_fini(&b);
}

static void
hostile_lines_are_refused(void)
{
	static const char *const bad[] = { "", "{", "[]", "{\"key\":5}",
		"{\"key\":\"a\",\"key\":\"b\"}", "{\"end\":1}",
		("{\"key\":\"a\",\"size\":-1,\"etag\":\"\",\"modified\":1,"
		 "\"seq\":1}"),
		"{\"a\":[[[[[[]]]]]]}" };
	struct nodeline_key key;
	struct nodeline_part part;
	struct nodeline_bucket bucket;

	for (size_t i = 0; i < nitems(bad); i++) {
		struct bytes line = bytes_str(bad[i]);

		CHECK(nodeline_list_parse(&key, line, NULL) != 0);
		CHECK(nodeline_upload_parse(&key, line, NULL) != 0);
		CHECK(nodeline_part_parse(&part, line, NULL) != 0);
		CHECK(nodeline_manifest_parse(&part, line, NULL) != 0);
		CHECK(nodeline_bucket_parse(&bucket, line, NULL) != 0);
	}
}

static void
positions_come_back(void)
{
	struct nodeline_at in[] = { { 1, 5 }, { 30, 0 } };
	struct nodeline_at *out = NULL;
	struct buf b = buf_make(256);
	size_t n = 0;

	nodeline_at_print(&b, in, 2);
	CHECK_STR(buf_cstr(&b), "1:5,30:0");
	REQUIRE(nodeline_at_parse(&out, &n, buf_cstr(&b), NULL) == 0);
	CHECK(n == 2 && out[1].partition == 30 && out[0].seq == 5);
	free(out);
	CHECK(nodeline_at_parse(&out, &n, "1:", NULL) != 0);
	CHECK(nodeline_at_parse(&out, &n, "1", NULL) != 0);
	CHECK(nodeline_at_parse(&out, &n, "1:2,,3:4", NULL) != 0);
	buf_fini(&b);
}

int
main(void)
{
	RUN(metadata_comes_back_from_headers);
	RUN(an_answer_without_a_row_has_its_position);
	RUN(versions_and_settings_come_back_from_headers);
	RUN(every_header_is_checked);
	RUN(a_key_survives_its_target);
	RUN(slashes_in_a_key_need_no_escape);
	RUN(bad_targets_are_refused);
	RUN(a_key_over_1024_bytes_is_refused);
	RUN(list_lines_come_back);
	RUN(version_lines_come_back);
	RUN(settings_come_along_as_they_were_sent);
	RUN(manifest_lines_come_back);
	RUN(acknowledgement_lines_come_back);
	RUN(bucket_lines_come_back);
	RUN(hostile_lines_are_refused);
	RUN(positions_come_back);
	return tap_done();
}
