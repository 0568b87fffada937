/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_GATEWAY_H
#define KOOP_S3_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "http/httpd.h"
#include "s3/s3auth.h"

/*
 * The S3 gateway: what stands behind the HTTP server's callbacks.  Bodies
 * stream through; memory a connection is a few stripes, whatever the objects'
 * sizes.  Keeps nothing on disk.
 *
 * Credentials are not known to this version: whoever can connect may do
 * everything, so the program listens on loopback only.
 */

struct error;
struct gateway;

struct gateway_options {
	const char *topology_url;
	const char *commit_log_url;
	const char *session_url; /* NULL: no session cache */
	const char *region;
	size_t inline_limit; /* 0: off */
	uint32_t cell_bytes;
	const char *tcp_congestion; /* to the nodes; NULL: the system's */
	bool durability_os;         /* as in commit/commitlog.h */
	const char *access_log;     /* base/logfile.h; NULL: none */
	s3auth_judge_fn *judge;     /* NULL: all is allowed, s3/s3auth.h */
	void *judge_arg;
};

KOOP_MUST int gateway_open(struct gateway **out,
    const struct gateway_options *options, struct error *err);
/* After httpd_stop(). */
void gateway_close(struct gateway *gw);

/* What httpd_start() wants; its ctx is the gateway. */
struct httpd_service gateway_service(struct gateway *gw);

/* SIGHUP: read the topology again, and go on in a new access log. */
KOOP_MUST int gateway_reload(struct gateway *gw, struct error *err);
/* SIGUSR1: one log line. */
void gateway_log_status(struct gateway *gw, unsigned connections);
/* Now and then: forget sessions that are over. */
void gateway_tick(struct gateway *gw);

#endif
