/* SPDX-License-Identifier: MIT */

/* Blobs to nodes and back, with nodes that fail in each way they can. */

#include "client/blobread.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/blobwrite.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "shard/verify.h"

#include "fakenodes.h"
#include "tap.h"

static struct fakenodes f;
static struct blob_ref ref;
static uint8_t *content;

/* Position-dependent bytes, so that a shift is seen. */
static void
make_content(size_t n)
{
	content = malloc(n + 1);
	for (size_t i = 0; i < n; i++)
		content[i] = (uint8_t)(i * 2654435761u >> 13 ^ i);
}

static int
store(size_t n, uint64_t told, size_t inline_limit,
    struct blobwrite_result *result)
{
	struct placement place = placement_of(nodeclient_topology(f.nc),
	    bytes_str("bucket"), bytes_str("key"));
	struct blobwrite_options options = {
		.place = &place,
		.bucket = bytes_str("bucket"),
		.key = bytes_str("key"),
		.id = ref.id,
		.geometry = ref.geometry,
		.size = told,
		.inline_limit = inline_limit,
		.md5 = true,
		.client_fd = -1,
	};
	struct blobwrite *w = NULL;
	struct error err = { 0 };
	int rc;

	rc = blobwrite_open(&w, f.nc, &options, &err);
	for (size_t at = 0; rc == 0 && at < n;) {
		size_t some = KOOP_MIN(n - at, 100000);

		rc = blobwrite_write(w, content + at, some, &err);
		at += some;
	}
	if (rc == 0)
		rc = blobwrite_finish(w, result, &err);
	if (rc < 0)
		blobwrite_abort(w);
	if (rc == 0 && result->is_inline)
		CHECK(result->bytes.n == n &&
		    memcmp(result->bytes.p, content, n) == 0);
	blobwrite_close(w);
	return rc;
}

static void
start(size_t n)
{
	fakenodes_start(&f);
	make_content(n);
	ref = (struct blob_ref){
		.partition = 0,
		.set = 1,
		.bucket = bytes_str("bucket"),
		.key = bytes_str("key"),
		.id = reqid_new(&clock_system, &random_system),
		.geometry = { 6, 3, 65536 },
		.size = n,
	};
}

static void
stop(void)
{
	fakenodes_stop(&f);
	free(content);
}

static bool
is_quorum(uint32_t durable)
{
	return __builtin_popcount(durable) >= 7;
}

/* Two shards may come after the quorum, in the background. */
static void
start_stored(size_t n)
{
	struct blobwrite_result result = { 0 };
	uint64_t deadline;

	start(n);
	CHECK(store(n, n, 0, &result) == 0);
	CHECK(is_quorum(result.durable));
	deadline = nodeclient_now(f.nc) + 10000;
	for (uint32_t i = 0; i < 9; i++) {
		while (f.node[i].puts == 0 && nodeclient_now(f.nc) < deadline)
			poll(NULL, 0, 1);
		CHECK(f.node[i].puts == 1);
	}
}

/* Read a range and compare; returns 0 or the error. */
static int
read_range(uint64_t offset, uint64_t length)
{
	struct blobread *r = NULL;
	struct error err = { 0 };
	uint64_t at = 0;
	uint8_t *p = malloc(200000);
	ssize_t rc;

	rc = blobread_open(&r, f.nc, &ref, &err);
	if (rc == 0)
		blobread_range(r, offset, length);
	while (rc >= 0) {
		rc = blobread_read(r, p, 1 + at % 200000, -1, &err);
		if (rc <= 0)
			break;
		CHECK((uint64_t)rc <= length - at);
		CHECK(memcmp(p, content + offset + at, (size_t)rc) == 0);
		at += (uint64_t)rc;
	}
	if (rc == 0)
		CHECK(at == length);
	blobread_close(r);
	free(p);
	return (int)rc;
}

static void
what_is_written_is_read_whatever_the_size(void)
{
	static const size_t sizes[] = { 0, 1, 5, 6, 4096, 65536, 393215, 393216,
		393217, 1572864, 1572865, 9000000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		start_stored(sizes[i]);
		CHECK(read_range(0, sizes[i]) == 0);
		stop();
	}
}

