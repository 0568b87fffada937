/* SPDX-License-Identifier: MIT */
#ifndef KOOP_HTTP_RANGE_H
#define KOOP_HTTP_RANGE_H

#include <stdint.h>

#include "base/compiler.h"

/*
 * The Range header of a GET or HEAD, against an object of a known size.
 *
 * One range of bytes is understood: "bytes=a-b", "bytes=a-" and "bytes=-n".
 * Everything else that is well or badly formed (other units, several ranges,
 * b before a, nonsense) is ignored, as S3 does: the whole object is the
 * answer.  An overflowing number is larger than any size and is treated so.
 */

enum range_kind {
	RANGE_NONE,          /* no range to honour: 200, everything */
	RANGE_OK,            /* 206 with first and last */
	RANGE_UNSATISFIABLE, /* 416 with "Content-Range: bytes *" "/SIZE" */
};

struct range {
	uint64_t first;
	uint64_t last; /* inclusive; below the size */
};

/* value may be NULL: no header.  *out is written for RANGE_OK only. */
KOOP_MUST enum range_kind range_parse(struct range *out, const char *value,
    uint64_t size);

#endif
