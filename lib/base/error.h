/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_ERROR_H
#define KOOP_BASE_ERROR_H

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/compiler.h"

/*
 * One error vocabulary for the whole tree.
 *
 * A library function that can fail returns 0 or a negative enum errc, and
 * takes a struct error as its last argument.  The code is for programs: it
 * chooses the exit status, the HTTP status and the S3 error.  The message is
 * for people, and is written where the most is known.
 *
 * The library never prints and never exits.  A NULL struct error is allowed
 * and means the caller only wants the code.
 */

/*      name         exit  http  meaning                                   */
#define ERRC_MAP(X)                                                   \
	X(NOTFOUND, 1, 404, "no such object, version or shard")       \
	X(MISMATCH, 1, 412, "a condition or comparison did not hold") \
	X(USAGE, 64, 400, "the caller asked for nonsense")            \
	X(CORRUPT, 65, 500, "stored or received bytes fail a check")  \
	X(NOINPUT, 66, 400, "an input file cannot be opened")         \
	X(UNAVAILABLE, 69, 503, "too few nodes answered")             \
	X(NOMEM, 71, 503, "out of memory")                            \
	X(CANTCREATE, 73, 500, "an output file cannot be created")    \
	X(FULL, 73, 507, "a disk has no room for it")                 \
	X(IO, 74, 500, "reading or writing failed")                   \
	X(RETRY, 75, 503, "failed now, the same request may succeed") \
	X(PROTOCOL, 76, 502, "the peer broke the protocol")           \
	X(DENIED, 77, 403, "not permitted")                           \
	X(CONFIG, 78, 500, "the configuration is wrong")

enum errc {
	ERRC_OK = 0,
#define X(name, exitcode, http, text) ERRC_##name,
	ERRC_MAP(X) ERRC_MAX,
#undef X
};

struct error {
	enum errc code;
	char text[480];
};

/*
 * Record code and message; return -code, so that failing is one line.  Of a
 * message that is too long the middle is left out: a name may be of any
 * length, and the reason behind it stays.
 */
int error_set(struct error *err, enum errc code, const char *fmt, ...)
    KOOP_PRINTF(3, 4);

/* The same, with ": " and strerror(errno) appended. */
int error_errno(struct error *err, enum errc code, const char *fmt, ...)
    KOOP_PRINTF(3, 4);

/* Put "context: " in front of the message that err already holds; returns
 * -err->code.  With err NULL returns -ERRC_IO. */
int error_wrap(struct error *err, const char *fmt, ...) KOOP_PRINTF(2, 3);

/* As vsnprintf(), for messages elsewhere, with the same middle left out. */
void error_format(char *out, size_t room, const char *fmt, va_list args)
    KOOP_PRINTF(3, 0);
void error_vset(struct error *err, enum errc code, const char *fmt,
    va_list args) KOOP_PRINTF(3, 0);

/* ERRC_UNAVAILABLE and what to do, for every program that finds no cluster;
 * the message is why: "none is named". */
int error_no_cluster(struct error *err, const char *fmt, ...) KOOP_PRINTF(2, 3);

/*
 * Failing is never 0: who passed ERRC_OK has made a mistake.  Compilers and
 * analysers see one file at a time, so that only this tells them that what a
 * function gives on success is not read after a failure.
 */
static inline int
error_failed(int rc)
{
	assert(rc < 0);
	return rc;
}
#define error_set(...) error_failed(error_set(__VA_ARGS__))
#define error_errno(...) error_failed(error_errno(__VA_ARGS__))
#define error_wrap(...) error_failed(error_wrap(__VA_ARGS__))
#define error_no_cluster(...) error_failed(error_no_cluster(__VA_ARGS__))

/* Exit status and HTTP status of a code. */
int error_exit_status(enum errc code);
int error_http_status(enum errc code);

#endif
