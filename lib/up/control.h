/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UP_CONTROL_H
#define KOOP_UP_CONTROL_H

#include "base/compiler.h"

/*
 * How koop status, koop down and koop up --stop-node speak to the running
 * supervisor: a unix socket in the data folder.  One line is the request,
 *
 *      status | stop N | start N | replace N | down
 *
 * and the answer is lines, the last of them "ok", "error TEXT", or "gone": the
 * cluster has ended.  Those of status are NAME ADDRESS STATE PID RESTARTS SINCE
 * HOW: since when it is in that state, in milliseconds of the wall clock (0:
 * not known), and how its process ended last, or "-".  The answer to stop,
 * start, replace and down comes when it has happened.  No last word at all: the
 * supervisor was ended, see lastword.h.
 */

struct buf;
struct error;

#define CONTROL_SOCKET "up.sock"
#define CONTROL_GONE "gone"
#define CONTROL_LINE_MAX 128
#define CONTROL_ANSWER_MAX (256 * 1024)

/* A listening socket at dir/up.sock, replacing a stale one. */
KOOP_MUST int control_listen(const char *dir, int *fd, struct error *err);

/* The end of that: the socket goes, and who waits in front of it is told.  To
 * be called while the folder's lock is held: the name cannot be another's. */
void control_close(const char *dir, int fd);

/*
 * Ask.  ERRC_UNAVAILABLE when no supervisor runs there, ERRC_RETRY when the
 * time is over, or it was ended before its answer, ERRC_USAGE with its text
 * when it says "error".  The lines before "ok" are added to answer.
 */
KOOP_MUST int control_ask(const char *dir, const char *request,
    struct buf *answer, int timeout_ms, struct error *err);

#endif
