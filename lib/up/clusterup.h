/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UP_CLUSTERUP_H
#define KOOP_UP_CLUSTERUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "up/layout.h"

/*
 * koop up: make or take the data folder, then supervise its programs until
 * told to stop.  Programs are found beside the running one.
 */

struct error;

struct clusterup_options {
	struct layout_options layout;
	const char *durability;     /* "full" or "os" */
	const char *tcp_congestion; /* NULL: the system's */
	const char *config;         /* koop.conf for its programs, or NULL */
	uint64_t cell_bytes, inline_bytes; /* LAYOUT_UNSET: the gateways' */
	uint64_t reserve;      /* of each node; 0: its own default */
	uint64_t replace_node; /* LAYOUT_UNSET: none */
	uint64_t timeout_ms;   /* for --detach */
	bool quiet, detach;
	/* What is wrong with the cluster, a line each, on standard error. */
	void (*warn)(const char *line);
	/* What may be done next, after the address was told. */
	void (*hints)(const char *dir);
	/* Lines for people, on standard output or none at all. */
	void (*say)(const char *line);
};

/* ERRC_NOTFOUND, with detach: it serves, but not all of it runs. */
KOOP_MUST int clusterup_run(const struct clusterup_options *options,
    struct error *err);

#endif
