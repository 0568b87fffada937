/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_DAEMON_H
#define KOOP_BASE_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cli.h"
#include "base/compiler.h"

/*
 * What the daemons have in common: the options about logs, readiness and
 * durability, and a main thread that does nothing but obey signals.  What
 * they serve, and where, is not known here.
 */

struct error;

struct daemon_options {
	const char *durability;
	const char *log_level;
	const char *log_format;
	uint64_t ready_fd;
	bool durability_os; /* set by daemon_setup() */
};

#define DAEMON_DEFAULTS                                       \
	{                                                     \
		.durability = "full", .log_level = "info",    \
		.log_format = "text", .ready_fd = UINT64_MAX, \
	}

#define DAEMON_LOG_LEVELS "error|warn|info|debug" /* as in enum log_level */
#define DAEMON_LOG_FORMATS "text|json"

/* Rows of an option table; o is the struct daemon_options. */
#define DAEMON_OPTION_DURABILITY(o)                                     \
	{                                                               \
		0, "durability", CLI_WORD, &(o).durability, "full|os",  \
		    "full (default), or os: no syncs, for tests", 0, 0, \
		    CLI_ENV_CONF, NULL                                  \
	}
#define DAEMON_OPTION_READY_FD(o)                                            \
	{                                                                    \
		0, "ready-fd", CLI_NUMBER, &(o).ready_fd, "N",               \
		    "write \"ready IP:PORT\" there once it serves", 0, 1023, \
		    0, NULL                                                  \
	}
#define DAEMON_OPTION_LOG_LEVEL(o)                                           \
	{                                                                    \
		0, "log-level", CLI_WORD, &(o).log_level, DAEMON_LOG_LEVELS, \
		    "the least that is logged (default info)", 0, 0,         \
		    CLI_ENV_CONF, NULL                                       \
	}
#define DAEMON_OPTION_LOG_FORMAT(o)                                           \
	{                                                                     \
		0, "log-format", CLI_WORD, &(o).log_format,                   \
		    DAEMON_LOG_FORMATS, "how it is logged (default text)", 0, \
		    0, CLI_ENV_CONF, NULL                                     \
	}

/* From here on the log is as the options say, and durability_os is set. */
void daemon_setup(struct daemon_options *options);

/* Before any thread exists: fault points, signals, no new privileges. */
void daemon_begin(void);
/* It serves at that address: log it, and tell who started us. */
KOOP_MUST int daemon_ready(const struct daemon_options *options,
    const char *layer, const char *address, struct error *err);

struct daemon_service {
	const char *layer; /* of its log lines */
	const struct cli *cli;
	struct daemon_options *options;
	const char *const *live; /* other settings to take; NULL: none */
	void *ctx;
	int (*reload)(void *ctx, struct error *err); /* SIGHUP */
	void (*log_status)(void *ctx);               /* SIGUSR1 */
	void (*tick)(void *ctx);                     /* NULL: none */
	int tick_ms; /* without a signal, before a tick */
};

/*
 * Obey signals until SIGTERM or SIGINT.  SIGHUP reads koop.conf once more,
 * takes log-level, log-format and the live settings from it, has the service
 * reload what is its own, and logs one line: what was read, what has changed,
 * and what needs a restart.
 */
void daemon_serve(const struct daemon_service *service);

#endif
