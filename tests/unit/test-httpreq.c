/* SPDX-License-Identifier: MIT */
#include "http/httpreq.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tap.h"

#define HEADER(n, v)                                        \
	{                                                   \
		{ (const uint8_t *)(n), sizeof(n) - 1 },    \
		{                                           \
			(const uint8_t *)(v), sizeof(v) - 1 \
		}                                           \
	}
#define HOST HEADER("Host", "example.org")

static struct httpreq_body body;
static const char *reason;

static int
gate(const char *method, const char *version, const char *target,
    const struct httpreq_header *headers, size_t n)
{
	struct httpreq req = {
		.method = method,
		.version = version,
		.target = bytes_str(target),
		.headers = headers,
		.header_count = n,
		.max_body = 5000,
	};

	body = (struct httpreq_body){ true, 99 };
	reason = NULL;
	return httpreq_gate(&req, &body, &reason);
}

#define GATE(...)                                                          \
	gate("PUT", "HTTP/1.1", "/b/k",                                    \
	    (const struct httpreq_header[]){ HOST, __VA_ARGS__ },          \
	    sizeof((const struct httpreq_header[]){ HOST, __VA_ARGS__ }) / \
		sizeof(struct httpreq_header))

static int
gate_line(const char *method, const char *version, const char *target)
{
	static const struct httpreq_header host[] = { HOST };

	return gate(method, version, target, host, 1);
}

static void
ordinary_requests_pass(void)
{
	CHECK(GATE(HEADER("Content-Length", "42")) == 0);
	CHECK(!body.chunked && body.length == 42);
	CHECK(GATE(HEADER("transfer-encoding", "Chunked")) == 0);
	CHECK(body.chunked && body.length == 0);
	CHECK(GATE(HEADER("x-amz-meta-a", "\xc3\xa4\tb")) == 0);
	CHECK(!body.chunked && body.length == 0);
	CHECK(GATE(HEADER("Content-Length", "0")) == 0);
	CHECK(gate_line("GET", "HTTP/1.1", "/") == 0);
	CHECK(gate_line("HEAD", "HTTP/1.0", "/a%20b?c=d+e") == 0);
	CHECK(gate("GET", "HTTP/1.0", "/", NULL, 0) == 0);
	CHECK(gate_line("OPTIONS", "HTTP/1.1", "*") == 0);
	CHECK(gate_line("GET", "HTTP/1.1", "/\xc3\xa4/../%2e%2e//x\\y") == 0);
	CHECK(GATE(HEADER("x-a", "1"), HEADER("x-a", "2")) == 0);
}

static void
the_request_line_is_checked(void)
{
	CHECK(gate_line("BREW", "HTTP/1.1", "/") == 405);
	CHECK(gate_line("get", "HTTP/1.1", "/") == 405);
	CHECK(gate_line("CONNECT", "HTTP/1.1", "a:1") == 405);
	CHECK(gate_line("GET", "HTTP/2.0", "/") == 505);
	CHECK(gate_line("GET", "HTTP/0.9", "/") == 505);
	CHECK(gate_line("GET", "", "/") == 505);
	CHECK(gate_line("GET", "HTTP/1.10", "/") == 505);
	CHECK(gate_line("PUT", "HTTP/1.0", "/") == 505);
	CHECK(gate("GET", "HTTP/1.1", "/", NULL, 0) == 400);
	CHECK_STR(reason, "the Host header is missing");
}

static void
the_target_is_checked(void)
{
	static char longest[HTTPREQ_TARGET_MAX + 2];

	memset(longest, 'a', sizeof(longest) - 1);
	longest[0] = '/';
	CHECK(gate_line("GET", "HTTP/1.1", longest) == 414);
	longest[HTTPREQ_TARGET_MAX] = '\0';
	CHECK(gate_line("GET", "HTTP/1.1", longest) == 0);
	CHECK(gate_line("GET", "HTTP/1.1", "") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "*") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "a/b") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "http://example.org/") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "/a b") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "/a\x7f") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "/a\rb") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "/a#b") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "/a%00b") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "/a?b=%00") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "/%") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "/%4") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "/%4g") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "/%zz") == 400);
	CHECK_STR(reason, "the request target has a bad escape");
	CHECK(gate_line("GET", "HTTP/1.1", "/?a=%") == 400);
	CHECK(gate_line("GET", "HTTP/1.1", "/%41%ff") == 0);
}

