/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tap.h"

static void
a_seed_gives_the_same_bytes_again(void)
{
	struct random_seeded one, two, three;
	uint8_t a[37], b[37];

	random_seeded_init(&one, 7);
	random_seeded_init(&two, 7);
	random_seeded_init(&three, 8);
	one.source.fill(&one.source, a, sizeof(a));
	two.source.fill(&two.source, b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) == 0);
	CHECK(random_u64(&one.source) != random_u64(&three.source));
}

static void
the_system_gives_other_bytes_each_time(void)
{
	uint8_t a[300] = { 0 }, b[300] = { 0 };

	random_system.fill(&random_system, a, sizeof(a));
	random_system.fill(&random_system, b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	CHECK(memcmp(a + 268, b + 268, 32) != 0);
}

static void
ids_are_uuids_of_version_7(void)
{
	struct clock_manual manual;
	struct random_seeded seeded;
	struct reqid id, back;
	char hex[REQID_HEX + 1];

	clock_manual_init(&manual, UINT64_C(1700000000123));
	random_seeded_init(&seeded, 1);
	id = reqid_new(&manual.clock, &seeded.source);
	CHECK(id.b[6] >> 4 == 7);
	CHECK(id.b[8] >> 6 == 2);
	CHECK(reqid_time_ms(id) == UINT64_C(1700000000123));
	reqid_format(hex, id);
	CHECK(strlen(hex) == 32 && strchr(hex, '-') == NULL);
	CHECK(reqid_parse(&back, hex, 32));
	CHECK(reqid_equal(id, back));
	CHECK(!reqid_is_zero(id));
	CHECK(reqid_is_zero((struct reqid){ { 0 } }));
}

static void
ids_sort_even_when_the_clock_is_set_back(void)
{
	struct clock_manual manual;
	struct reqid last, id;
	unsigned wrong = 0;

	clock_manual_init(&manual, UINT64_C(1800000000000));
	last = reqid_new(&manual.clock, &random_system);
	for (int i = 0; i < 20000; i++) {
		if (i == 10000)
			manual.now_ms -= 1000000;
		id = reqid_new(&manual.clock, &random_system);
		wrong += memcmp(&last, &id, sizeof(id)) >= 0;
		wrong += id.b[6] >> 4 != 7;
		last = id;
	}
	CHECK(wrong == 0);
}

#define THREADS 4
#define IDS 5000

static struct reqid made[THREADS * IDS];

static void *
make_ids(void *arg)
{
	struct reqid *to = arg;

	for (int i = 0; i < IDS; i++)
		to[i] = reqid_new(&clock_system, &random_system);
	return NULL;
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, 8);
}

static void
threads_never_share_a_tick(void)
{
	pthread_t thread[THREADS];
	unsigned same = 0;

	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&thread[i], NULL, make_ids,
			  made + i * IDS) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	qsort(made, THREADS * IDS, sizeof(made[0]), compare_ids);
	for (int i = 1; i < THREADS * IDS; i++)
		same += memcmp(&made[i - 1], &made[i], 8) == 0;
	CHECK(same == 0);
}

static void
other_texts_are_no_ids(void)
{
	static const char good[] = "018bcfe5687b7abc8def0123456789ab";
	static const char *const bad[] = { "",
		"018bcfe5687b7abc8def0123456789a",
		"018bcfe5687b7abc8def0123456789abc",
		"018BCFE5687B7ABC8DEF0123456789AB",
		"018bcfe5687b4abc8def0123456789ab",
		"018bcfe5687b7abccdef0123456789ab",
		"018bcfe5687b7abc0def0123456789ab",
		"018bcfe5-687b-7abc-8def-01234567",
		"018bcfe5687b7abc8def0123456789ag" };
	struct reqid id;

	CHECK(reqid_parse(&id, good, 32));
	for (size_t i = 0; i < nitems(bad); i++)
		CHECK(!reqid_parse(&id, bad[i], strlen(bad[i])));
}

int
main(void)
{
	RUN(a_seed_gives_the_same_bytes_again);
	RUN(the_system_gives_other_bytes_each_time);
	RUN(ids_are_uuids_of_version_7);
	RUN(ids_sort_even_when_the_clock_is_set_back);
	RUN(threads_never_share_a_tick);
	RUN(other_texts_are_no_ids);
	return tap_done();
}
