/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_READY_H
#define KOOP_BASE_READY_H

#include "base/compiler.h"

/* Readiness: write "ready TEXT\n" to fd and close it.  fd -1 does nothing. */

struct error;

KOOP_MUST int ready_tell(int fd, const char *text, struct error *err);

#endif
