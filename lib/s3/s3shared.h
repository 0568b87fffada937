/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3SHARED_H
#define KOOP_S3_S3SHARED_H

#include <stddef.h>
#include <stdint.h>

#include "s3/s3auth.h"
#include "s3/s3metric.h"

/* The gateway as the files of lib/s3 see it; its public face is s3/gateway.h.
 */

/* Writes at once that hold connections to the nodes, one to each, for as long
 * as their clients take.  Bounds memory, too: a write has a few megabytes. */
#define S3SHARED_WRITES_MAX 256

struct bucketfollow;
struct logfile;
struct nodeclient;
struct nodewatch;
struct session;

/* Everything but metric and writes is set when the gateway opens and stays. */
struct gateway {
	struct nodeclient *nc;
	struct nodewatch *watch;     /* what nodes say of themselves */
	struct bucketfollow *follow; /* the bucket view's reader of the log */
	struct session *session;     /* may be NULL */
	char *region;
	size_t inline_limit;
	uint32_t cell_bytes;
	s3auth_judge_fn *judge; /* never NULL */
	void *judge_arg;
	_Atomic unsigned writes; /* at most S3SHARED_WRITES_MAX */
	struct s3metric metric;
	struct logfile *access; /* NULL: no access log */
};

#endif
