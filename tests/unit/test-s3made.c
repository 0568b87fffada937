/* SPDX-License-Identifier: MIT */

#include "s3/s3made.h"

#include "commit/record.h"
#include "tap.h"

static const struct reqid request = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 } };
static const struct reqid upload = { { 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9 } };

static struct s3made
made(enum record_type type, enum record_versioning versioning)
{
	struct record record = {
		.type = type,
		.request_id = request,
		.upload_id = upload,
		.versioning = versioning,
	};

	return s3made_of(&record, 42);
}

static void
a_bucket_without_versions_names_none(void)
{
	static const enum record_type types[] = { RECORD_PUT, RECORD_COMPLETE,
		RECORD_DELETE };

	for (size_t i = 0; i < nitems(types); i++) {
		struct s3made m = made(types[i], VERSIONING_NEVER);

		CHECK(!m.named && !m.marker);
	}
}

static void
an_enabled_one_names_by_seq_and_id(void)
{
	struct s3made m = made(RECORD_PUT, VERSIONING_ENABLED);

	CHECK(m.named && !m.marker);
	CHECK(versionid_names(&m.version, 42, request));
	/* The row of a multipart version has its upload's id. */
	m = made(RECORD_COMPLETE, VERSIONING_ENABLED);
	CHECK(m.named && !m.marker);
	CHECK(versionid_names(&m.version, 42, upload));
	m = made(RECORD_DELETE, VERSIONING_ENABLED);
	CHECK(m.named && m.marker);
	CHECK(versionid_names(&m.version, 42, request));
}

static void
a_suspended_one_names_null(void)
{
	struct s3made m = made(RECORD_PUT, VERSIONING_SUSPENDED);

	CHECK(m.named && !m.marker && m.version.is_null);
	m = made(RECORD_COMPLETE, VERSIONING_SUSPENDED);
	CHECK(m.named && !m.marker && m.version.is_null);
	m = made(RECORD_DELETE, VERSIONING_SUSPENDED);
	CHECK(m.named && m.marker && m.version.is_null);
}

static void
what_makes_no_version_names_none(void)
{
	static const enum record_type types[] = { RECORD_PART, RECORD_INITIATE,
		RECORD_ABORT };
	struct record record = {
		.type = RECORD_DELETE,
		.request_id = request,
		.versioning = VERSIONING_ENABLED,
		.has_version = true,
		.version = { .is_null = true },
	};
	struct s3made m = s3made_of(&record, 42);

	CHECK(!m.named && !m.marker);
	for (size_t i = 0; i < nitems(types); i++) {
		m = made(types[i], VERSIONING_ENABLED);
		CHECK(!m.named && !m.marker);
	}
}

int
main(void)
{
	RUN(a_bucket_without_versions_names_none);
	RUN(an_enabled_one_names_by_seq_and_id);
	RUN(a_suspended_one_names_null);
	RUN(what_makes_no_version_names_none);
	return tap_done();
}
