/* SPDX-License-Identifier: MIT */
#include "up/statusview.h"

#include <jansson.h>
#include <string.h>

#include "base/buf.h"
#include "tap.h"

#define GIB ((uint64_t)1 << 30)

static struct status_program programs[32];
static struct buf out;

static struct status_program
node(unsigned i)
{
	struct status_program p = {
		.state = "running",
		.node = true,
		.level = STATUS_FULL,
		.pid = (pid_t)(100 + i),
		.answers = true,
		.word = "ok",
		.voting = 32,
		.partitions = 32,
		.free_bytes = 22 * GIB,
		.total_bytes = 40 * GIB,
		.reserve_bytes = 1 << 20,
	};

	snprintf(p.name, sizeof(p.name), "node-1.%u", i);
	snprintf(p.address, sizeof(p.address), "127.0.0.1:%u", 8001 + i);
	return p;
}

static struct status_program
gateway(void)
{
	return (struct status_program){
		.name = "gateway-0",
		.address = "127.0.0.1:9001",
		.state = "running",
		.level = STATUS_FULL,
		.pid = 99,
		.answers = true,
		.word = "ok",
	};
}

static const char *
print(size_t count, unsigned columns)
{
	struct status_view view = { programs, count };

	buf_clear(&out);
	status_view_print(&view, columns, &out);
	return buf_cstr(&out);
}

static const char *
json(size_t count)
{
	struct status_view view = { programs, count };

	buf_clear(&out);
	status_view_json(&view, &out);
	return buf_cstr(&out);
}

static size_t
widest(const char *text)
{
	size_t most = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		most = n > most ? n : most;
		text += n + (text[n] == '\n');
	}
	return most;
}

static void
a_healthy_cluster_is_a_line_each_and_a_sum(void)
{
	programs[0] = node(0);
	programs[1] = gateway();
	CHECK_STR(print(2, 80),
	    "NAME       ADDRESS         STATE        PID    VOTES BEHIND "
	    "REPAIRS   FREE\n"
	    "node-1.0   127.0.0.1:8001  running      100    32/32      0 "
	    "      0    22G\n"
	    "gateway-0  127.0.0.1:9001  running       99\n"
	    "1 of 1 nodes and 1 of 1 gateways run: all is whole\n");
}

static void
what_is_not_well_says_why_below_its_line(void)
{
	programs[0] = node(0);
	programs[0].restarts = 1;
	programs[0].level = STATUS_READY;
	programs[0].behind = 7;
	programs[0].repairs = 2;
	programs[1] = (struct status_program){
		.name = "node-1.1",
		.address = "127.0.0.1:8002",
		.state = "down",
		.node = true,
		.restarts = 12,
		.reason = "its log ends: superblock: No such file",
	};
	CHECK_STR(print(2, 80),
	    "NAME       ADDRESS         STATE        PID    VOTES BEHIND "
	    "REPAIRS   FREE\n"
	    "node-1.0   127.0.0.1:8001  running      100    32/32      7 "
	    "      2    22G\n"
	    "  was started again 1 time\n"
	    "node-1.1   127.0.0.1:8002  down           -\n"
	    "  was started again 12 times\n"
	    "  its log ends: superblock: No such file\n"
	    "1 of 2 nodes and 0 of 0 gateways run: something does not run\n");
	CHECK(strstr(print(1, 80),
		  "run: 7 records behind, 2 shards to repair\n") != NULL);
	programs[0].behind = programs[0].repairs = 0;
	CHECK(strstr(print(1, 80),
		  "run: the gateways do not see all of it yet\n") != NULL);
	programs[0].level = STATUS_UP;
	CHECK(strstr(print(1, 80), "run: not all nodes vote\n") != NULL);
}

