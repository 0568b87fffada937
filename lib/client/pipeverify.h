/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_PIPEVERIFY_H
#define KOOP_CLIENT_PIPEVERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "client/verifyobject.h"

/*
 * koop-verify(1): every byte of every shard of objects is read and held against
 * the record, by a few threads.
 *
 * What is not whole is looked at twice, and told only if its record is still
 * the same afterwards: what was overwritten or deleted meanwhile alarms nobody,
 * nor does a shard that was still on its way.  Nodes are told of shards that
 * they did not know to be bad, and repair them, often before the second look.
 *
 * Memory is a shardcheck for each thread, and a queue of names.
 */

#define PIPEVERIFY_JOBS_MAX 64

struct buf;
struct error;
struct nodeclient;
struct pipeverify;
struct progress;
struct versionid;

struct pipeverify_totals {
	uint64_t objects[VERIFYOBJECT_STATES];
	uint64_t missing; /* were named and are not there */
	uint64_t failed;  /* their record could not be read */
	uint64_t shards, bytes;
};

struct pipeverify_options {
	uint32_t jobs;       /* objects at a time, 1 to PIPEVERIFY_JOBS_MAX */
	bool json, versions; /* versions: of a prefix all of them */
	struct progress *progress;
	/* A line about an object that is not whole; negative ends the run.  And
	 * what is to be said of one that could not be looked at.  Both are
	 * called by one thread at a time. */
	int (*line)(void *arg, struct bytes line, struct error *err);
	void (*complain)(void *arg, const char *text);
	void *arg;
};

KOOP_MUST int pipeverify_open(struct pipeverify **out, struct nodeclient *nc,
    const struct pipeverify_options *options, struct error *err);
/* Ends the threads: what is queued is forgotten.  NULL is fine. */
void pipeverify_close(struct pipeverify *v);

/* Queue one object, whose name was checked; waits for room.  Negative: the run
 * has failed. */
KOOP_MUST int pipeverify_object(struct pipeverify *v, struct bytes bucket,
    struct bytes key, const struct versionid *version, struct error *err);
/* Queue all of a bucket whose keys begin so.  ERRC_NOTFOUND: no such bucket. */
KOOP_MUST int pipeverify_prefix(struct pipeverify *v, struct bytes bucket,
    struct bytes prefix, struct error *err);
/* Wait until all that was queued has been looked at. */
KOOP_MUST int pipeverify_wait(struct pipeverify *v,
    struct pipeverify_totals *totals, struct error *err);

/* The last line. */
void pipeverify_print_totals(const struct pipeverify_totals *totals, bool json,
    struct buf *out);

#endif
