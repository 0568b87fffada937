/* SPDX-License-Identifier: MIT */
#include "cluster/placement.h"

#include "base/error.h"
#include "codec/crc.h"
#include "tap.h"

static struct topology *
make(uint32_t data, uint32_t parity, uint32_t sets, uint32_t partitions)
{
	struct topology_options options = {
		.nodes = (data + parity) * sets,
		.data_shards = data,
		.parity_shards = parity,
		.partitions = partitions,
		.node_port = 8001,
		.host = "127.0.0.1",
	};
	struct topology *topology = NULL;

	CHECK(topology_make(&topology, &options, NULL) == 0);
	return topology;
}

/* crc32 of the name as zlib's crc32() and Python's binascii.crc32 give it. */
static void
names_go_where_crc_32_says(void)
{
	static const struct {
		const char *bucket, *key;
		uint32_t crc;
	} names[] = {
		{ "videos", "film.mp4", 0x340816fd },
		{ "a", "b", 0x07f4401c },
		{ "bucket", "dir/key with space", 0x8de19d3b },
		{ "bucket", "\xc3\xa9t\xc3\xa9", 0x200a1c8e },
	};
	struct topology *topology = make(6, 3, 1, 32);

	for (size_t i = 0; i < nitems(names); i++) {
		struct placement placement = placement_of(topology,
		    bytes_str(names[i].bucket), bytes_str(names[i].key));

		CHECK(placement.partition == names[i].crc % 32);
		CHECK(placement.set == &topology->sets[0]);
	}
	CHECK(placement_home(topology, bytes_str("videos")).partition ==
	    0x29aa6432 % 32);
	CHECK(crc32_zlib(0, "123456789", 9) == 0xcbf43926);
	topology_free(topology);
}

static void
the_remainder_is_an_index_into_the_sorted_numbers(void)
{
	static const char json[] =
	    "{\"erasure_sets\":["
	    "{\"number\":7,\"n\":3,\"m\":2,\"write_quorum\":3,\"machines\":["
	    "{\"ip\":\"10.0.0.1\",\"port\":1},{\"ip\":\"10.0.0.2\",\"port\":1},"
	    "{\"ip\":\"10.0.0.3\",\"port\":1}]},"
	    "{\"number\":3,\"n\":3,\"m\":2,\"write_quorum\":3,\"machines\":["
	    "{\"ip\":\"10.0.1.1\",\"port\":1},{\"ip\":\"10.0.1.2\",\"port\":1},"
	    "{\"ip\":\"10.0.1.3\",\"port\":1}]}],"
	    "\"partition_spread\":["
	    "{\"erasure_set\":3,\"partitions\":[900,20]},"
	    "{\"erasure_set\":7,\"partitions\":[5]}]}";
	struct topology *topology = NULL;
	struct placement placement;
	struct error err = { 0 };

	REQUIRE(topology_parse(&topology, bytes_str(json), &err) == 0);
	placement = placement_home(topology, bytes_str("videos"));
	CHECK(0x29aa6432 % 3 == 1);
	CHECK(placement.partition == 20 && placement.set->number == 3);
	CHECK(placement.set_index == 1);
	CHECK(placement_partition(topology, 5, &placement, &err) == 0);
	CHECK(placement.set->number == 7 && placement.set_index == 0);
	CHECK(placement_partition(topology, 900, &placement, &err) == 0);
	CHECK(placement.set->number == 3 && placement.set_index == 1);
	CHECK(placement_partition(topology, 20, &placement, &err) == 0);
	CHECK(placement_partition(topology, 6, &placement, &err) ==
	    -ERRC_NOTFOUND);
	CHECK(placement_partition(topology, 0, &placement, &err) ==
	    -ERRC_NOTFOUND);
	CHECK(placement_partition(topology, UINT32_MAX, &placement, &err) ==
	    -ERRC_NOTFOUND);
	CHECK_STR(err.text, "partition 4294967295: not in the topology");
	topology_free(topology);
}

/* All geometries, all machines, two turns of partitions. */
static void
shards_turn_with_the_partition_and_back(void)
{
	for (uint32_t n = 2; n <= TOPOLOGY_MACHINES_MAX; n++) {
		struct erasure_set set = { .n = n, .data_shards = n - 1 };

		for (uint32_t p = 0; p < 2 * n; p++) {
			struct placement at = { .partition = p, .set = &set };
			uint32_t used = 0;

			for (uint32_t shard = 0; shard < n; shard++) {
				uint32_t machine = placement_machine(&at,
				    shard);

				CHECK(machine == (shard + p) % n);
				CHECK(placement_shard(&at, machine) == shard);
				used |= UINT32_C(1) << machine;
			}
			CHECK(used ==
			    (n == 32 ? UINT32_MAX : (UINT32_C(1) << n) - 1));
		}
	}
}

static void
very_large_partition_numbers_do_not_overflow(void)
{
	struct erasure_set set = { .n = 9, .data_shards = 6 };
	struct placement at = { .partition = TOPOLOGY_NUMBER_MAX, .set = &set };

	for (uint32_t shard = 0; shard < 9; shard++)
		CHECK(placement_shard(&at, placement_machine(&at, shard)) ==
		    shard);
}

/* Parity + 1 holders: any m machines include one, and that is the least. */
static void
any_m_machines_include_an_inline_holder(void)
{
	for (uint32_t n = 2; n <= 12; n++) {
		for (uint32_t m = 1; m < n; m++) {
			struct erasure_set set = { .n = n, .data_shards = m };

			for (uint32_t p = 0; p < n; p++) {
				struct placement at = { .partition = p,
					.set = &set };
				uint32_t holders = 0;

				for (uint32_t i = 0; i <= n - m; i++)
					CHECK(placement_inline_holder(&at,
					    (p + i) % n));
				for (uint32_t i = 0; i < n; i++)
					holders += placement_inline_holder(&at,
					    i);
				CHECK(holders == n - m + 1);
			}
		}
	}
}

static void
every_set_gets_its_share_and_its_parity_moves_about(void)
{
	struct topology *topology = make(6, 3, 3, 96);
	uint32_t count[3] = { 0 };
	uint32_t parity[3][9] = { { 0 } };

	for (uint32_t p = 0; p < 96; p++) {
		struct placement at;

		REQUIRE(placement_partition(topology, p, &at, NULL) == 0);
		count[at.set_index]++;
		for (uint32_t shard = 6; shard < 9; shard++)
			parity[at.set_index][placement_machine(&at, shard)]++;
	}
	for (int set = 0; set < 3; set++) {
		CHECK(count[set] == 32);
		for (int machine = 0; machine < 9; machine++)
			CHECK(parity[set][machine] >= 9 &&
			    parity[set][machine] <= 12);
	}
	topology_free(topology);
}

int
main(void)
{
	RUN(names_go_where_crc_32_says);
	RUN(the_remainder_is_an_index_into_the_sorted_numbers);
	RUN(shards_turn_with_the_partition_and_back);
	RUN(very_large_partition_numbers_do_not_overflow);
	RUN(any_m_machines_include_an_inline_holder);
	RUN(every_set_gets_its_share_and_its_parity_moves_about);
	return tap_done();
}
