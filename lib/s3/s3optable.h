/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3OPTABLE_H
#define KOOP_S3_S3OPTABLE_H

/*
 * The operations of S3 that the gateway knows, one row each; adding one is
 * adding a row and its handler.  s3/s3op.h makes of it the enum and the table
 * that routes, names, metrics and the judge read.  The columns:
 *
 *      enum     S3OP_<enum>
 *      name     as S3's reference has it; in logs and metrics
 *      method, level, sub   the request: sub is the query parameter that names
 *               a sub-resource, "" for the bucket or object itself
 *      when     ALWAYS, or what else tells it from the row without that
 *      action   what a policy calls the right to do it
 *      version  the same when ?versionId= names a version; NULL: no other
 *      needs    see enum s3need
 *      handler  a struct s3handler
 */

/* clang-format off */
#define S3OP_TABLE(X)                                                        \
    X(LIST_BUCKETS, "ListBuckets", "GET", SERVICE, "", ALWAYS,               \
        "s3:ListAllMyBuckets", NULL, 0, s3bucket_list)                       \
    X(CREATE_BUCKET, "CreateBucket", "PUT", BUCKET, "", ALWAYS,              \
        "s3:CreateBucket", NULL, S3NEED_DOCUMENT, s3bucket_create)           \
    X(HEAD_BUCKET, "HeadBucket", "HEAD", BUCKET, "", ALWAYS,                 \
        "s3:ListBucket", NULL, S3NEED_BUCKET, s3bucket_head)                 \
    X(DELETE_BUCKET, "DeleteBucket", "DELETE", BUCKET, "", ALWAYS,           \
        "s3:DeleteBucket", NULL, 0, s3bucket_delete)                         \
    X(GET_BUCKET_LOCATION, "GetBucketLocation", "GET", BUCKET, "location",   \
        ALWAYS, "s3:GetBucketLocation", NULL, S3NEED_BUCKET,                 \
        s3bucket_location)                                                   \
    X(LIST_OBJECTS, "ListObjects", "GET", BUCKET, "", ALWAYS,                \
        "s3:ListBucket", NULL, S3NEED_BUCKET, s3list_objects)                \
    X(LIST_OBJECTS_V2, "ListObjectsV2", "GET", BUCKET, "", LIST_V2,          \
        "s3:ListBucket", NULL, S3NEED_BUCKET, s3list_objects)                \
    X(LIST_OBJECT_VERSIONS, "ListObjectVersions", "GET", BUCKET, "versions", \
        ALWAYS, "s3:ListBucketVersions", NULL, S3NEED_BUCKET,                \
        s3list_objects)                                                      \
    X(LIST_UPLOADS, "ListMultipartUploads", "GET", BUCKET, "uploads",        \
        ALWAYS, "s3:ListBucketMultipartUploads", NULL, S3NEED_BUCKET,        \
        s3list_uploads)                                                      \
    X(DELETE_OBJECTS, "DeleteObjects", "POST", BUCKET, "delete", ALWAYS,     \
        "s3:DeleteObject", "s3:DeleteObjectVersion",                         \
        S3NEED_BUCKET | S3NEED_LONG_DOCUMENT | S3NEED_EACH_KEY,              \
        s3delete_objects)                                                    \
    X(GET_BUCKET_ACL, "GetBucketAcl", "GET", BUCKET, "acl", ALWAYS,          \
        "s3:GetBucketAcl", NULL, S3NEED_BUCKET, s3bucket_acl)                \
    X(GET_BUCKET_ACCELERATE, "GetBucketAccelerateConfiguration", "GET",      \
        BUCKET, "accelerate", ALWAYS, "s3:GetAccelerateConfiguration",       \
        NULL, S3NEED_BUCKET, s3bucket_setting)                               \
    X(GET_BUCKET_CORS, "GetBucketCors", "GET", BUCKET, "cors", ALWAYS,       \
        "s3:GetBucketCORS", NULL, S3NEED_BUCKET, s3bucket_setting)           \
    X(GET_BUCKET_ENCRYPTION, "GetBucketEncryption", "GET", BUCKET,           \
        "encryption", ALWAYS, "s3:GetEncryptionConfiguration", NULL,         \
        S3NEED_BUCKET, s3bucket_setting)                                     \
    X(GET_BUCKET_LIFECYCLE, "GetBucketLifecycleConfiguration", "GET",        \
        BUCKET, "lifecycle", ALWAYS, "s3:GetLifecycleConfiguration", NULL,   \
        S3NEED_BUCKET, s3bucket_setting)                                     \
    X(GET_BUCKET_LOGGING, "GetBucketLogging", "GET", BUCKET, "logging",      \
        ALWAYS, "s3:GetBucketLogging", NULL, S3NEED_BUCKET,                  \
        s3bucket_setting)                                                    \
    X(GET_BUCKET_NOTIFICATION, "GetBucketNotificationConfiguration", "GET",  \
        BUCKET, "notification", ALWAYS, "s3:GetBucketNotification", NULL,    \
        S3NEED_BUCKET, s3bucket_setting)                                     \
    X(GET_BUCKET_OBJECT_LOCK, "GetObjectLockConfiguration", "GET", BUCKET,   \
        "object-lock", ALWAYS, "s3:GetBucketObjectLockConfiguration", NULL,  \
        S3NEED_BUCKET, s3bucket_setting)                                     \
    X(GET_BUCKET_OWNERSHIP, "GetBucketOwnershipControls", "GET", BUCKET,     \
        "ownershipControls", ALWAYS, "s3:GetBucketOwnershipControls", NULL,  \
        S3NEED_BUCKET, s3bucket_setting)                                     \
    X(GET_BUCKET_POLICY, "GetBucketPolicy", "GET", BUCKET, "policy",         \
        ALWAYS, "s3:GetBucketPolicy", NULL, S3NEED_BUCKET,                   \
        s3bucket_setting)                                                    \
    X(GET_BUCKET_POLICY_STATUS, "GetBucketPolicyStatus", "GET", BUCKET,      \
        "policyStatus", ALWAYS, "s3:GetBucketPolicyStatus", NULL,            \
        S3NEED_BUCKET, s3bucket_setting)                                     \
    X(GET_BUCKET_PUBLIC_ACCESS, "GetPublicAccessBlock", "GET", BUCKET,       \
        "publicAccessBlock", ALWAYS, "s3:GetBucketPublicAccessBlock", NULL,  \
        S3NEED_BUCKET, s3bucket_setting)                                     \
    X(GET_BUCKET_REPLICATION, "GetBucketReplication", "GET", BUCKET,         \
        "replication", ALWAYS, "s3:GetReplicationConfiguration", NULL,       \
        S3NEED_BUCKET, s3bucket_setting)                                     \
    X(GET_BUCKET_PAYMENT, "GetBucketRequestPayment", "GET", BUCKET,          \
        "requestPayment", ALWAYS, "s3:GetBucketRequestPayment", NULL,        \
        S3NEED_BUCKET, s3bucket_setting)                                     \
    X(GET_BUCKET_TAGGING, "GetBucketTagging", "GET", BUCKET, "tagging",      \
        ALWAYS, "s3:GetBucketTagging", NULL, S3NEED_BUCKET,                  \
        s3bucket_setting)                                                    \
    X(GET_BUCKET_VERSIONING, "GetBucketVersioning", "GET", BUCKET,           \
        "versioning", ALWAYS, "s3:GetBucketVersioning", NULL,                \
        S3NEED_BUCKET, s3versioning_get)                                     \
    X(PUT_BUCKET_VERSIONING, "PutBucketVersioning", "PUT", BUCKET,           \
        "versioning", ALWAYS, "s3:PutBucketVersioning", NULL,                \
        S3NEED_BUCKET | S3NEED_DOCUMENT, s3versioning_put)                   \
    X(GET_BUCKET_WEBSITE, "GetBucketWebsite", "GET", BUCKET, "website",      \
        ALWAYS, "s3:GetBucketWebsite", NULL, S3NEED_BUCKET,                  \
        s3bucket_setting)                                                    \
    X(GET_OBJECT, "GetObject", "GET", OBJECT, "", ALWAYS,                    \
        "s3:GetObject", "s3:GetObjectVersion", 0, s3get_object)              \
    X(HEAD_OBJECT, "HeadObject", "HEAD", OBJECT, "", ALWAYS,                 \
        "s3:GetObject", "s3:GetObjectVersion", 0, s3get_object)              \
    X(PUT_OBJECT, "PutObject", "PUT", OBJECT, "", ALWAYS,                    \
        "s3:PutObject", NULL, S3NEED_BUCKET | S3NEED_CONTENT,                \
        s3put_object)                                                        \
    X(COPY_OBJECT, "CopyObject", "PUT", OBJECT, "", COPY,                    \
        "s3:PutObject", NULL, S3NEED_BUCKET, s3copy_object)                  \
    X(DELETE_OBJECT, "DeleteObject", "DELETE", OBJECT, "", ALWAYS,           \
        "s3:DeleteObject", "s3:DeleteObjectVersion", S3NEED_BUCKET,          \
        s3delete_object)                                                     \
    X(GET_OBJECT_ACL, "GetObjectAcl", "GET", OBJECT, "acl", ALWAYS,          \
        "s3:GetObjectAcl", "s3:GetObjectVersionAcl", S3NEED_BUCKET,          \
        s3bucket_acl)                                                        \
    X(GET_OBJECT_TAGGING, "GetObjectTagging", "GET", OBJECT, "tagging",      \
        ALWAYS, "s3:GetObjectTagging", "s3:GetObjectVersionTagging", 0,      \
        s3get_tagging)                                                       \
    X(CREATE_UPLOAD, "CreateMultipartUpload", "POST", OBJECT, "uploads",     \
        ALWAYS, "s3:PutObject", NULL, S3NEED_BUCKET, s3multipart_create)     \
    X(UPLOAD_PART, "UploadPart", "PUT", OBJECT, "uploadId", ALWAYS,          \
        "s3:PutObject", NULL, S3NEED_BUCKET | S3NEED_CONTENT, s3put_part)    \
    X(UPLOAD_PART_COPY, "UploadPartCopy", "PUT", OBJECT, "uploadId", COPY,   \
        "s3:PutObject", NULL, S3NEED_BUCKET, s3copy_part)                    \
    X(COMPLETE_UPLOAD, "CompleteMultipartUpload", "POST", OBJECT,            \
        "uploadId", ALWAYS, "s3:PutObject", NULL,                            \
        S3NEED_BUCKET | S3NEED_LONG_DOCUMENT | S3NEED_OBJECT_SUMS,           \
        s3complete_upload)                                                   \
    X(ABORT_UPLOAD, "AbortMultipartUpload", "DELETE", OBJECT, "uploadId",    \
        ALWAYS, "s3:AbortMultipartUpload", NULL, S3NEED_BUCKET,              \
        s3multipart_abort)                                                   \
    X(LIST_PARTS, "ListParts", "GET", OBJECT, "uploadId", ALWAYS,            \
        "s3:ListMultipartUploadParts", NULL, 0, s3multipart_parts)
/* clang-format on */

#endif
