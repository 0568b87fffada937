/* SPDX-License-Identifier: MIT */
#include "shard/shardtally.h"

#include "base/compiler.h"
#include "base/error.h"
#include "tap.h"

static const struct geometry g = { 6, 3, 65536 };

static void
losses_are_told_in_one_line(void)
{
	static const struct {
		uint32_t whole, flawed, least;
		const char *text;
	} some[] = {
		{ 0x1fe, 0, 8, "1 of 9 shards is gone: 2 more may go" },
		{ 0x1fc, 0, 7, "2 of 9 shards are gone: 1 more may go" },
		{ 0x1f8, 0, 6, "3 of 9 shards are gone: no more may go" },
		{ 0x1fe, 1, 8, "1 of 9 shards is damaged: 2 more may go" },
		{ 0, 0x1ff, 7, "9 of 9 shards are damaged: 1 more may go" },
		{ 0x1fc, 1, 7,
		    "1 of 9 shards is gone and 1 is damaged: 1 more may go" },
		{ 0x1f0, 3, 4,
		    "2 of 9 shards are gone and 2 are damaged: "
		    "no more may go" },
	};
	char text[SHARDTALLY_TEXT];

	for (size_t i = 0; i < nitems(some); i++) {
		CHECK(shardtally_text(text, &g, some[i].whole, some[i].flawed,
		    some[i].least));
		CHECK_STR(text, some[i].text);
	}
	CHECK(!shardtally_text(text, &g, 0x1ff, 0, 9));
}

static void
the_worst_stripe_decides(void)
{
	struct shardtally t;
	struct error err;

	shardtally_init(&t, &g);
	CHECK(t.least == 9 && shardtally_whole(&t) == 0);
	shardtally_stripe(&t, 0, 0x1ff);
	CHECK(shardtally_whole(&t) == 0x1ff);
	CHECK(shardtally_judge(&t, 0x1ff, 0, &err) == 0);
	shardtally_stripe(&t, 1, 0x1fc);
	shardtally_stripe(&t, 2, 0x0ff);
	CHECK(shardtally_whole(&t) == 0x0fc && shardtally_some(&t) == 0x1ff);
	CHECK(shardtally_judge(&t, 0xfc, 0x103, &err) == -ERRC_MISMATCH);
	CHECK_STR(err.text, "3 of 9 shards are damaged: 1 more may go");
	shardtally_stripe(&t, 3, 0x01f);
	shardtally_stripe(&t, 4, 0x00f);
	shardtally_stripe(&t, 5, 0x00f);
	CHECK(shardtally_judge(&t, 0, 0x1ff, &err) == -ERRC_CORRUPT);
	CHECK_STR(err.text, "stripe 4: 4 of 9 cells are good, 6 are needed");
}

int
main(void)
{
	RUN(losses_are_told_in_one_line);
	RUN(the_worst_stripe_decides);
	return tap_done();
}
