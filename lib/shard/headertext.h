/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_HEADERTEXT_H
#define KOOP_SHARD_HEADERTEXT_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * The headers that an object is served with, as text: lines "Name: value",
 * each ended by LF, each name once.  So they travel in a shard stream, lie in
 * a file, and are given as options; a record keeps them as JSON
 * (commit/objectmeta.h), which also says how many of the user's own there may
 * be.
 *
 * Values are UTF-8 without control characters.  Pure.
 */

struct buf;
struct error;

#define HEADERTEXT_MAX 16384    /* all lines together */
#define HEADERTEXT_NAME_MAX 266 /* "x-amz-meta-" and 255 */
#define HEADERTEXT_USER "x-amz-meta-"

/* The name as it is stored and sent, when it is one of Content-Type and its
 * like that are stored; else NULL.  The user's own are not among them. */
const char *headertext_kept(struct bytes name);

/* UTF-8, and what may be sent as the value of a header. */
bool headertext_value_good(struct bytes value);

/*
 * Append a line, the name as it is stored.  ERRC_USAGE: a header that objects
 * do not keep, no name, no value of a header, or a name that is there.  An
 * empty value is fine here.
 */
KOOP_MUST int headertext_add(struct buf *text, struct bytes name,
    struct bytes value, struct error *err);
/* The same of "NAME:VALUE"; blanks around the value do not count. */
KOOP_MUST int headertext_add_line(struct buf *text, struct bytes line,
    struct error *err);

/* Text from outside: ERRC_CORRUPT.  Names that are not stored may be there. */
KOOP_MUST int headertext_check(struct bytes text, struct error *err);
/* Take the next line of checked text; false at the end. */
bool headertext_next(struct bytes *rest, struct bytes *name,
    struct bytes *value);
/* Is the name, in any case, in checked text? */
bool headertext_has(struct bytes text, struct bytes name);

#endif
