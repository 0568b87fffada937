/* SPDX-License-Identifier: MIT */

#include "s3/s3op.h"

#include <assert.h>
#include <stddef.h>

/* Only their names are needed here; what they are is s3/s3ops.h. */
#define X(op, name, method, level, sub, when, action, version, needs, handler) \
	extern const struct s3handler handler;
S3OP_TABLE(X)
#undef X

static const struct s3op_row rows[S3OP_MAX] = {
	[S3OP_INVALID] = { .name = "Invalid" },
	[S3OP_HEALTH] = { .name = "Health" },
	[S3OP_METRICS] = { .name = "Metrics" },
	[S3OP_NOT_IMPLEMENTED] = { .name = "NotImplemented" },
	[S3OP_METHOD_NOT_ALLOWED] = { .name = "MethodNotAllowed" },
#define X(op, its_name, its_method, its_level, its_sub, its_when, its_action, \
    its_version_action, its_needs, its_handler)                               \
	[S3OP_##op] = {                                                       \
		.name = (its_name),                                           \
		.method = (its_method),                                       \
		.sub = (its_sub),                                             \
		.action = (its_action),                                       \
		.version_action = (its_version_action),                       \
		.handler = &(its_handler),                                    \
		.level = S3LEVEL_##its_level,                                 \
		.when = S3WHEN_##its_when,                                    \
		.needs = (its_needs),                                         \
	},
	S3OP_TABLE(X)
#undef X
};

const struct s3op_row *
s3op_row(enum s3op op)
{
	assert(op < S3OP_MAX);
	assert(rows[op].name != NULL);
	return &rows[op];
}

const char *
s3op_name(enum s3op op)
{
	return s3op_row(op)->name;
}
