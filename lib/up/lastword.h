/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UP_LASTWORD_H
#define KOOP_UP_LASTWORD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"

/*
 * Why a supervisor ended that owed an answer.  It is no child of who asks, so
 * waitpid(2) cannot tell: the kernel can, of a process that a descriptor holds
 * on to, and of one that nobody has waited for yet.  Where it cannot, the last
 * line of its log is what remains.
 */

#define LASTWORD_BYTES 400

struct lastword {
	pid_t pid; /* 0: not known */
	int pidfd; /* -1: none */
};

/* The last line of a log; false when there is none. */
bool lastword_of_log(const char *log_path, char out[static LASTWORD_BYTES]);

/* fd is connected to the process in question. */
void lastword_open(struct lastword *word, int fd);
void lastword_close(struct lastword *word);

/* Waits up to two seconds for the end of it.  The log counts if it is not older
 * than the socket that the process made. */
void lastword_tell(const struct lastword *word, const char *socket_path,
    const char *log_path, char out[static LASTWORD_BYTES]);

#endif
