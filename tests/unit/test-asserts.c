/* SPDX-License-Identifier: MIT */

/*
 * Asserts fire, in release, too: each of these mistakes of ours ends the
 * process that makes it, before it can write anything.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "cluster/placement.h"
#include "cluster/quorum.h"
#include "codec/erasure.h"
#include "codec/stripe.h"
#include "commit/positiontable.h"
#include "commit/versionid.h"
#include "http/httpres.h"
#include "shard/frame.h"
#include "shard/verify.h"
#include "tap.h"
#include "up/program.h"
#include "wire/nodeproto_info.h"

/* Does it end the process by abort(3)? */
static bool
dies(void (*mistake)(void))
{
	const struct rlimit no_core = { 0, 0 };
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

		(void)setrlimit(RLIMIT_CORE, &no_core);
		(void)dup2(null_fd, STDERR_FILENO);
		mistake();
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGABRT;
}

static const struct geometry small = { 2, 1, 4096 };

static void
fail_with_no_error(void)
{
	struct error err;

	(void)error_set(&err, ERRC_OK, "nothing is wrong");
}

static void
take_too_large_an_object(void)
{
	(void)stripe_count(&small, (uint64_t)STRIPE_SIZE_MAX + 1);
}

static void
look_behind_the_end(void)
{
	(void)stripe_place(&small, 1000, 1000);
}

static void
cut_for_no_shards(void)
{
	const struct geometry none = { 0, 1, 4096 };

	(void)stripe_full_bytes(&none);
}

static void
run_a_plan_that_was_not_made(void)
{
	struct erasure_plan plan = { 0 };
	uint8_t *cell[ERASURE_SHARDS_MAX] = { 0 };

	erasure_plan_run(&plan, 1, cell);
}

static void
make_a_cell_that_is_there(void)
{
	struct erasure_plan plan = { .made = true, .have = 3, .want = 2 };
	uint8_t *cell[ERASURE_SHARDS_MAX] = { 0 };

	erasure_plan_run(&plan, 1, cell);
}

static void
write_a_cell_of_no_object(void)
{
	struct frame frame = { .kind = FRAME_CELL, .length = 1 };
	uint8_t out[FRAME_HEADER_BYTES];

	frame_encode(out, &frame, NULL);
}

static void
take_more_than_a_chunk_has(void)
{
	struct httpres_chunks chunks = { .left = 1 };

	httpres_chunk_took(&chunks, 2);
}

static void
name_a_versioning_that_is_none(void)
{
	const unsigned none = NODEPROTO_SUSPENDED + 1;

	(void)nodeproto_versioning_name((enum nodeproto_versioning)none);
}

static void
verify_a_shard_that_no_object_has(void)
{
	const struct reqid id = { { 0 } };
	struct frame_verifier v;

	frame_verifier_init(&v, id, STRIPE_SHARDS_MAX);
}

static void
place_a_shard_on_no_machine(void)
{
	const struct erasure_set set = { .n = 3, .data_shards = 2 };
	const struct placement placement = { .set = &set };

	(void)placement_machine(&placement, 3);
}

static void
name_a_version_of_no_record(void)
{
	const struct reqid id = { { 0 } };

	(void)versionid_of(0, id);
}

static void
tell_a_position_that_no_log_has(void)
{
	struct positiontable *table = NULL;
	const struct positions_member member = { 0, 0 };

	if (positiontable_new(&table, 2, NULL) == 0)
		positiontable_set(table, member, 2, 1);
}

static void
count_a_quorum_that_is_none(void)
{
	(void)quorum_read(9, 6, 4);
}

static void
ask_a_program_that_was_told(void)
{
	struct program p = { .ready_fd = -1 };

	(void)program_check_ready(&p);
}

static void
end_a_program_that_is_down(void)
{
	struct program p = { .state = PROGRAM_DOWN, .ready_fd = -1 };

	program_ended(&p, 0, &clock_system);
}

static void
a_mistake_of_ours_ends_the_process(void)
{
	CHECK(dies(fail_with_no_error));
	CHECK(dies(take_too_large_an_object));
	CHECK(dies(look_behind_the_end));
	CHECK(dies(cut_for_no_shards));
	CHECK(dies(run_a_plan_that_was_not_made));
	CHECK(dies(make_a_cell_that_is_there));
	CHECK(dies(write_a_cell_of_no_object));
	CHECK(dies(take_more_than_a_chunk_has));
	CHECK(dies(name_a_versioning_that_is_none));
	CHECK(dies(verify_a_shard_that_no_object_has));
	CHECK(dies(place_a_shard_on_no_machine));
	CHECK(dies(name_a_version_of_no_record));
	CHECK(dies(tell_a_position_that_no_log_has));
	CHECK(dies(count_a_quorum_that_is_none));
	CHECK(dies(ask_a_program_that_was_told));
	CHECK(dies(end_a_program_that_is_down));
}

int
main(void)
{
	RUN(a_mistake_of_ours_ends_the_process);
	return tap_done();
}
