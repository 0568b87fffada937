/* SPDX-License-Identifier: MIT */

/* koop-topology(1): check, show or make a topology. */

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/error.h"
#include "cluster/quorum.h"
#include "cluster/topology.h"
#include "cluster/topology_source.h"

static const char *topology_url;
static uint64_t data_shards = 6;
static uint64_t epoch = 1;
static const char *host = "127.0.0.1";
static uint64_t node_port = 8001;
static uint64_t nodes;
static uint64_t parity_shards = 3;
static uint64_t partitions = 32;
static uint64_t write_quorum;

static const struct cli_option options[] = {
	{ 't', "topology", CLI_URL, &topology_url, "file:PATH",
	    "check, show: the topology", 0, 0, CLI_ENV_CONF, NULL },
	{ 'k', "data-shards", CLI_NUMBER, &data_shards, "N",
	    "make: data shards of a set (default 6)", 1, TOPOLOGY_MACHINES_MAX,
	    CLI_ENV_CONF, NULL },
	{ 0, "epoch", CLI_NUMBER, &epoch, "N", "make: its epoch (default 1)", 1,
	    UINT64_C(1) << 53, CLI_FLAG_ONLY, NULL },
	{ 0, "host", CLI_STRING, &host, "IP",
	    "make: address of the machines (default 127.0.0.1)", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "node-port", CLI_NUMBER, &node_port, "N",
	    "make: port of the first one (default 8001)", 1, UINT16_MAX,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "nodes", CLI_NUMBER, &nodes, "N",
	    "make: machines in all (default one set)", 1,
	    TOPOLOGY_MACHINES_MAX *TOPOLOGY_SETS_MAX, CLI_FLAG_ONLY, NULL },
	{ 'm', "parity-shards", CLI_NUMBER, &parity_shards, "N",
	    "make: parity shards of a set (default 3)", 1,
	    TOPOLOGY_MACHINES_MAX - 1, CLI_ENV_CONF, NULL },
	{ 0, "partitions", CLI_NUMBER, &partitions, "N",
	    "make: how many partitions (default 32)", 1,
	    TOPOLOGY_PARTITIONS_MAX, CLI_FLAG_ONLY, NULL },
	{ 0, "write-quorum", CLI_NUMBER, &write_quorum, "N",
	    "make: durable shards a write needs", 1, TOPOLOGY_MACHINES_MAX,
	    CLI_ENV_CONF, NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-topology",
	.operands = "check|show|make",
	.summary = "check, show or make the description of a cluster",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
};

/* People read these; the program goes on. */
static size_t
warn(const struct topology *topology)
{
	struct buf text = buf_make(TOPOLOGY_BYTES_MAX);
	size_t warnings = topology_warnings(topology, &text);
	const char *line = buf_cstr(&text);

	while (*line != '\0') {
		size_t n = strcspn(line, "\n");

		fprintf(stderr, "%s: warning: %.*s\n", cli.name, (int)n, line);
		line += n + (line[n] == '\n');
	}
	buf_fini(&text);
	return warnings;
}

static void
print_summary(const struct topology *topology, size_t warnings)
{
	size_t machines = 0;

	for (size_t i = 0; i < topology->set_count; i++)
		machines += topology->sets[i].n;
	printf("topology v=1 epoch=%llu sets=%zu machines=%zu partitions=%zu "
	       "warnings=%zu\n",
	    (unsigned long long)topology->epoch, topology->set_count, machines,
	    topology->partition_count, warnings);
}

static void
show_set(const struct erasure_set *set)
{
	printf("set number=%u n=%u data_shards=%u parity_shards=%u "
	       "write_quorum=%u read_quorum=%u stable_read=%u\n",
	    set->number, set->n, set->data_shards, set->n - set->data_shards,
	    set->write_quorum,
	    quorum_read(set->n, set->data_shards, set->write_quorum),
	    quorum_stable_read(set->n, set->data_shards, set->write_quorum));
	for (uint32_t i = 0; i < set->n; i++) {
		char address[56];

		machine_address(address, &set->machine[i]);
		printf("machine set=%u index=%u address=%s\n", set->number, i,
		    address);
	}
}

static void
show(const struct topology *topology)
{
	for (size_t i = 0; i < topology->set_count; i++)
		show_set(&topology->sets[i]);
	for (size_t i = 0; i < topology->partition_count; i++)
		printf("partition number=%u set=%u\n", topology->partitions[i],
		    topology->sets[topology->partition_set[i]].number);
}

static int
check_or_show(bool shown)
{
	struct topology_source *source = NULL;
	struct topology_snapshot *snapshot;
	const struct topology *topology;
	struct error err;

	if (topology_source_open(&source, topology_url, &err) < 0)
		return cli_fail(&cli, &err);
	snapshot = topology_source_get(source);
	topology = topology_snapshot_topology(snapshot);
	print_summary(topology, warn(topology));
	if (shown)
		show(topology);
	topology_snapshot_drop(snapshot);
	topology_source_close(source);
	return cli_finish(&cli);
}

static int
make(void)
{
	struct topology_options wanted = {
		.nodes = (uint32_t)nodes,
		.data_shards = (uint32_t)data_shards,
		.parity_shards = (uint32_t)parity_shards,
		.write_quorum = (uint32_t)write_quorum,
		.partitions = (uint32_t)partitions,
		.node_port = (uint16_t)node_port,
		.host = host,
		.epoch = epoch,
	};
	struct buf text = buf_make(TOPOLOGY_BYTES_MAX);
	struct topology *topology = NULL;
	struct error err;

	if (wanted.nodes == 0)
		wanted.nodes = (uint32_t)(data_shards + parity_shards);
	if (topology_make(&topology, &wanted, &err) < 0)
		return cli_fail(&cli, &err);
	topology_print(topology, &text);
	fwrite(text.p, 1, text.n, stdout);
	buf_fini(&text);
	topology_free(topology);
	return cli_finish(&cli);
}

int
main(int argc, char *argv[])
{
	const char *what = argv[cli_parse(&cli, argc, argv)];

	if (strcmp(what, "check") == 0)
		return check_or_show(false);
	if (strcmp(what, "show") == 0)
		return check_or_show(true);
	if (strcmp(what, "make") == 0)
		return make();
	return cli_usage(&cli, "%s: must be check, show or make", what);
}
