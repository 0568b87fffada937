/* SPDX-License-Identifier: MIT */

/* The client against servers that answer with fixed, mostly wrong, bytes. */

#include "http/httpres.h"

#include <dirent.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "http/httpc_request.h"

#include "scripted.h"
#include "tap.h"

static struct httpc_pool *pool;
static struct httpc_addr server;
static struct error err;

static uint64_t
in_ms(uint64_t ms)
{
	return clock_mono_ms(&clock_system) + ms;
}

static int
get(const char *target, struct httpc_response *out, size_t max)
{
	return httpc_request(pool, &server, "GET", target, NULL, 0, BYTES_NONE,
	    out, max, in_ms(10000), &err);
}

static bool
start_scripts(struct scripted *s, const struct script *scripts, size_t count)
{
	struct httpc_options options = { 0 };

	if (!scripted_start(s, scripts, count))
		return false;
	server = (struct httpc_addr){ "127.0.0.1", s->port };
	return httpc_pool_new(&pool, &options, &err) == 0;
}

static void
stop_scripts(struct scripted *s)
{
	httpc_pool_free(pool);
	scripted_stop(s);
}

#define OK "HTTP/1.1 200 OK\r\n"
static const struct {
	const char *answer;
	const char *message;
} cases[] = {
	{ "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "not HTTP/1.1" },
	{ "SSH-2.0-OpenSSH\r\n", "not HTTP/1.1" },
	{ "HTTP/1.1 20 OK\r\n\r\n", "bad status line" },
	{ "HTTP/1.1 2000 OK\r\n\r\n", "bad status line" },
	{ "HTTP/1.1 999 OK\r\n\r\n", "bad status line" },
	{ "HTTP/1.1 099 OK\r\n\r\n", "bad status line" },
	{ "HTTP/1.1 +20 OK\r\n\r\n", "bad status line" },
	{ OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
	    "two Content-Length headers" },
	{ OK "Content-Length: 1\r\nTransfer-Encoding: "
	     "chunked\r\n\r\n0\r\n\r\n",
	    "Content-Length and Transfer-Encoding together" },
	{ OK "Content-Length: -1\r\n\r\n", "bad Content-Length" },
	{ OK "Content-Length: 0x1\r\n\r\n", "bad Content-Length" },
	{ OK "Content-Length: 99999999999999999999\r\n\r\n",
	    "bad Content-Length" },
	{ OK "Transfer-Encoding: gzip, chunked\r\n\r\n",
	    "unknown Transfer-Encoding" },
	{ OK "A: b\r\n c\r\nContent-Length: 0\r\n\r\n", "folded header" },
	{ OK "A b: c\r\n\r\n", "bad header name" },
	{ OK "A : c\r\n\r\n", "bad header name" },
	{ OK "nonsense\r\n\r\n", "bad header name" },
	{ OK ": c\r\n\r\n", "bad header name" },
	{ OK "A: b\x01\r\n\r\n", "control character in a header" },
	{ OK "A: b\rc\r\n\r\n", "CR inside a line" },
	{ "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "line ends without CR" },
	{ OK "\r\nbody until the end", "neither Content-Length nor chunks" },
	{ "HTTP/1.1 101 Switching\r\n\r\n", "switches to another protocol" },
	{ OK "Transfer-Encoding: chunked\r\n\r\nx\r\n", "bad chunk size" },
	{ OK "Transfer-Encoding: chunked\r\n\r\n\r\n", "bad chunk size" },
	{ OK "Transfer-Encoding: chunked\r\n\r\n0x4\r\nabcd\r\n",
	    "bad chunk size" },
	{ OK "Transfer-Encoding: chunked\r\n\r\n4;a=b\r\nabcd\r\n",
	    "bad chunk size" },
	{ OK "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
	    "chunk too large" },
	{ OK "Transfer-Encoding: chunked\r\n\r\n"
	     "00000000000000000004\r\nabcd\r\n",
	    "bad chunk size" },
	{ OK "Transfer-Encoding: chunked\r\n\r\n4\r\nabcdef\r\n",
	    "chunk longer than its size" },
	{ OK "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n",
	    "trailer behind the last chunk" },
	{ OK "Transfer-Encoding: chunked\r\n\r\n4\r\nab",
	    "connection closed in the body" },
	{ OK "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n",
	    "connection closed in the body" },
	{ OK "Content-Length: 5\r\n\r\nabcd", "connection closed in the body" },
	{ OK "Content-Length: 5\r\n", "connection closed before" },
	{ "", "connection closed before the answer" },
};

static void
a_hostile_answer_fails_the_call(void)
{
	enum { N = sizeof(cases) / sizeof(cases[0]) };
	struct script scripts[N];
	struct httpc_response r;
	struct scripted s;

	for (size_t i = 0; i < N; i++)
		scripts[i] = (struct script){ cases[i].answer,
			strlen(cases[i].answer), false };
	REQUIRE(start_scripts(&s, scripts, N));
	for (size_t i = 0; i < N; i++) {
		err.text[0] = '\0';
		CHECK(get("/", &r, 1000) < 0);
		CHECK(
		    err.code == ERRC_PROTOCOL || err.code == ERRC_UNAVAILABLE);
		if (strstr(err.text, cases[i].message) == NULL)
			CHECK_STR(err.text, cases[i].message);
	}
	stop_scripts(&s);
}

static void
huge_heads_and_hidden_nul_bytes_fail_the_call(void)
{
	static char huge[HTTPC_HEAD_MAX + 100];
	static char many[HTTPC_HEAD_MAX];
	static const char nul[] = OK "A: b\0c\r\nContent-Length: 0\r\n\r\n";
	struct script scripts[3] = { { huge, sizeof(huge), false },
		{ many, 0, false }, { nul, sizeof(nul) - 1, false } };
	struct httpc_response r;
	struct scripted s;

	memset(huge, 'a', sizeof(huge));
	memcpy(huge, OK, sizeof(OK) - 1);
	memcpy(many, OK, sizeof(OK) - 1);
	scripts[1].n = sizeof(OK) - 1;
	for (int i = 0; i < 101; i++, scripts[1].n += 6)
		memcpy(many + scripts[1].n, "a: b\r\n", 6);
	memcpy(many + scripts[1].n, "\r\n", 2);
	scripts[1].n += 2;
	REQUIRE(start_scripts(&s, scripts, 3));
	CHECK(get("/", &r, 1000) == -ERRC_PROTOCOL);
	CHECK(strstr(err.text, "headers are too long") != NULL);
	CHECK(get("/", &r, 1000) == -ERRC_PROTOCOL);
	CHECK(strstr(err.text, "too many headers") != NULL);
	CHECK(get("/", &r, 1000) == -ERRC_PROTOCOL);
	CHECK(strstr(err.text, "NUL byte") != NULL);
	stop_scripts(&s);
}

static void
interim_answers_are_skipped(void)
{
	static const char text[] =
	    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n" OK
	    "Content-Length: 2\r\n\r\nab";
	struct script scripts[1] = { { text, sizeof(text) - 1, false } };
	struct httpc_response r;
	struct scripted s;

	REQUIRE(start_scripts(&s, scripts, 1));
	CHECK(get("/", &r, 1000) == 0);
	CHECK(r.status == 200);
	CHECK_STR(buf_cstr(&r.body), "ab");
	CHECK(httpc_response_get(&r, "A") == NULL);
	httpc_response_fini(&r);
	stop_scripts(&s);
}

static void
interim_answers_without_end_fail_the_call(void)
{
	struct buf text = buf_make(4096);
	struct script scripts[1];
	struct httpc_response r;
	struct scripted s;

	for (int i = 0; i < 17; i++)
		buf_addstr(&text, "HTTP/1.1 102 Processing\r\n\r\n");
	buf_addstr(&text, OK "Content-Length: 2\r\n\r\nab");
	scripts[0] = (struct script){ text.p, text.n, false };
	REQUIRE(start_scripts(&s, scripts, 1));
	CHECK(get("/", &r, 1000) == -ERRC_PROTOCOL);
	stop_scripts(&s);
	buf_fini(&text);
}

static void
a_kept_connection_that_was_closed_is_replaced_once(void)
{
	static const char good[] = OK "Content-Length: 2\r\n\r\nab";
	/* The first two stay open until the next request comes, and close
	 * then without an answer: no check beforehand can see that. */
	struct script scripts[] = { { good, sizeof(good) - 1, true },
		{ good, sizeof(good) - 1, true },
		{ good, sizeof(good) - 1, true },
		{ good, sizeof(good) - 1, true },
		{ good, sizeof(good) - 1, false } };
	struct httpc_response r;
	struct scripted s;

	REQUIRE(start_scripts(&s, scripts, 5));
	CHECK(get("/", &r, 1000) == 0);
	httpc_response_fini(&r);
	CHECK(get("/", &r, 1000) == 0);
	CHECK_STR(buf_cstr(&r.body), "ab");
	httpc_response_fini(&r);
	/* With a body, which httpc_request still has. */
	CHECK(httpc_request(pool, &server, "PUT", "/", NULL, 0,
		  bytes_str("body"), &r, 100, in_ms(5000), &err) == 0);
	httpc_response_fini(&r);
	CHECK(s.requests == 3);
	/* Not what may not be repeated. */
	CHECK(httpc_request(pool, &server, "POST", "/", NULL, 0,
		  bytes_str("body"), &r, 100, in_ms(5000),
		  &err) == -ERRC_UNAVAILABLE);
	CHECK(get("/", &r, 1000) == 0);
	httpc_response_fini(&r);
	CHECK(s.requests == 4);
	/* But a POST that may. */
	CHECK(httpc_request_whole(pool, &server, "POST", "/", NULL, 0,
		  bytes_str("body"), &r, 100, in_ms(5000), &err) == 0);
	httpc_response_fini(&r);
	CHECK(s.requests == 5);
	stop_scripts(&s);
}

static void
bytes_behind_an_answer_end_the_connection(void)
{
	static const char extra[] = OK "Content-Length: 2\r\n\r\nab" OK
				       "Content-Length: 2\r\n\r\nXY";
	static const char close_it[] = OK
	    "Connection: close\r\nContent-Length: 2\r\n\r\nab";
	static const char good[] = OK "Content-Length: 2\r\n\r\nab";
	struct script scripts[] = { { extra, sizeof(extra) - 1, true },
		{ close_it, sizeof(close_it) - 1, true },
		{ good, sizeof(good) - 1, true } };
	struct httpc_response r;
	struct scripted s;

	REQUIRE(start_scripts(&s, scripts, 3));
	/* A POST, which no fresh connection would help out. */
	for (int i = 0; i < 3; i++) {
		CHECK(httpc_request(pool, &server, "POST", "/", NULL, 0,
			  BYTES_NONE, &r, 100, in_ms(5000), &err) == 0);
		CHECK_STR(buf_cstr(&r.body), "ab");
		httpc_response_fini(&r);
	}
	CHECK(s.requests == 3);
	stop_scripts(&s);
}

static int
open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	if (dir != NULL)
		closedir(dir);
	return n;
}

/* Until so many are open, or 5 s. */
static bool
fds_fall_to(int want)
{
	for (int i = 0; i < 500 && open_fds() > want; i++)
		(void)poll(NULL, 0, 10);
	return open_fds() <= want;
}

static void
what_a_server_has_closed_is_not_kept_by_who_is_idle(void)
{
	static const char good[] = OK "Content-Length: 2\r\n\r\nab";
	/* The first closes; the second would stay for ever. */
	struct script scripts[] = { { good, sizeof(good) - 1, false },
		{ good, sizeof(good) - 1, true } };
	struct httpc_options patient = { .idle_ms = 60000 };
	struct httpc_options options = { .idle_ms = 1500 };
	struct httpc_response r;
	struct scripted s;
	int before;

	REQUIRE(start_scripts(&s, scripts, 2));
	httpc_pool_free(pool);
	before = open_fds();
	REQUIRE(httpc_pool_new(&pool, &patient, &err) == 0);
	CHECK(get("/", &r, 1000) == 0);
	httpc_response_fini(&r);
	CHECK(fds_fall_to(before));
	httpc_pool_free(pool);
	REQUIRE(httpc_pool_new(&pool, &options, &err) == 0);
	/* Kept for a while, and not longer. */
	CHECK(get("/", &r, 1000) == 0);
	httpc_response_fini(&r);
	CHECK(open_fds() > before);
	CHECK(fds_fall_to(before));
	stop_scripts(&s);
}

int
main(void)
{
	RUN(a_hostile_answer_fails_the_call);
	RUN(huge_heads_and_hidden_nul_bytes_fail_the_call);
	RUN(interim_answers_are_skipped);
	RUN(interim_answers_without_end_fail_the_call);
	RUN(a_kept_connection_that_was_closed_is_replaced_once);
	RUN(bytes_behind_an_answer_end_the_connection);
	RUN(what_a_server_has_closed_is_not_kept_by_who_is_idle);
	return tap_done();
}
