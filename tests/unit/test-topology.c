/* SPDX-License-Identifier: MIT */
#include "cluster/topology.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "cluster/jsontext.h"
#include "cluster/topology_source.h"
#include "cluster/topology_view.h"
#include "tap.h"
#include "tempdir.h"

/* A topology of two machines that is good until something is replaced. */
static const char good[] =
    "{\"erasure_sets\":[{\"number\":1,\"n\":3,\"m\":2,\"write_quorum\":3,"
    "\"machines\":[{\"ip\":\"10.0.0.1\",\"port\":8001},"
    "{\"ip\":\"10.0.0.2\",\"port\":8001},"
    "{\"ip\":\"10.0.0.3\",\"port\":8001}]}],"
    "\"partition_spread\":[{\"erasure_set\":1,\"partitions\":[2,0,1]}]}";

/* good with one piece of text replaced by another. */
static struct buf
with(const char *text, const char *old, const char *new)
{
	struct buf out = buf_make(TOPOLOGY_BYTES_MAX);
	const char *at = strstr(text, old);

	CHECK(at != NULL);
	if (at == NULL)
		return out;
	buf_add(&out, text, (size_t)(at - text));
	buf_addstr(&out, new);
	buf_addstr(&out, at + strlen(old));
	return out;
}

static void
a_good_one_is_read(void)
{
	struct topology *topology = NULL;
	struct error err = { 0 };

	REQUIRE(topology_parse(&topology, bytes_str(good), &err) == 0);
	CHECK(topology->epoch == 1 && topology->set_count == 1);
	CHECK(topology->sets[0].n == 3 && topology->sets[0].data_shards == 2);
	CHECK(topology->sets[0].write_quorum == 3);
	CHECK_STR(topology->sets[0].machine[2].ip, "10.0.0.3");
	CHECK(topology->sets[0].machine[2].port == 8001);
	CHECK(topology->partition_count == 3);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK(topology->partitions[i] == i);
		CHECK(topology->partition_set[i] == 0);
	}
	CHECK(topology_set(topology, 1) == &topology->sets[0]);
	CHECK(topology_set(topology, 2) == NULL);
	topology_free(topology);
	topology_free(NULL);
}

