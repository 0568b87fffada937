/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3ERRORTABLE_H
#define KOOP_S3_S3ERRORTABLE_H

/* The errors that S3 clients know; s3/s3error.h makes an enum of them. */

/*        name                  code                      http  message */
#define S3ERROR_MAP(X)                                                        \
	X(ACCESS_DENIED, "AccessDenied", 403, "Access Denied")                \
	X(BAD_DIGEST, "BadDigest", 400,                                       \
	    "The checksum you specified did not match what we received")      \
	X(BUCKET_ALREADY_EXISTS, "BucketAlreadyExists", 409,                  \
	    "The requested bucket name belongs to another owner")             \
	X(BUCKET_ALREADY_OWNED, "BucketAlreadyOwnedByYou", 409,               \
	    "You already own the bucket that you tried to create")            \
	X(BUCKET_NOT_EMPTY, "BucketNotEmpty", 409,                            \
	    "The bucket you tried to delete is not empty")                    \
	X(ENTITY_TOO_LARGE, "EntityTooLarge", 400,                            \
	    "Your proposed upload exceeds the maximum allowed size")          \
	X(ENTITY_TOO_SMALL, "EntityTooSmall", 400,                            \
	    "A part other than the last is smaller than 5 MiB")               \
	X(ILLEGAL_LOCATION, "IllegalLocationConstraintException", 400,        \
	    "The location constraint is not the region of this server")       \
	X(ILLEGAL_VERSIONING, "IllegalVersioningConfigurationException", 400, \
	    "The versioning configuration has no status")                     \
	X(INCOMPLETE_BODY, "IncompleteBody", 400,                             \
	    "The body is shorter or longer than the headers announced")       \
	X(INSUFFICIENT_STORAGE, "InsufficientStorage", 507,                   \
	    "The disks of too many storage nodes are full")                   \
	X(INTERNAL_ERROR, "InternalError", 500,                               \
	    "We encountered an internal error; please try again")             \
	X(INVALID_ARGUMENT, "InvalidArgument", 400, "Invalid Argument")       \
	X(INVALID_BUCKET_NAME, "InvalidBucketName", 400,                      \
	    "The specified bucket is not valid")                              \
	X(INVALID_DIGEST, "InvalidDigest", 400,                               \
	    "The Content-MD5 you specified is not valid")                     \
	X(INVALID_PART, "InvalidPart", 400,                                   \
	    "A part was not found, or its ETag did not match")                \
	X(INVALID_PART_ORDER, "InvalidPartOrder", 400,                        \
	    "The list of parts was not in ascending order")                   \
	X(INVALID_RANGE, "InvalidRange", 416,                                 \
	    "The requested range is not satisfiable")                         \
	X(INVALID_REQUEST, "InvalidRequest", 400, "Invalid Request")          \
	X(INVALID_STORAGE_CLASS, "InvalidStorageClass", 400,                  \
	    "The storage class you specified is not valid")                   \
	X(INVALID_URI, "InvalidURI", 400, "Couldn't parse the specified URI") \
	X(KEY_TOO_LONG, "KeyTooLongError", 400, "Your key is too long")       \
	X(MALFORMED_TRAILER, "MalformedTrailerError", 400,                    \
	    "The trailer of the body is missing or not well-formed")          \
	X(MALFORMED_XML, "MalformedXML", 400,                                 \
	    "The XML you provided was not well-formed or did not validate")   \
	X(METADATA_TOO_LARGE, "MetadataTooLarge", 400,                        \
	    "Your metadata headers exceed the maximum allowed size")          \
	X(METHOD_NOT_ALLOWED, "MethodNotAllowed", 405,                        \
	    "The specified method is not allowed against this resource")      \
	X(MISSING_CONTENT_LENGTH, "MissingContentLength", 411,                \
	    "You must provide the Content-Length HTTP header")                \
	X(NO_SUCH_BUCKET, "NoSuchBucket", 404,                                \
	    "The specified bucket does not exist")                            \
	X(NO_SUCH_BUCKET_POLICY, "NoSuchBucketPolicy", 404,                   \
	    "The bucket policy does not exist")                               \
	X(NO_SUCH_CORS, "NoSuchCORSConfiguration", 404,                       \
	    "The CORS configuration does not exist")                          \
	X(NO_SUCH_ENCRYPTION,                                                 \
	    "ServerSideEncryptionConfigurationNotFoundError", 404,            \
	    "The server side encryption configuration was not found")         \
	X(NO_SUCH_KEY, "NoSuchKey", 404, "The specified key does not exist")  \
	X(NO_SUCH_LIFECYCLE, "NoSuchLifecycleConfiguration", 404,             \
	    "The lifecycle configuration does not exist")                     \
	X(NO_SUCH_OBJECT_LOCK, "ObjectLockConfigurationNotFoundError", 404,   \
	    "Object Lock configuration does not exist for this bucket")       \
	X(NO_SUCH_OWNERSHIP, "OwnershipControlsNotFoundError", 404,           \
	    "The bucket ownership controls were not found")                   \
	X(NO_SUCH_PUBLIC_ACCESS, "NoSuchPublicAccessBlockConfiguration", 404, \
	    "The public access block configuration was not found")            \
	X(NO_SUCH_REPLICATION, "ReplicationConfigurationNotFoundError", 404,  \
	    "The replication configuration was not found")                    \
	X(NO_SUCH_TAG_SET, "NoSuchTagSet", 404, "The TagSet does not exist")  \
	X(NO_SUCH_UPLOAD, "NoSuchUpload", 404,                                \
	    "The upload does not exist; it may be aborted or completed")      \
	X(NO_SUCH_VERSION, "NoSuchVersion", 404,                              \
	    "The specified version does not exist")                           \
	X(NO_SUCH_WEBSITE, "NoSuchWebsiteConfiguration", 404,                 \
	    "The specified bucket does not have a website configuration")     \
	X(NOT_IMPLEMENTED, "NotImplemented", 501,                             \
	    "The request asks for something that is not implemented")         \
	X(OPERATION_ABORTED, "OperationAborted", 409,                         \
	    "The bucket is being deleted; try again")                         \
	X(PRECONDITION_FAILED, "PreconditionFailed", 412,                     \
	    "At least one of the preconditions did not hold")                 \
	X(REQUEST_HEADERS_TOO_LARGE, "RequestHeaderSectionTooLarge", 400,     \
	    "Your request header section is too large")                       \
	X(SERVICE_UNAVAILABLE, "ServiceUnavailable", 503,                     \
	    "Too few storage nodes answered; please try again")               \
	X(SLOW_DOWN, "SlowDown", 503, "Please reduce your request rate")      \
	X(SHA256_MISMATCH, "XAmzContentSHA256Mismatch", 400,                  \
	    "The x-amz-content-sha256 header does not match the body")

#endif
