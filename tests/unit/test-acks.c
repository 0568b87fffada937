/* SPDX-License-Identifier: MIT */
#include "client/acks.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "cluster/topology.h"
#include "http/httpc.h"
#include "wire/nodeline.h"
#include "wire/peers.h"

#include "base/buf.h"
#include "tap.h"

static struct topology *topology;
static struct acks *acks;
static struct reqid id;

static void
start(void)
{
	struct topology_options options = {
		.nodes = 9,
		.data_shards = 6,
		.parity_shards = 3,
		.partitions = 4,
		.node_port = 8001,
		.host = "127.0.0.1",
	};
	struct acks_options open = {
		.clock = &clock_system,
		.sender = "s",
	};
	struct error err;

	CHECK(topology_make(&topology, &options, &err) == 0);
	open.topology = topology;
	CHECK(acks_open(&acks, &open, &err) == 0);
	id = reqid_new(&clock_system, &random_system);
}

static void
stop(void)
{
	acks_close(acks);
	topology_free(topology);
}

static struct ackwait *
expect(void)
{
	struct ackwait *wait = NULL;

	CHECK(acks_expect(acks, &topology->sets[0], 2, id, &wait, NULL) == 0);
	return wait;
}

static void
feed(uint32_t machine, const struct nodeline_ack *ack)
{
	struct buf line = buf_make(NODELINE_MAX);
	struct bytes text;

	nodeline_ack_print(&line, ack);
	text = bytes_of(line.p, line.n - 1);
	CHECK(acks_feed(acks, topology->sets[0].number, machine, &text, NULL) ==
	    0);
	buf_fini(&line);
}

static void
vote(uint32_t machine, bool voting)
{
	struct nodeline_ack ack = {
		.kind = NODELINE_VOTING,
		.partition = 2,
		.voting = voting,
	};

	feed(machine, &ack);
}

static void
report(uint32_t machine, uint64_t seq, enum outcome outcome)
{
	struct nodeline_ack ack = {
		.kind = NODELINE_OUTCOME,
		.partition = 2,
		.seq = seq,
		.outcome = outcome,
		.id = id,
	};

	feed(machine, &ack);
}

static void
connect_all(void)
{
	for (uint32_t i = 0; i < 9; i++) {
		acks_connected(acks, topology->sets[0].number, i, true);
		vote(i, true);
	}
}

static bool
decided(struct ackwait *wait, uint64_t seq, enum outcome want)
{
	enum outcome outcome = OUTCOME_MAX;

	return acks_wait(acks, wait, seq, 0, &outcome) && outcome == want;
}

static void
seven_of_nine_voting_nodes_decide_and_six_do_not(void)
{
	struct ackwait *wait;

	start();
	connect_all();
	wait = expect();
	for (uint32_t i = 0; i < 6; i++)
		report(i, 5, OUTCOME_DONE);
	CHECK(!decided(wait, 5, OUTCOME_DONE));
	report(6, 5, OUTCOME_DONE);
	CHECK(decided(wait, 5, OUTCOME_DONE));
	acks_forget(acks, wait);
	stop();
}

static void
one_node_that_reports_twice_counts_once(void)
{
	struct ackwait *wait;

	start();
	connect_all();
	wait = expect();
	for (int i = 0; i < 9; i++)
		report(3, 5, OUTCOME_DONE);
	CHECK(!decided(wait, 5, OUTCOME_DONE));
	acks_forget(acks, wait);
	stop();
}

static void
a_node_without_a_vote_counts_once_it_has_one(void)
{
	struct ackwait *wait;

	start();
	connect_all();
	vote(0, false);
	wait = expect();
	for (uint32_t i = 0; i < 7; i++)
		report(i, 5, OUTCOME_DONE);
	CHECK(!decided(wait, 5, OUTCOME_DONE));
	vote(0, true);
	CHECK(decided(wait, 5, OUTCOME_DONE));
	acks_forget(acks, wait);
	stop();
}

