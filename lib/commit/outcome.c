/* SPDX-License-Identifier: MIT */
#include "commit/outcome.h"

#include <assert.h>
#include <string.h>

static const char *const outcome_names[] = {
#define X(id, name) [OUTCOME_##id] = (name),
	OUTCOME_MAP(X)
#undef X
};

const char *
outcome_name(enum outcome outcome)
{
	assert(outcome < OUTCOME_MAX);
	return outcome_names[outcome];
}

bool
outcome_parse(enum outcome *out, const char *name, size_t len)
{
	for (int i = 0; i < OUTCOME_MAX; i++) {
		if (strlen(outcome_names[i]) == len &&
		    memcmp(outcome_names[i], name, len) == 0) {
			*out = (enum outcome)i;
			return true;
		}
	}
	return false;
}

bool
outcome_decides(enum outcome outcome)
{
	assert(outcome < OUTCOME_MAX);
	return outcome != OUTCOME_STALE_EPOCH &&
	    outcome != OUTCOME_NOT_YET_HERE &&
	    outcome != OUTCOME_STALE_REVISION && outcome != OUTCOME_IGNORED;
}