static void
every_mistake_is_refused_with_its_reason(void)
{
	static const struct {
		const char *old, *new, *reason;
	} mistakes[] = {
		{ "\"n\":3", "\"n\":4", "3 machines, but n is 4" },
		{ "\"n\":3", "\"n\":33",
		    "\"n\" must be a number from 2 to 32" },
		{ "\"n\":3", "\"n\":1", "\"n\" must be a number" },
		{ "\"n\":3", "\"n\":3.0", "\"n\" must be a number" },
		{ "\"m\":2", "\"m\":3", "m (data shards) is 3, n is 3" },
		{ "\"m\":2", "\"m\":0", "\"m\" (data shards) must be" },
		{ "quorum\":3", "quorum\":2", "write_quorum is 2, m (data" },
		{ "quorum\":3", "quorum\":4", "write_quorum is 4, n is 3" },
		{ "quorum\":3", "quorum\":-1", "must be a number" },
		{ "quorum\":3", "quorum\":\"3\"", "must be a number" },
		{ "\"number\":1", "\"number\":-1", "\"number\" must be" },
		{ "\"number\":1", "\"number\":2147483648", "\"number\"" },
		{ "10.0.0.3", "10.0.0.2", "there twice (1 and 2)" },
		{ "10.0.0.3", "host.example", "not an IP address" },
		{ "10.0.0.3", "10.0.0.3.4", "not an IP address" },
		{ "10.0.0.3", "", "not an IP address" },
		{ "10.0.0.3", "::ffff:1:2:3:4:5:6:7", "not an IP address" },
		{ "\"port\":8001}", "\"port\":0}", "\"port\" must be" },
		{ "\"port\":8001}", "\"port\":65536}", "\"port\" must be" },
		{ "{\"ip\":\"10.0.0.1\",\"port\":8001}", "7",
		    "must be an addr" },
		{ "[2,0,1]", "[2,0,2]", "partition 2: is there twice" },
		{ "[2,0,1]", "[]", "no partitions" },
		{ "[2,0,1]", "[-1]", "numbers from 0" },
		{ "[2,0,1]", "[2147483648]", "numbers from 0" },
		{ "[2,0,1]", "[1.5]", "numbers from 0" },
		{ "[2,0,1]", "7", "must be a list of numbers" },
		{ "\"erasure_set\":1", "\"erasure_set\":2", "does not exist" },
		{ "\"erasure_set\":1", "\"x\":1", "number of a set" },
		{ "\"partition_spread\"", "\"spread\"", "must be a list" },
		{ "\"erasure_sets\"", "\"sets\"", "list of 1 to 1024 sets" },
		{ "{\"erasure_sets\"", "{\"epoch\":0,\"erasure_sets\"",
		    "\"epoch\" must be" },
		{ "{\"erasure_sets\"", "{\"n\":1,\"n\":2,\"erasure_sets\"",
		    "duplicate" },
		{ "\"m\":2", "\"m\":", "JSON: line 1" },
		{ "10.0.0.3", "\xff", "JSON: line 1" },
		{ "10.0.0.3", "10\\u0000", "JSON: line 1" },
	};

	for (size_t i = 0; i < nitems(mistakes); i++) {
		struct buf text = with(good, mistakes[i].old, mistakes[i].new);
		struct topology *topology = NULL;
		struct error err = { 0 };

		CHECK(topology_parse(&topology, buf_bytes(&text), &err) ==
		    -ERRC_CONFIG);
		CHECK(err.code == ERRC_CONFIG && topology == NULL);
		if (strstr(err.text, mistakes[i].reason) == NULL) {
			CHECK_STR(err.text, mistakes[i].reason);
			topology_free(topology);
		}
		buf_fini(&text);
	}
}

/* 2 w <= n with m small enough that nothing else is wrong. */
static void
half_of_n_is_no_write_quorum(void)
{
	static const char half[] =
	    "{\"erasure_sets\":[{\"number\":1,\"n\":4,\"m\":1,"
	    "\"write_quorum\":2,\"machines\":["
	    "{\"ip\":\"::1\",\"port\":1},{\"ip\":\"::1\",\"port\":2},"
	    "{\"ip\":\"::1\",\"port\":3},{\"ip\":\"::1\",\"port\":4}]}],"
	    "\"partition_spread\":[{\"erasure_set\":1,\"partitions\":[0]}]}";
	struct topology *topology = NULL;
	struct error err = { 0 };

	CHECK(topology_parse(&topology, bytes_str(half), &err) == -ERRC_CONFIG);
	CHECK(strstr(err.text, "must be more than half of n") != NULL);
}

static void
deep_and_long_texts_are_refused_before_they_are_parsed(void)
{
	struct topology *topology = NULL;
	struct buf deep = buf_make(1 << 20);
	struct error err = { 0 };
	char *big;

	for (int i = 0; i < 100000; i++)
		buf_addch(&deep, '[');
	CHECK(
	    topology_parse(&topology, buf_bytes(&deep), &err) == -ERRC_CONFIG);
	CHECK_STR(err.text, "JSON: nested deeper than 32 levels");
	buf_fini(&deep);
	big = calloc(1, TOPOLOGY_BYTES_MAX + 1);
	REQUIRE(big != NULL);
	CHECK(topology_parse(&topology, bytes_of(big, TOPOLOGY_BYTES_MAX + 1),
		  &err) == -ERRC_CONFIG);
	free(big);
	CHECK(topology_parse(&topology, BYTES_NONE, &err) == -ERRC_CONFIG);
	CHECK(jsontext_shallow(bytes_str("\"[[[[\\\"[[[\""), 1));
	CHECK(jsontext_shallow(bytes_str("[][][]"), 1));
	CHECK(!jsontext_shallow(bytes_str("[[]]"), 1));
}

