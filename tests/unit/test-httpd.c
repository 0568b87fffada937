/* SPDX-License-Identifier: MIT */

/*
 * The server against a client that writes exact bytes.  With --serve the
 * program is a server for tests/hostile/run: it prints its port and runs
 * until its standard input ends.
 */

#include "http/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"
#include "http/httpreq.h"
#include "httptest.h"
#include "tap.h"

static struct httptest test;

/* From 127.0.0.LAST. */
static int
dial_from(unsigned last)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl((127u << 24) + last);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1) {
		close(fd);
		return -1;
	}
	addr.sin_port = htons(httpd_port(test.httpd));
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
dial(void)
{
	return dial_from(1);
}

static bool
say(int fd, const char *text)
{
	size_t n = strlen(text);

	return send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* Read until want appears (true), or the end or 5 seconds of silence. */
static bool
hear(int fd, const char *want, char *text, size_t room)
{
	size_t n = strlen(text);

	while (strstr(text, want) == NULL && n < room - 1) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&wait, 1, 5000) != 1)
			return false;
		got = recv(fd, text + n, room - 1 - n, 0);
		if (got <= 0)
			return false;
		n += (size_t)got;
		text[n] = '\0';
	}
	return strstr(text, want) != NULL;
}

/* Does the server close within ms, reading nothing more from us? */
static bool
closes_within(int fd, int ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	uint64_t until = clock_mono_ms(&clock_system) + (uint64_t)ms;
	char trash[4096];

	for (;;) {
		ssize_t n;

		if (poll(&wait, 1, clock_left_ms(&clock_system, until)) != 1)
			return false;
		n = recv(fd, trash, sizeof(trash), 0);
		if (n == 0 || (n == -1 && errno == ECONNRESET))
			return true;
	}
}

static bool
start(const struct httpd_options *options)
{
	return httptest_start(&test, options);
}

static void
stop(void)
{
	httptest_stop(&test);
	CHECK(test.begun == test.done);
	CHECK(test.streams == 0);
}

#define HELLO "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"

static void
a_connection_is_kept_for_the_next_request(void)
{
	char text[4096] = "";
	int fd;

	REQUIRE(start(&(struct httpd_options){ .server = "Koop" }));
	fd = dial();
	for (int i = 0; i < 3; i++) {
		text[0] = '\0';
		CHECK(say(fd, HELLO));
		CHECK(hear(fd, "\r\n\r\nhello\n", text, sizeof(text)));
		CHECK(strncmp(text, "HTTP/1.1 200 OK\r\n", 17) == 0);
		CHECK(strstr(text, "\r\nServer: Koop\r\n") != NULL);
		CHECK(strstr(text, "\r\nDate: ") != NULL);
		CHECK(strstr(text, "Connection: close") == NULL);
	}
	/* Two at once are answered one after the other. */
	text[0] = '\0';
	CHECK(say(fd, HELLO HELLO));
	CHECK(hear(fd, "hello\nHTTP/1.1 200", text, sizeof(text)));
	close(fd);
	stop();
}

static void
a_refusal_without_a_body_keeps_the_connection(void)
{
	char text[4096] = "";
	int fd;

	REQUIRE(start(&(struct httpd_options){ 0 }));
	fd = dial();
	CHECK(say(fd, "GET /refuse HTTP/1.1\r\nHost: a\r\n\r\n"));
	CHECK(hear(fd, "\r\n\r\nno\n", text, sizeof(text)));
	CHECK(strncmp(text, "HTTP/1.1 403 ", 13) == 0);
	CHECK(say(fd, HELLO));
	CHECK(hear(fd, "hello\n", text, sizeof(text)));
	close(fd);
	stop();
}

