/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_SHARDTALLY_H
#define KOOP_SHARD_SHARDTALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "codec/stripe.h"

/*
 * How many shards of an object are left, and how many may still go.  Pure.
 */

struct error;

#define SHARDTALLY_TEXT 160

/* "2 of 9 shards are gone and 1 is damaged: no more may go", of shards that
 * are whole and of those that are there but flawed; least: good cells in the
 * worst stripe.  False, and no text, when all are whole. */
bool shardtally_text(char out[static SHARDTALLY_TEXT], const struct geometry *g,
    uint32_t whole, uint32_t flawed, uint32_t least);

/* Stripe by stripe. */
struct shardtally {
	struct geometry geometry;
	uint64_t stripes;                 /* counted */
	uint64_t good[STRIPE_SHARDS_MAX]; /* cells of each shard */
	uint32_t least;                   /* good cells of the worst stripe */
	uint64_t worst;                   /* its number */
};
void shardtally_init(struct shardtally *t, const struct geometry *g);
/* The good cells of a stripe. */
void shardtally_stripe(struct shardtally *t, uint64_t stripe, uint32_t have);
/* The shards of which every cell is good, and those of which some are.  Of an
 * object without stripes both are none. */
uint32_t shardtally_whole(const struct shardtally *t);
uint32_t shardtally_some(const struct shardtally *t);

/* 0: all of them are whole; ERRC_MISMATCH: some are not, ERRC_CORRUPT: too
 * many, in some stripe. */
KOOP_MUST int shardtally_judge(const struct shardtally *t, uint32_t whole,
    uint32_t flawed, struct error *err);

#endif
