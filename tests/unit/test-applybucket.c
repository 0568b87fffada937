/* SPDX-License-Identifier: MIT */

/* apply: buckets, all orders of what may come to a partition (S11). */

#include <stdlib.h>
#include <string.h>

#include "applyworld.h"
#include "base/error.h"
#include "tap.h"

static struct bucket_row
bucket(struct world *w)
{
	struct bucket_row row = { 0 };

	(void)!w->rows->ops->bucket_get(w->rows, 0, bytes_str("b"), &row, NULL);
	return row;
}

static enum outcome
act(struct world *w, enum record_type type, uint64_t incarnation,
    uint64_t attempt, bool home)
{
	struct record r = world_bucket(w, type, incarnation, attempt, home);

	return world_do(w, &r);
}

static void
at_home_the_seq_of_create_is_the_incarnation(void)
{
	struct world w;
	struct record r;

	world_init(&w);
	CHECK(act(&w, RECORD_CREATE_BUCKET, 0, 0, true) == OUTCOME_DONE);
	CHECK(bucket(&w).incarnation == 2 && bucket(&w).home);
	CHECK(act(&w, RECORD_CREATE_BUCKET, 0, 0, true) == OUTCOME_EXISTS);
	r = world_bucket(&w, RECORD_CREATE_BUCKET, 0, 0, true);
	r.owner = bytes_str("you");
	CHECK(world_do(&w, &r) == OUTCOME_NOT_OWNER);
	CHECK(act(&w, RECORD_SEAL_BUCKET, 2, 0, true) == OUTCOME_SEALED_EMPTY);
	CHECK(bucket(&w).attempt == 5);
	CHECK(act(&w, RECORD_DELETE_BUCKET, 2, 5, true) == OUTCOME_DONE);
	CHECK(act(&w, RECORD_DELETE_BUCKET, 2, 5, true) == OUTCOME_DONE);
	CHECK(act(&w, RECORD_UNSEAL_BUCKET, 2, 5, true) ==
	    OUTCOME_NO_SUCH_BUCKET);
	CHECK(act(&w, RECORD_CREATE_BUCKET, 0, 0, true) == OUTCOME_DONE);
	CHECK(bucket(&w).incarnation == 9);
	CHECK(world_digest_good(&w));
	world_fini(&w);
}

static void
a_sealed_bucket_takes_deletes_but_no_writes(void)
{
	struct world w;
	struct record r;

	world_init(&w);
	world_make_bucket(&w);
	r = world_put(&w, "k", "e1");
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(act(&w, RECORD_SEAL_BUCKET, 1, 5, false) == OUTCOME_SEALED);
	CHECK(!bucket(&w).sealed_empty);
	r = world_put(&w, "k2", "e2");
	CHECK(world_do(&w, &r) == OUTCOME_SEALED);
	r = world_record(&w, RECORD_DELETE);
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(act(&w, RECORD_UNSEAL_BUCKET, 1, 5, false) == OUTCOME_DONE);
	r = world_put(&w, "k2", "e2");
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	/* The seal of an attempt that is over is dead. */
	CHECK(act(&w, RECORD_SEAL_BUCKET, 1, 5, false) == OUTCOME_ABORTED);
	CHECK(bucket(&w).state == BUCKET_OPEN);
	world_fini(&w);
}

/* S11a: two deleters.  The second one's backing out ends the only attempt
 * there is, so the first one's Delete comes too late. */
static void
of_two_deleters_one_attempt_is_decided_once(void)
{
	struct world home, q;
	struct record r;
	uint64_t x, a;

	world_init(&home);
	world_init(&q);
	CHECK(act(&home, RECORD_CREATE_BUCKET, 0, 0, true) == OUTCOME_DONE);
	x = home.seq;
	CHECK(act(&q, RECORD_CREATE_BUCKET, x, 0, false) == OUTCOME_DONE);
	CHECK(
	    act(&home, RECORD_SEAL_BUCKET, x, 0, true) == OUTCOME_SEALED_EMPTY);
	a = home.seq;
	CHECK(act(&home, RECORD_SEAL_BUCKET, x, 0, true) == OUTCOME_ABORTED);
	CHECK(act(&q, RECORD_SEAL_BUCKET, x, a, false) == OUTCOME_SEALED_EMPTY);
	CHECK(act(&home, RECORD_UNSEAL_BUCKET, x, a, true) == OUTCOME_DONE);
	CHECK(act(&q, RECORD_UNSEAL_BUCKET, x, a, false) == OUTCOME_DONE);
	r = world_put(&q, "k", "e1");
	r.incarnation = x;
	CHECK(world_do(&q, &r) == OUTCOME_DONE);
	CHECK(act(&home, RECORD_DELETE_BUCKET, x, a, true) == OUTCOME_ABORTED);
	CHECK(bucket(&home).state == BUCKET_OPEN);
	world_fini(&home);
	world_fini(&q);
}

