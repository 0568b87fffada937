/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3SHARED_H
#define KOOP_S3_S3SHARED_H

#include <stddef.h>
#include <stdint.h>

#include "base/metric.h"
#include "s3/s3auth.h"
#include "s3/s3op.h"

/* The gateway as the files of lib/s3 see it; its public face is s3/gateway.h.
 */

/* Writes at once that hold connections to the nodes, one to each, for as long
 * as their clients take.  Bounds memory, too: a write has a few megabytes. */
#define S3SHARED_WRITES_MAX 256

struct bucketfollow;
struct nodeclient;
struct nodewatch;
struct session;

enum s3metric {
	S3METRIC_BYTES_IN,
	S3METRIC_BYTES_OUT,
	S3METRIC_CONNECTIONS,
	S3METRIC_CUT,
	S3METRIC_2XX,
	S3METRIC_3XX,
	S3METRIC_4XX,
	S3METRIC_5XX,
	S3METRIC_OPS, /* one for each operation from here on */
	S3METRIC_MAX = S3METRIC_OPS + S3OP_MAX,
};

/* Everything but metrics and writes is set when the gateway opens and stays. */
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
	struct metric metrics[S3METRIC_MAX];
	char labels[S3OP_MAX][64];
};

#endif
