/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_BANNED_H
#define KOOP_BASE_BANNED_H

/*
 * Forced into every file of the library and of the commands by the Makefile:
 * names that are not to be used.  They are unbounded (strcpy, sprintf), cannot
 * report an error (atoi, strtol without care), keep hidden state (strtok,
 * localtime), or start a shell (system, popen).
 *
 * Poisoning a name also forbids its declaration, so the headers that declare
 * them come first.  That every header of ours compiles alone is checked
 * separately, without this file (tests/lint/check-headers).  rand is the name
 * of a parameter in OpenSSL's headers, so tests/lint/check-banned looks for it.
 */

#include <alloca.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

/* With clang, glibc's fortify makes macros of these. */
#undef alloca
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat stpcpy sprintf vsprintf gets strtok
#pragma GCC poison atoi atol atoll strtol strtoll strtoul strtoull
#pragma GCC poison gmtime localtime asctime ctime srand
#pragma GCC poison system popen alloca tmpnam mktemp

#endif