static void
home_never_deletes_what_was_not_empty(void)
{
	struct world w;
	struct record r;

	world_init(&w);
	CHECK(act(&w, RECORD_CREATE_BUCKET, 0, 0, true) == OUTCOME_DONE);
	r = world_put(&w, "k", "e1");
	r.incarnation = 2;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(act(&w, RECORD_SEAL_BUCKET, 2, 0, true) == OUTCOME_SEALED);
	CHECK(act(&w, RECORD_DELETE_BUCKET, 2, 4, true) == OUTCOME_SEALED);
	CHECK_STR(world_etag(&w, "k"), "e1");
	world_fini(&w);
}

/* S11b: the creator stalls, the bucket is used and deleted, Create comes. */
static void
a_late_create_does_not_open_a_dead_bucket(void)
{
	struct world w;
	struct record r;

	world_init(&w);
	CHECK(act(&w, RECORD_CREATE_BUCKET, 5, 0, false) == OUTCOME_DONE);
	CHECK(act(&w, RECORD_SEAL_BUCKET, 5, 7, false) == OUTCOME_SEALED_EMPTY);
	CHECK(act(&w, RECORD_DELETE_BUCKET, 5, 7, false) == OUTCOME_DONE);
	CHECK(act(&w, RECORD_CREATE_BUCKET, 5, 0, false) ==
	    OUTCOME_NO_SUCH_BUCKET);
	r = world_put(&w, "k", "e1");
	r.incarnation = 5;
	CHECK(world_do(&w, &r) == OUTCOME_NO_SUCH_BUCKET);
	r = world_put(&w, "k", "e1");
	r.incarnation = 9;
	CHECK(world_do(&w, &r) == OUTCOME_NOT_YET_HERE);
	world_fini(&w);
}

/* S11e */
static void
a_bucket_takes_its_open_uploads_along(void)
{
	struct world w;
	struct record init, part;
	struct upload_row row;

	world_init(&w);
	world_make_bucket(&w);
	init = world_upload(&w, RECORD_INITIATE, "k", (struct reqid){ { 0 } });
	CHECK(world_do(&w, &init) == OUTCOME_DONE);
	part = world_upload(&w, RECORD_PART, "k", init.request_id);
	part.part_number = 1;
	CHECK(world_do(&w, &part) == OUTCOME_DONE);
	CHECK(act(&w, RECORD_SEAL_BUCKET, 1, 5, false) == OUTCOME_SEALED_EMPTY);
	part = world_upload(&w, RECORD_PART, "k", init.request_id);
	part.part_number = 2;
	CHECK(world_do(&w, &part) == OUTCOME_SEALED);
	CHECK(act(&w, RECORD_DELETE_BUCKET, 1, 5, false) == OUTCOME_DONE);
	CHECK(w.rows->ops->upload_get(w.rows, 0, init.request_id, &row, NULL) ==
	    0);
	CHECK(row.state == UPLOAD_ABORTED && !row.live && !row.dying);
	CHECK(world_digest_good(&w));
	world_fini(&w);
}

struct event {
	enum record_type type;
	uint64_t incarnation, attempt;
	struct reqid id;
};

/* Apply the events in this order; what decided nothing comes again last, as
 * its sender would have it. */
static void
play(struct world *w, const struct event *event, const unsigned *order,
    unsigned n)
{
	bool done[8] = { false };
	bool moved = true;

	while (moved) {
		moved = false;
		for (unsigned i = 0; i < n; i++) {
			const struct event *e = &event[order[i]];
			struct record r;

			if (done[i])
				continue;
			r = world_bucket(w, e->type, e->incarnation, e->attempt,
			    false);
			r.request_id = e->id;
			done[i] = outcome_decides(world_do(w, &r));
			moved |= done[i];
		}
	}
	for (unsigned i = 0; i < n; i++)
		CHECK(done[i]);
}

static bool
next_order(unsigned *order, unsigned n)
{
	unsigned i = n - 1;
	unsigned j = n - 1;

	while (i > 0 && order[i - 1] >= order[i])
		i--;
	if (i == 0)
		return false;
	while (order[j] <= order[i - 1])
		j--;
	unsigned t = order[i - 1];
	order[i - 1] = order[j];
	order[j] = t;
	for (j = n - 1; i < j; i++, j--) {
		t = order[i];
		order[i] = order[j];
		order[j] = t;
	}
	return true;
}

