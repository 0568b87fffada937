/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3OPS_H
#define KOOP_S3_S3OPS_H

#include "s3/s3optable.h"
#include "s3/s3req.h"

/* What the gateway can do: the handlers that the table of operations names,
 * each in the file of its family. */

#define X(op, name, method, level, sub, when, action, version, needs, handler) \
	extern const struct s3handler handler;
S3OP_TABLE(X)
#undef X

/* /health and /metrics. */
void s3status_reply(struct s3req *r);

#endif
