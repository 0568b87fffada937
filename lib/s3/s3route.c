/* SPDX-License-Identifier: MIT */

#include "s3/s3route.h"

#include <assert.h>
#include <string.h>

#include "base/compiler.h"
#include "http/httpreq.h"

struct route {
	const char *method;
	enum s3level level;
	const char *sub; /* "" for the bucket or object itself */
	enum s3op op;
};

static const struct route routes[] = {
	{ "GET", S3LEVEL_SERVICE, "", S3OP_LIST_BUCKETS },
	{ "PUT", S3LEVEL_BUCKET, "", S3OP_CREATE_BUCKET },
	{ "HEAD", S3LEVEL_BUCKET, "", S3OP_HEAD_BUCKET },
	{ "DELETE", S3LEVEL_BUCKET, "", S3OP_DELETE_BUCKET },
	{ "GET", S3LEVEL_BUCKET, "", S3OP_LIST_OBJECTS },
	{ "GET", S3LEVEL_BUCKET, "location", S3OP_GET_BUCKET_LOCATION },
	{ "GET", S3LEVEL_BUCKET, "versions", S3OP_LIST_OBJECT_VERSIONS },
	{ "GET", S3LEVEL_BUCKET, "uploads", S3OP_LIST_UPLOADS },
	{ "POST", S3LEVEL_BUCKET, "delete", S3OP_DELETE_OBJECTS },
	{ "GET", S3LEVEL_BUCKET, "acl", S3OP_GET_ACL },
	{ "GET", S3LEVEL_BUCKET, "versioning", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "requestPayment", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "accelerate", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "logging", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "notification", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "tagging", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "policy", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "policyStatus", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "cors", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "lifecycle", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "website", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "encryption", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "object-lock", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "replication", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "publicAccessBlock", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_BUCKET, "ownershipControls", S3OP_GET_BUCKET_SETTING },
	{ "GET", S3LEVEL_OBJECT, "", S3OP_GET_OBJECT },
	{ "HEAD", S3LEVEL_OBJECT, "", S3OP_HEAD_OBJECT },
	{ "PUT", S3LEVEL_OBJECT, "", S3OP_PUT_OBJECT },
	{ "DELETE", S3LEVEL_OBJECT, "", S3OP_DELETE_OBJECT },
	{ "GET", S3LEVEL_OBJECT, "acl", S3OP_GET_ACL },
	{ "GET", S3LEVEL_OBJECT, "tagging", S3OP_GET_OBJECT_TAGGING },
	{ "POST", S3LEVEL_OBJECT, "uploads", S3OP_CREATE_UPLOAD },
	{ "PUT", S3LEVEL_OBJECT, "uploadId", S3OP_UPLOAD_PART },
	{ "POST", S3LEVEL_OBJECT, "uploadId", S3OP_COMPLETE_UPLOAD },
	{ "DELETE", S3LEVEL_OBJECT, "uploadId", S3OP_ABORT_UPLOAD },
	{ "GET", S3LEVEL_OBJECT, "uploadId", S3OP_LIST_PARTS },
};

/*
 * Every sub-resource of S3.  One that stands here and not in the table above
 * is not implemented; answering as if it were not there would do the wrong
 * thing (PUT ?tagging would replace the object).  partNumber chooses nothing
 * when it comes with uploadId, and is a read of one part without.
 */
static const char *const subresources[] = {
	"accelerate",
	"acl",
	"analytics",
	"append",
	"attributes",
	"cors",
	"delete",
	"encryption",
	"intelligent-tiering",
	"inventory",
	"legal-hold",
	"lifecycle",
	"location",
	"logging",
	"metadataConfiguration",
	"metadataTable",
	"metrics",
	"notification",
	"object-lock",
	"ownershipControls",
	"policy",
	"policyStatus",
	"publicAccessBlock",
	"renameObject",
	"replication",
	"requestPayment",
	"restore",
	"retention",
	"select",
	"session",
	"tagging",
	"torrent",
	"uploadId",
	"uploads",
	"versioning",
	"versions",
	"website",
};

