/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_PIPELIST_H
#define KOOP_CLIENT_PIPELIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/compiler.h"

/*
 * koop-list(1): the keys of a bucket, in bytewise order, page after page.
 *
 *      {"key":"videos/a.mp4","size":1,"etag":"..","modified":".."}
 *      {"prefix":"videos/2024/"}
 *
 * With versions all of them, newest first, and delete markers:
 *
 *      {"key":"videos/a.mp4","version":"..","latest":true,"size":1, ...}
 *      {"key":"videos/a.mp4","version":"..","latest":false,"marker":true, ...}
 *
 * Names are bucket/key, as every program takes them.  Each page is read as
 * metaread_list() says; all of them are of the incarnation that the bucket had
 * when the list began.
 */

enum pipelist_form {
	PIPELIST_JSON,
	PIPELIST_LINES, /* names, each ended by LF */
	PIPELIST_NUL,   /* names, each ended by NUL */
};

struct error;
struct nodeclient;

struct pipelist_options {
	struct bytes bucket, prefix, delimiter;
	struct bytes after; /* a key or a common prefix: begin behind it */
	struct bytes after_version; /* of the key `after`: begin behind it */
	uint64_t limit;             /* lines; UINT64_MAX for all */
	bool versions;
	enum pipelist_form form;
};

/*
 * *last (made by the caller) gets the name that was printed last, also on
 * failure: what --after takes to go on.
 *
 * ERRC_NOTFOUND: no such bucket.  ERRC_CORRUPT: PIPELIST_LINES, and a name
 * holds a line end.  ERRC_UNAVAILABLE, ERRC_IO.
 */
KOOP_MUST int pipelist_run(struct nodeclient *nc, int out,
    const struct pipelist_options *options, struct buf *last,
    struct error *err);

#endif
