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

/* What a command says when they do not name one. */
#define CLIENTOPTIONS_MISSING                               \
	"no cluster: give --topology and --commit-log, or " \
	"--config FILE (koop env prints one)"

/* Do they name a cluster? */
bool clientoptions_given(const struct clientoptions *options);
/* Open it with the system's clock and randomness, to be closed with
 * nodeclient_close(). */
KOOP_MUST int clientoptions_open(struct nodeclient **out,
    const struct clientoptions *options, struct error *err);

#endif
