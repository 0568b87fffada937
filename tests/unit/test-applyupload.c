/* SPDX-License-Identifier: MIT */

/* apply: multipart uploads (S16, A11 to A13). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "applyworld.h"
#include "base/error.h"
#include "tap.h"

static const struct reqid none = { { 0 } };

static struct reqid
initiate(struct world *w, const char *key)
{
	struct record r = world_upload(w, RECORD_INITIATE, key, none);

	CHECK(world_do(w, &r) == OUTCOME_DONE);
	return r.request_id;
}

/* The MD5 of a part's content, as far as these tests care. */
static void
md5_of(uint8_t out[16], uint32_t number, uint32_t version)
{
	memset(out, 0, 16);
	store_le32(out, number);
	store_le32(out + 4, version);
}

static enum outcome
put_part(struct world *w, const char *key, struct reqid upload, uint32_t number,
    uint32_t version)
{
	struct record r = world_upload(w, RECORD_PART, key, upload);
	uint8_t md5[16];
	char etag[33];

	md5_of(md5, number, version);
	hex_encode(etag, md5, 16);
	r.etag = bytes_str(etag);
	r.part_number = number;
	return world_do(w, &r);
}

static enum outcome
complete(struct world *w, const char *key, struct reqid upload,
    const struct record_part *parts, size_t count)
{
	struct record r = world_upload(w, RECORD_COMPLETE, key, upload);

	r.parts = parts;
	r.part_count = count;
	return world_do(w, &r);
}

static struct record_part
listed(uint32_t number, uint32_t version)
{
	struct record_part part = { .number = number };

	md5_of(part.md5, number, version);
	return part;
}

static struct upload_row
upload_row(struct world *w, struct reqid id)
{
	struct upload_row row = { 0 };

	if (w->rows->ops->upload_get(w->rows, 0, id, &row, NULL) < 0)
		row.state = 0;
	return row;
}

static bool
has_part(struct world *w, struct reqid upload, uint32_t number)
{
	struct part_row row;

	return w->rows->ops->part_get(w->rows, 0, upload, number, &row, NULL) ==
	    0;
}

static void
complete_makes_a_version_of_the_listed_parts(void)
{
	struct world w;
	struct reqid u;
	struct object_row row;
	struct record_part list[2];

	world_init(&w);
	world_make_bucket(&w);
	u = initiate(&w, "k");
	for (uint32_t i = 1; i <= 4; i++)
		CHECK(put_part(&w, "k", u, i, 0) == OUTCOME_DONE);
	CHECK(put_part(&w, "k", u, 2, 1) == OUTCOME_DONE); /* uploaded again */
	CHECK(w.garbage == 1);
	list[0] = listed(2, 1);
	list[1] = listed(4, 0);
	CHECK(complete(&w, "k", u, list, 2) == OUTCOME_DONE);
	CHECK(w.garbage == 3);
	CHECK(w.rows->ops->object_get(w.rows, 0, bytes_str("b"), bytes_str("k"),
		  &row, NULL) == 0);
	CHECK(row.kind == OBJECT_MULTIPART && reqid_equal(row.id, u));
	CHECK(row.size == 2000 && row.seq == w.seq);
	CHECK(!has_part(&w, u, 1) && has_part(&w, u, 2));
	CHECK(!has_part(&w, u, 3) && has_part(&w, u, 4));
	CHECK(world_digest_good(&w));
	world_fini(&w);
}

static void
a_list_that_does_not_fit_is_refused_and_the_upload_stays(void)
{
	struct world w;
	struct reqid u;
	struct record_part list[2];

	world_init(&w);
	world_make_bucket(&w);
	u = initiate(&w, "k");
	CHECK(put_part(&w, "k", u, 1, 0) == OUTCOME_DONE);
	list[0] = listed(1, 7);
	CHECK(complete(&w, "k", u, list, 1) == OUTCOME_INVALID_PART);
	list[0] = listed(1, 0);
	list[1] = listed(2, 0);
	CHECK(complete(&w, "k", u, list, 2) == OUTCOME_INVALID_PART);
	CHECK(complete(&w, "other", u, list, 1) == OUTCOME_NO_SUCH_UPLOAD);
	CHECK(complete(&w, "k", none, list, 1) != OUTCOME_DONE);
	CHECK(upload_row(&w, u).state == UPLOAD_OPEN);
	CHECK(complete(&w, "k", u, list, 1) == OUTCOME_DONE);
	CHECK(w.garbage == 0);
	world_fini(&w);
}

/* S16b */
static void
complete_again_after_an_overwrite_gets_the_first_answer(void)
{
	struct world w;
	struct reqid u;
	struct record put;
	struct record_part list[1];

	world_init(&w);
	world_make_bucket(&w);
	u = initiate(&w, "k");
	CHECK(put_part(&w, "k", u, 1, 0) == OUTCOME_DONE);
	list[0] = listed(1, 0);
	CHECK(complete(&w, "k", u, list, 1) == OUTCOME_DONE);
	put = world_put(&w, "k", "e2");
	CHECK(world_do(&w, &put) == OUTCOME_DONE);
	CHECK(complete(&w, "k", u, list, 1) == OUTCOME_DONE);
	CHECK_STR(world_etag(&w, "k"), "e2");
	list[0] = listed(1, 5);
	CHECK(complete(&w, "k", u, list, 1) == OUTCOME_NO_SUCH_UPLOAD);
	CHECK(world_digest_good(&w));
	world_fini(&w);
}

