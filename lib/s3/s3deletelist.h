/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3DELETELIST_H
#define KOOP_S3_S3DELETELIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "s3/s3error.h"
#include "s3/s3put.h"
#include "s3/s3version.h"

/*
 * The document of DeleteObjects: keys, or versions of keys, one outcome each.
 *
 *      <Delete><Quiet>true</Quiet>
 *        <Object><Key>k</Key><VersionId>v</VersionId><ETag>e</ETag></Object>
 *        ...
 *
 * What is wrong with one object is that object's error, and the others go;
 * what is wrong with the document is MalformedXML, and nothing goes.
 */

#define S3DELETELIST_MAX 1000

struct s3deletelist_item {
	char *key; /* on the heap, NUL-ended */
	size_t key_n;
	char *version_text; /* as it was sent; NULL: none */
	struct s3version version;
	char if_match[S3PUT_ETAG_BYTES]; /* "" for none */
	enum s3error error;              /* known before anybody is asked */
};

struct s3deletelist {
	struct s3deletelist_item *items; /* room for S3DELETELIST_MAX */
	size_t count;                    /* at least 1 */
	bool quiet;                      /* only failures are told */
};

/* MALFORMED_XML, SLOW_DOWN: out of memory.  The caller calls fini, whatever
 * came of it. */
KOOP_MUST enum s3error s3deletelist_parse(struct s3deletelist *out,
    struct bytes document);
void s3deletelist_fini(struct s3deletelist *list);

#endif
