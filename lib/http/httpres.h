/* SPDX-License-Identifier: MIT */
#ifndef KOOP_HTTP_HTTPRES_H
#define KOOP_HTTP_HTTPRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

/*
 * The head of an HTTP/1.1 answer, and the frames of a chunked body, parsed
 * from memory.  Strict: our own servers write these, so whatever is unusual
 * (a bare LF, a folded header, two lengths, chunk extensions, trailers) is a
 * broken or hostile peer and fails with ERRC_PROTOCOL.
 */

#define HTTPRES_HEADERS_MAX 100
#define HTTPRES_CHUNK_MAX (1ull << 40)

struct error;

struct httpres_header {
	const char *name;
	const char *value;
};

struct httpres {
	int status; /* 100..599 */
	bool has_length;
	bool chunked;
	bool close; /* "Connection: close" */
	uint64_t length;
	size_t count;
	struct httpres_header header[HTTPRES_HEADERS_MAX];
};

/*
 * Parse the head at the beginning of p.  Returns its length when it is whole:
 * out then points into p, where NULs were written behind names and values;
 * 0 when more bytes are needed (p is untouched); or -ERRC_PROTOCOL.
 */
KOOP_MUST ssize_t httpres_parse(struct httpres *out, char *p, size_t n,
    struct error *err);
/* Value of the first header of that name (any case), or NULL. */
const char *httpres_get(const struct httpres *res, const char *name);

/* Where we are in a chunked body.  Zero is its beginning. */
struct httpres_chunks {
	uint64_t left;   /* bytes of the present chunk's data still to come */
	bool done;       /* the end was seen */
	bool after_data; /* CRLF is due */
	bool in_size;    /* some digits were seen */
	bool got_cr;
	bool last; /* the size was 0: CRLF ends the body */
	unsigned digits;
	uint64_t size;
};

/*
 * Step over frame bytes in p until data begins (left > 0), the end (done) or
 * the end of p.  Returns how many bytes were used, or -ERRC_PROTOCOL.  When
 * left > 0 the caller takes data and says so with httpres_chunk_took().
 */
KOOP_MUST ssize_t httpres_chunk_step(struct httpres_chunks *chunks,
    const char *p, size_t n, struct error *err);
void httpres_chunk_took(struct httpres_chunks *chunks, size_t n);

#endif
