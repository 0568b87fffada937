/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UP_NODEFOLDER_H
#define KOOP_UP_NODEFOLDER_H

#include <stdint.h>

#include "base/compiler.h"

/*
 * Is the folder of a node of a local cluster what it should be, and if not,
 * what can be done about it in terms of koop up.  A look only: nothing is
 * locked or made.
 */

#define NODEFOLDER_WHY_BYTES 1024

enum nodefolder_state {
	NODEFOLDER_GOOD,
	NODEFOLDER_LOST,  /* absent or empty: --replace-node makes it anew */
	NODEFOLDER_WRONG, /* something is there that is not this node's */
};

struct nodefolder {
	const char *data;    /* the cluster's data folder */
	const char *cluster; /* NULL: whichever it says */
	uint32_t set, index;
	unsigned number; /* among all nodes, from 0 */
};

/* why: "its folder is lost; ...", with the way out; "" for a good one. */
enum nodefolder_state nodefolder_look(const struct nodefolder *folder,
    char why[static NODEFOLDER_WHY_BYTES]);

#endif
