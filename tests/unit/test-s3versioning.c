/* SPDX-License-Identifier: MIT */

#include "s3/s3versioning.h"

#include "tap.h"

#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define CONFIGURATION(text) \
	"<VersioningConfiguration>" text "</VersioningConfiguration>"

static const char *status;

static const char *
parse(const char *document)
{
	status = NULL;
	return s3error_code(s3versioning_parse(&status, bytes_str(document)));
}

static void
both_statuses_are_taken(void)
{
	CHECK_STR(parse(CONFIGURATION("<Status>Enabled</Status>")), "");
	CHECK_STR(status, "Enabled");
	CHECK_STR(parse(CONFIGURATION("<Status>Suspended</Status>")), "");
	CHECK_STR(status, "Suspended");
	CHECK_STR(parse("<?xml version=\"1.0\"?>\n<VersioningConfiguration" NS
			">\n  <Status>Enabled</Status>\n"
			"</VersioningConfiguration>\n"),
	    "");
	CHECK_STR(status, "Enabled");
}

static void
another_status_is_malformed(void)
{
	CHECK_STR(parse(CONFIGURATION("<Status>enabled</Status>")),
	    "MalformedXML");
	CHECK_STR(parse(CONFIGURATION("<Status></Status>")), "MalformedXML");
	CHECK_STR(parse(CONFIGURATION("<Status>Disabled</Status>")),
	    "MalformedXML");
	CHECK_STR(parse(CONFIGURATION("<Status>Enabled</Status>"
				      "<Status>Suspended</Status>")),
	    "MalformedXML");
	CHECK(status == NULL);
}

static void
a_document_without_status_is_illegal(void)
{
	CHECK_STR(parse(CONFIGURATION("")),
	    "IllegalVersioningConfigurationException");
	/* Another element's status is none. */
	CHECK_STR(parse(CONFIGURATION("<Rule><Status>Enabled</Status></Rule>")),
	    "IllegalVersioningConfigurationException");
}

static void
what_is_no_such_document_is_malformed(void)
{
	CHECK_STR(parse(""), "MalformedXML");
	CHECK_STR(parse("Enabled"), "MalformedXML");
	CHECK_STR(parse("<Versioning><Status>Enabled</Status></Versioning>"),
	    "MalformedXML");
	CHECK_STR(parse("<VersioningConfiguration><Status>Enabled</Status>"),
	    "MalformedXML");
}

static void
a_second_factor_is_not_promised(void)
{
	CHECK_STR(parse(CONFIGURATION("<Status>Enabled</Status>"
				      "<MfaDelete>Enabled</MfaDelete>")),
	    "NotImplemented");
	CHECK_STR(parse(CONFIGURATION("<Status>Enabled</Status>"
				      "<MfaDelete>Disabled</MfaDelete>")),
	    "");
	CHECK_STR(parse(CONFIGURATION("<Status>Enabled</Status>"
				      "<MfaDelete>Maybe</MfaDelete>")),
	    "MalformedXML");
}

int
main(void)
{
	RUN(both_statuses_are_taken);
	RUN(another_status_is_malformed);
	RUN(a_document_without_status_is_illegal);
	RUN(what_is_no_such_document_is_malformed);
	RUN(a_second_factor_is_not_promised);
	return tap_done();
}
