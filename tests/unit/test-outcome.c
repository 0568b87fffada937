/* SPDX-License-Identifier: MIT */
#include "commit/outcome.h"

#include <ctype.h>

#include "tap.h"

static void
every_outcome_has_a_name_that_is_read_back(void)
{
	for (int i = 0; i < OUTCOME_MAX; i++) {
		const char *name = outcome_name((enum outcome)i);
		enum outcome parsed = OUTCOME_MAX;

		for (const char *c = name; *c != '\0'; c++)
			CHECK(islower((unsigned char)*c) || *c == '_');
		CHECK(outcome_parse(&parsed, name, strlen(name)));
		CHECK(parsed == (enum outcome)i);
		CHECK(!outcome_parse(&parsed, name, strlen(name) - 1));
	}
}

static void
other_words_are_no_outcomes(void)
{
	enum outcome parsed;

	CHECK(!outcome_parse(&parsed, "", 0));
	CHECK(!outcome_parse(&parsed, "DONE", 4));
	CHECK(!outcome_parse(&parsed, "done ", 5));
	CHECK(!outcome_parse(&parsed, "done\0", 5));
}

static void
four_outcomes_decide_nothing(void)
{
	int decide = 0;

	for (int i = 0; i < OUTCOME_MAX; i++)
		decide += outcome_decides((enum outcome)i);
	CHECK(decide == OUTCOME_MAX - 4);
	CHECK(!outcome_decides(OUTCOME_STALE_REVISION));
	CHECK(!outcome_decides(OUTCOME_STALE_EPOCH));
	CHECK(!outcome_decides(OUTCOME_NOT_YET_HERE));
	CHECK(!outcome_decides(OUTCOME_IGNORED));
	CHECK_STR(outcome_name(OUTCOME_SEALED_EMPTY), "sealed_empty");
}

int
main(void)
{
	RUN(every_outcome_has_a_name_that_is_read_back);
	RUN(other_words_are_no_outcomes);
	RUN(four_outcomes_decide_nothing);
	return tap_done();
}
