/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_METAASK_H
#define KOOP_CLIENT_METAASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "wire/nodeproto.h"

/*
 * Asking the machines of one set the same thing.
 *
 * metaask_run() is the mechanism: `width` questions at a time, another one
 * for each that fails, is refused by the caller or is slower than its node's
 * p95.  metaask_one() is the read rule of protocol.md 7 on top of it, for
 * metadata of one partition: one node at the log's end, or the read quorum,
 * and in either case not before c nodes are known to have it.
 */

struct error;
struct httpc_call;
struct nodeclient;
struct placement;

struct metaanswer {
	uint32_t machine;
	int status;
	const struct httpc_call *call; /* for its headers */
	struct bytes body;
	bool has_position;
	struct nodeproto_position at;
};

/* A nodeproto_get_fn over answer->call. */
const char *metaask_header(void *arg, const char *name);

/* > 0: enough, stop; 0: ask on. */
typedef int metaask_fn(void *arg, const struct metaanswer *answer);

struct metaask {
	struct nodeclient *nc;
	const struct placement *place;
	const char *method;
	const char *target;
	uint64_t first_bytes; /* only so many; 0: all */
	struct bytes body;    /* of a POST; else empty */
	size_t body_max;      /* of an answer */
	uint32_t width;
	uint32_t order[32]; /* machines, best first */
	uint32_t order_count;
};

/* Returns 1 when fn had enough, 0 when all machines were asked without that,
 * -ERRC_UNAVAILABLE at the deadline. */
KOOP_MUST int metaask_run(const struct metaask *ask, metaask_fn *fn, void *arg,
    uint64_t deadline, struct error *err);

/* Several askings, of several sets, at once. */
#define METAASK_TASKS_MAX 8 /* more of them go in groups */

struct metaask_task {
	const struct metaask *ask;
	metaask_fn *fn;
	void *arg;
	bool enough; /* out: fn had enough */
};

/* ERRC_UNAVAILABLE: some were not through at the deadline. */
KOOP_MUST int metaask_run_all(struct metaask_task *tasks, size_t count,
    uint64_t deadline, struct error *err);

/*
 * All machines: those of `first` (bits) before the others, usable before
 * those in trouble, else in turn from a random one on.
 */
void metaask_order(struct metaask *ask, uint32_t first);

struct metaone {
	struct nodeclient *nc;
	const struct placement *place;
	const char *method;
	const char *target;
	uint64_t first_bytes;
	size_t body_max;
	bool prefer_holders; /* machines with inline bytes first */
	/* Hold the answer until c nodes have what the whole partition was at,
	 * not only the row (whose seq the answer then need not tell). */
	bool whole_partition;
	/*
	 * The answer of a voting node: decode and keep it, in place of an
	 * earlier one.  Negative: it makes no sense, ask another.  *seq is
	 * that of the row's last change and may be changed.
	 */
	int (*take)(void *arg, const struct metaanswer *answer, uint64_t *seq);
	void *arg;
};

/* 0: the answer taken last is the one that may be given.
 * ERRC_UNAVAILABLE. */
KOOP_MUST int metaask_one(const struct metaone *one, uint64_t deadline,
    struct error *err);

#endif
