/* SPDX-License-Identifier: MIT */

/* koop-locate(1): bucket/key -> partition, erasure set, machines. */

#include <stdio.h>
#include <string.h>

#include "base/cli.h"
#include "base/error.h"
#include "cluster/placement.h"
#include "cluster/topology.h"
#include "cluster/topology_source.h"

#define NAME_MAX_BYTES 2048
#define OPERANDS_MAX 8

static const char *topology_url;

static const struct cli_option options[] = {
	{ 't', "topology", CLI_URL, &topology_url, "file:PATH", "the topology",
	    0, 0, CLI_ENV_CONF, NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-locate",
	.operands = "bucket/key ...",
	.summary = "print where the shards of an object belong",
	.options = options,
	.operands_min = 1,
	.operands_max = OPERANDS_MAX,
};

static void
print_shards(const struct placement *placement, const char *name)
{
	const struct erasure_set *set = placement->set;

	for (uint32_t shard = 0; shard < set->n; shard++) {
		uint32_t machine = placement_machine(placement, shard);
		char address[56];

		machine_address(address, &set->machine[machine]);
		printf("shard v=1 name=%s index=%u kind=%s set=%u machine=%u "
		       "address=%s inline=%s\n",
		    name, shard, shard < set->data_shards ? "data" : "parity",
		    set->number, machine, address,
		    placement_inline_holder(placement, machine) ? "yes" : "no");
	}
}

/* What is wrong with a name; NULL when it is good. */
static const char *
check_name(const char *operand, const char *slash)
{
	if (slash == NULL || slash == operand)
		return "must be a bucket, a slash and a key";
	if (slash[1] == '\0')
		return "has no key";
	if (strlen(operand) > NAME_MAX_BYTES)
		return "is too long";
	return NULL;
}

static void
locate(const struct topology *topology, const char *operand, const char *slash)
{
	struct bytes bucket = bytes_of(operand, (size_t)(slash - operand));
	struct bytes key = bytes_str(slash + 1);
	struct placement placement = placement_of(topology, bucket, key);
	struct placement home = placement_home(topology, bucket);
	const struct erasure_set *set = placement.set;
	char name[3 * NAME_MAX_BYTES + 1];

	percent_encode(name, operand, strlen(operand), true);
	printf("object v=1 name=%s partition=%u home=%u epoch=%llu set=%u "
	       "data_shards=%u parity_shards=%u write_quorum=%u\n",
	    name, placement.partition, home.partition,
	    (unsigned long long)topology->epoch, set->number, set->data_shards,
	    set->n - set->data_shards, set->write_quorum);
	print_shards(&placement, name);
}

int
main(int argc, char *argv[])
{
	int first = cli_parse(&cli, argc, argv);
	struct topology_source *source = NULL;
	struct topology_snapshot *snapshot;
	struct error err;

	for (int i = first; i < argc; i++) {
		const char *wrong = check_name(argv[i], strchr(argv[i], '/'));

		if (wrong != NULL)
			return cli_usage(&cli, "%.64s: %s", argv[i], wrong);
	}
	if (topology_source_open(&source, topology_url, &err) < 0)
		return cli_fail(&cli, &err);
	snapshot = topology_source_get(source);
	for (int i = first; i < argc; i++)
		locate(topology_snapshot_topology(snapshot), argv[i],
		    strchr(argv[i], '/'));
	topology_snapshot_drop(snapshot);
	topology_source_close(source);
	return cli_finish(&cli);
}