static void
unknown_members_and_a_missing_quorum_are_fine(void)
{
	struct buf text = with(good, ",\"write_quorum\":3", ",\"rack\":\"r1\"");
	struct topology *topology = NULL;

	CHECK(topology_parse(&topology, buf_bytes(&text), NULL) == 0);
	CHECK(topology->sets[0].write_quorum == 3);
	topology_free(topology);
	buf_fini(&text);
}

static void
addresses_have_one_spelling(void)
{
	struct buf text = with(good, "10.0.0.3", "0:0:0:0:0:0:0:1");
	struct topology *topology = NULL;
	const struct erasure_set *set = NULL;
	char address[56];
	uint32_t index = 9;

	REQUIRE(topology_parse(&topology, buf_bytes(&text), NULL) == 0);
	CHECK_STR(topology->sets[0].machine[2].ip, "::1");
	CHECK(topology_find_machine(topology, "0::1", 8001, &set, &index));
	CHECK(set == &topology->sets[0] && index == 2);
	CHECK(!topology_find_machine(topology, "0::1", 8002, &set, &index));
	CHECK(!topology_find_machine(topology, "nonsense", 8001, &set, &index));
	machine_address(address, &topology->sets[0].machine[2]);
	CHECK_STR(address, "[::1]:8001");
	machine_address(address, &topology->sets[0].machine[0]);
	CHECK_STR(address, "10.0.0.1:8001");
	topology_free(topology);
	buf_fini(&text);
}

/* Whatever can be made is printed, read back, and printed the same. */
static void
a_partition_is_found_among_sorted_numbers(void)
{
	static const uint32_t sorted[] = { 0, 3, 4, 9, UINT32_MAX };

	for (size_t n = 0; n <= nitems(sorted); n++) {
		for (size_t i = 0; i < nitems(sorted); i++)
			CHECK(topology_search(sorted, n, sorted[i]) ==
			    (i < n ? i : SIZE_MAX));
		CHECK(topology_search(sorted, n, 1) == SIZE_MAX);
		CHECK(topology_search(sorted, n, 10) == SIZE_MAX);
	}
}

static void
what_is_made_is_valid_and_survives_printing(void)
{
	int made = 0;

	for (uint32_t data = 1; data <= 31; data++) {
		for (uint32_t parity = 1; data + parity <= 32; parity += 3) {
			struct topology_options options = {
				.nodes = 2 * (data + parity),
				.data_shards = data,
				.parity_shards = parity,
				.partitions = 7,
				.node_port = 9000,
				.host = "192.0.2.1",
				.epoch = data,
			};
			struct buf one = buf_make(TOPOLOGY_BYTES_MAX);
			struct buf two = buf_make(TOPOLOGY_BYTES_MAX);
			struct topology *a = NULL;
			struct topology *b = NULL;
			struct error err = { 0 };

			CHECK(topology_make(&a, &options, &err) == 0);
			topology_print(a, &one);
			CHECK(topology_parse(&b, buf_bytes(&one), &err) == 0);
			topology_print(b, &two);
			CHECK(bytes_equal(buf_bytes(&one), buf_bytes(&two)));
			CHECK(b->epoch == data && b->set_count == 2);
			topology_free(a);
			topology_free(b);
			buf_fini(&one);
			buf_fini(&two);
			made++;
		}
	}
	CHECK(made > 150);
}

static void
options_that_make_no_cluster_are_refused(void)
{
	static const struct topology_options base = {
		.nodes = 9,
		.data_shards = 6,
		.parity_shards = 3,
		.partitions = 32,
		.node_port = 8001,
		.host = "127.0.0.1",
	};
	struct topology_options options[8];
	struct topology *topology = NULL;

	for (size_t i = 0; i < nitems(options); i++)
		options[i] = base;
	options[0].nodes = 10;
	options[1].data_shards = 30;
	options[2].write_quorum = 6;
	options[3].partitions = 0;
	options[4].node_port = 65530;
	options[5].host = "localhost";
	options[6].parity_shards = 0;
	options[7].parity_shards = UINT32_MAX;
	for (size_t i = 0; i < nitems(options); i++)
		CHECK(
		    topology_make(&topology, &options[i], NULL) == -ERRC_USAGE);
	CHECK(topology == NULL);
}