/* S16f, A12 */
static void
what_comes_after_the_end_is_garbage(void)
{
	struct world w;
	struct reqid u, v;
	struct record r;
	struct record_part list[1] = { listed(1, 0) };

	world_init(&w);
	world_make_bucket(&w);
	u = initiate(&w, "k");
	CHECK(put_part(&w, "k", u, 1, 0) == OUTCOME_DONE);
	CHECK(complete(&w, "k", u, list, 1) == OUTCOME_DONE);
	CHECK(put_part(&w, "k", u, 2, 0) == OUTCOME_NO_SUCH_UPLOAD);
	CHECK(w.garbage == 1 && w.last_garbage.reason == GARBAGE_REFUSED);
	r = world_upload(&w, RECORD_ABORT, "k", u);
	CHECK(world_do(&w, &r) == OUTCOME_NO_SUCH_UPLOAD);

	v = initiate(&w, "k");
	CHECK(put_part(&w, "k", v, 1, 0) == OUTCOME_DONE);
	/* Who names another key means another upload. */
	r = world_upload(&w, RECORD_ABORT, "other", v);
	CHECK(world_do(&w, &r) == OUTCOME_NO_SUCH_UPLOAD);
	CHECK(put_part(&w, "other", v, 1, 0) == OUTCOME_NO_SUCH_UPLOAD);
	CHECK(upload_row(&w, v).state == UPLOAD_OPEN);
	r = world_upload(&w, RECORD_ABORT, "k", v);
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(!has_part(&w, v, 1));
	CHECK(complete(&w, "k", v, list, 1) == OUTCOME_NO_SUCH_UPLOAD);
	CHECK(put_part(&w, "k", v, 1, 0) == OUTCOME_NO_SUCH_UPLOAD);
	CHECK(upload_row(&w, v).state == UPLOAD_ABORTED);
	CHECK(world_digest_good(&w));
	world_fini(&w);
}

static void
conditions_hold_for_complete_too(void)
{
	struct world w;
	struct reqid u;
	struct record r;
	struct record_part list[1] = { listed(1, 0) };

	world_init(&w);
	world_make_bucket(&w);
	r = world_put(&w, "k", "e1");
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	u = initiate(&w, "k");
	CHECK(put_part(&w, "k", u, 1, 0) == OUTCOME_DONE);
	r = world_upload(&w, RECORD_COMPLETE, "k", u);
	r.parts = list;
	r.part_count = 1;
	r.if_none_match = true;
	CHECK(world_do(&w, &r) == OUTCOME_PRECONDITION_FAILED);
	CHECK_STR(world_etag(&w, "k"), "e1");
	CHECK(upload_row(&w, u).state == UPLOAD_OPEN);
	CHECK(complete(&w, "k", u, list, 1) == OUTCOME_DONE);
	CHECK(w.garbage == 1);
	world_fini(&w);
}

/* A finished upload's row goes after a week of T, if its version has gone;
 * and one upload may take another's place. */
static void
an_upload_over_an_upload_sweeps_the_first(void)
{
	struct world w;
	struct reqid u, v;
	struct record_part list[1] = { listed(1, 0) };
	struct decided_row decided;

	world_init(&w);
	world_make_bucket(&w);
	u = initiate(&w, "k");
	CHECK(put_part(&w, "k", u, 1, 0) == OUTCOME_DONE);
	CHECK(complete(&w, "k", u, list, 1) == OUTCOME_DONE);
	v = initiate(&w, "k");
	CHECK(put_part(&w, "k", v, 1, 0) == OUTCOME_DONE);
	CHECK(complete(&w, "k", v, list, 1) == OUTCOME_DONE);
	CHECK(!has_part(&w, u, 1) && has_part(&w, v, 1));
	CHECK(!upload_row(&w, u).live && upload_row(&w, v).live);
	for (unsigned i = 0; i < 9 * 24; i++) {
		struct record r;

		w.time_ms += 3600 * 1000;
		r = world_record(&w, RECORD_NOOP);
		CHECK(world_do(&w, &r) == OUTCOME_DONE);
	}
	CHECK(upload_row(&w, u).state == 0);
	/* And its id with it, which nothing refers to any more. */
	CHECK(w.rows->ops->decided_get(w.rows, 0, u, &decided, NULL) ==
	    -ERRC_NOTFOUND);
	CHECK(upload_row(&w, v).state == UPLOAD_COMPLETED);
	CHECK(world_digest_good(&w));
	world_fini(&w);
}

static void
many_parts_are_swept_with_the_records_that_follow(void)
{
	struct world w;
	struct reqid u;
	struct record r;
	unsigned steps = 0;

	world_init(&w);
	world_make_bucket(&w);
	u = initiate(&w, "k");
	for (uint32_t i = 1; i <= 400; i++)
		CHECK(put_part(&w, "k", u, i, 0) == OUTCOME_DONE);
	r = world_upload(&w, RECORD_ABORT, "k", u);
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(w.garbage == 1 + 128);
	CHECK(world_row(&w)->dying == 1);
	while (world_row(&w)->dying > 0 && steps < 10) {
		r = world_record(&w, RECORD_NOOP);
		CHECK(world_do(&w, &r) == OUTCOME_DONE);
		steps++;
	}
	CHECK(steps == 3 && w.garbage == 1 + 400);
	CHECK(world_digest_good(&w));
	world_fini(&w);
}

int
main(void)
{
	RUN(complete_makes_a_version_of_the_listed_parts);
	RUN(a_list_that_does_not_fit_is_refused_and_the_upload_stays);
	RUN(complete_again_after_an_overwrite_gets_the_first_answer);
	RUN(what_comes_after_the_end_is_garbage);
	RUN(conditions_hold_for_complete_too);
	RUN(an_upload_over_an_upload_sweeps_the_first);
	RUN(many_parts_are_swept_with_the_records_that_follow);
	return tap_done();
}
