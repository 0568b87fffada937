/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UP_LAYOUT_H
#define KOOP_UP_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "up/ports.h"

/*
 * The data folder of a local cluster: its shape, its files, its ports.
 *
 *      koop.conf topology.json commit.db session.db node-SET.INDEX/ log/
 *
 * Made in an order that survives being killed at any point: each step finds
 * what an earlier attempt left.  koop.conf comes first to last: it is
 * written when every node's folder has been made, so until it is there
 * nodes may be initialised, and afterwards never by themselves, because an
 * empty folder is then a lost disk.
 */

struct error;
struct topology;

#define LAYOUT_GATEWAYS_MAX 16
#define LAYOUT_DIR_BYTES 448 /* of its path */
#define LAYOUT_UNSET UINT64_MAX

/* What was asked for; LAYOUT_UNSET or NULL where nothing was. */
struct layout_options {
	const char *dir;
	uint64_t nodes, data_shards, parity_shards, write_quorum;
	uint64_t partitions, gateways, port, node_port;
	const char *positions; /* "page" or "streams"; NULL: as last time */
};

#define LAYOUT_LOG "sqlite:commit.db" /* in koop.conf */
#define LAYOUT_LOCK "up.lock"

struct layout {
	char dir[LAYOUT_DIR_BYTES]; /* absolute */
	int lock_fd;                /* held while the supervisor lives */
	bool complete;              /* koop.conf was there */
	struct topology *topology;
	char cluster[33];
	uint16_t gateway_port[LAYOUT_GATEWAYS_MAX];
	unsigned gateways;
	bool unshared; /* positions travel in streams: commitlog.h */
	struct ports ports;
};

/* The absolute path of an existing or new folder. */
KOOP_MUST int layout_resolve(char out[static LAYOUT_DIR_BYTES], const char *dir,
    bool create, struct error *err);

/*
 * Lock the folder and make or load everything but koop.conf.  A shape that
 * differs from the one there is ERRC_USAGE, or ERRC_CONFIG when it is not from
 * a flag; a folder in use ERRC_RETRY.  options are those of the option table:
 * cli_origin().
 */
KOOP_MUST int layout_open(struct layout *out,
    const struct layout_options *options, struct error *err);
/* Write koop.conf; lines are further "key = value" lines, shared by all. */
KOOP_MUST int layout_publish(struct layout *layout, const char *lines,
    struct error *err);
/* False once the folder that was opened is gone from the disk. */
KOOP_MUST bool layout_there(const struct layout *layout);
void layout_close(struct layout *layout);

/* The value of a key in dir/koop.conf into out, those of one that is given
 * several times with a space between; false if it has none. */
KOOP_MUST bool layout_config(const char *dir, const char *key, char *out,
    size_t room);

#endif
