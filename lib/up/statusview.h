/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UP_STATUSVIEW_H
#define KOOP_UP_STATUSVIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What koop status knows of a cluster, and how it is shown: a table for people,
 * or one JSON object.  Pure.
 */

struct buf;

enum status_level {
	STATUS_BROKEN, /* something that should run does not */
	STATUS_UP,     /* all of it runs, stopped nodes aside */
	STATUS_READY,  /* every node runs and votes everywhere */
	STATUS_FULL, /* and none is behind, nothing waits for repair, and every
	              * gateway has seen it */
};

struct status_program {
	char name[32];    /* node-SET.INDEX, gateway-N */
	char address[64]; /* IP:PORT */
	char state[16]; /* running, starting, down, stopping, stopped; silent */
	bool node;      /* or a gateway */
	enum status_level level;

	/* Of who is supervised; 0 otherwise. */
	pid_t pid;
	unsigned restarts;
	unsigned number;   /* of a node, from 0, as koop up counts them */
	uint64_t since_ms; /* of this state, wall clock; 0: not known */
	char how[64];      /* "exited with status 1": its last end, or "" */

	/* What it says of itself, if it answers. */
	bool answers;
	char word[16];     /* ok, degraded, readonly, down */
	char reason[1024]; /* in words, why it is not well; "" if it is */

	/* Of a node that answers. */
	uint32_t voting, partitions;
	uint64_t behind;  /* records that it still has to apply */
	uint64_t repairs; /* shards that wait */
	uint64_t free_bytes, total_bytes, reserve_bytes;
	bool full;
};

struct status_view {
	const struct status_program *program;
	size_t count;
};

/* That of the program that is worst off; STATUS_BROKEN when there is none. */
enum status_level status_view_level(const struct status_view *view);
const char *status_level_name(enum status_level level);

/*
 * Lines of at most so many columns (at least 60), 0: reasons are not broken.  A
 * line a program, below it why it is not well, and a last line about all of
 * them.
 */
void status_view_print(const struct status_view *view, unsigned columns,
    struct buf *out);
/* koop-up(1) tells the members. */
void status_view_json(const struct status_view *view, struct buf *out);

#endif