static void
a_second_copy_of_a_unique_header_is_refused(void)
{
	static const char *const unique[] = { "Host", "Content-Length",
		"Transfer-Encoding", "Authorization", "X-Amz-Date",
		"x-amz-content-sha256", "Range", "If-Match", "If-None-Match",
		"If-Modified-Since", "If-Unmodified-Since", "If-Range" };

	for (size_t i = 0; i < nitems(unique); i++) {
		struct httpreq_header header = { bytes_str(unique[i]),
			bytes_str("1") };

		CHECK(GATE(header, header) == 400);
		CHECK_STR(reason,
		    "a header came twice that may come only once");
	}
	CHECK(GATE(HEADER("host", "example.org")) == 400);
	CHECK(GATE(HEADER("Content-Length", "4"),
		  HEADER("content-length", "4")) == 400);
	CHECK(GATE(HEADER("Range", "bytes=0-1"),
		  HEADER("range", "bytes=2-3")) == 400);
	CHECK(GATE(HEADER("If-None-Match", "*"),
		  HEADER("If-None-Match", "*")) == 400);
	CHECK(GATE(HEADER("Authorization", "a"),
		  HEADER("AUTHORIZATION", "b")) == 400);
	CHECK(
	    GATE(HEADER("x-amz-date", "a"), HEADER("X-Amz-Date", "a")) == 400);
	CHECK(GATE(HEADER("Transfer-Encoding", "chunked"),
		  HEADER("Transfer-Encoding", "chunked")) == 400);
}

static void
the_length_of_the_body_has_one_meaning(void)
{
	static const char *const bad[] = { "", "+4", "-1", "4, 4", "4x", "0x4",
		" 4", "4 ", "18446744073709551615", "9223372036854775808",
		"99999999999999999999", "1e3", "4\t" };

	CHECK(GATE(HEADER("Content-Length", "4"),
		  HEADER("Transfer-Encoding", "chunked")) == 400);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct httpreq_header headers[2] = { HOST,
			HEADER("Content-Length", "") };

		headers[1].value = bytes_str(bad[i]);
		CHECK(gate("PUT", "HTTP/1.1", "/", headers, 2) == 400);
	}
	CHECK(GATE(HEADER("Content-Length", "5000")) == 0);
	CHECK(GATE(HEADER("Content-Length", "5001")) == 413);
	CHECK(GATE(HEADER("Content-Length", "9223372036854775807")) == 413);
	CHECK(GATE(HEADER("Transfer-Encoding", "xchunked")) == 501);
	CHECK(GATE(HEADER("Transfer-Encoding", "gzip, chunked")) == 501);
	CHECK(GATE(HEADER("Transfer-Encoding", "chunked, chunked")) == 501);
	CHECK(GATE(HEADER("Transfer-Encoding", "identity")) == 501);
	CHECK(GATE(HEADER("Transfer-Encoding", "deflate")) == 501);
	CHECK(GATE(HEADER("Transfer-Encoding", "")) == 501);
}

static void
names_are_tokens_and_values_have_no_control_bytes(void)
{
	CHECK(GATE(HEADER("Content-Length ", "4")) == 400);
	CHECK(GATE(HEADER("", "4")) == 400);
	CHECK(GATE(HEADER("a b", "4")) == 400);
	CHECK(GATE(HEADER("a\0b", "4")) == 400);
	CHECK(GATE(HEADER("a(b", "4")) == 400);
	CHECK(GATE(HEADER("\xc3\xa4", "4")) == 400);
	CHECK(GATE(HEADER("a", "x\0y")) == 400);
	CHECK(GATE(HEADER("a", "x\ry")) == 400);
	CHECK(GATE(HEADER("a", "x\ny")) == 400);
	CHECK(GATE(HEADER("a", "x\x01y")) == 400);
	CHECK(GATE(HEADER("a", "x\x7fy")) == 400);
	for (unsigned c = 0; c < 256; c++) {
		uint8_t byte = (uint8_t)c;
		bool good = c == '\t' || (c >= 0x20 && c != 0x7f);

		CHECK(httpreq_is_field_value(bytes_of(&byte, 1)) == good);
	}
}

