/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_PIPEPUT_H
#define KOOP_CLIENT_PIPEPUT_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * koop-shard-put(1): an interleaved shard stream from a descriptor to the
 * nodes, receipts to another.  What comes is sent as it is, frame by frame;
 * only with new_id, or of an object that is stored already, are ids and header
 * CRCs written anew.  Headers go to the receipts.
 *
 * The bucket is looked up before anything is read.  A stream without END, or
 * a damaged one, makes no shard durable.  The end receipt is printed only
 * when write_quorum shards are.
 */

struct error;
struct nodeclient;
struct progress;

struct pipeput_options {
	struct bytes bucket, key;
	bool new_id;
	struct progress *progress;
};

/* ERRC_NOTFOUND: no such bucket; ERRC_CORRUPT: the stream; ERRC_UNAVAILABLE:
 * too few shards are durable. */
KOOP_MUST int pipeput_run(struct nodeclient *nc, int in, int out,
    const struct pipeput_options *options, struct error *err);

#endif
