/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_HEADEROPTION_H
#define KOOP_SHARD_HEADEROPTION_H

#include "base/compiler.h"

/*
 * The option --header of the programs: "NAME:VALUE", or "@FILE" with such
 * lines, as koop-decode --headers writes them.
 */

struct buf;
struct error;

/*
 * Add one to headers (shard/headertext.h), or, when it has no value, to
 * without; with without NULL a value is wanted.  ERRC_USAGE, ERRC_NOINPUT;
 * messages begin with the option.
 */
KOOP_MUST int headeroption_add(struct buf *headers, struct buf *without,
    const char *item, struct error *err);

#endif
