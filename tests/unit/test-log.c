/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "tap.h"

static char got[8192];

/* What one call writes to standard error. */
#define CAPTURE(call)                                              \
	do {                                                       \
		int fds_[2];                                       \
		int saved_ = dup(STDERR_FILENO);                   \
		ssize_t n_;                                        \
		REQUIRE(pipe2(fds_, O_CLOEXEC | O_NONBLOCK) == 0); \
		dup2(fds_[1], STDERR_FILENO);                      \
		call;                                              \
		dup2(saved_, STDERR_FILENO);                       \
		close(saved_);                                     \
		close(fds_[1]);                                    \
		n_ = read(fds_[0], got, sizeof(got) - 1);          \
		got[n_ > 0 ? n_ : 0] = '\0';                       \
		close(fds_[0]);                                    \
	} while (0)

static void
a_line_has_time_level_layer_and_text(void)
{
	log_setup(LOG_INFO, 0);
	CAPTURE(log_info("node", "serving shards=%d", 9));
	CHECK(strlen(got) > 25 && got[10] == 'T' && got[23] == 'Z');
	CHECK_STR(got + 24, " info  node: serving shards=9\n");
	CAPTURE(log_error("s3", "no"));
	CHECK_STR(got + 24, " error s3: no\n");
}

static void
lower_levels_are_not_written(void)
{
	log_setup(LOG_WARN, 0);
	CAPTURE(log_info("node", "x"));
	CHECK_STR(got, "");
	CAPTURE(log_warn("node", "x"));
	CHECK(strstr(got, "warn  node: x") != NULL);
}

static void
nothing_in_a_text_makes_a_second_line(void)
{
	log_setup(LOG_DEBUG, 0);
	CAPTURE(log_debug("s3", "key=%s", "a\nb\033[2J\x7f"));
	CHECK(strstr(got, "key=a\\x0ab\\x1b[2J\\x7f\n") != NULL);
}

static void
json_is_one_object_a_line(void)
{
	log_setup(LOG_INFO, 1);
	CAPTURE(log_info("s3", "a \"b\" \\ \n"));
	CHECK(strstr(got,
		  "\",\"level\":\"info\",\"layer\":\"s3\",\"text\":"
		  "\"a \\\"b\\\" \\\\ \\u000a\"}\n") != NULL);
	CHECK(got[0] == '{');
}

static void
a_long_text_is_cut_and_the_line_still_ends(void)
{
	char text[5000];

	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int json = 0; json < 2; json++) {
		log_setup(LOG_INFO, json);
		CAPTURE(log_info("s3", "%s", text));
		CHECK(strlen(got) <= 4096);
		CHECK(got[strlen(got) - 1] == '\n');
		CHECK(!json || strcmp(got + strlen(got) - 3, "\"}\n") == 0);
	}
}

int
main(void)
{
	RUN(a_line_has_time_level_layer_and_text);
	RUN(lower_levels_are_not_written);
	RUN(nothing_in_a_text_makes_a_second_line);
	RUN(json_is_one_object_a_line);
	RUN(a_long_text_is_cut_and_the_line_still_ends);
	return tap_done();
}
