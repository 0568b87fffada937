/* SPDX-License-Identifier: MIT */
#include "client/nodenotice.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "cluster/topology.h"

#include "fakenodes.h"
#include "tap.h"

static struct fakenodes f;
static struct placement place;
static struct reqid id;

static void
start(void)
{
	fakenodes_start(&f);
	CHECK(placement_partition(nodeclient_topology(f.nc), 0, &place, NULL) ==
	    0);
	id = reqid_new(&clock_system, &random_system);
}

/* Notices go out in the background: until that many came, or 5 s. */
static bool
all_came(const atomic_uint *count, unsigned want)
{
	for (int i = 0; i < 500 && *count < want; i++)
		(void)poll(NULL, 0, 10);
	return *count == want;
}

static void
check_notice(uint32_t machine, const char *format)
{
	char hex[REQID_HEX + 1];
	char want[256];

	reqid_format(hex, id);
	snprintf(want, sizeof(want), "%s%s%s", format, hex,
	    strncmp(format, "POST", 4) == 0 ? "&shard=6" : "");
	pthread_mutex_lock(&f.lock);
	CHECK_STR(f.node[machine].notice, want);
	pthread_mutex_unlock(&f.lock);
}

static void
a_bad_cell_is_told_to_the_machine_of_its_shard_alone(void)
{
	start();
	nodenotice_repair(f.nc, &place, id, 6);
	CHECK(all_came(&f.node[6].repairs, 1));
	check_notice(6, "POST /repair/0?requestId=");
	fakenodes_stop(&f);
	for (uint32_t i = 0; i < FAKE_NODES; i++)
		CHECK(f.node[i].repairs == (i == 6));
}

static void
a_lease_is_renewed_at_every_machine(void)
{
	start();
	nodenotice_lease(f.nc, &place, id);
	for (uint32_t i = 0; i < FAKE_NODES; i++) {
		CHECK(all_came(&f.node[i].leases, 1));
		check_notice(i, "PUT /lease/0?requestId=");
	}
	fakenodes_stop(&f);
}

static void
a_machine_that_is_silent_holds_up_the_others_for_a_second(void)
{
	uint64_t began;

	start();
	f.node[0].mode = FAKE_SILENT;
	began = nodeclient_now(f.nc);
	nodenotice_lease(f.nc, &place, id);
	CHECK(all_came(&f.node[8].leases, 1));
	CHECK(nodeclient_now(f.nc) - began < 4000);
	CHECK(f.node[0].leases == 0);
	fakenodes_stop(&f);
}

int
main(void)
{
	RUN(a_bad_cell_is_told_to_the_machine_of_its_shard_alone);
	RUN(a_lease_is_renewed_at_every_machine);
	RUN(a_machine_that_is_silent_holds_up_the_others_for_a_second);
	return tap_done();
}
