/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_COMMITLOG_MEM_H
#define KOOP_COMMIT_COMMITLOG_MEM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The memory log, for tests: mem:NAME is one log of this process, so that a
 * gateway and nine nodes in one program can share it.  It lives until its last
 * handle is closed, or until a first one comes when it was only made.
 *
 * What follows a '?' in the URL that makes it takes away, one by one, what an
 * embedded log happens to give and protocol.md 2 does not promise:
 *
 *      shared=no    no positions through it, and its end only by a no-op
 *      gaps=N       each Nth record comes after a seq that holds none
 *      back=MS      each second append time is so much earlier
 *      late=N       each Nth append is of unknown fate, and lands later
 *      outage=N     each Nth time a partition is asked, it is out of reach
 *      begun=N      the first create stops after N partitions
 */

struct commitlog;

#define COMMITLOG_MEM_HOSTILE \
	"?shared=no&gaps=3&back=5000&late=7&outage=11&begun=1"

/* One partition out of reach, until that is taken back. */
void commitlog_mem_outage(struct commitlog *log, uint32_t partition, bool out);
/* The next append is of unknown fate, and is in only after
 * commitlog_mem_land(). */
void commitlog_mem_hold(struct commitlog *log);
void commitlog_mem_land(struct commitlog *log);

#endif
