/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_PIPERM_H
#define KOOP_CLIENT_PIPERM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

/*
 * koop-rm(1): objects are deleted, named one by one or by a list from a
 * descriptor, and a line about each goes to another:
 *
 *      delete v=1 partition=29 seq=42 name=videos/film.mp4 outcome=done
 *
 * A list has bucket/key on each line, or the lines of JSON that koop-list
 * prints (a bucket's name never begins with a brace; a line with a version
 * means that version, which is then gone for good), or names ended by NUL.
 * Its names are deleted in order, as many in one append as have come already.
 *
 * A line that is no name ends the run, and so does a last line without its
 * end: what wrote the list may have died in the middle of a name, and the
 * half of it may be the name of something else.
 */

struct error;
struct nodeclient;

struct piperm_options {
	bool null_ended; /* of a list: names end with NUL, none is JSON */
	bool force;      /* what was not there is no failure */
	/* An object that was not deleted, and why.  The run goes on. */
	void (*complain)(void *arg, const char *text);
	void *arg;
};

/*
 * ERRC_NOTFOUND: some were not there.  ERRC_CORRUPT: the list; what is before
 * the bad line has been deleted.  ERRC_RETRY: it is not known whether the
 * names after the last line printed are deleted; the same again is safe.
 */
KOOP_MUST int piperm_list(struct nodeclient *nc, int in, int out,
    const struct piperm_options *options, struct error *err);
/* ERRC_USAGE, before anything is deleted, when one of them is no name. */
KOOP_MUST int piperm_names(struct nodeclient *nc, char *const names[],
    size_t count, int out, const struct piperm_options *options,
    struct error *err);

#endif
