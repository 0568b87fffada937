/* SPDX-License-Identifier: MIT */

/* Shards that are waited for in memory. */

#include <stdlib.h>

#include "member/pending.h"
#include "tap.h"

static struct pending *pending;

static bool
is_number(void *arg, const struct repair_row *row)
{
	const uint64_t *number = arg;

	return row->seq == *number;
}

static bool
is_any(void *arg, const struct repair_row *row)
{
	(void)arg;
	(void)row;
	return true;
}

static void
what_was_added_is_taken_once_with_its_names(void)
{
	char bucket[] = "bucket";
	char key[] = "key";
	struct repair_row row = {
		.partition = 7,
		.id = { .b = { 1 } },
		.bucket = bytes_str(bucket),
		.key = bytes_str(key),
	};
	struct pending_item *item;
	uint64_t two = 2;

	CHECK(pending_new(&pending, NULL) == 0);
	for (row.seq = 1; row.seq <= 3; row.seq++)
		CHECK(pending_add(pending, &row));
	/* The names are its own. */
	bucket[0] = key[0] = 'X';
	CHECK(pending_count(pending) == 3);
	item = pending_take(pending, is_number, &two);
	REQUIRE(item != NULL);
	CHECK(pending_row(item)->seq == 2 && pending_row(item)->partition == 7);
	CHECK(bytes_equal(pending_row(item)->bucket, bytes_str("bucket")));
	CHECK(bytes_equal(pending_row(item)->key, bytes_str("key")));
	pending_release(item);
	CHECK(pending_take(pending, is_number, &two) == NULL);
	CHECK(pending_count(pending) == 2);
	pending_free(pending);
}

static void
there_is_a_bound_and_room_again_after_it(void)
{
	struct repair_row row = { .partition = 1, .id = { .b = { 1 } } };
	struct pending_item *item;
	unsigned n = 0;

	CHECK(pending_new(&pending, NULL) == 0);
	while (pending_add(pending, &row))
		n++;
	CHECK(n == PENDING_MAX && pending_count(pending) == PENDING_MAX);
	pending_release(pending_take(pending, is_any, NULL));
	CHECK(pending_add(pending, &row) && !pending_add(pending, &row));
	while ((item = pending_take(pending, is_any, NULL)) != NULL)
		pending_release(item);
	CHECK(pending_count(pending) == 0);
	pending_free(pending);
	pending_free(NULL);
}

int
main(void)
{
	RUN(what_was_added_is_taken_once_with_its_names);
	RUN(there_is_a_bound_and_room_again_after_it);
	return tap_done();
}
