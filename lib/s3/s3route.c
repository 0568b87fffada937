/* SPDX-License-Identifier: MIT */

#include "s3/s3route.h"

#include <assert.h>
#include <string.h>

#include "base/compiler.h"
#include "http/httpreq.h"

/*
 * Sub-resources of S3 that no operation of the table has.  Each is not
 * implemented; answering as if it were not there would do the wrong thing
 * (PUT ?retention would replace the object).  partNumber chooses nothing when
 * it comes with uploadId, which stands before all others, and is a read of
 * one part without.
 */
static const char *const missing[] = {
	"analytics",
	"append",
	"attributes",
	"intelligent-tiering",
	"inventory",
	"legal-hold",
	"metadataConfiguration",
	"metadataTable",
	"metrics",
	"partNumber",
	"renameObject",
	"restore",
	"retention",
	"select",
	"session",
	"torrent",
};

static bool
has(const struct httpreq_query *query, const char *name)
{
	return httpreq_query_get(query, name) != NULL;
}

/* The one sub-resource of a request, "" for none.  Of two the one that is
 * missing here counts: better refused than the wrong thing done. */
static const char *
subresource_of(const struct httpreq_query *query)
{
	if (has(query, "uploadId"))
		return "uploadId";
	for (size_t i = 0; i < nitems(missing); i++)
		if (has(query, missing[i]))
			return missing[i];
	for (int op = 0; op < S3OP_MAX; op++) {
		const struct s3op_row *row = s3op_row((enum s3op)op);

		if (row->method && row->sub[0] != '\0' && has(query, row->sub))
			return row->sub;
	}
	return "";
}

static bool
condition_holds(enum s3when when, const struct httpreq_query *query, bool copy)
{
	const char *type;

	switch (when) {
	case S3WHEN_COPY:
		return copy;
	case S3WHEN_LIST_V2:
		type = httpreq_query_get(query, "list-type");
		return type && strcmp(type, "2") == 0;
	case S3WHEN_ALWAYS:
		return true;
	}
	return false;
}

enum s3op
s3route(const char *method, enum s3level level,
    const struct httpreq_query *query, bool copy)
{
	const char *sub = level == S3LEVEL_SERVICE ? "" : subresource_of(query);
	enum s3op found = S3OP_NOT_IMPLEMENTED;
	bool known = sub[0] == '\0';

	assert(level <= S3LEVEL_OBJECT);
	for (int op = 0; op < S3OP_MAX; op++) {
		const struct s3op_row *row = s3op_row((enum s3op)op);

		if (!row->method || row->level != level ||
		    strcmp(row->sub, sub) != 0 ||
		    strcmp(row->method, method) != 0 ||
		    !condition_holds(row->when, query, copy))
			continue;
		/* The row with a condition that holds is the closer one. */
		if (found == S3OP_NOT_IMPLEMENTED || row->when != S3WHEN_ALWAYS)
			found = (enum s3op)op;
	}
	if (found != S3OP_NOT_IMPLEMENTED)
		return found;
	/* A POST to a bucket is a browser's form, an OPTIONS a preflight:
	 * operations of S3 that are missing here, not mistakes. */
	if (known && level != S3LEVEL_SERVICE &&
	    (strcmp(method, "OPTIONS") == 0 ||
		(level == S3LEVEL_BUCKET && strcmp(method, "POST") == 0)))
		return S3OP_NOT_IMPLEMENTED;
	return known ? S3OP_METHOD_NOT_ALLOWED : S3OP_NOT_IMPLEMENTED;
}
