/* SPDX-License-Identifier: MIT */

/* How a node hears what its peers have applied where the log does not tell. */

#include "node/listener.h"

#include <stdio.h>
#include <string.h>

#include "commit/positions.h"
#include "member/nodecore.h"
#include "nodeworld.h"
#include "tap.h"

#define P 2

static struct nodeworld w;

static void
what_peers_say_makes_records_stable(void)
{
	nodeworld_log = "?shared=no";
	nodeworld_open(&w);
	CHECK(nodecore_stable(&w.core, P) == 0);
	positions_publish(w.core.positions, (struct positions_member){ 1, 0 },
	    P, 40);
	snprintf(nodeworld_positions, sizeof(nodeworld_positions),
	    "voting 2 1\nposition 2 33\n");
	listener_round(&w.core);
	/* All five have 33; four of them make it stable. */
	CHECK(nodecore_stable(&w.core, P) == 33);
	CHECK(nodecore_stable(&w.core, 0) == 0);
	/* Two that do not answer any more may come back with less: three are
	 * too few. */
	w.peer[1].mode = PEER_MISSING;
	listener_round(&w.core);
	CHECK(nodecore_stable(&w.core, P) == 33);
	w.peer[2].mode = PEER_MISSING;
	listener_round(&w.core);
	CHECK(nodecore_stable(&w.core, P) == 0);
	nodeworld_close(&w);
}

static void
nonsense_of_a_peer_counts_for_nothing(void)
{
	static const char *const said[] = { "position 2 33", "position two 3\n",
		"position 2 33\nand more\n", "" };

	nodeworld_log = "?shared=no";
	nodeworld_open(&w);
	positions_publish(w.core.positions, (struct positions_member){ 1, 0 },
	    P, 40);
	for (size_t i = 0; i < nitems(said); i++) {
		snprintf(nodeworld_positions, sizeof(nodeworld_positions), "%s",
		    said[i]);
		listener_round(&w.core);
		CHECK(nodecore_stable(&w.core, P) == 0);
	}
	nodeworld_close(&w);
}

static void
a_page_that_all_share_needs_no_listener(void)
{
	struct listener *listener = NULL;

	nodeworld_log = "";
	nodeworld_open(&w);
	CHECK(listener_start(&listener, &w.core, NULL) == 0);
	CHECK(listener == NULL);
	nodeworld_close(&w);
}

int
main(void)
{
	RUN(what_peers_say_makes_records_stable);
	RUN(nonsense_of_a_peer_counts_for_nothing);
	RUN(a_page_that_all_share_needs_no_listener);
	return tap_done();
}