static void
reports_of_an_earlier_record_of_the_id_do_not_count(void)
{
	struct ackwait *wait;

	start();
	connect_all();
	wait = expect();
	for (uint32_t i = 0; i < 9; i++)
		report(i, 5, OUTCOME_NOT_YET_HERE);
	CHECK(!decided(wait, 9, OUTCOME_DONE));
	for (uint32_t i = 0; i < 7; i++)
		report(i, 9, OUTCOME_DONE);
	CHECK(decided(wait, 9, OUTCOME_DONE));
	acks_forget(acks, wait);
	stop();
}

static void
different_outcomes_are_not_added_up(void)
{
	struct ackwait *wait;
	enum outcome outcome;

	start();
	connect_all();
	wait = expect();
	for (uint32_t i = 0; i < 9; i++)
		report(i, 5, i < 5 ? OUTCOME_DONE : OUTCOME_EXISTS);
	CHECK(!acks_wait(acks, wait, 5, 0, &outcome));
	acks_forget(acks, wait);
	stop();
}

/* A direct answer overtakes the stream, which then tells of the first. */
static void
an_older_report_never_replaces_a_newer_one(void)
{
	struct ackwait *wait;

	start();
	connect_all();
	wait = expect();
	for (uint32_t i = 0; i < 7; i++)
		acks_report(acks, wait, i, 9, OUTCOME_DONE, true);
	for (uint32_t i = 0; i < 7; i++)
		report(i, 5, OUTCOME_NOT_YET_HERE);
	CHECK(decided(wait, 9, OUTCOME_DONE));
	acks_forget(acks, wait);
	stop();
}

static void
a_vote_for_one_record_is_none_for_the_next(void)
{
	struct ackwait *wait;

	start();
	wait = expect();
	for (uint32_t i = 0; i < 7; i++)
		acks_report(acks, wait, i, 5, OUTCOME_NOT_YET_HERE, true);
	CHECK(decided(wait, 5, OUTCOME_NOT_YET_HERE));
	/* It lost its vote in between. */
	for (uint32_t i = 0; i < 7; i++)
		acks_report(acks, wait, i, 9, OUTCOME_DONE, i != 3);
	CHECK(!decided(wait, 9, OUTCOME_DONE));
	acks_report(acks, wait, 3, 9, OUTCOME_DONE, true);
	CHECK(decided(wait, 9, OUTCOME_DONE));
	acks_forget(acks, wait);
	stop();
}

static void
refusals_wait_for_the_quorum_like_successes(void)
{
	struct ackwait *wait;

	start();
	connect_all();
	wait = expect();
	report(0, 5, OUTCOME_PRECONDITION_FAILED);
	CHECK(!decided(wait, 5, OUTCOME_PRECONDITION_FAILED));
	for (uint32_t i = 1; i < 7; i++)
		report(i, 5, OUTCOME_PRECONDITION_FAILED);
	CHECK(decided(wait, 5, OUTCOME_PRECONDITION_FAILED));
	acks_forget(acks, wait);
	stop();
}

static void
a_stream_that_came_back_is_not_trusted_for_what_was_before(void)
{
	struct ackwait *wait;
	uint32_t set;

	start();
	set = topology->sets[0].number;
	connect_all();
	acks_connected(acks, set, 8, false);
	wait = expect();
	CHECK(acks_missing(acks, wait, 5, false) == 1u << 8);
	acks_connected(acks, set, 2, false);
	acks_connected(acks, set, 2, true);
	CHECK(acks_missing(acks, wait, 5, false) == (1u << 8 | 1u << 2));
	acks_connected(acks, set, 8, true);
	CHECK(acks_missing(acks, wait, 5, false) == (1u << 8 | 1u << 2));
	acks_report(acks, wait, 8, 5, OUTCOME_DONE, true);
	CHECK(acks_missing(acks, wait, 5, false) == 1u << 2);
	CHECK(acks_missing(acks, wait, 5, true) == 0xffu);
	acks_forget(acks, wait);
	stop();
}

static void
votes_of_an_old_stream_end_with_it(void)
{
	struct ackwait *wait;

	start();
	connect_all();
	wait = expect();
	acks_connected(acks, topology->sets[0].number, 4, false);
	acks_connected(acks, topology->sets[0].number, 4, true);
	/* It may have been restarted: its word counts once it votes anew. */
	for (uint32_t i = 0; i < 7; i++)
		report(i, 5, OUTCOME_DONE);
	CHECK(!decided(wait, 5, OUTCOME_DONE));
	vote(4, true);
	CHECK(decided(wait, 5, OUTCOME_DONE));
	acks_forget(acks, wait);
	stop();
}

