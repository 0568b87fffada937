/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_OUTFILE_H
#define KOOP_SHARD_OUTFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

/*
 * A file that appears under its name only when it is complete.  Until then it
 * has no name at all (O_TMPFILE), so that whatever ends the program leaves
 * nothing behind.  Where the file system cannot do that it is called
 * "name.XXXXXXXX.tmp" beside the name; such a file is removed when the
 * program is ended by a signal that it can catch.  What is no regular file (a
 * device, a FIFO) is written where it is.
 *
 * The path is borrowed.  All-zero is a valid, closed one.  One thread; others
 * must have signals blocked.
 */

struct error;

struct outfile {
	const char *path;
	char *temporary; /* NULL when written in place */
	int fd;
	bool open, published;
	bool named; /* it is now called temporary */
};

/* ERRC_CANTCREATE. */
KOOP_MUST int outfile_open(struct outfile *f, const char *path,
    struct error *err);
/*
 * Give n of them their names, all of them or none: their bytes reach the disk
 * first, then signals wait until the last has its name.  ERRC_IO or
 * ERRC_CANTCREATE; then outfile_discard() is still to be called for each.
 */
KOOP_MUST int outfile_publish(struct outfile *f, size_t n, struct error *err);
/* Remove it, even if it was published.  Fine when closed. */
void outfile_discard(struct outfile *f);
/* Forget it; what was not published is removed. */
void outfile_close(struct outfile *f);

#endif
