/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_SHARDPATH_H
#define KOOP_STORE_SHARDPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"

/*
 * Names of shard files: shards/XX/ID.J, where XX are the last two hex digits
 * of the request id (the first ones are time, and would put all files of a
 * day into one directory) and J is the shard's number, decimal.
 */

#define SHARDPATH_FANOUT 256
#define SHARDPATH_NAME_MAX (REQID_HEX + 1 + 2) /* "ID.31" */

/* Which of the directories: 0 to SHARDPATH_FANOUT - 1. */
unsigned shardpath_fanout(struct reqid id);
/* "shards/7f" */
void shardpath_dir(char out[static 16], unsigned fanout);
/* "ID.J" */
void shardpath_name(char out[static SHARDPATH_NAME_MAX + 1], struct reqid id,
    uint32_t shard);
/* Back; false when the name is not exactly what shardpath_name() writes. */
KOOP_MUST bool shardpath_parse(struct reqid *id, uint32_t *shard,
    const char *name);

#endif
