/* SPDX-License-Identifier: MIT */

#include "s3/s3error.h"

#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "tap.h"

static void
every_error_has_code_status_and_text(void)
{
	for (int e = 1; e < S3E_MAX; e++) {
		int status = s3error_status((enum s3error)e);

		CHECK(strlen(s3error_code((enum s3error)e)) > 4);
		CHECK(strlen(s3error_message((enum s3error)e)) > 4);
		CHECK(status >= 400 && status < 600);
		for (int f = 1; f < e; f++)
			CHECK(strcmp(s3error_code((enum s3error)e),
				  s3error_code((enum s3error)f)) != 0);
	}
}

static void
every_errc_maps_to_an_error(void)
{
	for (int code = 1; code < ERRC_MAX; code++) {
		enum s3error e = s3error_from_errc(-code, S3E_NO_SUCH_KEY);

		CHECK(e != S3E_NONE);
		/* What may succeed when repeated says so. */
		if (code == ERRC_RETRY || code == ERRC_UNAVAILABLE)
			CHECK(s3error_status(e) == 503);
	}
	CHECK(s3error_from_errc(0, S3E_NO_SUCH_KEY) == S3E_NONE);
	CHECK(s3error_from_errc(-ERRC_NOTFOUND, S3E_NO_SUCH_UPLOAD) ==
	    S3E_NO_SUCH_UPLOAD);
}

static void
what_decides_nothing_is_never_a_4xx(void)
{
	for (int o = 0; o < OUTCOME_MAX; o++) {
		enum s3error e = s3error_from_outcome((enum outcome)o);

		if (!outcome_decides((enum outcome)o))
			CHECK(s3error_status(e) == 503);
	}
	CHECK(s3error_from_outcome(OUTCOME_DONE) == S3E_NONE);
	CHECK_STR(s3error_code(s3error_from_outcome(OUTCOME_NO_SUCH_KEY)),
	    "NoSuchKey");
	CHECK(s3error_status(
		  s3error_from_outcome(OUTCOME_PRECONDITION_FAILED)) == 412);
	CHECK(s3error_status(s3error_from_outcome(OUTCOME_SEALED)) == 409);
}

static void
the_document(void)
{
	const char *const more[] = { "ActualObjectSize", "3", NULL };
	struct s3error_detail detail = {
		.resource = "/b/a&b",
		.request_id = "id",
		.bucket = "b",
		.key = "a&b",
		.more = more,
	};
	struct buf b = buf_make(4096);

	s3error_print(&b, S3E_INVALID_RANGE, &detail);
	CHECK_STR(buf_cstr(&b),
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<Error><Code>InvalidRange</Code>"
	    "<Message>The requested range is not satisfiable</Message>"
	    "<BucketName>b</BucketName><Key>a&amp;b</Key>"
	    "<ActualObjectSize>3</ActualObjectSize>"
	    "<Resource>/b/a&amp;b</Resource><RequestId>id</RequestId>"
	    "<HostId>koop</HostId></Error>");
	buf_fini(&b);
}

int
main(void)
{
	RUN(every_error_has_code_status_and_text);
	RUN(every_errc_maps_to_an_error);
	RUN(what_decides_nothing_is_never_a_4xx);
	RUN(the_document);
	return tap_done();
}
