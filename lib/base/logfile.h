/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_LOGFILE_H
#define KOOP_BASE_LOGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * A file of lines that requests write without waiting for its disk: a line
 * goes into memory, and a thread of the file's own appends what is there.
 * When the disk does not keep up and the memory is full, lines are dropped
 * and counted; nobody who serves ever waits.  Lines go out whole, so that
 * several programs may append to one file.
 *
 * Threads: any number may write.
 */

#define LOGFILE_ROOM (1u << 20) /* bytes that may wait */
#define LOGFILE_CLOSE_MS 2000

struct error;
struct logfile;

/* path "-": standard output.  Else it is made or appended to. */
KOOP_MUST int logfile_open(struct logfile **out, const char *path,
    struct error *err);
/* Writes what is there, for LOGFILE_CLOSE_MS at most: a pipe that nobody reads
 * keeps no program from ending.  NULL is fine. */
void logfile_close(struct logfile *file);
/* One line, without its LF.  False: dropped. */
bool logfile_write(struct logfile *file, const char *line, size_t n);
/* The name is another file by now (it was rotated): from here on lines go
 * there.  On failure they go where they went. */
KOOP_MUST int logfile_reopen(struct logfile *file, struct error *err);
/* Lines that were dropped, for want of room or because writing failed. */
uint64_t logfile_dropped(const struct logfile *file);

#endif
