/* SPDX-License-Identifier: MIT */

#include "s3/s3auth.h"

#include <assert.h>
#include <stddef.h>

bool
s3auth_allow(void *arg, const struct s3auth_question *q)
{
	(void)arg;
	assert(q->account != NULL);
	assert(q->action != NULL);
	return true;
}