/* All orders come to the same end. */
static void
all_orders(struct event *event, unsigned n, uint64_t incarnation,
    enum bucket_state state)
{
	unsigned order[8];
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++)
		order[i] = i;
	do {
		struct world w;

		world_init(&w);
		for (unsigned i = 0; i < n; i++)
			event[i].id = world_id(&w);
		play(&w, event, order, n);
		CHECK(bucket(&w).incarnation == incarnation);
		CHECK(bucket(&w).state == state);
		CHECK(world_digest_good(&w));
		world_fini(&w);
		count++;
	} while (next_order(order, n));
	CHECK(count >= 2);
}

static void
an_attempt_taken_back_leaves_the_bucket_open_in_all_orders(void)
{
	struct event e[] = {
		{ .type = RECORD_CREATE_BUCKET, .incarnation = 5 },
		{ .type = RECORD_SEAL_BUCKET, .incarnation = 5, .attempt = 6 },
		{ .type = RECORD_UNSEAL_BUCKET,
		    .incarnation = 5,
		    .attempt = 6 },
	};

	all_orders(e, 3, 5, BUCKET_OPEN);
}

static void
a_second_attempt_deletes_in_all_orders(void)
{
	struct event e[] = {
		{ .type = RECORD_CREATE_BUCKET, .incarnation = 5 },
		{ .type = RECORD_SEAL_BUCKET, .incarnation = 5, .attempt = 6 },
		{ .type = RECORD_UNSEAL_BUCKET,
		    .incarnation = 5,
		    .attempt = 6 },
		{ .type = RECORD_SEAL_BUCKET, .incarnation = 5, .attempt = 8 },
		{ .type = RECORD_DELETE_BUCKET,
		    .incarnation = 5,
		    .attempt = 8 },
	};

	all_orders(e, 5, 5, BUCKET_DELETED);
}

/* S11c: recreate overtakes delete. */
static void
the_next_incarnation_is_open_in_all_orders(void)
{
	struct event e[] = {
		{ .type = RECORD_CREATE_BUCKET, .incarnation = 5 },
		{ .type = RECORD_SEAL_BUCKET, .incarnation = 5, .attempt = 6 },
		{ .type = RECORD_DELETE_BUCKET,
		    .incarnation = 5,
		    .attempt = 6 },
		{ .type = RECORD_CREATE_BUCKET, .incarnation = 9 },
		{ .type = RECORD_SEAL_BUCKET, .incarnation = 9, .attempt = 11 },
		{ .type = RECORD_UNSEAL_BUCKET,
		    .incarnation = 9,
		    .attempt = 11 },
	};

	all_orders(e, 6, 9, BUCKET_OPEN);
}

/* S11d: a partition that never saw the bucket is sealed and empty; the late
 * Create changes nothing. */
static void
an_unseen_bucket_is_sealed_and_empty(void)
{
	struct world w;
	struct record r;

	world_init(&w);
	CHECK(act(&w, RECORD_SEAL_BUCKET, 5, 6, false) == OUTCOME_SEALED_EMPTY);
	CHECK(act(&w, RECORD_CREATE_BUCKET, 5, 0, false) == OUTCOME_EXISTS);
	r = world_put(&w, "k", "e1");
	r.incarnation = 5;
	CHECK(world_do(&w, &r) == OUTCOME_SEALED);
	CHECK(act(&w, RECORD_DELETE_BUCKET, 5, 6, false) == OUTCOME_DONE);
	CHECK(bucket(&w).state == BUCKET_DELETED);
	world_fini(&w);
}

int
main(void)
{
	RUN(at_home_the_seq_of_create_is_the_incarnation);
	RUN(a_sealed_bucket_takes_deletes_but_no_writes);
	RUN(of_two_deleters_one_attempt_is_decided_once);
	RUN(home_never_deletes_what_was_not_empty);
	RUN(a_late_create_does_not_open_a_dead_bucket);
	RUN(a_bucket_takes_its_open_uploads_along);
	RUN(an_attempt_taken_back_leaves_the_bucket_open_in_all_orders);
	RUN(a_second_attempt_deletes_in_all_orders);
	RUN(the_next_incarnation_is_open_in_all_orders);
	RUN(an_unseen_bucket_is_sealed_and_empty);
	return tap_done();
}