static void
direct_answers_and_the_stream_count_together(void)
{
	struct ackwait *wait;

	start();
	connect_all();
	wait = expect();
	for (uint32_t i = 0; i < 4; i++)
		report(i, 5, OUTCOME_DONE);
	for (uint32_t i = 4; i < 6; i++)
		acks_report(acks, wait, i, 5, OUTCOME_DONE, true);
	/* Without a vote: not yet. */
	acks_connected(acks, topology->sets[0].number, 6, false);
	acks_report(acks, wait, 6, 5, OUTCOME_DONE, false);
	CHECK(!decided(wait, 5, OUTCOME_DONE));
	acks_report(acks, wait, 6, 5, OUTCOME_DONE, true);
	CHECK(decided(wait, 5, OUTCOME_DONE));
	acks_forget(acks, wait);
	stop();
}

static void
lines_that_are_no_lines_of_the_stream_are_refused(void)
{
	static const char *const bad[] = { "", "hello", "2 5 done",
		"2 x done 0", "voting 2 2", "position 2" };

	start();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bytes line = bytes_str(bad[i]);

		CHECK(acks_feed(acks, topology->sets[0].number, 0, &line,
			  NULL) == -ERRC_PROTOCOL);
	}
	stop();
}

/* Another topology from now on: machine 8 listens elsewhere, and there are
 * other partitions, of the numbers from `first` on. */
static void
change_from(uint32_t first, uint32_t partitions, uint16_t port_of_8)
{
	struct topology_options options = {
		.nodes = 9,
		.data_shards = 6,
		.parity_shards = 3,
		.partitions = partitions,
		.node_port = 8001,
		.host = "127.0.0.1",
		.epoch = 2,
	};
	struct topology *old = topology;
	struct error err;

	CHECK(topology_make(&topology, &options, &err) == 0);
	topology->sets[0].machine[8].port = port_of_8;
	for (uint32_t i = 0; i < partitions; i++)
		topology->partitions[i] += first;
	CHECK(acks_reconcile(acks, topology, &err) == 0);
	/* Nothing of the old one is looked at any more. */
	topology_free(old);
}

static void
change(uint32_t partitions, uint16_t port_of_8)
{
	change_from(0, partitions, port_of_8);
}

static void
machines_that_stay_keep_what_they_said(void)
{
	struct ackwait *wait;
	enum outcome outcome;

	start();
	for (uint32_t i = 0; i < 9; i++)
		acks_connected(acks, 1, i, true);
	for (uint32_t i = 0; i < 9; i++)
		vote(i, true);
	wait = expect();
	for (uint32_t i = 0; i < 5; i++)
		report(i, 10, OUTCOME_DONE);
	change(64, 8009);
	CHECK(acks_streams(acks) == 9);
	/* Nobody's stream broke, so nobody has to be asked. */
	CHECK(acks_missing(acks, wait, 10, false) == 0);
	report(5, 10, OUTCOME_DONE);
	report(6, 10, OUTCOME_DONE);
	CHECK(acks_wait(acks, wait, 10, 0, &outcome));
	CHECK(outcome == OUTCOME_DONE);
	acks_forget(acks, wait);
	stop();
}

static void
a_machine_that_moved_is_another(void)
{
	struct ackwait *wait;
	enum outcome outcome;

	start();
	for (uint32_t i = 0; i < 9; i++)
		acks_connected(acks, 1, i, true);
	for (uint32_t i = 0; i < 9; i++)
		vote(i, true);
	wait = expect();
	change(4, 9999);
	CHECK(acks_streams(acks) == 8);
	CHECK(acks_missing(acks, wait, 10, false) == 1u << 8);
	for (uint32_t i = 0; i < 6; i++)
		report(i, 10, OUTCOME_DONE);
	/* It has no vote before it told of one, whatever was at its place. */
	report(8, 10, OUTCOME_DONE);
	CHECK(!acks_wait(acks, wait, 10, 0, &outcome));
	acks_connected(acks, 1, 8, true);
	CHECK(acks_missing(acks, wait, 10, false) == 1u << 8);
	vote(8, true);
	CHECK(acks_wait(acks, wait, 10, 0, &outcome));
	acks_forget(acks, wait);
	stop();
}

