/* SPDX-License-Identifier: MIT */
#ifndef KOOP_HTTP_HTTPREQ_H
#define KOOP_HTTP_HTTPREQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * A request as it came: the raw target and its parts, and the gate that every
 * request passes before anything looks at it.  Pure functions over memory.
 *
 * The target is never unescaped in place: signatures are made over the bytes
 * that were sent.  Paths and queries are decoded once, by those who need it,
 * with the functions here.
 */

#define HTTPREQ_TARGET_MAX 8192              /* longer: 414 */
#define HTTPREQ_HEADERS_MAX 100              /* more: 431 */
#define HTTPREQ_HEADER_BYTES_MAX (16 * 1024) /* names and values; more: 431 */
#define HTTPREQ_PARAMS_MAX 256               /* of a query */

struct error;

struct httpreq_header {
	struct bytes name;
	struct bytes value;
};

struct httpreq {
	const char *method;
	const char *version; /* "HTTP/1.1" */
	struct bytes target; /* raw, with its query */
	const struct httpreq_header *headers;
	size_t header_count; /* beyond HTTPREQ_HEADERS_MAX only counted */
	uint64_t max_body;   /* 0: no limit */
};

struct httpreq_body {
	bool chunked;
	uint64_t length; /* of Content-Length; 0 without */
};

/*
 * Judge a request.  0: it may go on, and *body says what follows the headers.
 * Otherwise the HTTP status to answer with before closing the connection;
 * *reason is then a fixed text for people.  What is refused: duplicates of
 * headers that must be unique, Content-Length beside Transfer-Encoding, any
 * coding but "chunked", names that are no token, control bytes in values,
 * unknown methods and versions, targets with NUL, space, control bytes, bad
 * escapes or %00, and whatever exceeds the limits above.
 */
KOOP_MUST int httpreq_gate(const struct httpreq *req, struct httpreq_body *body,
    const char **reason);

/*
 * Decode percent escapes once into fresh memory (free()), NUL-ended.  Fails
 * with ERRC_USAGE on a bad escape and on %00, so that the text has no NUL.
 */
KOOP_MUST int httpreq_decode(char **out, size_t *out_n, struct bytes raw,
    bool plus_is_space, struct error *err);

/* A decoded query: names and values in the order they came. */
struct httpreq_param {
	const char *name;
	const char *value; /* "" for "name" and for "name=" */
	size_t name_len;
	size_t value_len;
};

struct httpreq_query {
	struct httpreq_param *params;
	size_t count;
	char *text; /* what params point into */
};

/* '+' is a space.  Empty pieces ("a&&b") are skipped.  ERRC_USAGE on a bad
 * escape, %00, or more than HTTPREQ_PARAMS_MAX parameters. */
KOOP_MUST int httpreq_query_parse(struct httpreq_query *out, struct bytes raw,
    struct error *err);
void httpreq_query_fini(struct httpreq_query *query);
/* Value of the first parameter of that name, or NULL. */
const char *httpreq_query_get(const struct httpreq_query *query,
    const char *name);

/* Is it a token of RFC 9110 5.6.2: what header names are made of? */
bool httpreq_is_token(struct bytes text);
/* May it be a header's value: no control byte but HTAB? */
bool httpreq_is_field_value(struct bytes text);

#endif
