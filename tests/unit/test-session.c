/* SPDX-License-Identifier: MIT */

/* The conformance suite of the session cache: every case for every backend. */

#include "session/session.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "tap.h"
#include "tempdir.h"

static char url[300];
static char folder[TEMPDIR_BYTES];
static struct clock_manual manual;

static struct session *
open_it(void)
{
	struct session *session = NULL;
	struct error err = { 0 };

	if (session_open(&session, url, &manual.clock, &err) < 0) {
		printf("# %s\n", err.text);
		exit(1);
	}
	return session;
}

static void
a_value_is_kept_until_its_time_is_over(void)
{
	struct session *session = open_it();
	struct buf out = buf_make(SESSION_VALUE_MAX);
	size_t count = 99;

	CHECK(session_get(session, "a", &out, NULL) == -ERRC_NOTFOUND);
	CHECK(session_put(session, "a", bytes_str("one"), 1000, NULL) == 0);
	CHECK(session_put(session, "b", bytes_str("two"), 5000, NULL) == 0);
	CHECK(session_get(session, "a", &out, NULL) == 0);
	CHECK_STR(buf_cstr(&out), "one");
	manual.now_ms += 999;
	CHECK(session_expire(session, &count, NULL) == 0 && count == 0);
	CHECK(session_get(session, "a", &out, NULL) == 0);
	manual.now_ms += 1;
	CHECK(session_get(session, "a", &out, NULL) == -ERRC_NOTFOUND);
	CHECK(out.n == 0);
	CHECK(session_expire(session, &count, NULL) == 0 && count == 1);
	CHECK(session_expire(session, &count, NULL) == 0 && count == 0);
	CHECK(session_get(session, "b", &out, NULL) == 0);
	CHECK_STR(buf_cstr(&out), "two");
	CHECK(session_delete(session, "b", NULL) == 0);
	CHECK(session_get(session, "b", &out, NULL) == -ERRC_NOTFOUND);
	CHECK(session_delete(session, "b", NULL) == 0);
	buf_fini(&out);
	session_close(session);
}

static void
putting_again_replaces_value_and_time(void)
{
	struct session *session = open_it();
	struct buf out = buf_make(SESSION_VALUE_MAX);

	CHECK(session_put(session, "a", bytes_str("one"), 10, NULL) == 0);
	CHECK(session_put(session, "a", bytes_str("second"), 20, NULL) == 0);
	manual.now_ms += 15;
	CHECK(session_get(session, "a", &out, NULL) == 0);
	CHECK_STR(buf_cstr(&out), "second");
	CHECK(session_delete(session, "a", NULL) == 0);
	buf_fini(&out);
	session_close(session);
}

static void
values_are_bytes_of_any_kind_up_to_the_limit(void)
{
	struct session *session = open_it();
	struct buf out = buf_make(SESSION_VALUE_MAX);
	struct buf small = buf_make(3);
	uint8_t *big = calloc(1, SESSION_VALUE_MAX + 1);

	REQUIRE(big != NULL);
	for (size_t i = 0; i < SESSION_VALUE_MAX; i++)
		big[i] = (uint8_t)i;
	CHECK(session_put(session, "x", bytes_of(big, SESSION_VALUE_MAX), 10,
		  NULL) == 0);
	CHECK(session_get(session, "x", &out, NULL) == 0);
	CHECK(bytes_equal(buf_bytes(&out), bytes_of(big, SESSION_VALUE_MAX)));
	CHECK(session_get(session, "x", &small, NULL) == -ERRC_NOMEM);
	CHECK(session_put(session, "x", bytes_of(big, SESSION_VALUE_MAX + 1),
		  10, NULL) == -ERRC_USAGE);
	CHECK(session_put(session, "empty", BYTES_NONE, 10, NULL) == 0);
	CHECK(session_get(session, "empty", &out, NULL) == 0 && out.n == 0);
	CHECK(session_delete(session, "x", NULL) == 0);
	CHECK(session_delete(session, "empty", NULL) == 0);
	free(big);
	buf_fini(&out);
	buf_fini(&small);
	session_close(session);
}

static void
ids_are_of_a_sensible_length(void)
{
	struct session *session = open_it();
	struct buf out = buf_make(10);
	char id[SESSION_ID_MAX + 2];

	memset(id, 'i', sizeof(id));
	id[SESSION_ID_MAX + 1] = '\0';
	CHECK(session_put(session, id, BYTES_NONE, 9, NULL) == -ERRC_USAGE);
	CHECK(session_get(session, id, &out, NULL) == -ERRC_USAGE);
	CHECK(session_delete(session, "", NULL) == -ERRC_USAGE);
	id[SESSION_ID_MAX] = '\0';
	CHECK(session_put(session, id, BYTES_NONE, 9, NULL) == 0);
	CHECK(session_get(session, id, &out, NULL) == 0);
	CHECK(session_put(session, "a'); DROP TABLE session; --", BYTES_NONE, 9,
		  NULL) == 0);
	CHECK(session_get(session, id, &out, NULL) == 0);
	CHECK(session_put(session, "a", BYTES_NONE, UINT64_MAX, NULL) ==
	    -ERRC_USAGE);
	buf_fini(&out);
	session_close(session);
}

