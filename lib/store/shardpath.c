/* SPDX-License-Identifier: MIT */
#include "store/shardpath.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

unsigned
shardpath_fanout(struct reqid id)
{
	return id.b[REQID_BYTES - 1];
}

void
shardpath_dir(char out[static 16], unsigned fanout)
{
	assert(fanout < SHARDPATH_FANOUT);
	(void)snprintf(out, 16, "shards/%02x", fanout & 0xff);
}

void
shardpath_name(char out[static SHARDPATH_NAME_MAX + 1], struct reqid id,
    uint32_t shard)
{
	char hex[REQID_HEX + 1];

	assert(shard < 100);
	reqid_format(hex, id);
	(void)snprintf(out, SHARDPATH_NAME_MAX + 1, "%s.%u", hex, shard % 100);
}

bool
shardpath_parse(struct reqid *id, uint32_t *shard, const char *name)
{
	char again[SHARDPATH_NAME_MAX + 1];
	size_t n = strlen(name);
	struct reqid parsed;
	uint64_t number;

	if (n <= REQID_HEX + 1 || name[REQID_HEX] != '.' ||
	    !reqid_parse(&parsed, name, REQID_HEX) ||
	    !number_parse(&number, name + REQID_HEX + 1, n - REQID_HEX - 1, 0,
		31))
		return false;
	shardpath_name(again, parsed, (uint32_t)number);
	if (strcmp(again, name) != 0)
		return false;
	*id = parsed;
	*shard = (uint32_t)number;
	return true;
}
