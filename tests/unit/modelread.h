/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_MODELREAD_H
#define KOOP_TESTS_UNIT_MODELREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apply/vote.h"

/*
 * A model of reading and writing one key (protocol.md 6.3 and 7): n nodes at
 * different places of a log whose records and rows are real, writers that are
 * acknowledged after w, readers by quorum and by the short cut, nodes that
 * lose their tail, a log that loses its own.  Each step is one of: the log
 * grows, its end becomes known, a node applies one record, loses a tail, reads
 * the log's end, forgets a tombstone; a reader begins, asks one node, decides.
 *
 * Whoever may know something knows it at once, and whoever may answer does:
 * what is found safe so is safe when they take their time.
 */

#define MODELREAD_NODES 9
#define MODELREAD_READERS 3
#define MODELREAD_RECORDS 4

/* Rules that can be taken away. */
enum modelread_rule {
	MODELREAD_ALL_RULES = 0,
	MODELREAD_C_FROM_ANSWERS = 1 << 0, /* S3 */
	MODELREAD_HIGHEST_ROW = 1 << 1,    /* S4 */
	MODELREAD_FEW_ANSWERS = 1 << 2,    /* S1: n - w + 2 do */
	MODELREAD_SHORT_CUT_BARE = 1 << 3, /* S2: c is not awaited */
	MODELREAD_QUORUM_BARE = 1 << 4,    /* nor by the quorum read */
	MODELREAD_NO_VOTES = 1 << 5,       /* S6 */
	MODELREAD_OLD_END = 1 << 6,        /* S6a: a deposed leader's end */
	MODELREAD_END_AFTER = 1 << 7,      /* S7: the counter comes later */
	MODELREAD_REFUSE_EARLY = 1 << 8,   /* S17: a 4xx waits for one */
	MODELREAD_ACK_EARLY = 1 << 9,      /* a 200 waits for w - 1 */
	MODELREAD_DROP_EARLY = 1 << 10,    /* tombstones before stable */
	MODELREAD_NO_POISON_CAP = 1 << 11, /* L2 */
	MODELREAD_NO_BAR = 1 << 12,        /* S6c: the log is another one */
};

struct modelread {
	uint32_t n, m, w;
	const char *log;  /* "P" put, "D" delete, "N" put if there is none */
	unsigned removed; /* enum modelread_rule */
	unsigned readers;
	unsigned losses; /* of tails, at most */
	bool short_cut;  /* readers may use it */
	bool counter;    /* the end is a counter beside the log */
	unsigned poison; /* this record cannot be read; 0: none */
	/* The log comes back from an old copy, once; only for logs of "P". */
	bool old_log;
	uint64_t state_max; /* 0: all */
	/* out */
	size_t states;
	bool complete;
	char trace[512]; /* of the violation */
};

/* All interleavings: false when one breaks a promise. */
bool modelread_explore(struct modelread *model);
/* Runs in random order. */
bool modelread_swarm(struct modelread *model, uint64_t seed, unsigned runs);

#endif
