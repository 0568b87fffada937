/* SPDX-License-Identifier: MIT */
#ifndef KOOP_MEMBER_CHECKS_H
#define KOOP_MEMBER_CHECKS_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/random.h"

/*
 * Shards that somebody reads from end to end now, because a reader or a peer
 * said that they are bad.  Such words come in crowds, one for each bad cell
 * and each reader, and a shard may be a gigabyte: one look answers them all.
 * Any thread; its lock is one of the small ones.
 */

#define CHECKS_MAX 8 /* shards read at once; a disk has little to give */

struct checks;
struct error;

enum checks_turn {
	CHECKS_MINE,    /* look, then checks_leave() */
	CHECKS_ANOTHER, /* somebody looks at it already */
	CHECKS_FULL,    /* CHECKS_MAX others are looked at */
};

KOOP_MUST int checks_new(struct checks **out, struct error *err);
void checks_free(struct checks *checks); /* NULL is fine */
KOOP_MUST enum checks_turn checks_enter(struct checks *checks, struct reqid id);
void checks_leave(struct checks *checks, struct reqid id);

#endif
