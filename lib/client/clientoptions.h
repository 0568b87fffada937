/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_CLIENTOPTIONS_H
#define KOOP_CLIENT_CLIENTOPTIONS_H

#include <stdbool.h>

#include "base/cli.h"
#include "base/compiler.h"

/*
 * The options that name a cluster, the same for every program that needs one,
 * and how a command opens it.
 */

struct error;
struct nodeclient;

struct clientoptions {
	const char *topology;
	const char *commit_log;
	const char *tcp_congestion; /* NULL: the system's */
	bool ack_streams;           /* many commits: nodeclient.h */
	bool nobody; /* clientoptions_open(): no node took a connection */
};

/* Rows of an option table; o is the struct clientoptions. */
#define CLIENTOPTIONS_TOPOLOGY(o)                                      \
	{                                                              \
		't', "topology", CLI_URL, &(o).topology, "file:PATH",  \
		    "the machines and partitions", 0, 0, CLI_ENV_CONF, \
		    "ETCD_URL"                                         \
	}
#define CLIENTOPTIONS_COMMIT_LOG(o)                                         \
	{                                                                   \
		'l', "commit-log", CLI_URL, &(o).commit_log, "sqlite:PATH", \
		    "the commit log", 0, 0, CLI_ENV_CONF,                   \
		    "KAFKA_BOOTSTRAP_SERVERS"                               \
	}
#define CLIENTOPTIONS_TCP_CONGESTION(o)                                       \
	{                                                                     \
		0, "tcp-congestion", CLI_STRING, &(o).tcp_congestion, "NAME", \
		    "TCP congestion control (default the system's)", 0, 0,    \
		    CLI_ENV_CONF, NULL                                        \
	}

/*
 * "No cluster" is one text and one exit status, whatever it is that a command
 * lacks: error_no_cluster().
 */

/* Do they name a cluster, and are its files there?  Else no cluster. */
KOOP_MUST int clientoptions_check(const struct clientoptions *options,
    struct error *err);
/* The same of a command that needs only one of the two. */
KOOP_MUST int clientoptions_check_url(const char *url, struct error *err);
/*
 * cli_fail(); where too few nodes answered, and none of all the nodes takes a
 * connection, there is no cluster.  ERRC_RETRY may hide that something was
 * done: it is no cluster only when there was none at the begin, either.
 */
int clientoptions_fail(const struct cli *cli,
    const struct clientoptions *options, const struct error *err);
/* Open it with the system's clock and randomness, to be closed with
 * nodeclient_close(). */
KOOP_MUST int clientoptions_open(struct nodeclient **out,
    struct clientoptions *options, struct error *err);

#endif
