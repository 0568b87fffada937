/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_PIPEMETA_H
#define KOOP_CLIENT_PIPEMETA_H

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * The headers of an object that koop-commit makes: those that came with the
 * receipts, but for names that its options give, and those of the options.
 * All are texts of shard/headertext.h.
 */

struct error;

/* JSON objects of strings, as records have them, on the heap. */
struct pipemeta {
	char *headers;
	char *meta;
};

/* Empty values of system headers mean none.  ERRC_USAGE: more than an object
 * may have. */
KOOP_MUST int pipemeta_make(struct pipemeta *out, struct bytes given,
    struct bytes without, struct bytes came, struct error *err);
void pipemeta_fini(struct pipemeta *meta);

#endif