static const char *const names[S3OP_MAX] = {
	[S3OP_NOT_IMPLEMENTED] = "NotImplemented",
	[S3OP_METHOD_NOT_ALLOWED] = "MethodNotAllowed",
	[S3OP_LIST_BUCKETS] = "ListBuckets",
	[S3OP_CREATE_BUCKET] = "CreateBucket",
	[S3OP_HEAD_BUCKET] = "HeadBucket",
	[S3OP_DELETE_BUCKET] = "DeleteBucket",
	[S3OP_GET_BUCKET_LOCATION] = "GetBucketLocation",
	[S3OP_GET_BUCKET_SETTING] = "GetBucketSetting",
	[S3OP_GET_ACL] = "GetAcl",
	[S3OP_LIST_OBJECTS] = "ListObjects",
	[S3OP_LIST_OBJECTS_V2] = "ListObjectsV2",
	[S3OP_LIST_OBJECT_VERSIONS] = "ListObjectVersions",
	[S3OP_DELETE_OBJECTS] = "DeleteObjects",
	[S3OP_LIST_UPLOADS] = "ListMultipartUploads",
	[S3OP_GET_OBJECT] = "GetObject",
	[S3OP_HEAD_OBJECT] = "HeadObject",
	[S3OP_PUT_OBJECT] = "PutObject",
	[S3OP_COPY_OBJECT] = "CopyObject",
	[S3OP_DELETE_OBJECT] = "DeleteObject",
	[S3OP_GET_OBJECT_TAGGING] = "GetObjectTagging",
	[S3OP_CREATE_UPLOAD] = "CreateMultipartUpload",
	[S3OP_UPLOAD_PART] = "UploadPart",
	[S3OP_UPLOAD_PART_COPY] = "UploadPartCopy",
	[S3OP_COMPLETE_UPLOAD] = "CompleteMultipartUpload",
	[S3OP_ABORT_UPLOAD] = "AbortMultipartUpload",
	[S3OP_LIST_PARTS] = "ListParts",
};

const char *
s3route_name(enum s3op op)
{
	assert(op < S3OP_MAX);
	return names[op];
}

static bool
has(const struct httpreq_query *query, const char *name)
{
	return httpreq_query_get(query, name) != NULL;
}

static const char *
subresource_of(const struct httpreq_query *query)
{
	/* It stands before all others: ?uploadId=..&partNumber=.. */
	if (has(query, "uploadId"))
		return "uploadId";
	for (size_t i = 0; i < nitems(subresources); i++)
		if (has(query, subresources[i]))
			return subresources[i];
	return "";
}

/* What the query adds to the plain operation. */
static enum s3op
refine(enum s3op op, const struct httpreq_query *query, bool copy)
{
	const char *type = httpreq_query_get(query, "list-type");

	switch (op) {
	case S3OP_LIST_OBJECTS:
		if (type && strcmp(type, "2") == 0)
			return S3OP_LIST_OBJECTS_V2;
		return op;
	case S3OP_PUT_OBJECT:
		if (has(query, "partNumber"))
			return S3OP_NOT_IMPLEMENTED;
		return copy ? S3OP_COPY_OBJECT : op;
	case S3OP_UPLOAD_PART:
		return copy ? S3OP_UPLOAD_PART_COPY : op;
	case S3OP_GET_OBJECT:
	case S3OP_HEAD_OBJECT:
		if (has(query, "partNumber"))
			return S3OP_NOT_IMPLEMENTED;
		return op;
	default:
		return op;
	}
}

enum s3op
s3route(const char *method, enum s3level level,
    const struct httpreq_query *query, bool copy)
{
	const char *sub = level == S3LEVEL_SERVICE ? "" : subresource_of(query);
	bool known = sub[0] == '\0';

	for (size_t i = 0; i < nitems(routes); i++) {
		const struct route *r = &routes[i];

		if (r->level == level && strcmp(r->sub, sub) == 0 &&
		    strcmp(r->method, method) == 0)
			return refine(r->op, query, copy);
	}
	/* A POST to a bucket is a browser's form, an OPTIONS a preflight:
	 * operations of S3 that are missing here, not mistakes. */
	if (known && level != S3LEVEL_SERVICE &&
	    (strcmp(method, "OPTIONS") == 0 ||
		(level == S3LEVEL_BUCKET && strcmp(method, "POST") == 0)))
		return S3OP_NOT_IMPLEMENTED;
	return known ? S3OP_METHOD_NOT_ALLOWED : S3OP_NOT_IMPLEMENTED;
}
