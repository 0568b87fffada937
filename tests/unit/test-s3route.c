/* SPDX-License-Identifier: MIT */

#include "s3/s3route.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "http/httpreq.h"
#include "s3/s3req.h"
#include "tap.h"

static const char *
route(const char *method, enum s3level level, const char *raw, bool copy)
{
	struct httpreq_query query = { 0 };
	struct error err;
	enum s3op op;

	if (httpreq_query_parse(&query, bytes_str(raw), &err) < 0)
		return "bad query";
	op = s3route(method, level, &query, copy);
	httpreq_query_fini(&query);
	return s3op_name(op);
}

static void
each_operation_has_its_request(void)
{
	static const struct {
		const char *method;
		enum s3level level;
		const char *query;
		const char *op;
	} cases[] = {
		{ "GET", S3LEVEL_SERVICE, "", "ListBuckets" },
		{ "GET", S3LEVEL_SERVICE, "x-id=ListBuckets", "ListBuckets" },
		{ "PUT", S3LEVEL_BUCKET, "", "CreateBucket" },
		{ "HEAD", S3LEVEL_BUCKET, "", "HeadBucket" },
		{ "DELETE", S3LEVEL_BUCKET, "", "DeleteBucket" },
		{ "GET", S3LEVEL_BUCKET, "", "ListObjects" },
		{ "GET", S3LEVEL_BUCKET, "prefix=a&list-type=2",
		    "ListObjectsV2" },
		{ "GET", S3LEVEL_BUCKET, "list-type=1", "ListObjects" },
		{ "GET", S3LEVEL_BUCKET, "location", "GetBucketLocation" },
		{ "GET", S3LEVEL_BUCKET, "location=", "GetBucketLocation" },
		{ "GET", S3LEVEL_BUCKET, "versions", "ListObjectVersions" },
		{ "GET", S3LEVEL_BUCKET, "uploads=", "ListMultipartUploads" },
		{ "GET", S3LEVEL_BUCKET, "versioning=", "GetBucketVersioning" },
		{ "POST", S3LEVEL_BUCKET, "delete=", "DeleteObjects" },
		{ "GET", S3LEVEL_OBJECT, "", "GetObject" },
		{ "GET", S3LEVEL_OBJECT, "response-expires=x&x-id=GetObject",
		    "GetObject" },
		{ "HEAD", S3LEVEL_OBJECT, "", "HeadObject" },
		{ "PUT", S3LEVEL_OBJECT, "x-id=PutObject", "PutObject" },
		{ "DELETE", S3LEVEL_OBJECT, "", "DeleteObject" },
		{ "POST", S3LEVEL_OBJECT, "uploads", "CreateMultipartUpload" },
		{ "PUT", S3LEVEL_OBJECT, "partNumber=1&uploadId=x",
		    "UploadPart" },
		{ "POST", S3LEVEL_OBJECT, "uploadId=x",
		    "CompleteMultipartUpload" },
		{ "DELETE", S3LEVEL_OBJECT, "uploadId=x",
		    "AbortMultipartUpload" },
		{ "GET", S3LEVEL_OBJECT, "uploadId=x&max-parts=2",
		    "ListParts" },
		{ "GET", S3LEVEL_OBJECT, "acl", "GetObjectAcl" },
		{ "GET", S3LEVEL_BUCKET, "acl", "GetBucketAcl" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_STR(route(cases[i].method, cases[i].level, cases[i].query,
			      false),
		    cases[i].op);
}

static void
a_copy_source_makes_a_copy(void)
{
	CHECK_STR(route("PUT", S3LEVEL_OBJECT, "", true), "CopyObject");
	CHECK_STR(route("PUT", S3LEVEL_OBJECT, "uploadId=x&partNumber=1", true),
	    "UploadPartCopy");
	CHECK_STR(route("GET", S3LEVEL_OBJECT, "", true), "GetObject");
}

static void
a_subresource_is_never_taken_for_the_object(void)
{
	CHECK_STR(route("PUT", S3LEVEL_OBJECT, "tagging", false),
	    "NotImplemented");
	CHECK_STR(route("PUT", S3LEVEL_OBJECT, "acl", false), "NotImplemented");
	CHECK_STR(route("DELETE", S3LEVEL_OBJECT, "tagging", false),
	    "NotImplemented");
	CHECK_STR(route("PUT", S3LEVEL_BUCKET, "policy", false),
	    "NotImplemented");
	CHECK_STR(route("DELETE", S3LEVEL_BUCKET, "lifecycle", false),
	    "NotImplemented");
	CHECK_STR(route("PUT", S3LEVEL_OBJECT, "partNumber=1", false),
	    "NotImplemented");
	CHECK_STR(route("GET", S3LEVEL_OBJECT, "partNumber=1", false),
	    "NotImplemented");
}

/* What follows from a row must be true of each. */
static void
every_row_makes_sense(void)
{
	for (int i = 0; i < S3OP_MAX; i++) {
		const struct s3op_row *row = s3op_row((enum s3op)i);

		for (int j = 0; j < i; j++)
			CHECK(strcmp(row->name, s3op_name((enum s3op)j)) != 0);
		if (!row->method) {
			CHECK(row->handler == NULL);
			continue;
		}
		CHECK(row->handler != NULL && row->handler->end != NULL);
		CHECK(strncmp(row->action, "s3:", 3) == 0);
		CHECK(!row->version_action ||
		    strstr(row->version_action, "Version") != NULL);
		/* Content goes to data(), and only content does. */
		CHECK(((row->needs & S3NEED_CONTENT) != 0) ==
		    (row->handler->data != NULL));
		/* Nothing is written into a bucket that nobody looked up. */
		CHECK(row->level != S3LEVEL_OBJECT ||
		    strcmp(row->method, "GET") == 0 ||
		    strcmp(row->method, "HEAD") == 0 ||
		    (row->needs & S3NEED_BUCKET) != 0);
		CHECK_STR(route(row->method, row->level,
			      row->when == S3WHEN_LIST_V2 ? "list-type=2" :
							    row->sub,
			      row->when == S3WHEN_COPY),
		    row->name);
	}
}

static void
of_two_subresources_the_missing_one_counts(void)
{
	CHECK_STR(route("GET", S3LEVEL_OBJECT, "acl&torrent", false),
	    "NotImplemented");
	CHECK_STR(route("DELETE", S3LEVEL_OBJECT, "partNumber=2", false),
	    "NotImplemented");
	CHECK_STR(route("POST", S3LEVEL_OBJECT, "uploads&restore", false),
	    "NotImplemented");
}

static void
what_s3_does_not_know_is_not_allowed(void)
{
	CHECK_STR(route("PUT", S3LEVEL_SERVICE, "", false), "MethodNotAllowed");
	CHECK_STR(route("POST", S3LEVEL_OBJECT, "", false), "MethodNotAllowed");
	CHECK_STR(route("PATCH", S3LEVEL_BUCKET, "", false),
	    "MethodNotAllowed");
	CHECK_STR(route("OPTIONS", S3LEVEL_OBJECT, "", false),
	    "NotImplemented");
	CHECK_STR(route("POST", S3LEVEL_BUCKET, "", false), "NotImplemented");
}

int
main(void)
{
	RUN(each_operation_has_its_request);
	RUN(a_copy_source_makes_a_copy);
	RUN(a_subresource_is_never_taken_for_the_object);
	RUN(every_row_makes_sense);
	RUN(of_two_subresources_the_missing_one_counts);
	RUN(what_s3_does_not_know_is_not_allowed);
	return tap_done();
}
