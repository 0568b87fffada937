/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UP_PROGRAM_H
#define KOOP_UP_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

/*
 * One supervised program: a node or a gateway.  Knows how to start it, what
 * state it is in, and when it may be started again.  The child is killed by
 * the kernel when its supervisor dies, so that a supervisor that was killed
 * leaves nothing behind which could hold ports and locks.
 */

struct clock;
struct error;

#define PROGRAM_ARGS_MAX 40
#define PROGRAM_ARG_BYTES 512
/* A program that dies within this time of its start is restarted later and
 * later; one that lived longer at once. */
#define PROGRAM_YOUNG_MS 5000
#define PROGRAM_BACKOFF_MAX_MS 5000

enum program_state {
	PROGRAM_DOWN,     /* waits for restart_at_ms */
	PROGRAM_STARTING, /* runs, has not said that it is ready */
	PROGRAM_READY,
	PROGRAM_STOPPING, /* was sent SIGTERM */
	PROGRAM_STOPPED,  /* on request: stays so until started */
};

struct program {
	char name[32];    /* "node-1.0", "gateway-0" */
	char address[64]; /* "127.0.0.1:8001" */
	char path[PROGRAM_ARG_BYTES];
	char folder[PROGRAM_ARG_BYTES]; /* where it runs */
	char log_path[PROGRAM_ARG_BYTES];
	char arg[PROGRAM_ARGS_MAX][PROGRAM_ARG_BYTES];
	unsigned args;
	bool gateway;
	bool once;  /* its last argument is for the first good start only */
	bool again; /* while it stops: it shall be started then */

	enum program_state state;
	pid_t pid;    /* 0 when not running */
	int ready_fd; /* read end; -1 when closed */
	uint64_t started_ms, restart_at_ms, backoff_ms;
	uint64_t since_ms; /* of the state, wall clock; 0: never started */
	unsigned restarts;
	int last_status; /* of waitpid(2) */
};

/* Add one argument (printf style); over the limits is ERRC_USAGE. */
KOOP_MUST int program_arg(struct program *p, struct error *err, const char *fmt,
    ...) KOOP_PRINTF(3, 4);

/* Fork and exec; --ready-fd is appended by itself. */
KOOP_MUST int program_start(struct program *p, const struct clock *clock,
    struct error *err);

/* The ready descriptor can be read: true once the program said "ready". */
bool program_check_ready(struct program *p);

/* The child has ended with status; decides when it may start again. */
void program_ended(struct program *p, int status, const struct clock *clock);

/* SIGTERM, and remember whether it shall stay down. */
void program_stop(struct program *p);

const char *program_state_name(enum program_state state);
/* "exited with status 1", "killed by signal 9"; out[64]. */
void program_describe_end(char out[static 64], int status);

#endif