static void
unwise_ones_are_warned_of(void)
{
	struct buf text = buf_make(1 << 16);
	struct topology *topology = NULL;
	struct topology_options options = {
		.nodes = 4,
		.data_shards = 2,
		.parity_shards = 2,
		.partitions = 1,
		.node_port = 8001,
		.host = "127.0.0.1",
	};

	REQUIRE(topology_make(&topology, &options, NULL) == 0);
	CHECK(topology_warnings(topology, &text) == 2);
	CHECK(strstr(buf_cstr(&text), "losing 2 machines stops reads") != NULL);
	CHECK(strstr(buf_cstr(&text), "4 of its machines are on host") != NULL);
	topology_free(topology);
	buf_clear(&text);
	REQUIRE(topology_parse(&topology, bytes_str(good), NULL) == 0);
	CHECK(topology_warnings(topology, &text) == 0);
	CHECK_STR(buf_cstr(&text), "");
	topology_free(topology);
	buf_fini(&text);
}

static void
write_file(const char *path, struct bytes text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	CHECK(fd != -1 && write(fd, text.p, text.n) == (ssize_t)text.n);
	close(fd);
}

/* The epoch that readers see now. */
static uint64_t
epoch_of(struct topology_source *source)
{
	struct topology_snapshot *snapshot = topology_source_get(source);
	uint64_t epoch = topology_snapshot_topology(snapshot)->epoch;

	topology_snapshot_drop(snapshot);
	return epoch;
}

static char source_url[300];

/* Change what the source of either kind reads. */
static void
supply(const char *text)
{
	char temporary[400];

	if (strncmp(source_url, "mem:", 4) == 0) {
		CHECK(topology_mem_set(source_url, bytes_str(text), NULL) == 0);
		return;
	}
	snprintf(temporary, sizeof(temporary), "%s.new", source_url + 5);
	write_file(temporary, bytes_str(text));
	CHECK(rename(temporary, source_url + 5) == 0);
}

static void
a_source_takes_newer_ones_and_keeps_what_it_has_otherwise(void)
{
	struct buf two = with(good, "{\"erasure", "{\"epoch\":2,\"erasure");
	struct buf three = with(good, "{\"erasure", "{\"epoch\":3,\"erasure");
	struct topology_source *source = NULL;
	struct topology_snapshot *old;
	struct error err = { 0 };
	bool changed = true;

	supply(buf_cstr(&two));
	REQUIRE(topology_source_open(&source, source_url, &err) == 0);
	old = topology_source_get(source);
	CHECK(topology_source_reload(source, false, &changed, &err) == 0);
	CHECK(!changed && epoch_of(source) == 2);

	supply("{ not json");
	CHECK(topology_source_reload(source, false, &changed, &err) ==
	    -ERRC_CONFIG);
	CHECK(strstr(err.text, "the topology in use is kept") != NULL);
	CHECK(!changed && epoch_of(source) == 2);
	/* Said once; again when asked by hand. */
	CHECK(topology_source_reload(source, false, &changed, &err) == 0);
	CHECK(topology_source_reload(source, true, &changed, &err) ==
	    -ERRC_CONFIG);

	supply(good);
	CHECK(topology_source_reload(source, false, &changed, &err) ==
	    -ERRC_CONFIG);
	CHECK(strstr(err.text, "has epoch 1, older than the 2 in use") != NULL);
	CHECK(epoch_of(source) == 2);

	supply(buf_cstr(&three));
	CHECK(topology_source_reload(source, false, &changed, &err) == 0);
	CHECK(changed && epoch_of(source) == 3);
	CHECK(topology_snapshot_topology(old)->epoch == 2);
	topology_source_close(source);
	CHECK(topology_snapshot_topology(old)->epoch == 2);
	topology_snapshot_drop(old);
	buf_fini(&two);
	buf_fini(&three);
}

