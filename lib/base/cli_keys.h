/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_CLI_KEYS_H
#define KOOP_BASE_CLI_KEYS_H

/*
 * Every key that may stand in koop.conf, of all programs together: one file
 * serves them all, so a program must know the keys of the others to tell them
 * from a misspelt one.  A key is the long name of an option.  koop.conf(5)
 * explains them in this order; tests/00-house.bats holds the two together.
 */

#define KOOP_CONF_KEYS(X)    \
	X("cluster")         \
	X("topology")        \
	X("commit-log")      \
	X("session-cache")   \
	X("gateway")         \
	X("durability")      \
	X("data-shards")     \
	X("parity-shards")   \
	X("cell-size")       \
	X("write-quorum")    \
	X("inline-limit")    \
	X("region")          \
	X("access-log")      \
	X("credentials")     \
	X("anonymous")       \
	X("domain")          \
	X("data-dir")        \
	X("listen")          \
	X("node")            \
	X("port")            \
	X("node-port")       \
	X("nodes")           \
	X("gateways")        \
	X("max-connections") \
	X("idle-timeout")    \
	X("tcp-congestion")  \
	X("log-level")       \
	X("log-format")

#endif
