/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_FAKENODES_H
#define KOOP_TESTS_UNIT_FAKENODES_H

/*
 * Nine nodes that do as the test tells them, in this process: what they have
 * applied, what row they see, whether they vote, and how they misbehave.
 * Real sockets, a memory commit log and topology, a real struct nodeclient.
 * There is one partition (0), one object and one blob.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/random.h"
#include "commit/outcome.h"
#include "wire/nodeproto_info.h"

#define FAKE_NODES 9
#define FAKE_CLUSTER "0123456789abcdef0123456789abcdef"

enum fake_mode {
	FAKE_OK,
	FAKE_ERROR,    /* 500 */
	FAKE_SILENT,   /* takes the request and never answers: SIGSTOP */
	FAKE_CORRUPT,  /* one byte of each shard is flipped */
	FAKE_MISSING,  /* has no shard */
	FAKE_FULL,     /* 507 to every PUT */
	FAKE_STUCK,    /* reads nothing of a PUT's body after the headers */
	FAKE_CUT,      /* as STUCK; then hangs up, when the mode is another */
	FAKE_EAGER,    /* 200 to a PUT before its body */
	FAKE_PAUSED,   /* the same, and goes on when the mode is another */
	FAKE_OTHER_ID, /* its outcomes are of another record at that seq */
};

struct clock;
struct commitlog;
struct httpd;
struct nodeclient;

struct fake_node {
	struct fakenodes *all;
	uint32_t index;
	struct httpd *httpd;
	uint16_t port;
	_Atomic enum fake_mode mode;
	atomic_bool voting;
	_Atomic uint64_t applied;
	_Atomic uint64_t row_seq;
	atomic_bool found;     /* sees the live row */
	atomic_bool ahead;     /* sees the key's next version instead */
	atomic_bool rowless;   /* 500 to who asks for the key */
	atomic_bool collected; /* keeps no bytes of the one before any more */
	atomic_uint gets, puts, repairs, leases, buckets;
	atomic_uint inline_gets; /* by request id */
	atomic_uint stores;      /* GETs of the object */
	atomic_uint reasons;     /* what it says of itself */
	atomic_uint healths;     /* how often it was asked for that */
	atomic_bool hang_up; /* cut the next PUT before a byte of the answer */
	char notice[256];    /* target of the last one; guarded by all->lock */
	struct buf shard;    /* what was PUT; guarded by all->lock */
};

struct fakenodes {
	struct fake_node node[FAKE_NODES];
	char url[64]; /* of topology and commit log */
	struct nodeclient *nc;
	struct commitlog *log;    /* the nodes' own */
	struct object_info info;  /* of the row, when found */
	struct buf inline_bytes;  /* the holders' */
	struct object_info newer; /* of who is ahead */
	struct buf newer_bytes;
	_Atomic enum outcome outcome; /* of every record */
	_Atomic uint64_t epoch;       /* that answers tell [1] */
	atomic_uint not_yet_here;     /* bit seq: what that record came to */
	atomic_uint torn;             /* next manifests that miss a part */
	atomic_uint manifests;        /* asked for */
	atomic_bool sealed;           /* the bucket, at sealed_ms */
	_Atomic uint64_t sealed_ms;
	atomic_uint by_id; /* outcomes asked for by request id */
	atomic_bool stopping;
	pthread_mutex_t lock;
};

/* What the log's URL ends in, as "?shared=no"; "" when not set. */
extern const char *fakenodes_log;

void fakenodes_start(struct fakenodes *f);
/* The clients' clock is another than the system's. */
void fakenodes_start_clock(struct fakenodes *f, const struct clock *clock);
void fakenodes_stop(struct fakenodes *f);
/* All nodes vote, are at seq, and have published that. */
void fakenodes_at(struct fakenodes *f, uint64_t seq);
void fakenodes_publish(struct fakenodes *f, uint32_t machine, uint64_t seq);
/* Append a record to the log, so that its end is seq. */
void fakenodes_append(struct fakenodes *f, uint64_t seq);

#endif
