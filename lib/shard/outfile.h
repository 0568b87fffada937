/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_OUTFILE_H
#define KOOP_SHARD_OUTFILE_H

#include <stdbool.h>

#include "base/compiler.h"

/*
 * A file that appears under its name only when it is complete: written as
 * "name.XXXXXXXX.tmp" beside it, then synced and renamed over the name.  What
 * is no regular file (a device, a FIFO) is written where it is.
 *
 * The path is borrowed.  All-zero is a valid, closed one.
 */

struct error;

struct outfile {
	const char *path;
	char *temporary; /* NULL when written in place */
	int fd;
	bool open, published;
};

/* ERRC_CANTCREATE. */
KOOP_MUST int outfile_open(struct outfile *f, const char *path,
    struct error *err);
/* ERRC_IO or ERRC_CANTCREATE; then outfile_discard() is still to be called. */
KOOP_MUST int outfile_publish(struct outfile *f, struct error *err);
/* Remove it, even if it was published.  Fine when closed. */
void outfile_discard(struct outfile *f);
/* Forget it; what was not published is removed. */
void outfile_close(struct outfile *f);

#endif
