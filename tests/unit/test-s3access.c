/* SPDX-License-Identifier: MIT */
#include "s3/s3access.h"

#include <string.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "commit/objectname.h"
#include "tap.h"

static const struct s3access get = {
	.time_ms = UINT64_C(1764120000123),
	.id = "00112233445566778899aabbccddeeff",
	.account = "anonymous",
	.operation = "GetObject",
	.method = "GET",
	.status = 206,
	.received_bytes = 0,
	.sent_bytes = 5368709120,
	.queue_us = 0,
	.metadata_us = 850,
	.first_byte_us = 2100,
	.whole_us = 3600000001,
	.client = "127.0.0.1:40000",
	.agent = "curl/7.88.1",
};

static void
a_line_of_json_has_every_field(void)
{
	struct buf out = buf_make(S3ACCESS_LINE_MAX);
	struct s3access line = get;

	line.bucket = bytes_str("films");
	line.key = bytes_str("a/b \"c\".mp4");
	s3access_print(&out, &line, true);
	CHECK_STR(buf_cstr(&out),
	    "{\"time\":\"2025-11-26T01:20:00.123Z\","
	    "\"request_id\":\"00112233445566778899aabbccddeeff\","
	    "\"account\":\"anonymous\",\"operation\":\"GetObject\","
	    "\"method\":\"GET\",\"bucket\":\"films\","
	    "\"key\":\"a/b \\\"c\\\".mp4\",\"status\":206,\"error\":null,"
	    "\"received_bytes\":0,\"sent_bytes\":5368709120,"
	    "\"queue_seconds\":0.000000,\"metadata_seconds\":0.000850,"
	    "\"first_byte_seconds\":0.002100,"
	    "\"whole_seconds\":3600.000001,"
	    "\"client\":\"127.0.0.1:40000\","
	    "\"user_agent\":\"curl/7.88.1\"}");
	buf_fini(&out);
}

static void
a_line_of_text_has_the_same(void)
{
	struct buf out = buf_make(S3ACCESS_LINE_MAX);
	struct s3access line = get;

	line.bucket = bytes_str("films");
	line.key = bytes_str("a b/c\n");
	line.status = 404;
	line.error = "NoSuchKey";
	s3access_print(&out, &line, false);
	CHECK_STR(buf_cstr(&out),
	    "2025-11-26T01:20:00.123Z GetObject GET films/a%20b/c%0A "
	    "status=404 error=NoSuchKey "
	    "request_id=00112233445566778899aabbccddeeff account=anonymous "
	    "received_bytes=0 sent_bytes=5368709120 queue_seconds=0.000000 "
	    "metadata_seconds=0.000850 first_byte_seconds=0.002100 "
	    "whole_seconds=3600.000001 client=127.0.0.1:40000 "
	    "user_agent=\"curl/7.88.1\"");
	buf_fini(&out);
}

static void
what_was_no_request_has_nulls(void)
{
	struct buf out = buf_make(S3ACCESS_LINE_MAX);
	struct s3access line = get;

	line.method = NULL;
	line.agent = NULL;
	s3access_print(&out, &line, true);
	CHECK(strstr(buf_cstr(&out),
		  "\"method\":null,\"bucket\":null,\"key\":null,") != NULL);
	CHECK(strstr(buf_cstr(&out), "\"user_agent\":null}") != NULL);
	buf_clear(&out);
	s3access_print(&out, &line, false);
	CHECK(strstr(buf_cstr(&out), " GetObject - / status=206 ") != NULL);
	CHECK(strstr(buf_cstr(&out), " user_agent=\"\"") != NULL);
	buf_fini(&out);
}

/* The agent as it comes out between its quotes. */
static void
check_agent(const char *agent, const char *want)
{
	struct buf out = buf_make(S3ACCESS_LINE_MAX);
	struct s3access line = get;
	const char *got;

	line.agent = agent;
	s3access_print(&out, &line, true);
	buf_addch(&out, '\n');
	got = strstr(buf_cstr(&out), "\"user_agent\":\"");
	CHECK(got != NULL);
	if (got != NULL)
		got += strlen("\"user_agent\":\"");
	CHECK(got != NULL && strncmp(got, want, strlen(want)) == 0 &&
	    strcmp(got + strlen(want), "\"}\n") == 0);
	buf_fini(&out);
}

static void
an_agent_cannot_forge_a_line(void)
{
	check_agent("", "");
	check_agent("x\",\"status\":200}\n{",
	    "x\\\",\\\"status\\\":200}"
	    "\\u000a{");
	check_agent("a\\b\tc", "a\\\\b\\u0009c");
	check_agent("caf\xc3\xa9", "caf\xc3\xa9");
	check_agent("caf\xe9!", "caf?!");
	check_agent("\xff\xfe\xc3", "???");
}

static void
an_agent_is_cut_between_characters(void)
{
	char agent[S3ACCESS_AGENT_MAX + 40];
	char want[S3ACCESS_AGENT_MAX + 1];

	memset(agent, 'a', sizeof(agent) - 1);
	agent[sizeof(agent) - 1] = '\0';
	memset(want, 'a', S3ACCESS_AGENT_MAX);
	want[S3ACCESS_AGENT_MAX] = '\0';
	check_agent(agent, want);
	memcpy(agent + S3ACCESS_AGENT_MAX - 1, "\xc3\xa9", 2);
	want[S3ACCESS_AGENT_MAX - 1] = '\0';
	check_agent(agent, want);
}

static void
the_longest_line_fits(void)
{
	static char key[OBJECTNAME_KEY_MAX];
	char bucket[OBJECTNAME_BUCKET_MAX];
	char agent[S3ACCESS_AGENT_MAX + 1];
	struct buf out = buf_make(S3ACCESS_LINE_MAX);
	struct s3access line = get;

	memset(key, 1, sizeof(key));
	memset(bucket, 'b', sizeof(bucket));
	memset(agent, 2, sizeof(agent));
	agent[S3ACCESS_AGENT_MAX] = '\0';
	line.bucket = bytes_of(bucket, sizeof(bucket));
	line.key = bytes_of(key, sizeof(key));
	line.agent = agent;
	line.received_bytes = line.sent_bytes = UINT64_MAX;
	line.queue_us = line.metadata_us = UINT64_MAX;
	line.first_byte_us = line.whole_us = UINT64_MAX;
	s3access_print(&out, &line, true);
	CHECK(!buf_failed(&out));
	buf_clear(&out);
	s3access_print(&out, &line, false);
	CHECK(!buf_failed(&out));
	buf_fini(&out);
}

int
main(void)
{
	RUN(a_line_of_json_has_every_field);
	RUN(a_line_of_text_has_the_same);
	RUN(what_was_no_request_has_nulls);
	RUN(an_agent_cannot_forge_a_line);
	RUN(an_agent_is_cut_between_characters);
	RUN(the_longest_line_fits);
	return tap_done();
}
