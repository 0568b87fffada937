/* SPDX-License-Identifier: MIT */

#include "s3/s3chunked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tap.h"

struct sink {
	struct buf data;
	struct buf trailers;
	size_t stop_at; /* 0: never */
};

static int
take_data(void *arg, const uint8_t *p, size_t n)
{
	struct sink *sink = arg;

	buf_add(&sink->data, p, n);
	return sink->stop_at && sink->data.n >= sink->stop_at ? -7 : 0;
}

static int
take_trailer(void *arg, const char *name, const char *value)
{
	struct sink *sink = arg;

	buf_printf(&sink->trailers, "[%s=%s]", name, value);
	return 0;
}

/* Feed text in pieces of step bytes. */
static int
feed(struct sink *sink, bool *finished, const char *text, size_t step)
{
	struct s3chunked c = { .data = take_data,
		.trailer = take_trailer,
		.arg = sink };
	size_t n = strlen(text);
	int rc = 0;

	buf_clear(&sink->data);
	buf_clear(&sink->trailers);
	for (size_t at = 0; at < n && rc == 0; at += step)
		rc = s3chunked_feed(&c, (const uint8_t *)text + at,
		    n - at < step ? n - at : step);
	*finished = s3chunked_finished(&c);
	return rc;
}

static struct sink sink;
static bool finished;

#define SIG                                                           \
	";chunk-signature=0123456789abcdef0123456789abcdef0123456789" \
	"abcdef0123456789abcdef"

static void
any_cut_gives_the_same_bytes(void)
{
	static const char body[] = "5" SIG "\r\nhello\r\n6" SIG
				   "\r\n world\r\n0" SIG "\r\n"
				   "x-amz-checksum-crc32: abc=\r\n"
				   "x-amz-trailer-signature:00\r\n\r\n";

	for (size_t step = 1; step < sizeof(body); step++) {
		CHECK(feed(&sink, &finished, body, step) == 0);
		CHECK(finished);
		CHECK_STR(buf_cstr(&sink.data), "hello world");
		CHECK_STR(buf_cstr(&sink.trailers),
		    "[x-amz-checksum-crc32=abc=][x-amz-trailer-signature=00]");
	}
}

static void
every_prefix_is_unfinished(void)
{
	static const char body[] = "5\r\nhello\r\n0\r\n";
	char part[sizeof(body)];

	for (size_t n = 0; n < sizeof(body) - 1; n++) {
		memcpy(part, body, n);
		part[n] = '\0';
		CHECK(feed(&sink, &finished, part, 3) == 0);
		CHECK(!finished);
	}
	/* The empty line at the end may be missing. */
	CHECK(feed(&sink, &finished, body, 3) == 0);
	CHECK(finished);
	CHECK(feed(&sink, &finished, "5\r\nhello\r\n0\r\nx-amz-a:b", 3) == 0);
	CHECK(!finished);
}

static void
an_empty_body_is_one_chunk(void)
{
	CHECK(feed(&sink, &finished, "0\r\n\r\n", 1) == 0);
	CHECK(finished);
	CHECK(sink.data.n == 0);
}

static void
malformed_framing_is_refused(void)
{
	static const char *const bad[] = { "hello world\r\n", "\r\n", ";a\r\n",
		"5\nhello", "0x5\r\nhello\r\n", "-1\r\n", " 5\r\nhello",
		"5\r\nhelloX\r\n", "5\r\nhello\r\n\r\n", "5 \r\nhello\r\n",
		"ffffffffffffffff\r\n", "10000000000000000\r\n",
		"0\r\nno colon\r\n\r\n", "0\r\n:x\r\n\r\n", "0\r\n\r\nmore" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(feed(&sink, &finished, bad[i], 2) == S3CHUNKED_MALFORMED);
}

static void
lines_and_trailers_are_bounded(void)
{
	char text[16 * 1024] = "1;";

	memset(text + 2, 'x', S3CHUNKED_LINE_MAX);
	strcpy(text + 2 + S3CHUNKED_LINE_MAX, "\r\n1");
	CHECK(feed(&sink, &finished, text, 100) == S3CHUNKED_MALFORMED);
	strcpy(text, "0\r\n");
	for (int i = 0; i <= S3CHUNKED_TRAILERS_MAX; i++)
		strcat(text, "a:b\r\n");
	CHECK(feed(&sink, &finished, text, 100) == S3CHUNKED_MALFORMED);
}

static void
a_sink_that_fails_stops_the_feeding(void)
{
	sink.stop_at = 3;
	CHECK(feed(&sink, &finished, "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n", 64) ==
	    -7);
	CHECK_STR(buf_cstr(&sink.data), "abcd");
	sink.stop_at = 0;
}

int
main(void)
{
	sink.data = buf_make(1 << 20);
	sink.trailers = buf_make(1 << 20);
	RUN(any_cut_gives_the_same_bytes);
	RUN(every_prefix_is_unfinished);
	RUN(an_empty_body_is_one_chunk);
	RUN(malformed_framing_is_refused);
	RUN(lines_and_trailers_are_bounded);
	RUN(a_sink_that_fails_stops_the_feeding);
	buf_fini(&sink.data);
	buf_fini(&sink.trailers);
	return tap_done();
}
