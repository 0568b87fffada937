/* SPDX-License-Identifier: MIT */
#include "modelbucket.h"

#include <string.h>

#include "tap.h"

/*
 * Buckets: every interleaving of a few clients, each of which may stop for
 * ever after any of its steps.  The letters in the names are those of
 * protocol-why.md S11; see modelbucket.h for the actors.
 */

static bool
safe(const char *actors, bool ready)
{
	struct modelbucket model = { .actors = actors, .ready = ready };
	bool good = modelbucket_explore(&model);

	printf("# %s: %zu states\n", actors, model.states);
	if (!good)
		printf("# %s\n", model.trace);
	return good;
}

static bool
caught(const char *actors, bool ready, unsigned rule)
{
	struct modelbucket model = {
		.actors = actors,
		.ready = ready,
		.removed = rule,
	};
	bool good = modelbucket_explore(&model);

	if (good)
		printf("# %s: %zu states and nothing found\n", actors,
		    model.states);
	else
		printf("# found: %s\n", model.trace);
	return !good && safe(actors, ready);
}

static void
two_deleters_a_writer_and_one_who_ends_attempts(void)
{
	CHECK(safe("DDPU", true));
	CHECK(safe("DDPXP", true));
	CHECK(safe("DDHU", true));
}

static void
half_done_creates_with_deleters(void)
{
	CHECK(safe("CCDDP", false));
	CHECK(safe("CDUPP", false));
}

static void
a_bucket_made_again_while_it_is_deleted(void)
{
	CHECK(safe("CDRPP", false));
	CHECK(safe("DRUP", true));
	CHECK(safe("DDRU", true));
	CHECK(safe("DDRRP", true));
}

static void
uploads_in_a_bucket_that_is_deleted(void)
{
	CHECK(safe("DDMU", true));
	CHECK(safe("CDRM", false));
}

static void
S11a_an_unseal_without_the_home_decision_is_found(void)
{
	CHECK(caught("DDP", true, MODELBUCKET_UNSEAL_THERE));
	CHECK(caught("DUP", true, MODELBUCKET_UNSEAL_THERE));
}

static void
S11a_a_deleter_that_does_not_obey_home_is_found(void)
{
	CHECK(caught("DUP", true, MODELBUCKET_NO_OBEY));
}

static void
S11a_a_deleter_that_does_not_look_everywhere_is_found(void)
{
	CHECK(caught("DP", true, MODELBUCKET_NO_LOOK));
}

static void
S11b_an_incarnation_that_is_forgotten_is_found(void)
{
	CHECK(caught("CDPP", false, MODELBUCKET_FORGET));
}

static void
S11c_a_higher_incarnation_that_does_not_replace_is_found(void)
{
	CHECK(caught("DR", true, MODELBUCKET_NO_REPLACE));
}

static void
S11d_absent_is_empty_without_a_seal_is_found(void)
{
	CHECK(caught("CDP", false, MODELBUCKET_ABSENT_EMPTY));
}

static void
S11e_looking_without_a_seal_is_found(void)
{
	CHECK(caught("DM", true, MODELBUCKET_NO_SEAL));
	CHECK(caught("DP", true, MODELBUCKET_NO_SEAL));
}

static void
S11_an_ended_attempt_that_is_not_remembered_is_found(void)
{
	CHECK(caught("DU", true, MODELBUCKET_ATTEMPT_OPEN));
}

int
main(void)
{
	RUN(two_deleters_a_writer_and_one_who_ends_attempts);
	RUN(half_done_creates_with_deleters);
	RUN(a_bucket_made_again_while_it_is_deleted);
	RUN(uploads_in_a_bucket_that_is_deleted);
	RUN(S11a_an_unseal_without_the_home_decision_is_found);
	RUN(S11a_a_deleter_that_does_not_obey_home_is_found);
	RUN(S11a_a_deleter_that_does_not_look_everywhere_is_found);
	RUN(S11b_an_incarnation_that_is_forgotten_is_found);
	RUN(S11c_a_higher_incarnation_that_does_not_replace_is_found);
	RUN(S11d_absent_is_empty_without_a_seal_is_found);
	RUN(S11e_looking_without_a_seal_is_found);
	RUN(S11_an_ended_attempt_that_is_not_remembered_is_found);
	return tap_done();
}
