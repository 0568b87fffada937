/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_NAMELIST_H
#define KOOP_CLIENT_NAMELIST_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * A list of objects from a descriptor: bucket/key on each line, or the lines
 * of JSON that koop-list prints (one with a version means that version), or
 * names ended by NUL.  Each is told as it comes; memory is one name.
 */

struct error;
struct versionid;

struct namelist_taker {
	/* version NULL: the newest.  Negative: the list ends there. */
	int (*name)(void *arg, struct bytes name,
	    const struct versionid *version);
	/* All names that have come so far were told, and more may be long in
	 * coming, or a bad line ends the list.  NULL: nobody cares. */
	int (*pause)(void *arg);
	void *arg;
};

/* ERRC_CORRUPT: a line that is no name, or a last one without its end, which
 * may be half of another.  ERRC_IO, and what the taker returned. */
KOOP_MUST int namelist_read(int fd, bool null_ended,
    const struct namelist_taker *taker, struct error *err);

#endif
