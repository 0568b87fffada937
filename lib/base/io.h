/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_IO_H
#define KOOP_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/compiler.h"

/* Whole reads and writes on descriptors; EINTR is hidden, EAGAIN is waited
 * out with poll(2).  Messages begin with "read" or "write". */

struct error;

/* Read until n bytes or end of file; returns the count, or -ERRC_IO. */
KOOP_MUST ssize_t io_read_full(int fd, void *p, size_t n, struct error *err);
/* One read(2): at least 1 byte, or 0 at the end; or -ERRC_IO. */
KOOP_MUST ssize_t io_read_some(int fd, void *p, size_t n, struct error *err);
KOOP_MUST int io_write_full(int fd, const void *p, size_t n, struct error *err);
/* The iovecs are used up (modified). */
KOOP_MUST int io_writev_full(int fd, struct iovec *iov, int count,
    struct error *err);
/* Reads up to n bytes at an offset, short only at the end of the file. */
KOOP_MUST ssize_t io_pread_full(int fd, void *p, size_t n, off_t at,
    struct error *err);

/* If fd is a pipe ask for a buffer of n bytes; a refusal is no error. */
void io_pipe_size(int fd, int n);
bool io_is_pipe(int fd);

/* Read a whole small file (at most max bytes) into fresh memory, NUL-ended. */
KOOP_MUST int io_read_file(char **out, size_t *out_n, const char *path,
    size_t max, struct error *err);

/* Columns of the terminal that fd is, 80 where it does not tell; 0: it is
 * none. */
unsigned io_terminal_columns(int fd);

/* The folder that this program was started from, where the others of the house
 * are: a tree that is not installed works.  False: not known, or no room. */
KOOP_MUST bool io_program_folder(char *out, size_t room);

#endif
