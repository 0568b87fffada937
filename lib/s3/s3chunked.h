/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3CHUNKED_H
#define KOOP_S3_S3CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * The aws-chunked framing that SDKs put around a body, inside HTTP:
 *
 *      HEX-SIZE [;chunk-signature=64HEX] CRLF  data CRLF   ...
 *      0 [;chunk-signature=64HEX] CRLF
 *      x-amz-checksum-crc32:BASE64 CRLF                    (trailers)
 *      CRLF
 *
 * Fed in pieces of any size, hands out the data and the trailers.  Chunk
 * signatures are not checked here.  Pure; memory is the struct.
 */

#define S3CHUNKED_LINE_MAX 512
#define S3CHUNKED_TRAILERS_MAX 16
#define S3CHUNKED_CHUNK_MAX (16ull << 30)

enum s3chunked_state {
	S3CHUNKED_SIZE,
	S3CHUNKED_DATA,
	S3CHUNKED_DATA_END,
	S3CHUNKED_TRAILER,
	S3CHUNKED_DONE,
	S3CHUNKED_BAD,
};

/* Nonzero stops the feeding, which then returns it. */
typedef int s3chunked_data_fn(void *arg, const uint8_t *p, size_t n);
typedef int s3chunked_trailer_fn(void *arg, const char *name,
    const char *value);

struct s3chunked {
	s3chunked_data_fn *data;
	s3chunked_trailer_fn *trailer;
	void *arg;
	enum s3chunked_state state;
	uint64_t left; /* of this chunk */
	size_t line_n;
	unsigned trailers;
	char line[S3CHUNKED_LINE_MAX];
};

/* 0; S3CHUNKED_MALFORMED; or what a function returned. */
#define S3CHUNKED_MALFORMED (-1000)
KOOP_MUST int s3chunked_feed(struct s3chunked *c, const uint8_t *p, size_t n);

/*
 * Was the last chunk seen?  The empty line after it may be missing: some
 * clients forget it, and nothing depends on it.
 */
bool s3chunked_finished(const struct s3chunked *c);

#endif
