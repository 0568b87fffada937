/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "store/shardpath.h"
#include "tap.h"

#define ID "018bcfe568007abc8123456789abcdef"

static void
a_name_is_id_and_shard_and_its_directory_the_last_digits(void)
{
	char name[SHARDPATH_NAME_MAX + 1];
	char dir[16];
	struct reqid id;

	CHECK(reqid_parse(&id, ID, REQID_HEX));
	shardpath_name(name, id, 7);
	CHECK_STR(name, ID ".7");
	shardpath_name(name, id, 31);
	CHECK_STR(name, ID ".31");
	CHECK(shardpath_fanout(id) == 0xef);
	shardpath_dir(dir, 0x0a);
	CHECK_STR(dir, "shards/0a");
}

static void
only_exact_names_are_parsed(void)
{
	static const char *const bad[] = { "", ID, ID ".", ID ".32", ID ".07",
		ID ".+7", ID ".7 ", ID ".7.tmp", ID ":7", "x" ID ".7",
		"018BCFE568007abc8123456789abcdef.7",
		"018bcfe568004abc8123456789abcdef.7" };
	struct reqid id;
	uint32_t shard;
	char name[SHARDPATH_NAME_MAX + 1];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!shardpath_parse(&id, &shard, bad[i]));
	for (uint32_t i = 0; i < 32; i++) {
		(void)!reqid_parse(&id, ID, REQID_HEX);
		shardpath_name(name, id, i);
		CHECK(shardpath_parse(&id, &shard, name) && shard == i);
	}
}

int
main(void)
{
	RUN(a_name_is_id_and_shard_and_its_directory_the_last_digits);
	RUN(only_exact_names_are_parsed);
	return tap_done();
}
