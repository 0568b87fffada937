/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3COND_H
#define KOOP_S3_S3COND_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Conditional requests (RFC 9110 section 13) over what is known of a version:
 * its ETag, without quotes, and when it was made.  Pure.
 *
 * Times have a resolution of a second on the wire, so the stored one is cut
 * to that before it is compared.
 */

struct s3cond {
	/* Header values as received; NULL when absent. */
	const char *if_match;
	const char *if_none_match;
	const char *if_modified_since;
	const char *if_unmodified_since;
	const char *if_range;
};

enum s3cond_result {
	S3COND_GO,
	S3COND_NOT_MODIFIED, /* 304 */
	S3COND_FAILED,       /* 412 */
};

/* Is etag in the comma list, or the list "*"?  Members are quoted or not.  A
 * weak one (W/) matches only if weak says so. */
bool s3cond_list_has(const char *list, const char *etag, bool weak);

/* In the order of RFC 9110 13.2.2; If-Match beats If-Unmodified-Since, and
 * If-None-Match beats If-Modified-Since. */
enum s3cond_result s3cond_check(const struct s3cond *cond, const char *etag,
    uint64_t modified_ms);

/* Does the Range header count, given If-Range? */
bool s3cond_range_applies(const struct s3cond *cond, const char *etag,
    uint64_t modified_ms);

#endif
