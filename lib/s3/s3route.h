/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3ROUTE_H
#define KOOP_S3_S3ROUTE_H

#include <stdbool.h>

#include "s3/s3op.h"

/*
 * From a request to the operation: (method, level, sub-resource) is looked up
 * in the table of operations.  Pure.
 *
 * A sub-resource is a query parameter that names another thing than the
 * bucket or object itself (?uploads, ?acl).  Parameters that are no
 * sub-resource (x-id, prefix, signatures) do not choose the operation.
 */

struct httpreq_query;

/* copy: the request has x-amz-copy-source. */
enum s3op s3route(const char *method, enum s3level level,
    const struct httpreq_query *query, bool copy);

#endif
