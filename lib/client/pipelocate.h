/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_PIPELOCATE_H
#define KOOP_CLIENT_PIPELOCATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * koop-locate(1): where the shards of an object are, as lines of records.
 *
 *      object v=1 name=... partition=29 ... kind=blob size=45512 parts=1
 *      shard v=1 name=... index=0 kind=data set=1 machine=2 address=... part=1
 *      copy v=1 name=... index=0 set=1 machine=2 address=...
 */

struct buf;
struct error;
struct nodeclient;
struct topology;
struct versionid;

struct pipelocate_tally {
	uint64_t lacking; /* absent or damaged */
	uint64_t down;    /* not known: the node does not answer */
};

/* The version of that name, NULL: the newest.  With verify the nodes are
 * asked, and each line ends in what they say.  ERRC_NOTFOUND,
 * ERRC_UNAVAILABLE. */
KOOP_MUST int pipelocate_object(struct nodeclient *nc, struct bytes bucket,
    struct bytes key, const struct versionid *version, bool verify,
    struct pipelocate_tally *tally, struct buf *out, struct error *err);

/* Where an object of that name belongs, whether it exists or not. */
void pipelocate_placement(const struct topology *topology, struct bytes bucket,
    struct bytes key, struct buf *out);

#endif
