/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_VERIFYOBJECT_H
#define KOOP_CLIENT_VERIFYOBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * One object: every byte of its shards is read, and a line is written about one
 * that is not whole.
 */

struct buf;
struct error;
struct nodeclient;
struct versionid;

enum verifyobject_state {
	VERIFYOBJECT_WHOLE,
	VERIFYOBJECT_DAMAGED,   /* shards are absent or bad; it can be read */
	VERIFYOBJECT_UNCHECKED, /* not known, as nodes are down */
	VERIFYOBJECT_LOST,      /* it cannot be read, whoever comes back */
	VERIFYOBJECT_GONE,      /* deleted or overwritten meanwhile */
	VERIFYOBJECT_MENDED, /* was damaged, and a second look found it whole */
	VERIFYOBJECT_STATES,
};

struct verifyobject {
	struct nodeclient *nc;
	struct bytes bucket, key;
	const struct versionid *version; /* NULL: the newest */
	bool json;
	/* out */
	enum verifyobject_state state;
	uint64_t shards, bytes; /* looked at */
};

/* ERRC_NOTFOUND before anything was looked at: there is none; its absence
 * later is a state.  ERRC_UNAVAILABLE: its record cannot be read now. */
KOOP_MUST int verifyobject_run(struct verifyobject *v, struct buf *line,
    struct error *err);

#endif
