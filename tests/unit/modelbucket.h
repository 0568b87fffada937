/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_MODELBUCKET_H
#define KOOP_TESTS_UNIT_MODELBUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A model of a bucket's life in two partitions, its home and another one
 * (protocol.md 5, "Buckets"; protocol-why.md S11).  Actors make, seal, unseal,
 * delete and fill it; each appends one record, or reads one row, in a step,
 * and may stop for ever after any.  The rows and what the records do to them
 * are real; every outcome is known at once, since outcomes wait for w.
 *
 * Promises: an acknowledged object is there, in a bucket that exists; what an
 * Unseal ended stays ended; from every state a client can make the bucket
 * usable again.
 */

#define MODELBUCKET_ACTORS 6

/*
 * C creates it, and again when it was deleted before it began; R creates it
 * only after it was deleted; D deletes it; U ends the attempt of a deleter
 * that it meets; P puts into the other partition, H into the home one; X
 * deletes P's object; M completes an upload in the other partition.
 */
enum modelbucket_rule {
	MODELBUCKET_ALL_RULES = 0,
	MODELBUCKET_UNSEAL_THERE = 1 << 0, /* without asking home (a) */
	MODELBUCKET_NO_OBEY = 1 << 1,      /* Delete, whatever home says (a) */
	MODELBUCKET_NO_LOOK = 1 << 2,      /* was it empty everywhere? */
	MODELBUCKET_FORGET = 1 << 3,       /* deleted incarnations (b) */
	MODELBUCKET_NO_REPLACE = 1 << 4,   /* by higher incarnations (c) */
	MODELBUCKET_ABSENT_EMPTY = 1 << 5, /* and not sealed (d) */
	MODELBUCKET_ATTEMPT_OPEN = 1 << 6, /* ended ones are not remembered */
	MODELBUCKET_NO_SEAL = 1 << 7,      /* look without sealing (e) */
};

struct modelbucket {
	const char *actors; /* letters of above */
	bool ready;         /* the bucket is there when it begins */
	unsigned removed;   /* enum modelbucket_rule */
	/* out */
	size_t states;
	char trace[512];
};

bool modelbucket_explore(struct modelbucket *model);

#endif