static void
continue_is_sent_unless_the_request_is_refused(void)
{
	char text[4096] = "";
	int fd;

	REQUIRE(start(&(struct httpd_options){ 0 }));
	fd = dial();
	CHECK(say(fd,
	    "PUT /echo HTTP/1.1\r\nHost: a\r\n"
	    "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
	CHECK(hear(fd, "100 Continue\r\n\r\n", text, sizeof(text)));
	CHECK(say(fd, "abc"));
	CHECK(hear(fd, "\r\n\r\nabc", text, sizeof(text)));
	text[0] = '\0';
	CHECK(say(fd,
	    "PUT /refuse HTTP/1.1\r\nHost: a\r\n"
	    "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
	CHECK(hear(fd, "\r\n\r\nno\n", text, sizeof(text)));
	CHECK(strncmp(text, "HTTP/1.1 403 ", 13) == 0);
	CHECK(strstr(text, "Connection: close\r\n") != NULL);
	CHECK(closes_within(fd, 5000));
	close(fd);
	stop();
}

/* A client that does not listen while it sends must get the answer, no reset,
 * even though the body is not read. */
static void
a_refusal_is_readable_after_a_whole_body(void)
{
	static char bytes[1 << 20];
	char text[4096];
	int fd;

	REQUIRE(start(&(struct httpd_options){ 0 }));
	for (int mid = 0; mid < 2; mid++) {
		fd = dial();
		text[0] = '\0';
		CHECK(say(fd,
		    mid ? "PUT /refuse-mid?n=10 HTTP/1.1\r\n" :
			  "PUT /refuse HTTP/1.1\r\n"));
		CHECK(say(fd, "Host: a\r\nContent-Length: 10485760\r\n\r\n"));
		for (int i = 0; i < 10; i++)
			CHECK(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) ==
			    sizeof(bytes));
		CHECK(
		    hear(fd, mid ? "conflict\n" : "no\n", text, sizeof(text)));
		CHECK(strstr(text, mid ? " 409 " : " 403 ") != NULL);
		CHECK(strstr(text, "X-Why: ") != NULL);
		CHECK(closes_within(fd, 5000));
		close(fd);
	}
	stop();
	CHECK(test.incomplete == 0);
}

static void
the_body_of_a_get_is_dropped_and_the_connection_closed(void)
{
	static char big[HTTPREQ_HEADER_BYTES_MAX * 5];
	char text[4096] = "";
	int fd;

	REQUIRE(start(&(struct httpd_options){ 0 }));
	fd = dial();
	CHECK(say(fd,
	    "GET /hello HTTP/1.1\r\nHost: a\r\n"
	    "Content-Length: 5\r\n\r\nabcde" HELLO));
	CHECK(hear(fd, "\r\n\r\nhello\n", text, sizeof(text)));
	CHECK(strstr(text, "Connection: close\r\n") != NULL);
	CHECK(closes_within(fd, 5000));
	close(fd);

	fd = dial();
	text[0] = '\0';
	CHECK(say(fd,
	    "GET /hello HTTP/1.1\r\nHost: a\r\n"
	    "Content-Length: 65537\r\n\r\n"));
	CHECK(hear(fd, " 413 ", text, sizeof(text)));
	close(fd);

	fd = dial();
	text[0] = '\0';
	CHECK(say(fd,
	    "GET /hello HTTP/1.1\r\nHost: a\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n14000\r\n"));
	CHECK(send(fd, big, sizeof(big), MSG_NOSIGNAL) == sizeof(big));
	CHECK(hear(fd, " 413 ", text, sizeof(text)));
	CHECK(closes_within(fd, 5000));
	close(fd);
	stop();
}

static void
the_maximum_of_a_body_holds_for_chunks_too(void)
{
	char text[4096] = "";
	int fd;

	REQUIRE(start(&(struct httpd_options){ .max_body = 10 }));
	fd = dial();
	CHECK(say(fd,
	    "PUT /echo HTTP/1.1\r\nHost: a\r\n"
	    "Content-Length: 11\r\n\r\n"));
	CHECK(hear(fd, " 413 ", text, sizeof(text)));
	close(fd);
	fd = dial();
	text[0] = '\0';
	CHECK(say(fd,
	    "PUT /echo HTTP/1.1\r\nHost: a\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"
	    "8\r\n01234567\r\n3\r\nabc\r\n0\r\n\r\n"));
	CHECK(hear(fd, " 413 ", text, sizeof(text)));
	close(fd);
	fd = dial();
	text[0] = '\0';
	CHECK(say(fd,
	    "PUT /echo HTTP/1.1\r\nHost: a\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"
	    "8\r\n01234567\r\n2\r\nab\r\n0\r\n\r\n"));
	CHECK(hear(fd, "\r\n\r\n01234567ab", text, sizeof(text)));
	close(fd);
	stop();
}

#define BEGUN "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nx"

/* Connections that are busy: their bodies are on their way. */
static void
above_the_limit_of_connections_the_answer_is_503(void)
{
	char text[4096] = "";
	int fds[3];

	REQUIRE(start(&(struct httpd_options){ .max_connections = 2 }));
	for (int i = 0; i < 2; i++) {
		fds[i] = dial();
		CHECK(say(fds[i], BEGUN));
	}
	while (test.begun < 2)
		usleep(1000);
	fds[2] = dial();
	CHECK(say(fds[2], HELLO));
	CHECK(hear(fds[2], "\r\n\r\nthere are too many", text, sizeof(text)));
	CHECK(strncmp(text, "HTTP/1.1 503 ", 13) == 0);
	CHECK(strstr(text, "Retry-After: 1\r\n") != NULL);
	CHECK(closes_within(fds[2], 5000));
	/* The others live. */
	for (int i = 0; i < 2; i++) {
		text[0] = '\0';
		CHECK(say(fds[i], "yzz"));
		CHECK(hear(fds[i], "HTTP/1.1 200", text, sizeof(text)));
	}
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	stop();
}

/* Is there an answer to HELLO? */
static bool
greets(int fd)
{
	char text[4096] = "";

	return say(fd, HELLO) && hear(fd, "hello\n", text, sizeof(text));
}

static bool
is_closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* However many hold a connection and say nothing, who asks is answered: the
 * longest idle one goes. */
static void
idle_connections_go_first_when_the_limit_is_near(void)
{
	int idle[32];
	int fd;

	REQUIRE(start(&(struct httpd_options){ .max_connections = 32 }));
	for (int i = 0; i < 32; i++) {
		idle[i] = dial();
		CHECK(greets(idle[i]));
	}
	for (int i = 0; i < 8; i++) {
		fd = dial();
		CHECK(greets(fd));
		CHECK(say(fd, BEGUN));
		CHECK(closes_within(idle[i], 5000));
		close(idle[i]);
		idle[i] = fd;
	}
	/* 30 is near 32: two had gone before, the oldest each time. */
	for (int i = 8; i < 10; i++)
		CHECK(closes_within(idle[i], 5000));
	for (int i = 10; i < 32; i++)
		CHECK(!is_closed(idle[i]));
	for (int i = 0; i < 32; i++)
		close(idle[i]);
	stop();
}

/* Those that never said anything are idle, too, after a second. */
static void
silent_connections_shut_nobody_out(void)
{
	int silent[20];
	unsigned answered = 0;
	int fd = -1;

	REQUIRE(start(&(struct httpd_options){ .max_connections = 16 }));
	for (size_t i = 0; i < nitems(silent); i++)
		silent[i] = dial();
	for (int i = 0; i < 100 && answered == 0; i++) {
		fd = dial();
		answered += greets(fd);
		close(fd);
		usleep(50000);
	}
	CHECK(answered == 1);
	for (size_t i = 0; i < nitems(silent); i++)
		close(silent[i]);
	stop();
}

static void
one_client_has_so_many_and_idle_ones_of_its_own_go(void)
{
	char text[4096] = "";
	int fds[4];
	int other;

	REQUIRE(start(&(struct httpd_options){ .max_per_client = 2 }));
	other = dial_from(2);
	CHECK(greets(other));
	for (int i = 0; i < 2; i++) {
		fds[i] = dial();
		CHECK(greets(fds[i]));
	}
	/* An idle one goes... */
	fds[2] = dial();
	CHECK(greets(fds[2]));
	CHECK(closes_within(fds[0], 5000));
	CHECK(!is_closed(other));
	/* ... and when all are busy, it is this client's own matter. */
	CHECK(say(fds[1], BEGUN) && say(fds[2], BEGUN));
	while (test.begun < 6)
		usleep(1000);
	fds[3] = dial();
	CHECK(say(fds[3], HELLO));
	CHECK(hear(fds[3], "this client has too many", text, sizeof(text)));
	CHECK(strncmp(text, "HTTP/1.1 503 ", 13) == 0);
	for (int i = 1; i < 4; i++)
		CHECK(i == 3 || !is_closed(fds[i]));
	close(fds[3]);
	/* Another address is another client. */
	fds[3] = dial_from(2);
	CHECK(greets(fds[3]));
	CHECK(!is_closed(other));
	close(other);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	stop();
}

static const struct httpd_options hasty = {
	.header_timeout_ms = 200,
	.idle_timeout_ms = 600,
	.body_grace_ms = 200,
	.drain_ms = 1000,
};

/* One byte every 20 ms; counts how many until the server closes. */
static unsigned
drip(int fd, const char *bytes, unsigned max)
{
	unsigned n = 0;
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	for (; n < max && bytes[n % 40] != '\0'; n++) {
		if (send(fd, bytes + n % 40, 1, MSG_NOSIGNAL) != 1)
			return n;
		if (poll(&wait, 1, 20) == 1 && closes_within(fd, 0))
			return n;
	}
	return n;
}

static const char crawl[] = "GET /hello HTTP/1.1\r\nX-A: aaaaaaaaaaaaaaaaa"
			    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static void
headers_that_crawl_are_cut(void)
{
	char text[4096] = "";
	unsigned n;
	int fd;

	REQUIRE(start(&hasty));
	fd = dial();
	n = drip(fd, crawl, 200);
	CHECK(n >= 5 && n < 60);
	close(fd);
	/* Silence, too. */
	fd = dial();
	CHECK(closes_within(fd, 3000));
	close(fd);
	/* And the second request of a connection. */
	fd = dial();
	CHECK(say(fd, HELLO));
	CHECK(hear(fd, "hello\n", text, sizeof(text)));
	n = drip(fd, crawl, 200);
	CHECK(n >= 5 && n < 60);
	close(fd);
	stop();
}

static void
an_idle_connection_is_closed_later_than_a_slow_one(void)
{
	char text[4096] = "";
	uint64_t began;
	uint64_t lived;
	int fd;

	REQUIRE(start(&hasty));
	fd = dial();
	CHECK(say(fd, HELLO));
	CHECK(hear(fd, "hello\n", text, sizeof(text)));
	began = clock_mono_ms(&clock_system);
	CHECK(closes_within(fd, 5000));
	lived = clock_mono_ms(&clock_system) - began;
	CHECK(lived >= 400 && lived < 4000);
	close(fd);
	stop();
}

static void
a_body_that_crawls_is_cut(void)
{
	unsigned n;
	int fd;

	REQUIRE(start(&hasty));
	fd = dial();
	CHECK(say(fd,
	    "PUT /sink HTTP/1.1\r\nHost: a\r\n"
	    "Content-Length: 1000\r\n\r\n"));
	n = drip(fd, crawl, 200);
	CHECK(n >= 5 && n < 60);
	close(fd);
	stop();
	CHECK(test.incomplete == 1);
}

/* Whose callers judge their own clients: silence and a low rate are not cut
 * before the time that was given, and then they are. */
static void
a_body_may_be_silent_as_long_as_was_said(void)
{
	struct httpd_options options = hasty;
	char text[4096] = "";
	uint64_t began;
	uint64_t lived;
	int fd;

	options.body_idle_ms = 2000;
	REQUIRE(start(&options));
	fd = dial();
	CHECK(say(fd,
	    "PUT /echo HTTP/1.1\r\nHost: a\r\n"
	    "Content-Length: 3\r\n\r\na"));
	/* Longer than the idle timeout and the grace. */
	CHECK(!closes_within(fd, 1200));
	CHECK(say(fd, "b"));
	CHECK(!closes_within(fd, 1200));
	CHECK(say(fd, "c"));
	CHECK(hear(fd, "\r\n\r\nabc", text, sizeof(text)));
	close(fd);
	fd = dial();
	began = clock_mono_ms(&clock_system);
	CHECK(say(fd,
	    "PUT /echo HTTP/1.1\r\nHost: a\r\n"
	    "Content-Length: 3\r\n\r\na"));
	CHECK(closes_within(fd, 9000));
	lived = clock_mono_ms(&clock_system) - began;
	CHECK(lived >= 2000);
	close(fd);
	stop();
}

static void
a_reply_that_nobody_reads_is_cut(void)
{
	uint64_t until = clock_mono_ms(&clock_system) + 10000;
	struct pollfd wait = { .events = POLLRDHUP };
	int fd;

	REQUIRE(start(&hasty));
	fd = dial();
	CHECK(say(fd, "GET /bytes?n=100000000 HTTP/1.1\r\nHost: a\r\n\r\n"));
	while (test.done == 0 && clock_mono_ms(&clock_system) < until)
		(void)poll(&wait, 0, 20);
	CHECK(test.done == 1);
	CHECK(test.incomplete == 1);
	close(fd);
	stop();
}

/* A handler may take its time: only clients are hurried. */
static void
a_slow_handler_is_not_cut(void)
{
	char text[4096] = "";
	int fd;

	REQUIRE(start(&(struct httpd_options){ .header_timeout_ms = 100,
	    .idle_timeout_ms = 200,
	    .body_grace_ms = 100 }));
	fd = dial();
	CHECK(say(fd, "GET /wait?ms=900 HTTP/1.1\r\nHost: a\r\n\r\n"));
	CHECK(hear(fd, "waited\n", text, sizeof(text)));
	CHECK(test.gone == 0);
	close(fd);
	stop();
}

static void *
stop_thread(void *arg)
{
	httpd_stop(arg);
	return NULL;
}

static void
stopping_lets_requests_end_and_closes_idle_connections(void)
{
	struct pollfd nothing = { .fd = -1 };
	char text[4096] = "";
	pthread_t thread;
	int idle;
	int busy;

	REQUIRE(start(&(struct httpd_options){ .drain_ms = 9000 }));
	idle = dial();
	CHECK(say(idle, HELLO));
	CHECK(hear(idle, "hello\n", text, sizeof(text)));
	busy = dial();
	CHECK(say(busy,
	    "PUT /echo HTTP/1.1\r\nHost: a\r\n"
	    "Content-Length: 6\r\n\r\nabc"));
	while (test.begun < 2)
		(void)poll(&nothing, 1, 5);
	REQUIRE(pthread_create(&thread, NULL, stop_thread, test.httpd) == 0);
	CHECK(closes_within(idle, 5000));
	text[0] = '\0';
	CHECK(say(busy, "def"));
	CHECK(hear(busy, "\r\n\r\nabcdef", text, sizeof(text)));
	CHECK(strstr(text, "Connection: close\r\n") != NULL);
	pthread_join(thread, NULL);
	CHECK(test.incomplete == 0);
	CHECK(test.done == 2);
	close(test.file);
	close(idle);
	close(busy);
}

static void
stopping_cuts_what_does_not_end(void)
{
	struct pollfd nothing = { .fd = -1 };
	uint64_t began;
	int fd;

	REQUIRE(start(&(struct httpd_options){ .drain_ms = 100 }));
	fd = dial();
	CHECK(say(fd, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"));
	while (test.waiting == 0)
		(void)poll(&nothing, 1, 5);
	began = clock_mono_ms(&clock_system);
	stop();
	CHECK(clock_mono_ms(&clock_system) - began < 3000);
	CHECK(test.gone == 1);
	close(fd);
}

static void
do_nothing(void *ctx, struct httpd_request *req)
{
	(void)ctx;
	(void)req;
}

static void
an_address_that_is_taken_is_an_error(void)
{
	struct httpd_service service = { .begin = do_nothing,
		.end = do_nothing };
	struct httpd_options options = { 0 };
	struct httpd *other = NULL;
	struct error err;

	REQUIRE(start(&options));
	options.port = httpd_port(test.httpd);
	CHECK(httpd_start(&other, &options, &service, &err) == -ERRC_CONFIG);
	CHECK(strstr(err.text, "Address already in use") != NULL);
	CHECK(other == NULL);
	options = (struct httpd_options){ .ip = "localhost" };
	CHECK(httpd_start(&other, &options, &service, &err) == -ERRC_CONFIG);
	CHECK_STR(err.text, "listen: localhost: not an IP address");
	options = (struct httpd_options){ .tcp_congestion = "no-such" };
	CHECK(httpd_start(&other, &options, &service, &err) == -ERRC_CONFIG);
	stop();
}

static void
ipv6_and_a_congestion_control_can_be_chosen(void)
{
	struct httpd_options options = { .tcp_congestion = "reno" };
	char name[16] = "";
	socklen_t n = sizeof(name);
	char text[4096] = "";
	int fd;

	REQUIRE(start(&options));
	fd = dial();
	CHECK(say(fd, HELLO));
	CHECK(hear(fd, "hello\n", text, sizeof(text)));
	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &n) == 0);
	close(fd);
	stop();
	options = (struct httpd_options){ .ip = "::1" };
	if (!start(&options))
		return; /* a machine without IPv6 */
	CHECK(httpd_port(test.httpd) != 0);
	stop();
}

static int
serve(const char *port)
{
	struct httpd_options options = { .header_timeout_ms = 1000,
		.idle_timeout_ms = 3000,
		.body_grace_ms = 1000,
		.drain_ms = 100,
		.max_body = 5ull << 30 };
	uint64_t number = 0;
	char byte;

	if (port != NULL &&
	    !number_parse(&number, port, strlen(port), 0, 65535))
		return 1;
	options.port = (uint16_t)number;
	if (!start(&options))
		return 1;
	printf("%u\n", (unsigned)httpd_port(test.httpd));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		continue;
	httptest_stop(&test);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--serve") == 0)
		return serve(argv[2]);
	RUN(a_connection_is_kept_for_the_next_request);
	RUN(a_refusal_without_a_body_keeps_the_connection);
	RUN(continue_is_sent_unless_the_request_is_refused);
	RUN(a_refusal_is_readable_after_a_whole_body);
	RUN(the_body_of_a_get_is_dropped_and_the_connection_closed);
	RUN(the_maximum_of_a_body_holds_for_chunks_too);
	RUN(above_the_limit_of_connections_the_answer_is_503);
	RUN(idle_connections_go_first_when_the_limit_is_near);
	RUN(silent_connections_shut_nobody_out);
	RUN(one_client_has_so_many_and_idle_ones_of_its_own_go);
	RUN(headers_that_crawl_are_cut);
	RUN(an_idle_connection_is_closed_later_than_a_slow_one);
	RUN(a_body_that_crawls_is_cut);
	RUN(a_body_may_be_silent_as_long_as_was_said);
	RUN(a_reply_that_nobody_reads_is_cut);
	RUN(a_slow_handler_is_not_cut);
	RUN(stopping_lets_requests_end_and_closes_idle_connections);
	RUN(stopping_cuts_what_does_not_end);
	RUN(an_address_that_is_taken_is_an_error);
	RUN(ipv6_and_a_congestion_control_can_be_chosen);
	return tap_done();
}
