/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3PAGE_H
#define KOOP_S3_S3PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "s3/s3error.h"
#include "s3/s3name.h"

/*
 * The parameters of a listing, of every kind there is.  Pure.
 *
 * A continuation token of ListObjectsV2 is opaque to clients: the last key or
 * prefix of the page before, in hex after a letter that names this form.
 */

#define S3PAGE_MAX 1000
#define S3PAGE_TOKEN_BYTES (2 * S3NAME_KEY_MAX + 2)

struct httpreq_query;

enum s3page_kind {
	S3PAGE_V1,
	S3PAGE_V2,
	S3PAGE_VERSIONS,
	S3PAGE_UPLOADS,
	S3PAGE_PARTS,
};

struct s3page {
	struct bytes prefix, delimiter;
	struct bytes marker; /* marker, start-after, key-marker: as given */
	struct bytes token;  /* continuation-token, as given */
	bool has_token, has_start_after, has_marker;
	struct bytes upload_marker;  /* upload-id-marker */
	struct bytes version_marker; /* version-id-marker, a name or "" */
	uint32_t part_marker;
	uint32_t max; /* 0 to S3PAGE_MAX */
	bool url;     /* encoding-type=url */
	bool fetch_owner;
	/* Where the page starts: after this. */
	struct bytes after;
	uint8_t after_memory[S3NAME_KEY_MAX];
};

/* Borrows from query.  *why gets a text for the error's message. */
KOOP_MUST enum s3error s3page_parse(struct s3page *out, enum s3page_kind kind,
    const struct httpreq_query *query, const char **why);

/* The token that continues after a key. */
void s3page_token(char out[static S3PAGE_TOKEN_BYTES], struct bytes after);

#endif
