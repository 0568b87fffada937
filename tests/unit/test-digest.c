/* SPDX-License-Identifier: MIT */

#include <stdint.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"
#include "codec/digest.h"
#include "codec/md5_thread.h"
#include "tap.h"

static const char *
hex(const uint8_t *digest, size_t n)
{
	static char text[2 * DIGEST_BYTES_MAX + 1];

	hex_encode(text, digest, n);
	return text;
}

static void
digests_are_those_of_the_standards(void)
{
	uint8_t out[DIGEST_BYTES_MAX];
	struct error err;

	REQUIRE(digest_md5(out, "abc", 3, &err) == 0);
	CHECK_STR(hex(out, 16), "900150983cd24fb0d6963f7d28e17f72");
	REQUIRE(digest_md5(out, "", 0, &err) == 0);
	CHECK_STR(hex(out, 16), "d41d8cd98f00b204e9800998ecf8427e");
	REQUIRE(digest_sha256(out, "abc", 3, &err) == 0);
	CHECK_STR(hex(out, 32),
	    "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
}

static void
a_digest_takes_pieces_and_can_be_used_again(void)
{
	struct digest d = { 0 };
	uint8_t out[DIGEST_BYTES_MAX];
	struct error err;

	for (int i = 0; i < 3; i++) {
		REQUIRE(digest_init(&d, DIGEST_SHA1, &err) == 0);
		digest_update(&d, "a", 1);
		digest_update(&d, "", 0);
		digest_update(&d, "bc", 2);
		digest_final(&d, out);
		CHECK_STR(hex(out, DIGEST_SHA1_BYTES),
		    "a9993e364706816aba3e25717850c26c9cd0d89d");
	}
	digest_fini(&d);
	digest_fini(&d);
}

/* More pushes than may wait, of memory that is reused after its ticket. */
static void
a_worker_hashes_what_is_pushed_in_order(void)
{
	enum { PIECE = 10007, TURNS = 200 };
	static uint8_t ring[4][PIECE], all[PIECE * TURNS];
	uint64_t ticket[4] = { 0 };
	uint8_t got[16], want[16];
	struct md5_thread *worker = NULL;
	struct error err;

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)(i * 2654435761u >> 11);
	REQUIRE(md5_thread_new(&worker, &err) == 0);
	md5_thread_wait(worker, 0);
	for (size_t i = 0; i < TURNS; i++) {
		md5_thread_wait(worker, ticket[i % 4]);
		memcpy(ring[i % 4], all + i * PIECE, PIECE);
		ticket[i % 4] = md5_thread_push(worker, ring[i % 4], PIECE);
		CHECK(ticket[i % 4] != 0);
	}
	md5_thread_final(worker, got);
	md5_thread_free(worker);
	REQUIRE(digest_md5(want, all, sizeof(all), &err) == 0);
	CHECK(memcmp(got, want, sizeof(got)) == 0);
}

static void
a_worker_can_be_left_at_any_time(void)
{
	static const uint8_t data[100000];
	struct error err;

	for (int i = 0; i < 50; i++) {
		struct md5_thread *worker = NULL;

		REQUIRE(md5_thread_new(&worker, &err) == 0);
		for (int j = 0; j < i; j++)
			(void)md5_thread_push(worker, data, 1000);
		md5_thread_free(worker);
	}
	md5_thread_free(NULL);
}

int
main(void)
{
	RUN(digests_are_those_of_the_standards);
	RUN(a_digest_takes_pieces_and_can_be_used_again);
	RUN(a_worker_hashes_what_is_pushed_in_order);
	RUN(a_worker_can_be_left_at_any_time);
	return tap_done();
}