static char *
with_epoch(unsigned epoch)
{
	char member[64];
	struct buf text;
	size_t n;

	snprintf(member, sizeof(member), "{\"epoch\":%u,\"erasure", epoch);
	text = with(good, "{\"erasure", member);
	return buf_take(&text, &n);
}

static void
supply_epoch(unsigned epoch)
{
	char *text = with_epoch(epoch);

	supply(text);
	free(text);
}

/* A wait that is long enough to fail the test by its name, not by luck. */
#define LONG_MS 20000

static void
whoever_waits_is_told_of_the_next_version(void)
{
	struct topology_source *source = NULL;
	struct error err = { 0 };
	uint64_t version;

	supply_epoch(2);
	REQUIRE(topology_source_open(&source, source_url, &err) == 0);
	version = topology_source_wait(source, 0, LONG_MS);
	CHECK(version == 1);
	CHECK(topology_source_wait(source, version, 1) == version);
	supply_epoch(3);
	CHECK(topology_source_wait(source, version, LONG_MS) == version + 1);
	CHECK(epoch_of(source) == 3);
	/* What is bad or old is no version. */
	supply("{ not json");
	CHECK(topology_source_wait(source, version + 1, 600) == version + 1);
	supply_epoch(4);
	CHECK(
	    topology_source_wait(source, version + 1, LONG_MS) == version + 2);
	/* Who is behind is told at once. */
	CHECK(topology_source_wait(source, version, LONG_MS) == version + 2);
	topology_source_close(source);
}

static void *
wake_it(void *arg)
{
	topology_source_wake(arg);
	return NULL;
}

/* Whether the wake comes before the wait or in it: else a program that stops
 * would hang now and then. */
static void
whoever_waits_can_be_woken(void)
{
	struct topology_source *source = NULL;
	struct error err = { 0 };
	uint64_t began = clock_mono_ms(&clock_system);
	pthread_t thread;

	supply_epoch(2);
	REQUIRE(topology_source_open(&source, source_url, &err) == 0);
	REQUIRE(pthread_create(&thread, NULL, wake_it, source) == 0);
	CHECK(topology_source_wait(source, 1, LONG_MS) == 1);
	pthread_join(thread, NULL);
	CHECK(topology_source_wait(source, 1, LONG_MS) == 1);
	CHECK(clock_mono_ms(&clock_system) - began < LONG_MS);
	topology_source_close(source);
}

static void *
supply_later(void *arg)
{
	(void)arg;
	supply_epoch(7);
	return NULL;
}

static void
an_epoch_that_others_have_is_waited_for(void)
{
	struct topology_source *source = NULL;
	struct error err = { 0 };
	pthread_t thread;

	supply_epoch(2);
	REQUIRE(topology_source_open(&source, source_url, &err) == 0);
	CHECK(topology_source_reach(source, 2, 0, &err) == 0);
	CHECK(topology_source_reach(source, 7, 1, &err) == -ERRC_UNAVAILABLE);
	CHECK(strstr(err.text,
		  "epoch 7 is in use elsewhere, here it is still "
		  "2") != NULL);
	REQUIRE(pthread_create(&thread, NULL, supply_later, NULL) == 0);
	CHECK(topology_source_reach(source, 7, LONG_MS, &err) == 0);
	CHECK(epoch_of(source) == 7);
	pthread_join(thread, NULL);
	topology_source_close(source);
}

