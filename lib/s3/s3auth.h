/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3AUTH_H
#define KOOP_S3_S3AUTH_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * The one place where it is decided who may do what (protocol.md 9, promise
 * 7).  The funnel asks for every request between its target and its body;
 * operations that touch more than their target (a copy's source, each key of
 * DeleteObjects) ask again for those.
 *
 * The judge is a function, so that one who knows credentials and policies is
 * put in here and nowhere else.  This version's allows everything, because
 * the program serves loopback only.
 */

struct bucket_info;

struct s3auth_question {
	const char *account;             /* who asks */
	const char *action;              /* "s3:GetObject" */
	struct bytes bucket, key;        /* empty where there is none */
	const char *version;             /* as asked for, or NULL */
	const struct bucket_info *found; /* the bucket, if it was looked up */
};

/* May it be done?  Called by any thread. */
typedef bool s3auth_judge_fn(void *arg, const struct s3auth_question *q);

KOOP_MUST bool s3auth_allow(void *arg, const struct s3auth_question *q);

#endif