static void
too_many_or_too_long_headers_are_refused(void)
{
	static struct httpreq_header headers[HTTPREQ_HEADERS_MAX];
	static char value[HTTPREQ_HEADER_BYTES_MAX];

	for (size_t i = 0; i < HTTPREQ_HEADERS_MAX; i++)
		headers[i] = (struct httpreq_header){ bytes_str("x-a"),
			bytes_str("b") };
	headers[0] = (struct httpreq_header)HOST;
	CHECK(gate("GET", "HTTP/1.1", "/", headers, HTTPREQ_HEADERS_MAX) == 0);
	CHECK(gate("GET", "HTTP/1.1", "/", headers, HTTPREQ_HEADERS_MAX + 1) ==
	    431);
	memset(value, 'v', sizeof(value));
	headers[1].value = bytes_of(value, sizeof(value) - 15 - 3);
	CHECK(gate("GET", "HTTP/1.1", "/", headers, 2) == 0);
	headers[1].value.n++;
	CHECK(gate("GET", "HTTP/1.1", "/", headers, 2) == 431);
}

static void
a_path_is_decoded_once(void)
{
	struct error err;
	char *text = NULL;
	size_t n = 0;

	REQUIRE(httpreq_decode(&text, &n, bytes_str("/a%2Fb+%2525"), false,
		    &err) == 0);
	CHECK_STR(text, "/a/b+%25");
	CHECK(n == strlen(text));
	free(text);
	CHECK(httpreq_decode(&text, &n, bytes_str("/a%0"), false, &err) ==
	    -ERRC_USAGE);
	CHECK(httpreq_decode(&text, &n, bytes_str("/a%00"), false, &err) ==
	    -ERRC_USAGE);
	CHECK(httpreq_decode(&text, &n, bytes_str("/a%+1"), false, &err) ==
	    -ERRC_USAGE);
}

static void
a_query_keeps_its_order_and_decodes_both_sides(void)
{
	struct httpreq_query q;
	struct error err;

	REQUIRE(httpreq_query_parse(&q,
		    bytes_str("&b=1&a+x=%41+%2b&&uploads&e=&b=2&=v&c=d=e"),
		    &err) == 0);
	CHECK(q.count == 7);
	CHECK_STR(q.params[0].name, "b");
	CHECK_STR(q.params[1].name, "a x");
	CHECK_STR(q.params[1].value, "A +");
	CHECK_STR(httpreq_query_get(&q, "uploads"), "");
	CHECK_STR(httpreq_query_get(&q, "e"), "");
	CHECK_STR(httpreq_query_get(&q, "b"), "1");
	CHECK_STR(httpreq_query_get(&q, "c"), "d=e");
	CHECK_STR(httpreq_query_get(&q, ""), "v");
	CHECK(httpreq_query_get(&q, "none") == NULL);
	httpreq_query_fini(&q);
	httpreq_query_fini(&q);
	CHECK(httpreq_query_parse(&q, BYTES_NONE, &err) == 0);
	CHECK(q.count == 0);
	httpreq_query_fini(&q);
}

static void
a_bad_query_is_refused(void)
{
	static char many[2 * (HTTPREQ_PARAMS_MAX + 1) + 1];
	struct httpreq_query q;
	struct error err;

	CHECK(httpreq_query_parse(&q, bytes_str("a=%"), &err) == -ERRC_USAGE);
	CHECK(httpreq_query_parse(&q, bytes_str("%0=a"), &err) == -ERRC_USAGE);
	CHECK(httpreq_query_parse(&q, bytes_str("a=b&c=%00"), &err) ==
	    -ERRC_USAGE);
	for (size_t i = 0; i <= HTTPREQ_PARAMS_MAX; i++)
		memcpy(many + 2 * i, "a&", 2);
	CHECK(httpreq_query_parse(&q, bytes_str(many), &err) == -ERRC_USAGE);
	CHECK(httpreq_query_parse(&q, bytes_str(many + 2), &err) == 0);
	CHECK(q.count == HTTPREQ_PARAMS_MAX);
	httpreq_query_fini(&q);
}

int
main(void)
{
	RUN(ordinary_requests_pass);
	RUN(the_request_line_is_checked);
	RUN(the_target_is_checked);
	RUN(a_second_copy_of_a_unique_header_is_refused);
	RUN(the_length_of_the_body_has_one_meaning);
	RUN(names_are_tokens_and_values_have_no_control_bytes);
	RUN(too_many_or_too_long_headers_are_refused);
	RUN(a_path_is_decoded_once);
	RUN(a_query_keeps_its_order_and_decodes_both_sides);
	RUN(a_bad_query_is_refused);
	return tap_done();
}
