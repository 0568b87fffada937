/* SPDX-License-Identifier: MIT */

/* What nodes say of themselves, and what the gateway makes of it. */

#include "wire/nodehealth.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/error.h"
#include "client/nodewatch.h"
#include "tap.h"

static uint32_t numbers[] = { 3, 7, 9 };

static struct nodehealth
node(void)
{
	return (struct nodehealth){
		.cluster = "0123456789abcdef0123456789abcdef",
		.set = 1,
		.index = 4,
		.partitions = 8,
		.voting = 8,
		.free_bytes = 1000,
		.total_bytes = 5000,
		.reserve_bytes = 64,
	};
}

static void
a_node_is_as_well_as_its_worst_reason(void)
{
	struct nodehealth h = node();

	CHECK(nodehealth_judge(&h) == NODEHEALTH_OK);
	h.reasons = NODEHEALTH_HALTED;
	CHECK(nodehealth_judge(&h) == NODEHEALTH_DEGRADED);
	h.reasons = NODEHEALTH_BEHIND;
	CHECK(nodehealth_judge(&h) == NODEHEALTH_DEGRADED);
	h.reasons |= NODEHEALTH_DISK_FULL;
	CHECK(nodehealth_judge(&h) == NODEHEALTH_READONLY);
	h.reasons = NODEHEALTH_NO_LOG;
	CHECK(nodehealth_judge(&h) == NODEHEALTH_READONLY);
	h.voting = 0;
	CHECK(nodehealth_judge(&h) == NODEHEALTH_DOWN);
	h = node();
	h.reasons = NODEHEALTH_UNREACHABLE;
	CHECK(nodehealth_judge(&h) == NODEHEALTH_DOWN);
}

static void
every_word_and_reason_has_a_name(void)
{
	struct buf out = buf_make(4096);

	CHECK_STR(nodehealth_name(NODEHEALTH_OK), "ok");
	CHECK_STR(nodehealth_name(NODEHEALTH_DEGRADED), "degraded");
	CHECK_STR(nodehealth_name(NODEHEALTH_READONLY), "readonly");
	CHECK_STR(nodehealth_name(NODEHEALTH_DOWN), "down");
	nodehealth_print_reasons(&out, 0);
	CHECK_STR(buf_cstr(&out), "[]");
	buf_clear(&out);
	nodehealth_print_reasons(&out, UINT32_MAX);
	CHECK_STR(buf_cstr(&out),
	    "[\"unreachable\",\"disk full\",\"behind\",\"halted\","
	    "\"commit log out of reach\",\"clock\"]");
	buf_clear(&out);
	nodehealth_print_reasons(&out,
	    NODEHEALTH_DISK_FULL | NODEHEALTH_HALTED);
	CHECK_STR(buf_cstr(&out), "[\"disk full\",\"halted\"]");
	buf_clear(&out);
	nodehealth_add_full(&out, 1, 2, 77);
	nodehealth_add_full(&out, 1, 5, 0);
	CHECK_STR(buf_cstr(&out),
	    "the disk of node 1/2 is full (77 bytes free), that of 1/5 (0)");
	buf_fini(&out);
}

static void
what_is_printed_comes_back(void)
{
	struct nodehealth h = node();
	struct nodehealth back;
	struct buf out = buf_make(4096);

	h.voting = 5;
	h.halted = 1;
	h.mute.partition = numbers;
	h.mute.count = 3;
	h.stuck.partition = numbers + 1;
	h.stuck.count = 1;
	h.reasons = NODEHEALTH_DISK_FULL | NODEHEALTH_BEHIND |
	    NODEHEALTH_HALTED;
	buf_addstr(&out, "{\"new\":[],");
	nodehealth_print(&h, &out);
	buf_addch(&out, '}');
	REQUIRE(nodehealth_parse(&back, buf_bytes(&out), NULL) == 0);
	CHECK_STR(back.cluster, h.cluster);
	CHECK(back.set == 1 && back.index == 4);
	CHECK(back.reasons == h.reasons);
	CHECK(back.partitions == 8 && back.voting == 5 && back.halted == 1);
	CHECK(back.free_bytes == 1000 && back.total_bytes == 5000 &&
	    back.reserve_bytes == 64);
	CHECK(back.mute.count == 3 && back.mute.partition[2] == 9);
	CHECK(back.stuck.count == 1 && back.stuck.partition[0] == 7);
	nodehealth_fini(&back);
	buf_fini(&out);
}

#define GOOD                                                                  \
	"{\"cluster\":\"c\",\"set\":1,\"index\":2,\"reasons\":[\"new one\"]," \
	"\"count\":4,\"voting\":2,\"halted\":0,\"free\":1,\"total\":2,"       \
	"\"reserve\":3,\"mute\":[1,3],\"stuck\":[]}"

