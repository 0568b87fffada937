/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3OPS_H
#define KOOP_S3_S3OPS_H

#include "s3/s3req.h"

/* What the gateway can do: the handlers that s3route chooses from. */

extern const struct s3handler s3bucket_list, s3bucket_create, s3bucket_head,
    s3bucket_delete, s3bucket_location, s3bucket_setting, s3bucket_acl;
extern const struct s3handler s3list_objects, s3list_uploads;
extern const struct s3handler s3get_object, s3get_tagging;
extern const struct s3handler s3put_object, s3put_part;
extern const struct s3handler s3copy_object, s3copy_part;
extern const struct s3handler s3delete_object, s3delete_objects;
extern const struct s3handler s3multipart_create, s3multipart_abort,
    s3multipart_parts;
extern const struct s3handler s3complete_upload;
/* /health and /metrics. */
void s3status_reply(struct s3req *r, const char *path);

#endif
