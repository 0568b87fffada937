/* SPDX-License-Identifier: MIT */

/* What the gateway's watch of the nodes sees, and that it only looks. */

#include "client/nodewatch.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/nodeclient.h"
#include "cluster/health.h"
#include "fakenodes.h"
#include "tap.h"
#include "wire/peers.h"

static struct fakenodes f;
static struct nodewatch *watch;

static void
start(void)
{
	fakenodes_start(&f);
	if (nodewatch_open(&watch, f.nc, NULL) != 0)
		abort();
}

static void
stop(void)
{
	nodewatch_close(watch);
	fakenodes_stop(&f);
}

static struct nodewatch_set
look(void)
{
	struct nodewatch_set *sets = NULL;
	struct nodewatch_set set = { 0 };
	size_t count = 0;

	CHECK(nodewatch_look(watch, &sets, &count, NULL) == 0);
	CHECK(count == 1);
	if (count == 1)
		set = sets[0];
	free(sets);
	return set;
}

/* Whatever was asked before, twice more: then the last look is a fresh one. */
static void
until_asked_again(uint32_t machine)
{
	unsigned seen = f.node[machine].healths;
	uint64_t end = nodeclient_now(f.nc) + 20000;

	while (f.node[machine].healths < seen + 2 && nodeclient_now(f.nc) < end)
		(void)poll(NULL, 0, 5);
	CHECK(f.node[machine].healths >= seen + 2);
}

static struct peer
machine_3(void)
{
	return peers_machine(&nodeclient_topology(f.nc)->sets[0], 3);
}

/* As requests learn it: failures that go on for a while, and then so many
 * probes that failed that the next is due in GAP_MS. */
#define GAP_MS 2000
static void
take_down(struct peers *peers, const struct peer *peer)
{
	uint64_t end = nodeclient_now(f.nc) + HEALTH_DOWN_MS + 50;

	while (nodeclient_now(f.nc) < end) {
		peers_bad(peers, peer);
		(void)poll(NULL, 0, 50);
	}
	for (uint64_t gap = HEALTH_PROBE_MIN_MS; gap < GAP_MS; gap *= 2)
		peers_bad(peers, peer);
}

/* A node that is down for requests is probed by the first of them that finds
 * the time come, however often somebody asked how it is. */
static void
asking_takes_no_probe_and_mends_nothing(void)
{
	struct peers *peers;
	struct peer peer;
	uint64_t end;

	start();
	peers = nodeclient_peers(f.nc);
	peer = machine_3();
	take_down(peers, &peer);
	CHECK(!peers_usable(peers, &peer));
	/* Until the probe is due and the watch has looked behind that. */
	end = nodeclient_now(f.nc) + GAP_MS + NODEWATCH_EVERY_MS + 200;
	while (nodeclient_now(f.nc) < end) {
		CHECK(look().reachable == FAKE_NODES);
		(void)poll(NULL, 0, 20);
	}
	until_asked_again(3);
	CHECK(peers_usable(peers, &peer));
	/* It was that probe's turn, and nothing else made the node healthy. */
	CHECK(!peers_usable(peers, &peer));
	stop();
}

static void
a_set_is_there_once_with_all_its_nodes(void)
{
	struct nodewatch_set set;

	start();
	set = look();
	CHECK(set.set.number == 1 && set.set.n == FAKE_NODES);
	CHECK(set.reachable == FAKE_NODES && set.voters == FAKE_NODES);
	CHECK(set.appliers == FAKE_NODES && set.roomy == FAKE_NODES);
	CHECK(nodewatch_judge(&set) == NODEHEALTH_OK);
	f.node[2].mode = FAKE_SILENT;
	until_asked_again(4);
	until_asked_again(4);
	set = look();
	CHECK(set.reachable == FAKE_NODES - 1 && set.roomy == FAKE_NODES - 1);
	CHECK(set.node[2].reasons == NODEHEALTH_UNREACHABLE);
	CHECK(nodewatch_judge(&set) == NODEHEALTH_DEGRADED);
	stop();
}

/* How often text stands in what was logged since logging_began(). */
static int log_fd = -1;
static int stderr_fd = -1;

static void
logging_began(void)
{
	char name[] = "/tmp/koop-watch-XXXXXX";

	log_fd = mkstemp(name);
	stderr_fd = dup(STDERR_FILENO);
	if (log_fd == -1 || stderr_fd == -1 || unlink(name) != 0 ||
	    dup2(log_fd, STDERR_FILENO) == -1)
		abort();
}

static unsigned
logged(const char *text)
{
	char all[65536];
	ssize_t n = pread(log_fd, all, sizeof(all) - 1, 0);
	unsigned count = 0;

	all[n > 0 ? n : 0] = '\0';
	for (const char *p = all; (p = strstr(p, text)) != NULL; p++)
		count++;
	return count;
}

static void
a_disk_is_told_when_it_fills_up_and_when_it_has_room(void)
{
	logging_began();
	start();
	f.node[2].reasons = NODEHEALTH_DISK_FULL;
	until_asked_again(2);
	until_asked_again(2);
	CHECK(look().roomy == FAKE_NODES - 1);
	CHECK(logged("the disk of node 1/2 is full (1000 bytes free)") == 1);
	/* Away and back is no news of its disk. */
	f.node[2].mode = FAKE_ERROR;
	until_asked_again(4);
	until_asked_again(4);
	CHECK(look().reachable == FAKE_NODES - 1);
	f.node[2].mode = FAKE_OK;
	until_asked_again(2);
	until_asked_again(2);
	CHECK(logged("the disk of node 1/2 is full") == 1);
	CHECK(logged("has room again") == 0);
	f.node[2].reasons = 0;
	until_asked_again(2);
	until_asked_again(2);
	CHECK(logged("the disk of node 1/2 has room again") == 1);
	CHECK(logged("the disk of node") == 2);
	stop();
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	close(log_fd);
}

int
main(void)
{
	RUN(asking_takes_no_probe_and_mends_nothing);
	RUN(a_set_is_there_once_with_all_its_nodes);
	RUN(a_disk_is_told_when_it_fills_up_and_when_it_has_room);
	return tap_done();
}