static void
two_handles_see_the_same(void)
{
	struct session *one = open_it();
	struct session *two = open_it();
	struct buf out = buf_make(10);

	CHECK(session_put(one, "shared", bytes_str("v"), 1000, NULL) == 0);
	CHECK(session_get(two, "shared", &out, NULL) == 0);
	CHECK_STR(buf_cstr(&out), "v");
	CHECK(session_delete(two, "shared", NULL) == 0);
	CHECK(session_get(one, "shared", &out, NULL) == -ERRC_NOTFOUND);
	buf_fini(&out);
	session_close(one);
	session_close(two);
}

static void *
many(void *arg)
{
	struct session *session = open_it();
	struct buf out = buf_make(100);
	char id[32];

	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "%d-%d", *(int *)arg, i);
		CHECK(
		    session_put(session, id, bytes_str(id), 60000, NULL) == 0);
		CHECK(session_get(session, id, &out, NULL) == 0);
		CHECK_STR(buf_cstr(&out), id);
		CHECK(session_delete(session, id, NULL) == 0);
	}
	buf_fini(&out);
	session_close(session);
	return NULL;
}

static void
threads_and_handles_at_once_do_no_harm(void)
{
	pthread_t thread[4];
	int number[4];

	for (int i = 0; i < 4; i++) {
		number[i] = i;
		pthread_create(&thread[i], NULL, many, &number[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
}

static void
every_case(void)
{
	printf("# %s\n", url);
	clock_manual_init(&manual, 1000000);
	RUN(a_value_is_kept_until_its_time_is_over);
	RUN(putting_again_replaces_value_and_time);
	RUN(values_are_bytes_of_any_kind_up_to_the_limit);
	RUN(ids_are_of_a_sensible_length);
	RUN(two_handles_see_the_same);
	RUN(threads_and_handles_at_once_do_no_harm);
}

static void
other_urls_are_refused_by_name(void)
{
	struct session *session = NULL;
	struct error err = { 0 };

	CHECK(session_open(&session, "redis://h:6379", NULL, &err) ==
	    -ERRC_CONFIG);
	CHECK_STR(err.text,
	    "session cache redis://h:6379: unknown kind of URL: this program "
	    "knows sqlite:PATH");
	CHECK(session_open(&session, NULL, NULL, &err) == -ERRC_CONFIG);
	CHECK(session_open(&session, "sqlite:", NULL, &err) == -ERRC_CONFIG);
	CHECK(session_open(&session, "sqlite:/no/such/dir/s.db", NULL, &err) ==
	    -ERRC_CONFIG);
	CHECK(session == NULL);
}

/* It opens, works, and what was there is beside it. */
static void
reopen_sound(void)
{
	struct buf value = buf_make(SESSION_VALUE_MAX);
	struct session *session = NULL;
	struct error err = { 0 };
	char aside[sizeof(url) + 16];

	snprintf(aside, sizeof(aside), "%s.damaged", url + 7);
	CHECK(access(aside, F_OK) == -1);
	REQUIRE(session_open(&session, url, NULL, &err) == 0);
	CHECK(session_get(session, "id-1", &value, &err) == -ERRC_NOTFOUND);
	CHECK(session_put(session, "id-1", bytes_str("x"), 60000, &err) == 0);
	CHECK(session_get(session, "id-1", &value, &err) == 0);
	CHECK(session_delete(session, "id-1", &err) == 0);
	session_close(session);
	CHECK(unlink(aside) == 0);
	buf_fini(&value);
}

static void
a_damaged_file_is_set_aside(void)
{
	char id[32];
	struct session *session = NULL;
	struct error err = { 0 };
	char junk[8192];
	int fd;

	memset(junk, 'j', sizeof(junk));
	fd = open(url + 7, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	REQUIRE(fd != -1);
	CHECK(write(fd, junk, sizeof(junk)) == sizeof(junk));
	close(fd);
	reopen_sound();
	/* Damage that opening alone does not meet. */
	REQUIRE(session_open(&session, url, NULL, &err) == 0);
	for (int i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "id-%d", i);
		CHECK(session_put(session, id, bytes_of(junk, 500), 60000,
			  &err) == 0);
	}
	session_close(session);
	fd = open(url + 7, O_WRONLY);
	REQUIRE(fd != -1);
	CHECK(pwrite(fd, junk, 4096, 5 * 4096) == 4096);
	close(fd);
	reopen_sound();
}

int
main(int argc, char *argv[])
{
	const char *only = argc == 2 ? argv[1] : "";

	tempdir_make(folder);
	if (strncmp("mem:", only, strlen(only)) == 0) {
		snprintf(url, sizeof(url), "mem:s");
		every_case();
	}
	if (strncmp("sqlite:", only, strlen(only)) == 0) {
		snprintf(url, sizeof(url), "sqlite:%s/session.db", folder);
		every_case();
		RUN(other_urls_are_refused_by_name);
		RUN(a_damaged_file_is_set_aside);
		(void)unlink(url + 7);
		strncat(url, "-journal", sizeof(url) - strlen(url) - 1);
		(void)unlink(url + 7);
	}
	(void)rmdir(folder);
	return tap_done();
}
