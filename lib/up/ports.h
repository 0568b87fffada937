/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UP_PORTS_H
#define KOOP_UP_PORTS_H

#include <stdint.h>

#include "base/compiler.h"

/*
 * Free TCP ports on the loopback address, kept until their programs listen.
 *
 * A port that the kernel hands out for 0 is one that it may give to the next
 * outgoing connection, in the moment before the program listens, or while
 * it is being restarted.  So ports are taken from below that range, and the
 * supervisor keeps a socket bound (never listening) to each for its life:
 * with SO_REUSEADDR the program can still listen there, others cannot.
 */

struct error;
struct random_source;

#define PORTS_MAX 1024

struct ports {
	int fd[PORTS_MAX];
	unsigned count;
};

/* Find a free port and hold it.  ERRC_UNAVAILABLE when there is none. */
KOOP_MUST int ports_find(struct ports *ports, struct random_source *random,
    uint16_t *out, struct error *err);
/* Hold a known port; that somebody else listens there is ERRC_UNAVAILABLE. */
KOOP_MUST int ports_hold(struct ports *ports, uint16_t port, struct error *err);
void ports_fini(struct ports *ports);

#endif
