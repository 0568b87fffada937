/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UP_SUPERVISOR_H
#define KOOP_UP_SUPERVISOR_H

#include <stdbool.h>

#include "base/compiler.h"
#include "up/program.h"

/*
 * Keeps the programs of a cluster running: starts nodes, then gateways, and
 * starts again what dies.  One thread, one poll(2): signals, children's
 * ready descriptors and the control socket.  Signals must be blocked
 * (base/signals.h) before.
 */

struct clock;
struct error;

struct supervisor_options {
	struct program *program; /* nodes first, then gateways */
	unsigned count;
	int control_fd;
	const struct clock *clock;
	/* Told what happens, for people: "node-1.3 127.0.0.1:8004 running". */
	void (*say)(void *arg, const char *line);
	/* Asked once a second: false when the data folder is no more. */
	bool (*there)(void *arg);
	/* Before a node that does not run is started with "replace": makes its
	 * program ready for that, or says why not. */
	int (*replace)(void *arg, unsigned node, struct error *err);
	/* Once, when every program is ready. */
	void (*ready)(void *arg);
	void *arg;
};

/* Runs until SIGINT, SIGTERM, the word "down" or the end of the data folder,
 * and every child has ended.  A folder that is gone is ERRC_NOTFOUND. */
KOOP_MUST int supervisor_run(const struct supervisor_options *options,
    struct error *err);

#endif
