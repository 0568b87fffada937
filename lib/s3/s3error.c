/* SPDX-License-Identifier: MIT */

#include "s3/s3error.h"

#include <assert.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "s3/s3xml.h"

struct row {
	const char *code;
	const char *text;
	int status;
};

static const struct row rows[S3E_MAX] = { [S3E_NONE] = { "", "", 200 },
#define X(name, code, http, text) [S3E_##name] = { code, text, http },
	S3ERROR_MAP(X)
#undef X
};

const char *
s3error_code(enum s3error e)
{
	assert(e < S3E_MAX);
	return rows[e].code;
}

int
s3error_status(enum s3error e)
{
	assert(e < S3E_MAX);
	return rows[e].status;
}

const char *
s3error_message(enum s3error e)
{
	assert(e < S3E_MAX);
	return rows[e].text;
}

enum s3error
s3error_from_errc(int rc, enum s3error notfound)
{
	switch (-rc) {
	case ERRC_OK:
		return S3E_NONE;
	case ERRC_NOTFOUND:
		return notfound;
	case ERRC_MISMATCH:
		return S3E_PRECONDITION_FAILED;
	case ERRC_USAGE:
		return S3E_INVALID_ARGUMENT;
	case ERRC_DENIED:
		return S3E_ACCESS_DENIED;
	case ERRC_NOMEM:
		return S3E_SLOW_DOWN;
	case ERRC_FULL:
		return S3E_INSUFFICIENT_STORAGE;
	case ERRC_UNAVAILABLE:
	case ERRC_RETRY:
	/* The device under the log or a node: no fault of the request, nor one
	 * of the program, and cured by whoever looks after the device. */
	case ERRC_IO:
		return S3E_SERVICE_UNAVAILABLE;
	default:
		return S3E_INTERNAL_ERROR;
	}
}

enum s3error
s3error_from_outcome(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_DONE:
	case OUTCOME_EXISTS:
		return S3E_NONE;
	case OUTCOME_NO_SUCH_BUCKET:
		return S3E_NO_SUCH_BUCKET;
	case OUTCOME_SEALED:
	case OUTCOME_SEALED_EMPTY:
		return S3E_OPERATION_ABORTED;
	case OUTCOME_NOT_OWNER:
		return S3E_BUCKET_ALREADY_EXISTS;
	case OUTCOME_PRECONDITION_FAILED:
		return S3E_PRECONDITION_FAILED;
	case OUTCOME_NO_SUCH_KEY:
		return S3E_NO_SUCH_KEY;
	case OUTCOME_NO_SUCH_UPLOAD:
		return S3E_NO_SUCH_UPLOAD;
	case OUTCOME_INVALID_PART:
		return S3E_INVALID_PART;
	default:
		/* aborted, expired, stale_epoch, not_yet_here, ignored: the
		 * same request, sent again, gets a new id and may succeed. */
		return S3E_SERVICE_UNAVAILABLE;
	}
}

enum s3error
s3error_from_status(int status)
{
	switch (status) {
	case 405:
		return S3E_METHOD_NOT_ALLOWED;
	case 411:
		return S3E_MISSING_CONTENT_LENGTH;
	case 413:
		return S3E_ENTITY_TOO_LARGE;
	case 414:
		return S3E_INVALID_URI;
	case 431:
		return S3E_REQUEST_HEADERS_TOO_LARGE;
	case 501:
		return S3E_NOT_IMPLEMENTED;
	case 503:
		return S3E_SLOW_DOWN;
	default:
		return status >= 500 ? S3E_INTERNAL_ERROR : S3E_INVALID_REQUEST;
	}
}

void
s3error_print(struct buf *out, enum s3error e,
    const struct s3error_detail *detail)
{
	struct s3xml x;

	s3xml_begin(&x, out, "Error", false);
	s3xml_str(&x, "Code", s3error_code(e));
	s3xml_str(&x, "Message",
	    detail->message ? detail->message : s3error_message(e));
	if (detail->bucket)
		s3xml_str(&x, "BucketName", detail->bucket);
	if (detail->key)
		s3xml_str(&x, "Key", detail->key);
	for (const char *const *m = detail->more; m && m[0]; m += 2)
		s3xml_str(&x, m[0], m[1]);
	if (detail->resource)
		s3xml_str(&x, "Resource", detail->resource);
	s3xml_str(&x, "RequestId", detail->request_id);
	s3xml_str(&x, "HostId", "koop");
	s3xml_end(&x);
}
