/* SPDX-License-Identifier: MIT */
#include "commit/record_type.h"

#include <assert.h>

#include "base/compiler.h"
#include "base/fault.h"

static const unsigned type_levels[] = {
#define X(id, name, level) [RECORD_##id] = (level),
	RECORD_MAP(X)
#undef X
};

unsigned
record_type_level(enum record_type type)
{
	_Static_assert(nitems(type_levels) == RECORD_TYPE_MAX,
	    "every type has its level");
	assert(type < RECORD_TYPE_MAX);
	assert(type_levels[type] <= RECORD_LEVEL);
	return type_levels[type];
}

unsigned
record_level(void)
{
	return fault_level(RECORD_LEVEL);
}