static void
it_fits_the_terminal_whatever_there_is(void)
{
	for (unsigned i = 0; i < 27; i++) {
		programs[i] = node(i);
		snprintf(programs[i].address, sizeof(programs[i].address),
		    "[2001:db8:1234:5678:9abc:def0:1234:%04x]:65535", i);
		programs[i].behind = 999999;
		programs[i].repairs = 9999999;
		programs[i].free_bytes = UINT64_C(1023) << 40;
		memset(programs[i].reason, 'x', 200);
		memcpy(programs[i].reason + 40, " and ", 5);
	}
	CHECK(widest(print(27, 80)) <= 80);
	CHECK(widest(print(27, 100)) <= 100);
	CHECK(widest(print(27, 75)) <= 75);
	/* The ends of an address tell it. */
	CHECK(strstr(print(27, 80), "[2001:") != NULL);
	CHECK(strstr(print(27, 80), ":65535 running") != NULL);
	/* For a pipe nothing is cut. */
	CHECK(strstr(print(27, 0),
		  "[2001:db8:1234:5678:9abc:def0:1234:001a]:65535") != NULL);
	CHECK(widest(print(27, 0)) >= 202);
}

static void
no_line_ends_in_a_space(void)
{
	programs[0] = node(0);
	programs[1] = gateway();
	CHECK(strstr(print(2, 80), " \n") == NULL);
}

static void
the_level_is_that_of_the_worst(void)
{
	struct status_view view = { programs, 2 };

	programs[0] = node(0);
	programs[1] = gateway();
	CHECK(status_view_level(&view) == STATUS_FULL);
	programs[1].level = STATUS_UP;
	CHECK(status_view_level(&view) == STATUS_UP);
	programs[0].level = STATUS_BROKEN;
	CHECK(status_view_level(&view) == STATUS_BROKEN);
	view.count = 0;
	CHECK(status_view_level(&view) == STATUS_BROKEN);
	CHECK_STR(status_level_name(STATUS_READY), "ready");
}

static void
json_has_what_the_table_has(void)
{
	json_error_t err;
	json_t *root, *list, *first, *second;

	programs[0] = node(0);
	programs[0].full = true;
	snprintf(programs[0].reason, sizeof(programs[0].reason),
	    "a \"disk\"\n is full");
	programs[1] = (struct status_program){
		.name = "gateway-0",
		.address = "127.0.0.1:9001",
		.state = "silent",
	};
	root = json_loads(json(2), 0, &err);
	REQUIRE(root != NULL);
	CHECK_STR(json_string_value(json_object_get(root, "level")), "broken");
	list = json_object_get(root, "programs");
	REQUIRE(json_array_size(list) == 2);
	first = json_array_get(list, 0);
	CHECK_STR(json_string_value(json_object_get(first, "kind")), "node");
	CHECK(json_integer_value(json_object_get(first, "pid")) == 100);
	CHECK(json_integer_value(json_object_get(first, "voting")) == 32);
	CHECK(json_integer_value(json_object_get(first, "freeBytes")) ==
	    (json_int_t)(22 * GIB));
	CHECK(json_is_true(json_object_get(first, "full")));
	CHECK_STR(json_string_value(json_object_get(first, "reason")),
	    "a \"disk\"\n is full");
	second = json_array_get(list, 1);
	CHECK_STR(json_string_value(json_object_get(second, "state")),
	    "silent");
	CHECK(json_object_get(second, "pid") == NULL);
	CHECK(json_object_get(second, "status") == NULL);
	CHECK(json_object_get(second, "reason") == NULL);
	json_decref(root);
}

int
main(void)
{
	out = buf_make(1 << 20);
	RUN(a_healthy_cluster_is_a_line_each_and_a_sum);
	RUN(what_is_not_well_says_why_below_its_line);
	RUN(it_fits_the_terminal_whatever_there_is);
	RUN(no_line_ends_in_a_space);
	RUN(the_level_is_that_of_the_worst);
	RUN(json_has_what_the_table_has);
	buf_fini(&out);
	return tap_done();
}
