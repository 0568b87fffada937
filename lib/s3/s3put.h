/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3PUT_H
#define KOOP_S3_S3PUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/random.h"
#include "s3/s3error.h"
#include "s3/s3sink.h"

/*
 * What the operations that write have in common: the attributes of an object
 * out of the request's headers (shared by PutObject, CopyObject and
 * CreateMultipartUpload), and the parameters of a part.
 */

#define S3PUT_ETAG_BYTES 40 /* MD5 in hex, '-', number of parts, NUL */
#define S3PUT_PARTS_MAX 10000
#define S3PUT_PART_MIN_BYTES (5ull << 20) /* of every part but the last */

struct s3req;

struct s3put_attributes {
	char *headers, *meta;            /* JSON texts */
	char if_match[S3PUT_ETAG_BYTES]; /* "" for none */
	bool if_none_match;
};

/* Refuses headers that ask for what is not implemented; reads the conditions
 * and, if keep_headers, what is kept with the object. */
KOOP_MUST enum s3error s3put_attributes_init(struct s3req *r,
    struct s3put_attributes *out, bool keep_headers);
void s3put_attributes_fini(struct s3put_attributes *a);
/* If-Match and If-None-Match of a write, alone. */
KOOP_MUST enum s3error s3put_conditions(struct s3req *r,
    struct s3put_attributes *out);
/* One ETag, quoted or not, into out. */
KOOP_MUST enum s3error s3put_if_match(char out[static S3PUT_ETAG_BYTES],
    struct bytes value);
/* For an object of the request's name, size and id. */
struct s3sink_options s3put_options(const struct s3req *r,
    const struct s3put_attributes *a);

/* What the session cache keeps of an upload: whose it is, so that a part of
 * another key is refused before its body travels. */
struct buf s3put_session_value(const struct s3req *r);

/* ?uploadId= and ?partNumber=; number may be NULL. */
KOOP_MUST enum s3error s3put_part_params(const struct s3req *r,
    struct reqid *upload, uint32_t *number);

#endif