static void
an_unknown_length_is_sent_chunked(void)
{
	static const size_t sizes[] = { 0, 1, 1572864, 5000000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct blobwrite_result result = { 0 };

		start(sizes[i]);
		CHECK(store(sizes[i], BLOBWRITE_UNKNOWN, 0, &result) == 0);
		CHECK(result.totals.size == sizes[i]);
		CHECK(read_range(0, sizes[i]) == 0);
		stop();
	}
}

static void
every_shard_that_is_sent_verifies(void)
{
	start_stored(3000001);
	for (uint32_t i = 0; i < 9; i++) {
		struct frame_verifier v;

		/* Partition 0: shard j is on machine j. */
		frame_verifier_init(&v, ref.id, (uint8_t)i);
		CHECK(frame_verifier_feed(&v, f.node[i].shard.p,
			  f.node[i].shard.n, NULL) == 0);
		CHECK(frame_verifier_finish(&v, NULL) == 0);
		CHECK(f.node[i].shard.n ==
		    stripe_file_bytes(&ref.geometry, ref.size));
	}
	stop();
}

static void
small_content_stays_here(void)
{
	struct blobwrite_result result = { 0 };

	start(8193);
	CHECK(store(8192, 8192, 8192, &result) == 0);
	CHECK(result.is_inline && result.durable == 0);
	CHECK(f.node[0].puts == 0);
	CHECK(store(0, 0, 8192, &result) == 0);
	CHECK(result.is_inline);
	CHECK(store(8193, 8193, 8192, &result) == 0);
	CHECK(!result.is_inline && is_quorum(result.durable));
	stop();
}

static void
less_or_more_than_was_told_is_refused(void)
{
	struct blobwrite_result result = { 0 };

	start(100000);
	CHECK(store(100000, 100001, 0, &result) == -ERRC_USAGE);
	CHECK(store(100000, 99999, 0, &result) == -ERRC_USAGE);
	stop();
}

static void
ranges_are_read_at_every_border(void)
{
	static const uint64_t borders[] = { 0, 1, 65535, 65536, 393215, 393216,
		393217, 1572863, 1572864, 2999999, 3000000 };
	size_t n = sizeof(borders) / sizeof(borders[0]);

	start_stored(3000000);
	for (size_t i = 0; i < n; i++)
		for (size_t j = i; j < n; j++)
			CHECK(read_range(borders[i], borders[j] - borders[i]) ==
			    0);
	stop();
}

static void
two_failed_nodes_do_not_stop_a_write_and_three_do(void)
{
	static const enum fake_mode modes[] = { FAKE_ERROR, FAKE_FULL };
	/* Nobody should wait for a full disk. */
	static const int errors[] = { -ERRC_UNAVAILABLE, -ERRC_FULL };

	for (size_t i = 0; i < 2; i++) {
		struct blobwrite_result result = { 0 };

		start(2000000);
		f.node[1].mode = modes[i];
		f.node[8].mode = modes[i];
		CHECK(store(2000000, 2000000, 0, &result) == 0);
		CHECK(result.durable == (0x1ff & ~(1u << 1 | 1u << 8)));
		CHECK(read_range(0, 2000000) == 0);
		f.node[4].mode = modes[i];
		CHECK(store(2000000, 2000000, 0, &result) == errors[i]);
		stop();
	}
}

static void
nodes_that_take_nothing_are_given_up_while_a_quorum_remains(void)
{
	struct blobwrite_result result = { 0 };
	uint64_t began;

	start(30000000);
	f.node[2].mode = FAKE_STUCK;
	f.node[5].mode = FAKE_STUCK;
	began = nodeclient_now(f.nc);
	CHECK(store(30000000, 30000000, 0, &result) == 0);
	CHECK(result.durable == (0x1ff & ~(1u << 2 | 1u << 5)));
	CHECK(nodeclient_now(f.nc) - began < 8000);
	CHECK(read_range(0, 30000000) == 0);
	stop();
}

