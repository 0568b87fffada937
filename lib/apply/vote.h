/* SPDX-License-Identifier: MIT */
#ifndef KOOP_APPLY_VOTE_H
#define KOOP_APPLY_VOTE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * May this node count towards the quorums of one partition?
 *
 * A node that was restored from a backup, or whose disk lost its tail, does
 * not know what it once reported as applied.  So after each start, and after
 * the log was out of reach, it counts for nothing until it has applied up to
 * the end that the log had after that.  A record that cannot be read stops
 * the partition on every node alike: for votes the end stops before it, since
 * no node of this version ever reported more.  A partition whose log is
 * shorter than, or different from, what was applied never votes.
 *
 * Pure: no I/O, no clock, no lock.
 */

struct vote {
	bool barred;   /* the log disagrees with what was applied here */
	bool has_goal; /* the log's end was read after the start */
	bool counts;
	uint64_t goal;
	uint64_t poison; /* seq of the unreadable record, 0: none */
};

/* As after a start, or after the log was out of reach: a bar stays. */
void vote_reset(struct vote *vote);
/* The log's end, read after the reset.  Later calls change nothing. */
void vote_goal(struct vote *vote, uint64_t end);
/* The record at seq cannot be read by this version. */
void vote_poison(struct vote *vote, uint64_t seq);
void vote_bar(struct vote *vote);
/* What is applied durably; returns whether the node counts. */
bool vote_applied(struct vote *vote, uint64_t applied);

#endif
