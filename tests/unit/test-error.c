/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "tap.h"

static void
failing_is_one_line(void)
{
	struct error err;

	CHECK(
	    error_set(&err, ERRC_CORRUPT, "cell %d: bad", 3) == -ERRC_CORRUPT);
	CHECK(err.code == ERRC_CORRUPT);
	CHECK_STR(err.text, "cell 3: bad");
	CHECK(error_set(NULL, ERRC_USAGE, "x") == -ERRC_USAGE);
}

static void
errno_is_appended_and_kept(void)
{
	struct error err;

	errno = ENOSPC;
	CHECK(error_errno(&err, ERRC_IO, "write") == -ERRC_IO);
	CHECK_STR(err.text, "write: No space left on device");
	CHECK(errno == ENOSPC);
}

static void
context_goes_in_front(void)
{
	struct error err;

	(void)error_set(&err, ERRC_RETRY, "connection refused");
	CHECK(error_wrap(&err, "node %s", "n4") == -ERRC_RETRY);
	CHECK_STR(err.text, "node n4: connection refused");
	CHECK(error_wrap(NULL, "x") == -ERRC_IO);
}

static void
a_long_message_is_cut_between_characters(void)
{
	char text[2000];
	struct error err;

	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'x', shift);
		for (size_t i = shift; i + 4 < sizeof(text); i += 4)
			memcpy(text + i, "\xf0\x9f\x8e\xac", 5);
		(void)error_set(&err, ERRC_IO, "%s", text);
		CHECK(strlen(err.text) > sizeof(err.text) - 9);
		CHECK(utf8_valid(err.text, strlen(err.text)));
		(void)error_wrap(&err, "node");
		CHECK(strlen(err.text) < sizeof(err.text));
		CHECK(utf8_valid(err.text, strlen(err.text)));
	}
}

/* A name of n bytes. */
static const char *
name_of(size_t n)
{
	static char name[200 * 1024];

	memset(name, 'k', n);
	name[n] = '\0';
	return name;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

static void
a_long_name_leaves_the_reason(void)
{
	struct error err;

	for (size_t n = 300; n < 200 * 1024; n = n * 5 / 4) {
		(void)error_set(&err, ERRC_USAGE, "films/%s: is too long",
		    name_of(n));
		CHECK(strncmp(err.text, "films/kkk", 9) == 0);
		CHECK(ends_with(err.text, "kkk: is too long"));
		CHECK(n < sizeof(err.text) || strstr(err.text, "k...k"));
		CHECK(error_wrap(&err, "put %s", name_of(n)) == -ERRC_USAGE);
		CHECK(strncmp(err.text, "put kkk", 7) == 0);
		CHECK(ends_with(err.text, "kkk: is too long"));
		errno = ENAMETOOLONG;
		(void)error_errno(&err, ERRC_NOINPUT, "open %s", name_of(n));
		CHECK(errno == ENAMETOOLONG);
		CHECK(strncmp(err.text, "open kkk", 8) == 0);
		CHECK(ends_with(err.text, "kkk: File name too long"));
		for (int i = 0; i < 5; i++)
			(void)error_wrap(&err, "again %s", name_of(n));
		CHECK(ends_with(err.text, "kkk: File name too long"));
	}
	/* What just fits is whole. */
	(void)error_set(&err, ERRC_USAGE, "%s", name_of(sizeof(err.text) - 1));
	CHECK_STR(err.text, name_of(sizeof(err.text) - 1));
}

static void
no_cluster_is_one_text(void)
{
	struct error err;

	CHECK(error_no_cluster(&err, "none runs in %s", "/data") ==
	    -ERRC_UNAVAILABLE);
	CHECK_STR(err.text,
	    "no cluster: none runs in /data; start one with koop up, or name "
	    "one: eval \"$(koop env)\", --config FILE, or --topology and "
	    "--commit-log");
	(void)error_no_cluster(&err, "%s: gone", name_of(4000));
	CHECK(strncmp(err.text, "no cluster: kkk", 15) == 0);
	CHECK(strstr(err.text, "kkk: gone; start one with koop up") != NULL);
	CHECK(ends_with(err.text, "--commit-log"));
}

static void
every_code_has_a_status(void)
{
	CHECK(error_exit_status(ERRC_OK) == 0);
	CHECK(error_exit_status(ERRC_NOTFOUND) == 1);
	CHECK(error_exit_status(ERRC_RETRY) == 75);
	CHECK(error_http_status(ERRC_UNAVAILABLE) == 503);
	for (int code = 1; code < ERRC_MAX; code++) {
		CHECK(error_exit_status((enum errc)code) > 0);
		CHECK(error_http_status((enum errc)code) >= 400);
	}
	CHECK(error_exit_status((enum errc)999) == 74);
}

int
main(void)
{
	RUN(failing_is_one_line);
	RUN(errno_is_appended_and_kept);
	RUN(context_goes_in_front);
	RUN(a_long_message_is_cut_between_characters);
	RUN(a_long_name_leaves_the_reason);
	RUN(no_cluster_is_one_text);
	RUN(every_code_has_a_status);
	return tap_done();
}
