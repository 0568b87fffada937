/* SPDX-License-Identifier: MIT */
#ifndef KOOP_WIRE_NODEHEALTH_H
#define KOOP_WIRE_NODEHEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"

/*
 * What a node says of itself (GET /health), and the words for it that node,
 * gateway, koop status and the metrics have in common: one judgement, so that
 * they agree.  Pure.
 *
 *      ok         nothing is wrong
 *      degraded   something is, but reads and writes go on
 *      readonly   nothing new is taken; reads go on, and so do deletes if the
 *                 disks are what is full
 *      down       not even reads
 */

/* Of a 507: bytes free on the node's file system. */
#define NODEHEALTH_FREE "X-Koop-Free"

/* A reader of a large blob renews its pin so often (protocol.md 7.4). */
#define NODEHEALTH_LEASE_MS (10u * 60 * 1000)

/* An answer to GET /health?brief: a number for each partition at most. */
#define NODEHEALTH_BYTES_MAX (64u << 10)

struct buf;
struct error;

enum nodehealth_word {
	NODEHEALTH_OK,
	NODEHEALTH_DEGRADED,
	NODEHEALTH_READONLY,
	NODEHEALTH_DOWN,
};

/*      reason       bit  for people and programs */
#define NODEHEALTH_REASONS(X)                   \
	X(UNREACHABLE, 0, "unreachable")        \
	X(DISK_FULL, 1, "disk full")            \
	X(BEHIND, 2, "behind")                  \
	X(HALTED, 3, "halted")                  \
	X(NO_LOG, 4, "commit log out of reach") \
	X(CLOCK, 5, "clock")

enum nodehealth_reason {
#define X(name, bit, text) NODEHEALTH_##name = 1 << (bit),
	NODEHEALTH_REASONS(X)
#undef X
};

struct nodehealth {
	char cluster[REQID_HEX + 1];
	uint32_t set, index; /* whose answer it is */
	unsigned reasons;    /* bits of enum nodehealth_reason */
	uint32_t partitions, voting, halted;
	uint64_t free_bytes, total_bytes, reserve_bytes;
	/* Partitions in which it has no vote, and those (with a vote or not) in
	 * which it applies nothing now: in order, on the heap. */
	struct nodehealth_list {
		uint32_t *partition;
		size_t count;
	} mute, stuck;
};

const char *nodehealth_name(enum nodehealth_word word);
/* Of one node alone. */
enum nodehealth_word nodehealth_judge(const struct nodehealth *health);
/* The bit of a word, 0 for one that is not known here; NULL is none. */
unsigned nodehealth_reason(const char *text);
/* As a JSON list: ["disk full","behind"] */
void nodehealth_print_reasons(struct buf *out, unsigned reasons);
/* One node more: "the disk of node 1/2 is full (N bytes free)", and then
 * ", that of 1/3 (N)". */
void nodehealth_add_full(struct buf *out, uint32_t set, uint32_t index,
    uint64_t free_bytes);
/* "cluster":..., "status":...,"reasons":[...], and the numbers: members of an
 * object that is the caller's, without braces. */
void nodehealth_print(const struct nodehealth *health, struct buf *out);
/* The object; what is not known to this version is passed over.  ERRC_PROTOCOL
 * when it is no such thing.  The caller calls nodehealth_fini(). */
KOOP_MUST int nodehealth_parse(struct nodehealth *out, struct bytes text,
    struct error *err);
void nodehealth_fini(struct nodehealth *health);

#endif