static void
below_the_floor_nothing_is_taken(void)
{
	struct topology_source *source = NULL;
	struct error err = { 0 };
	bool changed;

	supply_epoch(2);
	REQUIRE(topology_source_open(&source, source_url, &err) == 0);
	CHECK(topology_source_floor(source, 2, &err) == 0);
	/* The one in use is older than what somebody has acted on. */
	CHECK(topology_source_floor(source, 5, &err) == -ERRC_CONFIG);
	CHECK(
	    strstr(err.text, "has epoch 2, but epoch 5 has been seen") != NULL);
	supply_epoch(4);
	CHECK(topology_source_reload(source, true, &changed, &err) ==
	    -ERRC_CONFIG);
	CHECK(
	    strstr(err.text, "has epoch 4, but epoch 5 has been seen") != NULL);
	CHECK(!changed && epoch_of(source) == 2);
	/* A floor does not sink. */
	CHECK(topology_source_floor(source, 1, &err) == 0);
	CHECK(topology_source_reload(source, true, &changed, &err) ==
	    -ERRC_CONFIG);
	supply_epoch(5);
	CHECK(topology_source_reload(source, true, &changed, &err) == 0);
	CHECK(changed && epoch_of(source) == 5);
	topology_source_close(source);
}

static void
out_of_reach_is_not_misconfigured(void)
{
	static const char url[] = "mem:reach";
	struct topology_source *source = NULL;
	struct error err = { 0 };
	uint64_t reads;

	CHECK(topology_mem_set(url, bytes_str(good), NULL) == 0);
	topology_mem_lost(url, true);
	CHECK(topology_source_open(&source, url, &err) == -ERRC_UNAVAILABLE);
	CHECK(topology_mem_set("mem:bad", bytes_str("{}"), NULL) == 0);
	CHECK(topology_source_open(&source, "mem:bad", &err) == -ERRC_CONFIG);
	topology_mem_lost(url, false);
	REQUIRE(topology_source_open(&source, url, &err) == 0);
	/* Lost while it runs: what was there stays, and nobody who reads the
	 * topology asks for it. */
	topology_mem_lost(url, true);
	CHECK(topology_source_wait(source, 1, 1) == 1);
	CHECK(topology_source_reload(source, false, NULL, &err) ==
	    -ERRC_UNAVAILABLE);
	reads = topology_mem_reads(url);
	for (int i = 0; i < 100; i++)
		CHECK(epoch_of(source) == 1);
	/* The source itself goes on asking, seldom. */
	CHECK(topology_mem_reads(url) < reads + 100);
	topology_mem_lost(url, false);
	CHECK(topology_source_wait(source, 1, LONG_MS) == 2);
	topology_source_close(source);
}

static void
a_view_keeps_what_somebody_may_look_at(void)
{
	struct topology_source *source = NULL;
	struct topology_view *view = NULL;
	struct topology_hold *first, *second;
	const struct topology *seen, *later;
	struct error err = { 0 };

	supply_epoch(1);
	REQUIRE(topology_source_open(&source, source_url, &err) == 0);
	REQUIRE(topology_view_new(&view, source, &err) == 0);
	CHECK(!topology_view_adopt(view));
	first = topology_view_enter(view);
	seen = topology_view_newest(view);
	for (unsigned epoch = 2; epoch <= 10; epoch++) {
		supply_epoch(epoch);
		CHECK(topology_source_reload(source, true, NULL, &err) == 0);
		CHECK(topology_view_adopt(view));
		CHECK(!topology_view_adopt(view));
	}
	/* The first may have seen all of them. */
	CHECK(seen->epoch == 1 && topology_view_kept(view) == 10);
	second = topology_view_enter(view);
	later = topology_view_newest(view);
	supply_epoch(11);
	CHECK(topology_source_reload(source, true, NULL, &err) == 0);
	CHECK(topology_view_adopt(view));
	topology_view_leave(view, first);
	CHECK(topology_view_kept(view) == 2);
	CHECK(later->epoch == 10 && later->partition_count > 0);
	topology_view_leave(view, second);
	CHECK(topology_view_kept(view) == 1);
	CHECK(topology_view_newest(view)->epoch == 11);
	topology_view_free(view);
	topology_source_close(source);
}

