/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3ROUTE_H
#define KOOP_S3_S3ROUTE_H

#include <stdbool.h>

/*
 * From a request to the operation: (method, level, sub-resource) is looked up
 * in one table.  Pure.
 *
 * A sub-resource is a query parameter that names another thing than the
 * bucket or object itself (?uploads, ?acl).  Parameters that are no
 * sub-resource (x-id, prefix, signatures) do not choose the operation.
 */

struct httpreq_query;

enum s3level { S3LEVEL_SERVICE, S3LEVEL_BUCKET, S3LEVEL_OBJECT };

enum s3op {
	S3OP_NOT_IMPLEMENTED,    /* known to S3, not to us: 501 */
	S3OP_METHOD_NOT_ALLOWED, /* 405 */
	S3OP_LIST_BUCKETS,
	S3OP_CREATE_BUCKET,
	S3OP_HEAD_BUCKET,
	S3OP_DELETE_BUCKET,
	S3OP_GET_BUCKET_LOCATION,
	S3OP_GET_BUCKET_SETTING, /* never set: an empty document or a 404 */
	S3OP_GET_ACL,
	S3OP_LIST_OBJECTS,
	S3OP_LIST_OBJECTS_V2,
	S3OP_LIST_OBJECT_VERSIONS,
	S3OP_DELETE_OBJECTS,
	S3OP_LIST_UPLOADS,
	S3OP_GET_OBJECT,
	S3OP_HEAD_OBJECT,
	S3OP_PUT_OBJECT,
	S3OP_COPY_OBJECT,
	S3OP_DELETE_OBJECT,
	S3OP_GET_OBJECT_TAGGING,
	S3OP_CREATE_UPLOAD,
	S3OP_UPLOAD_PART,
	S3OP_UPLOAD_PART_COPY,
	S3OP_COMPLETE_UPLOAD,
	S3OP_ABORT_UPLOAD,
	S3OP_LIST_PARTS,
	S3OP_MAX,
};

/* copy: the request has x-amz-copy-source. */
enum s3op s3route(const char *method, enum s3level level,
    const struct httpreq_query *query, bool copy);

/* "PutObject", for logs and metrics. */
const char *s3route_name(enum s3op op);

#endif
