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

/* version NULL: the newest.  Negative: the list ends there. */
typedef int namelist_fn(void *arg, struct bytes name,
    const struct versionid *version);

/* ERRC_CORRUPT: a line that is no name, or a last one without its end, which
 * may be half of another.  ERRC_IO, and what fn returned. */
KOOP_MUST int namelist_read(int fd, bool null_ended, namelist_fn *fn, void *arg,
    struct error *err);

#endif
