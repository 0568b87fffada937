/* SPDX-License-Identifier: MIT */
#include "client/nodeclient.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "cluster/placement.h"
#include "cluster/topology.h"
#include "cluster/topology_source.h"
#include "commit/commitlog.h"
#include "commit/record.h"
#include "tap.h"
#include "wire/peers.h"

/* A nodeclient that follows a memory topology.  No node listens: the streams
 * begin, fail and are closed, which is what is wanted of them here. */

#define URL "mem:nodeclient"
#define CLUSTER "0123456789abcdef0123456789abcdef"
#define CHANGES 200
#define READERS 4

static struct nodeclient *nc;

/* sets of nine machines each; the ports begin at port. */
static void
supply(uint64_t epoch, uint32_t sets, uint16_t port)
{
	struct topology_options options = {
		.nodes = 9 * sets,
		.data_shards = 6,
		.parity_shards = 3,
		.partitions = 8,
		.node_port = port,
		.host = "127.0.0.1",
		.epoch = epoch,
	};
	struct buf text = buf_make(TOPOLOGY_BYTES_MAX);
	struct topology *topology;

	CHECK(topology_make(&topology, &options, NULL) == 0);
	topology_print(topology, &text);
	CHECK(topology_mem_set(URL, buf_bytes(&text), NULL) == 0);
	topology_free(topology);
	buf_fini(&text);
}

static void
open_it(bool per_request)
{
	static const uint32_t partitions[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	struct commitlog_genesis genesis = {
		.cluster = CLUSTER,
		.partitions = partitions,
		.count = 8,
	};
	static unsigned opened; /* a memory log goes with who has it open */
	char log[64];
	struct nodeclient_options options = {
		.topology_url = URL,
		.ack_streams = per_request,
		.per_request = per_request,
	};
	struct error err;

	snprintf(log, sizeof(log), "%s-%u", URL, ++opened);
	options.commit_log_url = log;
	CHECK(commitlog_create(log, &genesis, NULL, &err) == 0);
	if (nodeclient_open(&nc, &options, &err) < 0) {
		printf("# %s\n", err.text);
		abort();
	}
}

static uint64_t
epoch_now(void)
{
	struct topology_hold *hold = nodeclient_enter(nc);
	uint64_t epoch = nodeclient_topology(nc)->epoch;

	nodeclient_leave(nc, hold);
	return epoch;
}

/* Until the follower has it; bounded by what fails the test. */
static void
until_epoch(uint64_t epoch)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t end = clock_mono_ms(&clock_system) + 20000;

	while (epoch_now() != epoch && clock_mono_ms(&clock_system) < end)
		nanosleep(&pause, NULL);
	CHECK(epoch_now() == epoch);
}

static atomic_bool stopping;
static atomic_ulong looks;

/* A request: what it saw first stays good to its end. */
static void *
read_it(void *arg)
{
	(void)arg;
	while (!atomic_load(&stopping)) {
		struct topology_hold *hold = nodeclient_enter(nc);
		const struct topology *first = nodeclient_topology(nc);
		struct placement place = placement_of(first, bytes_str("b"),
		    bytes_str("k"));

		for (int i = 0; i < 100; i++) {
			const struct topology *t = nodeclient_topology(nc);
			struct peer peer = nodeclient_peer(&place, 3);

			CHECK(t->partition_count == 8);
			CHECK(first->sets[0].n == 9 && peer.machine.port > 0);
			(void)nodeclient_usable(nc, &place, 3);
		}
		nodeclient_leave(nc, hold);
		atomic_fetch_add(&looks, 1);
	}
	return NULL;
}

static void
two_hundred_changes_are_followed_under_load(void)
{
	pthread_t readers[READERS];
	struct topology_hold *hold;
	const struct topology *seen;

	supply(1, 1, 1);
	open_it(true);
	hold = nodeclient_enter(nc);
	seen = nodeclient_topology(nc);
	atomic_store(&stopping, false);
	for (int i = 0; i < READERS; i++)
		REQUIRE(pthread_create(&readers[i], NULL, read_it, NULL) == 0);
	/* Sets come and go, machines move. */
	for (uint64_t epoch = 2; epoch <= CHANGES; epoch++) {
		supply(epoch, 1 + epoch % 2, (uint16_t)(1 + epoch % 7));
		if (epoch % 20 == 0)
			until_epoch(epoch);
	}
	until_epoch(CHANGES);
	atomic_store(&stopping, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	CHECK(atomic_load(&looks) > 0);
	/* The request that began with the first still has it. */
	CHECK(seen->epoch == 1 && seen->sets[0].machine[0].port == 1);
	nodeclient_leave(nc, hold);
	nodeclient_close(nc);
	nc = NULL;
}

static void
a_higher_epoch_is_waited_for_and_nobody_else_asks_the_source(void)
{
	struct error err;
	uint64_t reads, now;

	supply(CHANGES + 1, 1, 1);
	open_it(true);
	CHECK(nodeclient_reach(nc, CHANGES + 1, 0, &err) == 0);
	now = nodeclient_now(nc);
	CHECK(nodeclient_reach(nc, CHANGES + 2, now + 50, &err) ==
	    -ERRC_UNAVAILABLE);
	CHECK(nodeclient_now(nc) >= now + 50);
	supply(CHANGES + 2, 1, 1);
	CHECK(nodeclient_reach(nc, CHANGES + 2, now + 20000, &err) == 0);
	CHECK(epoch_now() == CHANGES + 2);
	until_epoch(CHANGES + 2);
	reads = topology_mem_reads(URL);
	for (int i = 0; i < 1000; i++)
		CHECK(epoch_now() == CHANGES + 2);
	/* The watcher looks now and then. */
	CHECK(topology_mem_reads(URL) < reads + 100);
	nodeclient_close(nc);
	nc = NULL;
}

static void
a_command_keeps_what_it_began_with(void)
{
	const struct topology *seen;
	struct error err;

	supply(CHANGES + 3, 1, 1);
	open_it(false);
	seen = nodeclient_topology(nc);
	supply(CHANGES + 4, 2, 5);
	CHECK(nodeclient_reach(nc, CHANGES + 4, nodeclient_now(nc) + 20000,
		  &err) == 0);
	CHECK(nodeclient_topology(nc)->epoch == CHANGES + 4);
	CHECK(seen->epoch == CHANGES + 3);
	nodeclient_close(nc);
	nc = NULL;
}

int
main(void)
{
	RUN(two_hundred_changes_are_followed_under_load);
	RUN(a_higher_epoch_is_waited_for_and_nobody_else_asks_the_source);
	RUN(a_command_keeps_what_it_began_with);
	topology_mem_clear();
	return tap_done();
}
