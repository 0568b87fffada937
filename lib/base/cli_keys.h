/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_CLI_KEYS_H
#define KOOP_BASE_CLI_KEYS_H

/*
 * The two things that a program must know of the others to tell a mistake in
 * koop.conf from what is meant for them.  Everything else is the option
 * tables'. koop.conf(5) explains the shared keys in this order;
 * tests/00-house.bats holds page, tables and these lists together.
 */

/* Keys before the first section: settings that several programs have and that
 * mean the same in each. */
#define CLI_SHARED_KEYS(X)  \
	X("topology")       \
	X("commit-log")     \
	X("gateway")        \
	X("tcp-congestion") \
	X("durability")     \
	X("data-shards")    \
	X("parity-shards")  \
	X("cell-size")      \
	X("inline-limit")   \
	X("log-level")      \
	X("log-format")

/* Names of sections. */
#define CLI_PROGRAMS(X)     \
	X("koop-bucket")    \
	X("koop-commit")    \
	X("koop-decode")    \
	X("koop-encode")    \
	X("koop-gw")        \
	X("koop-list")      \
	X("koop-locate")    \
	X("koop-log")       \
	X("koop-node")      \
	X("koop-rm")        \
	X("koop-shard-get") \
	X("koop-shard-put") \
	X("koop-stat")      \
	X("koop-topology")  \
	X("koop-up")        \
	X("koop-verify")

#endif