/* One text after another in which one thing is wrong. */
static void
what_is_no_such_answer_is_refused(void)
{
	static const char *const wrong[][2] = {
		{ "\"c\"", "7" },
		{ "\"c\"", "\"0123456789abcdef0123456789abcdef0\"" },
		{ "\"set\":1", "\"set\":-1" },
		{ "\"index\":2", "\"index\":\"2\"" },
		{ "\"count\":4", "\"count\":1" },
		{ "\"count\":4", "\"count\":9999999999" },
		{ "\"voting\":2", "\"voting\":3" },
		{ "\"voting\":2", "\"voting\":5" },
		{ "\"halted\":0", "\"halted\":0.5" },
		{ "\"free\":1", "\"free\":-1" },
		{ "\"total\":2", "\"other\":2" },
		{ "\"reserve\":3", "\"reserve\":null" },
		{ "[\"new one\"]", "\"new one\"" },
		{ "[1,3]", "[3,1]" },
		{ "[1,3]", "[3,3]" },
		{ "[1,3]", "[-1,3]" },
		{ "[1,3]", "[1,\"3\"]" },
		{ "[1,3]", "{}" },
		{ "\"stuck\":[]", "\"stuck\":[1,2,3,4,5]" },
		{ "\"stuck\":[]}", "\"stuck\":[]" },
	};
	struct nodehealth h;

	REQUIRE(nodehealth_parse(&h, bytes_str(GOOD), NULL) == 0);
	CHECK(h.reasons == 0);
	nodehealth_fini(&h);
	CHECK(nodehealth_parse(&h, BYTES_NONE, NULL) == -ERRC_PROTOCOL);
	CHECK(nodehealth_parse(&h, bytes_str("[]"), NULL) == -ERRC_PROTOCOL);
	for (size_t i = 0; i < nitems(wrong); i++) {
		const char *at = strstr(GOOD, wrong[i][0]);
		struct buf text = buf_make(4096);

		REQUIRE(at != NULL);
		buf_add(&text, GOOD, (size_t)(at - GOOD));
		buf_addstr(&text, wrong[i][1]);
		buf_addstr(&text, at + strlen(wrong[i][0]));
		if (nodehealth_parse(&h, buf_bytes(&text), NULL) !=
		    -ERRC_PROTOCOL) {
			CHECK(false);
			printf("# %s\n", buf_cstr(&text));
		}
		buf_fini(&text);
	}
}

/* Six data shards of nine, write quorum seven: reads want six votes. */
static struct nodewatch_set
nine(void)
{
	return (struct nodewatch_set){
		.set = { .number = 1,
		    .n = 9,
		    .data_shards = 6,
		    .write_quorum = 7 },
		.reachable = 9,
		.voters = 9,
		.appliers = 9,
		.roomy = 9,
	};
}

static void
a_set_is_as_reads_and_writes_find_it(void)
{
	struct nodewatch_set s = nine();

	CHECK(nodewatch_judge(&s) == NODEHEALTH_OK);
	s.node[8].reasons = NODEHEALTH_BEHIND;
	CHECK(nodewatch_judge(&s) == NODEHEALTH_DEGRADED);
	s.appliers = s.roomy = 7;
	CHECK(nodewatch_judge(&s) == NODEHEALTH_DEGRADED);
	s.roomy = 6;
	CHECK(nodewatch_judge(&s) == NODEHEALTH_READONLY);
	s = nine();
	s.appliers = 6;
	CHECK(nodewatch_judge(&s) == NODEHEALTH_READONLY);
	s = nine();
	s.roomy = s.appliers = s.voters = s.reachable = 6;
	CHECK(nodewatch_judge(&s) == NODEHEALTH_READONLY);
	s.voters = s.appliers = 5;
	CHECK(nodewatch_judge(&s) == NODEHEALTH_DOWN);
}

static void
the_worst_set_is_told(void)
{
	struct nodewatch_set sets[3] = { nine(), nine(), nine() };

	CHECK(nodewatch_worst(sets, 3) == NODEHEALTH_OK);
	sets[2].roomy = 0;
	CHECK(nodewatch_worst(sets, 3) == NODEHEALTH_READONLY);
	sets[0].voters = sets[0].appliers = 0;
	CHECK(nodewatch_worst(sets, 3) == NODEHEALTH_DOWN);
	CHECK(nodewatch_worst(sets, 0) == NODEHEALTH_OK);
}

int
main(void)
{
	RUN(a_node_is_as_well_as_its_worst_reason);
	RUN(every_word_and_reason_has_a_name);
	RUN(what_is_printed_comes_back);
	RUN(what_is_no_such_answer_is_refused);
	RUN(a_set_is_as_reads_and_writes_find_it);
	RUN(the_worst_set_is_told);
	return tap_done();
}