static void
a_thousand_changes_keep_one(void)
{
	struct topology_source *source = NULL;
	struct topology_view *view = NULL;
	struct error err = { 0 };

	supply_epoch(1);
	REQUIRE(topology_source_open(&source, source_url, &err) == 0);
	REQUIRE(topology_view_new(&view, source, &err) == 0);
	for (unsigned epoch = 2; epoch <= 1001; epoch++) {
		struct topology_hold *hold = topology_view_enter(view);

		supply_epoch(epoch);
		CHECK(topology_source_reload(source, true, NULL, &err) == 0);
		CHECK(topology_view_adopt(view));
		CHECK(topology_view_kept(view) == 2);
		topology_view_leave(view, hold);
	}
	CHECK(topology_view_kept(view) == 1);
	topology_view_free(view);
	topology_source_close(source);
}

static void
a_file_that_vanishes_is_reported_once(void)
{
	struct topology_source *source = NULL;
	struct error err = { 0 };
	bool changed;

	supply(good);
	REQUIRE(topology_source_open(&source, source_url, &err) == 0);
	CHECK(unlink(source_url + 5) == 0);
	CHECK(topology_source_reload(source, false, &changed, &err) ==
	    -ERRC_NOINPUT);
	CHECK(topology_source_reload(source, false, &changed, &err) == 0);
	CHECK(epoch_of(source) == 1);
	supply(good);
	CHECK(topology_source_reload(source, false, &changed, &err) == 0);
	topology_source_close(source);
}

static void
other_urls_are_refused_by_name(void)
{
	struct topology_source *source = NULL;
	struct error err = { 0 };

	CHECK(topology_source_open(&source, "etcd://h:2379", &err) ==
	    -ERRC_CONFIG);
	CHECK_STR(err.text,
	    "topology etcd://h:2379: unknown kind of URL: this program knows "
	    "file:PATH");
	CHECK(topology_source_open(&source, NULL, &err) == -ERRC_CONFIG);
	CHECK(topology_source_open(&source, "file:", &err) == -ERRC_CONFIG);
	CHECK(topology_source_open(&source, "file:/no/such/file", &err) ==
	    -ERRC_NOINPUT);
	CHECK(topology_source_open(&source, "file:/dev/null", &err) ==
	    -ERRC_CONFIG);
	CHECK(topology_source_open(&source, "mem:nothing", &err) ==
	    -ERRC_NOINPUT);
	CHECK(source == NULL);
}

/* With each backend. */
static void
run_subscription(void)
{
	RUN(whoever_waits_is_told_of_the_next_version);
	RUN(whoever_waits_can_be_woken);
	RUN(an_epoch_that_others_have_is_waited_for);
	RUN(below_the_floor_nothing_is_taken);
	RUN(a_view_keeps_what_somebody_may_look_at);
	RUN(a_thousand_changes_keep_one);
}

int
main(void)
{
	char folder[TEMPDIR_BYTES];

	RUN(a_good_one_is_read);
	RUN(every_mistake_is_refused_with_its_reason);
	RUN(half_of_n_is_no_write_quorum);
	RUN(deep_and_long_texts_are_refused_before_they_are_parsed);
	RUN(unknown_members_and_a_missing_quorum_are_fine);
	RUN(addresses_have_one_spelling);
	RUN(a_partition_is_found_among_sorted_numbers);
	RUN(what_is_made_is_valid_and_survives_printing);
	RUN(options_that_make_no_cluster_are_refused);
	RUN(unwise_ones_are_warned_of);
	RUN(other_urls_are_refused_by_name);
	tempdir_make(folder);
	snprintf(source_url, sizeof(source_url), "mem:t");
	RUN(a_source_takes_newer_ones_and_keeps_what_it_has_otherwise);
	run_subscription();
	RUN(out_of_reach_is_not_misconfigured);
	snprintf(source_url, sizeof(source_url), "file:%s/t.json", folder);
	RUN(a_source_takes_newer_ones_and_keeps_what_it_has_otherwise);
	run_subscription();
	RUN(a_file_that_vanishes_is_reported_once);
	(void)unlink(source_url + 5);
	(void)rmdir(folder);
	topology_mem_clear();
	return tap_done();
}