static void
any_three_bad_nodes_are_read_around(void)
{
	static const enum fake_mode modes[] = { FAKE_ERROR, FAKE_MISSING,
		FAKE_CORRUPT };

	for (size_t m = 0; m < 3; m++) {
		start_stored(3000000);
		for (uint32_t a = 0; a < 9; a += 2) {
			for (uint32_t i = 0; i < 9; i++)
				f.node[i].mode = FAKE_OK;
			f.node[a].mode = modes[m];
			f.node[(a + 1) % 9].mode = modes[m];
			f.node[(a + 4) % 9].mode = modes[m];
			CHECK(read_range(0, 3000000) == 0);
			CHECK(read_range(65536, 10) == 0);
		}
		stop();
	}
}

static void
three_stopped_nodes_cost_milliseconds(void)
{
	uint64_t began;

	start_stored(9000000);
	f.node[0].mode = FAKE_SILENT;
	f.node[3].mode = FAKE_SILENT;
	f.node[5].mode = FAKE_SILENT;
	began = nodeclient_now(f.nc);
	CHECK(read_range(0, 9000000) == 0);
	CHECK(nodeclient_now(f.nc) - began < 3000);
	stop();
}

static void
four_bad_nodes_are_an_error_and_never_wrong_bytes(void)
{
	start_stored(1000000);
	for (uint32_t i = 0; i < 4; i++)
		f.node[i * 2].mode = i % 2 == 0 ? FAKE_CORRUPT : FAKE_MISSING;
	CHECK(read_range(0, 1000000) == -ERRC_UNAVAILABLE);
	CHECK(read_range(0, 10) == -ERRC_UNAVAILABLE);
	stop();
}

static void
a_bad_cell_is_told_to_its_node(void)
{
	start_stored(1000000);
	f.node[2].mode = FAKE_CORRUPT;
	CHECK(read_range(0, 1000000) == 0);
	/* The notice comes to a node that works again. */
	stop();
	CHECK(f.node[2].repairs > 0);
	CHECK(f.node[1].repairs == 0);
}

static void
a_healthy_read_asks_only_for_what_it_needs(void)
{
	unsigned gets = 0;

	start_stored(1000000);
	CHECK(read_range(65536 * 2 + 5, 100) == 0);
	for (uint32_t i = 0; i < 9; i++)
		gets += f.node[i].gets;
	CHECK(gets == 1 && f.node[2].gets == 1);
	stop();
}

static void
another_blobs_cells_are_not_taken(void)
{
	start_stored(1000000);
	ref.id = reqid_new(&clock_system, &random_system);
	CHECK(read_range(0, 1000000) == -ERRC_UNAVAILABLE);
	stop();
}

static void
a_client_that_hangs_up_cancels_the_fetch(void)
{
	struct blobread *r = NULL;
	struct error err = { 0 };
	uint64_t began;
	uint8_t byte;
	int fd[2];

	start_stored(1000000);
	for (uint32_t i = 0; i < 9; i++)
		f.node[i].mode = FAKE_SILENT;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	close(fd[1]);
	CHECK(blobread_open(&r, f.nc, &ref, &err) == 0);
	began = nodeclient_now(f.nc);
	CHECK(blobread_read(r, &byte, 1, fd[0], &err) == -ERRC_IO);
	CHECK(nodeclient_now(f.nc) - began < 1000);
	blobread_close(r);
	close(fd[0]);
	stop();
}

int
main(void)
{
	RUN(what_is_written_is_read_whatever_the_size);
	RUN(an_unknown_length_is_sent_chunked);
	RUN(every_shard_that_is_sent_verifies);
	RUN(small_content_stays_here);
	RUN(less_or_more_than_was_told_is_refused);
	RUN(ranges_are_read_at_every_border);
	RUN(two_failed_nodes_do_not_stop_a_write_and_three_do);
	RUN(nodes_that_take_nothing_are_given_up_while_a_quorum_remains);
	RUN(any_three_bad_nodes_are_read_around);
	RUN(three_stopped_nodes_cost_milliseconds);
	RUN(four_bad_nodes_are_an_error_and_never_wrong_bytes);
	RUN(a_bad_cell_is_told_to_its_node);
	RUN(a_healthy_read_asks_only_for_what_it_needs);
	RUN(another_blobs_cells_are_not_taken);
	RUN(a_client_that_hangs_up_cancels_the_fetch);
	return tap_done();
}