static void
votes_follow_their_partition(void)
{
	struct ackwait *wait;
	enum outcome outcome;

	start();
	for (uint32_t i = 0; i < 9; i++)
		acks_connected(acks, 1, i, true);
	for (uint32_t i = 0; i < 7; i++)
		vote(i, true);
	/* Partition 2 goes, and comes back without a vote of anybody. */
	change(2, 8009);
	change(4, 8009);
	wait = expect();
	for (uint32_t i = 0; i < 7; i++)
		report(i, 10, OUTCOME_DONE);
	CHECK(!acks_wait(acks, wait, 10, 0, &outcome));
	for (uint32_t i = 0; i < 7; i++)
		vote(i, true);
	CHECK(acks_wait(acks, wait, 10, 0, &outcome));
	acks_forget(acks, wait);
	/* It is another one of the list from now on: 1 2 3. */
	change_from(1, 3, 8009);
	wait = expect();
	for (uint32_t i = 0; i < 7; i++)
		report(i, 20, OUTCOME_DONE);
	CHECK(acks_wait(acks, wait, 20, 0, &outcome));
	acks_forget(acks, wait);
	stop();
}

/* A record is appended only where a quorum with votes is there to apply it.
 * The machines of this topology do not listen: the test is their streams. */
static void
a_quorum_with_votes_must_be_there_before_anything_is_written(void)
{
	struct topology_options options = {
		.nodes = 9,
		.data_shards = 6,
		.parity_shards = 3,
		.partitions = 4,
		.node_port = 1,
		.host = "127.0.0.1",
	};
	struct httpc_options http = { 0 };
	struct peers_options known = {
		.cluster = "0123456789abcdef0123456789abcdef",
		.clock = &clock_system,
	};
	struct acks_options open = {
		.clock = &clock_system,
		.sender = "s",
		.streams = true,
	};
	struct httpc_pool *pool = NULL;
	struct ackwait *wait;
	struct error err;

	REQUIRE(topology_make(&topology, &options, &err) == 0);
	REQUIRE(httpc_pool_new(&pool, &http, &err) == 0);
	known.pool = pool;
	REQUIRE(peers_new(&open.peers, &known, &err) == 0);
	open.topology = topology;
	REQUIRE(acks_open(&acks, &open, &err) == 0);
	id = reqid_new(&clock_system, &random_system);
	wait = expect();
	CHECK(!acks_reachable(acks, wait, 0));
	for (uint32_t i = 0; i < 7; i++)
		acks_connected(acks, 1, i, true);
	/* They are there, and one of them has no vote. */
	for (uint32_t i = 0; i < 6; i++)
		vote(i, true);
	CHECK(!acks_reachable(acks, wait, 0));
	vote(6, true);
	CHECK(acks_reachable(acks, wait, 0));
	acks_connected(acks, 1, 2, false);
	CHECK(!acks_reachable(acks, wait, 0));
	acks_forget(acks, wait);
	stop();
	peers_free(open.peers);
	httpc_pool_free(pool);
}

int
main(void)
{
	RUN(machines_that_stay_keep_what_they_said);
	RUN(a_machine_that_moved_is_another);
	RUN(votes_follow_their_partition);
	RUN(seven_of_nine_voting_nodes_decide_and_six_do_not);
	RUN(one_node_that_reports_twice_counts_once);
	RUN(a_node_without_a_vote_counts_once_it_has_one);
	RUN(reports_of_an_earlier_record_of_the_id_do_not_count);
	RUN(different_outcomes_are_not_added_up);
	RUN(an_older_report_never_replaces_a_newer_one);
	RUN(a_vote_for_one_record_is_none_for_the_next);
	RUN(refusals_wait_for_the_quorum_like_successes);
	RUN(a_stream_that_came_back_is_not_trusted_for_what_was_before);
	RUN(votes_of_an_old_stream_end_with_it);
	RUN(a_quorum_with_votes_must_be_there_before_anything_is_written);
	RUN(direct_answers_and_the_stream_count_together);
	RUN(lines_that_are_no_lines_of_the_stream_are_refused);
	return tap_done();
}
