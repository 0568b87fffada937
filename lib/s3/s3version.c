/* SPDX-License-Identifier: MIT */

#include "s3/s3version.h"

#include <assert.h>
#include <stddef.h>

#include "base/clock.h"
#include "http/httpd.h"

bool
s3version_parse(struct s3version *out, const char *text)
{
	assert(out != NULL);
	*out = (struct s3version){ .given = text != NULL };
	return text == NULL || versionid_parse(&out->id, bytes_str(text));
}

bool
s3version_param(struct s3version *out, struct s3req *r)
{
	assert(!s3req_replied(r));
	if (s3version_parse(out, s3req_param(r, "versionId")))
		return true;
	s3req_fail_why(r, S3E_INVALID_ARGUMENT, "Invalid version id specified");
	return false;
}

const struct versionid *
s3version_name(const struct s3version *version)
{
	assert(version != NULL);
	return version->given ? &version->id : NULL;
}

void
s3version_header(struct s3req *r, const char *name,
    const struct object_info *info)
{
	char text[VERSIONID_TEXT + 1];

	assert(info->found || info->marker);
	/* Each object of a bucket that never had versions is its "null" one;
	 * to say so would announce versions that are not kept. */
	if (info->versioning == NODEPROTO_NEVER)
		return;
	versionid_format(text, &info->version);
	httpd_reply_header(r->http, name, text);
}

/* Where the version would be there is a delete marker.  Asked for the key that
 * means there is no object; asked for by its own name it is found, and nothing
 * of it can be read. */
static void
fail_marker(struct s3req *r, const struct s3version *version,
    const struct object_info *info)
{
	const char *more[] = { "Method", httpd_method(r->http), "ResourceType",
		"DeleteMarker", NULL };
	char date[32];

	assert(info->marker && !info->found);
	httpd_reply_header(r->http, "x-amz-delete-marker", "true");
	s3version_header(r, "x-amz-version-id", info);
	if (!version->given) {
		s3req_fail(r, S3E_NO_SUCH_KEY);
		return;
	}
	clock_http_date(date, info->modified_ms);
	httpd_reply_header(r->http, "Last-Modified", date);
	httpd_reply_header(r->http, "Allow", "DELETE");
	s3req_fail_more(r, S3E_METHOD_NOT_ALLOWED, more);
}

void
s3version_missing(struct s3req *r, const struct s3version *version,
    const struct object_info *info)
{
	char text[VERSIONID_TEXT + 1];
	const char *more[] = { "VersionId", text, NULL };

	assert(!info->found);
	assert(!s3req_replied(r));
	if (info->bucket == NODEPROTO_NONE) {
		s3req_fail(r, S3E_NO_SUCH_BUCKET);
	} else if (info->marker) {
		fail_marker(r, version, info);
	} else if (version->given) {
		versionid_format(text, &version->id);
		s3req_fail_more(r, S3E_NO_SUCH_VERSION, more);
	} else {
		s3req_fail(r, S3E_NO_SUCH_KEY);
	}
}
